"""Planning finds a known best plan; imagined steps start where real ones were, and stop where the model says so."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from agents import MBPO, PETS
from agents.model_based import mbpo
from agents.model_based.parts.cross_entropy_method import search
from agents.model_based.parts.dynamics import Imagined
from envs import UsageError
from tests.agents.conftest import assert_same_state
from tests.agents.test_model import Cliff, Linear

MODEL = dict(learning_starts=30, members=3, elites=3, model_hidden=(16,), model_epochs=5)
PLANNER = dict(**MODEL, guesses=50, best=5, horizon=3)
IMAGINER = dict(**MODEL, hidden=(8,), batch_size=20, model_every=20, imagined_from=40, updates=2)


def test_the_search_finds_the_top() -> None:
    """Of a parabola inside the box, and of one whose top is outside, at the bound."""
    for top, expected, near in ((0.3, 0.3, 0.02), (2.0, 1.0, 0.2)):
        score = lambda guess, top=top: -np.square(guess - top).sum((1, 2))
        start = np.zeros((4, 2), np.float32)
        bounds = -np.ones(2), np.ones(2)
        found = search(score, start, np.full_like(start, 0.5), *bounds, np.random.default_rng(0), rounds=10)
        np.testing.assert_allclose(found, expected, atol=near)


def test_a_round_by_hand() -> None:
    """Of N(μ, σ²) the mean of the best few, mixed with the old one."""
    rng, again = np.random.default_rng(5), np.random.default_rng(5)
    guesses = (0.2 + 0.5 * again.standard_normal((10, 1, 1), np.float32)).clip(-1, 1)
    best = np.sort(guesses.ravel())[-3:]
    mean, std = np.full((1, 1), 0.2, np.float32), np.full((1, 1), 0.5, np.float32)
    one = -np.ones(1), np.ones(1)
    found = search(lambda g: g[:, 0, 0], mean, std, *one, rng, guesses=10, best=3, rounds=1, inertia=0.25)
    assert found.item() == pytest.approx(0.25 * 0.2 + 0.75 * best.mean())


class Known:
    """In a model's place: s' = s + a, r = -|s + a|, ends where |s + a| > 1. Every member says the same."""

    members = 2

    def imagine(self, observation: np.ndarray, action: np.ndarray, rng: Any) -> Imagined:
        after = observation + action
        return Imagined(after, -np.abs(after).sum(-1), np.abs(after).max(-1) > 1)


@pytest.mark.parametrize("change_members", [False, True])
def test_what_a_plan_is_worth(change_members: bool) -> None:
    """The sum of its rewards up to the end that it comes to."""
    agent = PETS(Linear, seed=0, change_members=change_members, **PLANNER)
    agent.model = Known()
    plans = np.float32([[[0.5], [0.25]], [[0.9], [0.5]], [[-0.5], [0.5]]])[:, :, [0, 0]]
    worth = agent.worth(
        np.float32([0.5, 0.5]), np.concatenate([plans, np.ones_like(plans[:, :1])], 1), np.random.default_rng(0)
    )
    # 0.5 + 0.5 is no end, 1.25 is one; 1.4 is one at once; 0, 0.5, 1.5.
    np.testing.assert_allclose(worth, [-2 * (1.0 + 1.25), -2 * 1.4, -2 * (0.0 + 0.5 + 1.5)], rtol=1e-6)


class Apart:
    """In a model's place: member m goes m further, r = s'²."""

    members = 2

    def imagine(self, observation: np.ndarray, action: np.ndarray, rng: Any) -> Imagined:
        after = observation + np.arange(2.0)[:, None, None]
        return Imagined(after, np.square(after[..., 0]), np.zeros(after.shape[:2], np.bool_))


def test_a_particle_may_change_its_member() -> None:
    """From 0 in two steps: 0 and 0 or 1 and 4, if it stays; 0 and 1 or 1 and 1, if it changes, as half of them do."""
    settings = {**PLANNER, "horizon": 2}
    plans, start = np.zeros((200, 2, 1), np.float32), np.zeros(2, np.float32)
    for change_members, worths in ((False, {2.5}), (True, {2.5, 1.5})):
        agent = PETS(Linear, seed=0, change_members=change_members, **settings)
        agent.model = Apart()
        worth = agent.worth(start, plans, np.random.default_rng(0))
        assert set(worth.tolist()) == worths
    assert 0.4 < (worth == 1.5).mean() < 0.6


def test_a_plan_goes_to_where_it_is_best() -> None:
    """From 0.5 the best that there is brings both numbers to 0, which one action can't; it takes the nearest."""
    agent = PETS(Linear, seed=0, **{**PLANNER, "guesses": 200, "best": 20, "rounds": 6})
    agent.model = Known()
    plan = agent.plan(np.float32([0.5, 0.5]), np.zeros((3, 1), np.float32), np.random.default_rng(0))
    assert plan[0, 0] == pytest.approx(-0.5, abs=0.1)
    np.testing.assert_array_equal(agent.predict(np.float32([0.5, 0.5])), agent.predict(np.float32([0.5, 0.5])))


def test_a_search_begins_at_the_rest_of_the_last_plan() -> None:
    agent = PETS(Linear, seed=0, num_envs=2, **PLANNER).learn(40)
    agent.plan = lambda start, mean, rng: np.float32([[0.1], [0.2], [0.3]])  # type: ignore[method-assign]
    assert agent.act(agent.environments.observation).tolist() == [[np.float32(0.1)]] * 2
    np.testing.assert_allclose(agent.plans.actions, np.float32([[[0.2], [0.3], [0.0]]] * 2))
    agent.learn(2)
    assert (agent.plans.actions != 0).any()
    agent.learn(18)  # an episode has ten steps, and both end at once: the next begins at nothing
    assert not agent.plans.actions.any()


# -- imagined steps


def test_imagined_steps_start_at_real_states_and_stop_at_imagined_ends() -> None:
    agent = MBPO(Cliff, seed=0, **IMAGINER, imagined_steps=3).learn(60)
    agent.imagined.ring.total = agent.imagined.ring.first = 0
    agent.model.imagine_once = lambda o, a, rng: Imagined(  # type: ignore[method-assign]
        o + 1, np.arange(len(o)), np.arange(len(o)) % 2 == 0
    )
    agent.imagine()
    rows = agent.imagined.ring.rows(0, agent.imagined.ring.total)
    real = agent.replay.ring.rows(agent.replay.ring.oldest, agent.replay.ring.total)["observation"]
    first = rows["observation"][:40]
    assert {tuple(row) for row in first} <= {tuple(row) for row in real}
    # Every second one ends: 40, then 20 from where those came to, then 10.
    assert len(rows["observation"]) == 70
    np.testing.assert_array_equal(rows["observation"][40:60], rows["next_observation"][:40][1::2])
    np.testing.assert_array_equal(rows["observation"][60:], rows["next_observation"][40:60][1::2])
    np.testing.assert_allclose(rows["discount"][:40], np.float32(agent.hyperparameters.gamma) * (np.arange(40) % 2))


def test_imagined_steps_never_mix_into_the_real_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    agent = MBPO(Linear, seed=0, **IMAGINER, imagined_steps=2)
    learned_from, fit = [], mbpo.fit
    monkeypatch.setattr(
        mbpo,
        "fit",
        lambda model, optimizer, replay, *more: (learned_from.append(replay), fit(model, optimizer, replay, *more))[1],
    )
    agent.learn(80)
    assert len(learned_from) > 1
    assert all(replay is agent.replay for replay in learned_from)
    assert len(agent.replay) == 80
    assert len(agent.imagined) == agent.imagined.ring.capacity == 40 * 2 * 2
    inputs = agent.replay.ring.rows(0, 80)
    np.testing.assert_allclose(inputs["reward"], -(inputs["observation"] ** 2).sum(1), rtol=1e-4)  # the world's own


@pytest.mark.parametrize(("ratio", "count"), [(0.0, 0), (0.3, 6), (1.0, 20)])
def test_a_part_of_a_batch_is_real(ratio: float, count: int) -> None:
    agent = MBPO(Linear, seed=0, **IMAGINER, real_ratio=ratio).learn(60)
    agent.imagined.ring.arrays["reward"][:] = 123.0
    batch = agent.mixed_batch()
    assert len(batch.reward) == 20
    assert (batch.reward != 123).sum() == count
    assert batch.observation.dtype == np.float32


def test_how_often() -> None:
    """Updates at every step after the start; a fit at the start, then at every 20th step."""
    agent = MBPO(Linear, seed=0, **IMAGINER)
    fits = []
    learn_model = agent.learn_model
    agent.learn_model = lambda: fits.append(agent.steps) or learn_model()  # type: ignore[method-assign]
    agent.learn(85)
    assert fits == [30, 40, 60, 80]
    assert agent.metrics.updates == 2 * 56


@pytest.mark.parametrize(("kind", "settings"), [(PETS, PLANNER), (MBPO, IMAGINER)])
def test_it_goes_on_the_same(kind: Any, settings: dict[str, Any], tmp_path) -> None:
    agent = kind(Cliff, seed=1, num_envs=2, **settings).learn(70)
    agent.save(tmp_path / "agent")
    assert_same_state(agent.learn(40), kind.load(tmp_path / "agent", Cliff).learn(40))


def test_what_mbpo_is_not_for() -> None:
    with pytest.raises(UsageError, match="mbpo draws real and imagined steps all alike; leave replay out"):
        MBPO(Linear, replay="prioritized", **IMAGINER)
