"""A learned model: its likelihood by hand, its bounds, its bootstrap samples, and what it learns of a known world."""

from __future__ import annotations

import math
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

import minigrad as mg
from agents import PETS
from agents.model_based.parts import fitting
from agents.model_based.parts.dynamics import Dynamics
from agents.model_based.parts.fitting import fit, steps_of
from envs import UsageError

A = np.array([[0.9, 0.2], [-0.1, 0.8]])
B = np.array([0.3, -0.5])


class Linear(gym.Env):
    """s' = A s + B a, r = -|s|², for ever; started anywhere."""

    observation_space = spaces.Box(-5, 5, (2,), np.float32)
    action_space = spaces.Box(-1, 1, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.state, self.steps = self.np_random.uniform(-1, 1, 2), 0
        return self.state.astype(np.float32), {}

    def step(self, action):
        reward = -float(self.state @ self.state)
        self.state, self.steps = A @ self.state + B * float(action[0]), self.steps + 1
        return self.state.astype(np.float32), reward, False, self.steps == 10, {}


class Cliff(Linear):
    """Ends where the first number leaves ±0.8."""

    def step(self, action):
        observation, reward, _, truncated, info = super().step(action)
        return observation, reward, bool(abs(observation[0]) > 0.8), truncated, info


SMALL = dict(learning_starts=10_000, members=3, elites=3, model_hidden=(16,), model_batch_size=32, horizon=2)


def play_at_random(env: Any, steps: int, **more: Any) -> PETS:
    """An agent that has acted at random and learned nothing."""
    return PETS(env, seed=0, **{**SMALL, **more}).learn(steps)


def test_the_loss_is_the_likelihood() -> None:
    """Up to its constant, -2 log N(y; μ, σ²) a number, and the cross-entropy of the end."""
    rng = np.random.default_rng(0)
    model = Dynamics(2, 1, 3, (5,)).double()
    model.take_statistics(rng.normal(1, 2, (50, 3)), rng.normal(-1, 3, (50, 3)))
    x, y, ends = rng.standard_normal((4, 3)), rng.standard_normal((4, 3)), np.array([0.0, 1.0, 0.0, 1.0])
    prediction = model(mg.from_numpy(x))
    mean, log_variance, logit = (part.detach().array for part in prediction)
    scaled = (y - model.target_mean.array) / model.target_std.array
    std = np.exp(log_variance / 2)
    log_density = -((scaled - mean) ** 2) / (2 * std**2) - np.log(std * math.sqrt(2 * math.pi))
    p = 1 / (1 + np.exp(-logit))
    end = -np.log(np.where(ends == 1, p, 1 - p)).mean(1)
    expected = -2 * log_density.mean((1, 2)) - math.log(2 * math.pi) + end
    losses = model.losses(*(mg.from_numpy(part) for part in (x, y, ends)))
    np.testing.assert_allclose(losses.detach().array, expected, rtol=1e-6)


def test_inputs_are_normalised() -> None:
    """In other units the same is said."""
    rng = np.random.default_rng(0)
    model = Dynamics(2, 1, 3, (5,)).double()
    x, y = rng.standard_normal((50, 3)), rng.standard_normal((50, 3))
    said = []
    for rows in (x, 1_000 * x + 70):
        model.take_statistics(rows, y)
        said.append(np.concatenate([part.detach().array.ravel() for part in model(mg.from_numpy(rows))]))
    np.testing.assert_allclose(said[1], said[0], atol=1e-5)


def test_the_variance_is_bounded_softly() -> None:
    """Whatever the network says; and there is a gradient everywhere."""
    model = Dynamics(1, 1, 1, ()).double()
    for value in (-100.0, 0.0, 100.0):
        model.layers[0].bias.data.fill_(value)
        log_variance = model(mg.zeros(1, 2, dtype=mg.float64)).log_variance
        assert -10 - 1e-9 <= log_variance.min().item() <= log_variance.max().item() <= 0.5 + 1e-4
    model.layers[0].bias.data.fill_(3.0)
    model(mg.zeros(1, 2, dtype=mg.float64)).log_variance.sum().backward()
    assert (model.layers[0].bias.grad.array[0, 0, 2:4] > 0).all()
    assert (model.most.grad.array > 0).all()


def test_the_bounds_are_pulled_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a hundredth of their distance, 3 × 10.5; in a fit, too, here where nothing else has a gradient."""
    agent = play_at_random(Linear, 30, model_epochs=1, model_decay=0.0)
    assert agent.model.bounds_loss().item() == pytest.approx(0.01 * 3 * 10.5)
    losses = Dynamics.losses
    monkeypatch.setattr(Dynamics, "losses", lambda self, *rows: losses(self, *rows) * 0)
    agent.learn_from(agent.replay)
    assert (agent.model.most.array < 0.5).all()
    assert (agent.model.least.array > -10).all()


def test_what_is_imagined_is_drawn() -> None:
    """From the distribution that is predicted, in the environment's units, and added to where it was."""
    model = Dynamics(1, 1, 2, ())
    model.take_statistics(np.float32([[0, 0], [2, 2]]), np.float32([[3, -1], [7, 1]]))  # targets: 5 ± 2, 0 ± 1
    model.layers[0].weight.data.fill_(0.0)
    model.layers[0].bias.data.copy_(mg.tensor([[[1.0, 0.5, -4.0, -6.0, -1.0]], [[0.0, 0.0, -4.0, -6.0, 1.0]]]))
    observation = np.full((2, 20_000, 1), 10.0, np.float32)
    said = model.imagine(observation, np.zeros_like(observation), np.random.default_rng(0))
    # The upper bound, 0.5, is soft: log σ² is a little smaller than the network says.
    std = np.exp((0.5 - np.log1p(np.exp(0.5 - np.array([-4.0, -6.0])))) / 2) * [2, 1]
    for values, mean, deviation in zip(
        (said.next_observation[..., 0], said.reward), ([10 + 5 + 2 * 1.0, 10 + 5], [0.5, 0.0]), std, strict=True
    ):
        np.testing.assert_allclose(values.mean(1), mean, atol=0.01)
        np.testing.assert_allclose(values.std(1), deviation, rtol=0.03)
    assert not said.end[0].any()
    assert said.end[1].all()


def test_targets_are_changes_and_rewards() -> None:
    agent = play_at_random(Linear, 30)
    inputs, targets, ends = steps_of(agent.replay)
    np.testing.assert_allclose(inputs[:, :2] @ (A - np.eye(2)).T + inputs[:, 2:] * B, targets[:, :2], atol=1e-5)
    np.testing.assert_allclose(-(inputs[:, :2] ** 2).sum(1), targets[:, 2], rtol=1e-5)
    assert not ends.any()  # cut off after ten steps, which is no end


def test_each_member_has_a_sample_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the steps that are not held out, as many, with replacement; and never a held-out one."""
    agent = play_at_random(Linear, 100, model_epochs=1, model_batch_size=1_000, held_out=0.2)
    inputs, _, _ = steps_of(agent.replay)
    seen: list[np.ndarray] = []
    losses = Dynamics.losses

    def remember(self: Dynamics, rows: mg.Tensor, *others: mg.Tensor) -> mg.Tensor:
        seen.append(rows.array)
        return losses(self, rows, *others)

    monkeypatch.setattr(Dynamics, "losses", remember)
    fit(agent.model, agent.model_optimizer, agent.replay, agent.hyperparameters, np.random.default_rng(0))
    held_out = {tuple(row) for row in seen[0]}
    (samples,) = [rows for rows in seen if rows.ndim == 3]
    assert samples.shape == (3, 80, 3)
    assert len(held_out) == 20
    drawn = [sorted(tuple(row) for row in sample) for sample in samples]
    assert drawn[0] != drawn[1] != drawn[2]
    for sample in drawn:
        assert not held_out & set(sample)
        assert 0.5 < len(set(sample)) / 80 < 0.75  # 1 - 1/e of them
        assert set(sample) <= {tuple(row) for row in inputs}


def test_statistics_are_of_the_steps_and_saved(tmp_path) -> None:
    agent = play_at_random(Linear, 60)
    agent.learn_from(agent.replay)
    inputs, targets, _ = steps_of(agent.replay)
    assert agent.model.input_mean.array == pytest.approx(inputs.mean(0), abs=0.2)
    assert agent.model.target_std.array == pytest.approx(targets.std(0), rel=0.3)
    agent.save(tmp_path / "agent")
    loaded = PETS.load(tmp_path / "agent", Linear)
    for name, value in agent.model.state_dict().items():
        np.testing.assert_array_equal(value.array, loaded.model.state_dict()[name].array, err_msg=name)
    constant = Dynamics(1, 1, 1, ())
    constant.take_statistics(np.full((5, 2), 3.0), np.full((5, 2), 2.0))  # what never changes keeps its units
    assert constant.input_std.array.tolist() == [1, 1]


def test_with_steps_the_error_and_the_disagreement_fall() -> None:
    """On a linear world without noise, to a twentieth of the targets' deviation."""
    agent = PETS(Linear, seed=0, **{**SMALL, "model_learning_rate": 3e-3, "model_epochs": 40, "patience": 5})
    rng = np.random.default_rng(1)
    states, actions = rng.uniform(-1, 1, (200, 2)), rng.uniform(-1, 1, (200, 1))
    truth = states @ A.T + actions * B
    errors, disagreements = [], []
    for steps in (20, 100, 300):
        agent.learn(steps - agent.steps)
        agent.learn_from(agent.replay)
        everywhere = lambda array: np.broadcast_to(array, (3, *array.shape))
        said = agent.model.imagine(everywhere(states), everywhere(actions), np.random.default_rng(0))
        errors.append(np.sqrt(np.square(said.next_observation.mean(0) - truth).mean()))
        disagreements.append(agent.model.disagreement(np.concatenate([states, actions], 1)))
    assert errors[2] < errors[0] / 3
    assert errors[2] < 0.05
    assert disagreements[2] < disagreements[0] / 2


def test_ends_are_learned() -> None:
    agent = play_at_random(Cliff, 400, model_learning_rate=3e-3, model_epochs=60)
    agent.learn_from(agent.replay)
    inputs, _, ends = steps_of(agent.replay)
    assert 0.02 < ends.mean() < 0.5
    everywhere = np.broadcast_to(inputs, (3, *inputs.shape))
    said = agent.model.imagine(everywhere[..., :2], everywhere[..., 2:], np.random.default_rng(0))
    assert ((said.end.mean(0) > 0.5) == ends).mean() > 0.93


def test_the_best_members_are_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    agent = play_at_random(Linear, 60, members=4, elites=2, model_epochs=1)
    judged: list[int] = []

    def judge(model: Dynamics, validation: list[mg.Tensor]) -> np.ndarray:
        judged.append(len(validation[0]))
        return np.array([3.0, 1.0, 4.0, 2.0])

    monkeypatch.setattr(fitting, "judge", judge)
    agent.learn_from(agent.replay)
    assert set(judged) == {6}  # a tenth of the steps: those that are held out
    assert agent.model.elites.array.tolist() == [1, 3]
    said = agent.model.imagine  # member m says m
    monkeypatch.setattr(
        agent.model,
        "imagine",
        lambda o, a, rng: said(o, a, rng)._replace(reward=np.tile(np.arange(4.0)[:, None], o.shape[1])),
    )
    once = agent.model.imagine_once(np.zeros((50, 2)), np.zeros((50, 1)), np.random.default_rng(0))
    assert set(once.reward.tolist()) == {1.0, 3.0}


def test_a_member_keeps_the_weights_that_did_best(monkeypatch: pytest.MonkeyPatch) -> None:
    """One those of the first pass, one of the second, one those that it had."""
    agent = play_at_random(Linear, 60, patience=2)
    losses = [[3, 3, 3], [1, 5, 5], [5, 1, 5], [5, 5, 5], [5, 5, 5]]
    weights: list[np.ndarray] = []

    def judge(model: Dynamics, validation: list[mg.Tensor]) -> np.ndarray:
        weights.append(model.layers[0].weight.detach().array.copy())
        return np.array(losses[len(weights) - 1], np.float64)

    monkeypatch.setattr(fitting, "judge", judge)
    found = fit(agent.model, agent.model_optimizer, agent.replay, agent.hyperparameters, np.random.default_rng(0))
    assert found.epochs == 4
    assert not (weights[3] == weights[4]).any()
    for member, judged in enumerate((1, 2, 0)):
        np.testing.assert_array_equal(agent.model.layers[0].weight.array[member], weights[judged][member])


@pytest.mark.parametrize("learning_starts", [0, 1])
def test_a_model_of_few_steps(learning_starts: int) -> None:
    """It waits for two: one to learn from, and one that is held out."""
    agent = play_at_random(Linear, 1, learning_starts=learning_starts, model_epochs=1)
    assert not agent.plans.fitted
    agent.learn(1)
    assert agent.plans.fitted
    assert all(np.isfinite(value.array).all() for value in agent.model.state_dict().values())


def test_what_it_cannot_model() -> None:
    with pytest.raises(UsageError, match="pets predicts how an observation changes, which must be a vector"):
        PETS(Pictures)
    with pytest.raises(UsageError, match="elites must be at most members, which is 2, got 3"):
        PETS(Linear, members=2, elites=3)
    with pytest.raises(UsageError, match="held_out must be below 1, so that there are steps to learn from, got 1"):
        PETS(Linear, held_out=1.0)
    with pytest.raises(UsageError, match="best must be at most guesses, which is 5, got 20"):
        PETS(Linear, guesses=5)


class Pictures(Linear):
    observation_space = spaces.Box(0, 255, (4, 4, 1), np.uint8)

    def reset(self, *, seed=None, options=None):
        return np.zeros((4, 4, 1), np.uint8), {}
