"""Captured updates: the same training as without, to the bit, and nothing of a user's own is captured unasked."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import double
import numpy as np
import pytest

import minigrad as mg
import minigrad.nn as nn
from agents import (
    C51,
    DDPG,
    DQN,
    MBPO,
    PPO,
    PPOKL,
    QRDQN,
    SAC,
    TD3,
    TRPO,
    Agent,
    AveragedDQN,
    DoubleDQN,
    DuelingDQN,
    NoisyDQN,
    NStepDQN,
    PrioritizedDQN,
    Rainbow,
    SACDiscrete,
    cli,
)
from agents.core import capturing
from envs import UsageError
from minigrad.speed.capture import Captured
from tests.agents.records import find_arrays

SMALL = {"hidden": (8,), "batch_size": 8, "replay_size": 300, "learning_starts": 30}
ROLLOUT = {"hidden": (8,), "rollout_steps": 32, "batch_size": 16, "epochs": 4}
MODEL = {"members": 3, "elites": 2, "model_hidden": (8,), "model_epochs": 2, "model_every": 40, "imagined_from": 20}
CASES: dict[str, tuple[type[Agent], str, dict[str, Any]]] = {
    **{
        kind.name: (kind, "CartPole-v1", {**SMALL, "anneal_learning_rate": True})
        for kind in (DQN, DoubleDQN, DuelingDQN, PrioritizedDQN, NStepDQN, AveragedDQN, NoisyDQN, C51, QRDQN, Rainbow)
    },
    "together": (
        DQN,
        "minigrad/ProbeContinuous-v0",
        dict(SMALL, dueling=True, noisy=True, target="soft", replay="prioritized"),
    ),
    "averse c51": (C51, "CartPole-v1", dict(SMALL, risk_to=0.25, atoms=11)),
    "averse qr-dqn": (QRDQN, "CartPole-v1", dict(SMALL, risk_to=0.25)),
    **{
        f"ddpg, {noise}": (DDPG, "minigrad/ProbeContinuous-v0", dict(SMALL, noise=noise))
        for noise in ("gaussian", "ornstein-uhlenbeck", "parameter", "activation", "noisy")
    },
    "td3": (TD3, "minigrad/ProbeContinuous-v0", dict(SMALL, actor_every=3)),
    "td3, prioritized": (
        TD3,
        "minigrad/ProbeContinuous-v0",
        dict(SMALL, replay="prioritized", anneal_learning_rate=True),
    ),
    "sac": (SAC, "minigrad/ProbeContinuous-v0", SMALL),
    "sac, fixed": (SAC, "minigrad/ProbeContinuous-v0", dict(SMALL, learn_alpha=False, replay="prioritized")),
    "sac-discrete": (SACDiscrete, "CartPole-v1", SMALL),
    **{
        f"{kind.name}, {env}": (kind, env, dict(ROLLOUT, num_envs=2, normalize_observations=True))
        for kind in (PPO, PPOKL, TRPO)
        for env in ("CartPole-v1", "minigrad/ProbeContinuous-v0")
    },
    "ppo, shared": (PPO, "CartPole-v1", dict(ROLLOUT, shared=True, anneal_clip=True, anneal_learning_rate=True)),
    "ppo, target_kl": (PPO, "CartPole-v1", dict(ROLLOUT, target_kl=0.01, value_clip=0.2, entropy_coefficient=0.01)),
    "mbpo": (MBPO, "minigrad/ProbeContinuous-v0", dict(SMALL, **MODEL, updates=2)),
}


def digest(agent: Agent) -> list[bytes]:
    state = agent.state_dict()
    del state["config"]
    return [np.ascontiguousarray(array).tobytes() for array in find_arrays(state)]


def captured_update(agent: Any) -> Captured:
    owner = getattr(agent, "learner", agent)
    (update,) = [x for x in vars(owner).values() if isinstance(x, capturing.Update)]
    assert isinstance(update.run, Captured), update.run
    return update.run


@pytest.mark.parametrize("name", CASES)
def test_the_same_training(name: str, tmp_path: Path) -> None:
    kind, env, settings = CASES[name]
    found = []
    for capture in (False, "auto"):
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            agent = kind(env, seed=3, capture=capture, **settings)
            agent.learn(400, run=tmp_path / str(capture), progress=False)
        found.append((digest(agent), (tmp_path / str(capture) / "metrics.csv").read_bytes()))
    assert found[0] == found[1]
    captured = captured_update(agent)
    assert not captured.given_up
    runs = [program.runs for programs in captured.programs.values() for program in programs]
    assert sum(runs) > 60, captured


@pytest.mark.parametrize("name", ["dqn", "rainbow", "ddpg, noisy", "td3", "sac"])
def test_the_same_after_a_load(name: str, tmp_path: Path) -> None:
    kind, env, settings = CASES[name]
    whole = kind(env, seed=3, **settings)
    whole.total_steps = 130
    first = kind(env, seed=3, **settings).learn(130, run=tmp_path / "run", progress=False)
    half = kind(env, seed=3, **settings)
    half.learn(70, progress=False)
    half.save(tmp_path / "half")
    again = kind.load(tmp_path / "half").learn(60, progress=False)
    eager = kind.load(tmp_path / "half")
    eager.capture = False
    assert digest(again) == digest(eager.learn(60, progress=False))
    assert digest(kind.load(tmp_path / "run")) == digest(first)


# -- what is a user's own runs as it is written


class Counting(DQN):
    """A loss that counts, and changes when it has been asked for often enough."""

    asked = 0

    def loss(self, prediction: mg.Tensor, target: mg.Tensor, weight: mg.Tensor | None) -> mg.Tensor:
        self.asked += 1
        loss = super().loss(prediction, target, weight)
        return loss if self.asked < 40 else loss * 0.5

    def learn_from(self, batch: Any) -> None:
        super().learn_from(batch)
        if self.steps == 100:
            self.network = self.make_network()
            self.weights = list(self.network.parameters())


class Remembering(nn.Module):
    """A network with a state in Python."""

    def __init__(self, observation_space: Any, action_space: Any) -> None:
        super().__init__()
        self.layer, self.seen = nn.Linear(observation_space.shape[0], int(action_space.n)), 0

    def forward(self, x: mg.Tensor) -> mg.Tensor:
        self.seen += 1
        return self.layer(x) * (1 + 1e-3 * self.seen)


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda **more: Counting("CartPole-v1", **SMALL, **more), "test_capture.Counting"),
        (lambda **more: DQN("CartPole-v1", **SMALL, network=Remembering, **more), "test_capture.Remembering"),
        (lambda **more: DQN("CartPole-v1", **SMALL, loss=own_loss, **more), "test_capture.own_loss"),
    ],
)
def test_what_is_your_own_runs_as_it_is_written(make: Any, what: str) -> None:
    capturing.said.clear()
    expected = make(seed=1, capture=False).learn(150, progress=False)
    with pytest.warns(UserWarning, match=rf"as they are written, because \S*{what} is your own. capture=True"):
        agent = make(seed=1).learn(150, progress=False)
    assert digest(agent) == digest(expected)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        make(seed=1).learn(50, progress=False)  # it is said once


def own_loss(prediction: mg.Tensor, target: mg.Tensor, reduction: str = "mean") -> mg.Tensor:
    losses = (prediction - target).abs()
    return losses.mean() if reduction == "mean" else losses


def test_your_own_is_captured_if_you_ask_for_it() -> None:
    agents = [
        DQN("CartPole-v1", **SMALL, loss=own_loss, capture=capture, seed=2).learn(200, progress=False)
        for capture in (False, True)
    ]
    assert digest(agents[0]) == digest(agents[1])
    assert captured_update(agents[1]).check_every == capturing.CHECK_EVERY


def test_another_network_in_the_place_of_the_first_is_noticed() -> None:
    found = []
    for capture in (False, "auto"):
        agent = DQN("CartPole-v1", **SMALL, capture=capture, seed=2).learn(100, progress=False)
        agent.network.load_state_dict({k: v * 0.5 for k, v in agent.network.state_dict().items()})
        agent.learn(20, progress=False)
        mg.manual_seed(0)
        agent.target_network.networks[0] = agent.make_network().requires_grad_(False)
        agent.target_network._at_hand = tuple(agent.target_network.networks)
        agent.learn(40, progress=False)
        found.append(digest(agent))
    assert found[0] == found[1]


def test_on_a_gpu_updates_run_as_they_are_written() -> None:
    with double.installed():
        agent = DQN("CartPole-v1", **SMALL, device="cuda").learn(60, progress=False)
        assert agent.improve.run is not None
        assert not isinstance(agent.improve.run, Captured)


def test_capture_is_checked() -> None:
    with pytest.raises(UsageError, match="capture is True, False or 'auto', got 'yes'"):
        DQN("CartPole-v1", capture="yes")


def test_the_command_line(tmp_path: Path) -> None:
    for option, expected in (
        (["--no-capture"], False),
        (["--capture"], True),
        ([], "auto"),
        (["--capture=never"], False),
    ):
        run = tmp_path / "".join([*option, "run"]).replace("=", "")
        assert cli.main(["train", "dqn", "--steps", "40", "--quiet", "--run", str(run), *option]) == 0
        assert DQN.load(run).capture == expected


def test_a_method_that_is_exchanged_on_the_way_is_noticed() -> None:
    found = []
    for capture in (False, "auto"):
        agent = DQN("CartPole-v1", **SMALL, capture=capture, seed=2).learn(100, progress=False)
        agent.loss = lambda prediction, target, weight: (prediction - target).square().mean()  # type: ignore[method-assign]
        agent.learn(50, progress=False)
        del agent.loss
        found.append(digest(agent.learn(50, progress=False)))
    assert found[0] == found[1]
