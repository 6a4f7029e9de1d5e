"""Every agent gives every probe's exact answer, and agents with the classic faults are caught by them."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest

from agents import (
    A2C,
    AGENTS,
    DQN,
    PPO,
    PPOKL,
    TRPO,
    ActorCritic,
    Agent,
    OffPolicyActorCritic,
    Reinforce,
    ReinforceWithBaseline,
)
from agents.memory.replay import Replay
from agents.memory.rollout import Rollout, Trajectories
from agents.presets import CONTINUOUS_PROBE, PROBES, preset_for
from agents.runs.probing import list_probes, probed, report
from envs import Transition
from envs.bare import BareEnvironments
from tests.agents.conftest import learns_tables


def trained(agent_type: type[Agent], env_id: str) -> Agent:
    return agent_type(env_id, seed=0).learn(preset_for(agent_type, env_id).steps)


@pytest.mark.parametrize(
    ("kind", "env_id"),
    [(kind, env_id) for kind in AGENTS.values() if not learns_tables(kind) for env_id in list_probes(kind)],
)
def test_probe(kind: type[Agent], env_id: str) -> None:
    agent = trained(kind, env_id)
    found = probed(agent)
    np.testing.assert_allclose(found.learned, found.exact, atol=0.05)
    probe = gym.make(env_id).unwrapped
    for state, values in probe.action_values(0.5).items():
        does = agent.predict(np.array([state]))
        if env_id == CONTINUOUS_PROBE:
            assert does == pytest.approx([probe.best_action(state)], abs=0.1)
        else:
            assert does == np.argmax(values)
    assert found.right


def terminates_at_truncation(transition: Transition) -> Transition:
    return transition._replace(terminated=transition.terminated | transition.truncated)


def bootstraps_through_termination(transition: Transition) -> Transition:
    return transition._replace(terminated=np.zeros_like(transition.terminated))


# Where what is handed over passes through.
MEMORIES = {
    DQN: Replay,
    ReinforceWithBaseline: Trajectories,
    **dict.fromkeys((ActorCritic, OffPolicyActorCritic, A2C, TRPO, PPOKL, PPO), Rollout),
}
TRUNCATION = (terminates_at_truncation, "minigrad/ProbeTruncation-v0", 1.0)
TERMINATION = (bootstraps_through_termination, "minigrad/ProbeConstant-v0", 2.0)


@pytest.mark.parametrize(
    ("kind", "mistake"),
    [
        *((kind, TRUNCATION) for kind in MEMORIES),
        *((kind, TERMINATION) for kind in MEMORIES if kind is not ReinforceWithBaseline),  # would wait for an end
    ],
)
def test_the_probes_catch_a_mistaken_end(monkeypatch, kind: type[Agent], mistake: tuple) -> None:
    """Bootstrap unless terminated."""
    (mistaken, env_id, wrong), memory = mistake, MEMORIES[kind]
    add = memory.add
    monkeypatch.setattr(memory, "add", lambda self, transition: add(self, mistaken(transition)))
    found = probed(trained(kind, env_id))
    assert found.learned.ravel()[-1] == pytest.approx(wrong, abs=0.05)
    assert found.exact.ravel()[-1] != pytest.approx(wrong, abs=0.2)
    assert not found.right


@pytest.mark.parametrize("kind", MEMORIES)
def test_the_probes_catch_a_wrong_final_observation(monkeypatch, kind: type[Agent]) -> None:
    """The value of the final observation, not of the one after the reset."""
    step = BareEnvironments.step

    def step_with_reset_observation(self: BareEnvironments, action: np.ndarray) -> Transition:
        return step(self, action)._replace(next_observation=self.observation)

    monkeypatch.setattr(BareEnvironments, "step", step_with_reset_observation)
    found = probed(trained(kind, "minigrad/ProbeTruncation-v0"))
    assert found.learned.ravel()[1] == pytest.approx(1 / (1 - 0.5**2), abs=0.05)


class Contrary(Reinforce):
    """Does the opposite of what it has learned."""

    def predict_batch(self, observation: np.ndarray, deterministic: bool = True) -> np.ndarray:
        return self.action_space.n - 1 - super().predict_batch(observation, deterministic)


def test_the_report_says_what_is_wrong() -> None:
    """Also of an agent that knows no values."""
    lines = report(Contrary).splitlines()
    marks = {line.split()[0]: line.split()[-1] for line in lines[1:] if line.startswith("Probe")}
    assert list(marks) == [env_id.removeprefix("minigrad/").removesuffix("-v0") for env_id in PROBES]
    (action,) = (line.split() for line in lines if line.startswith("ProbeAction"))
    assert action == ["ProbeAction", "0", "0,", "best", "1", "WRONG"]
    both = lines.index(next(line for line in lines if line.startswith("ProbeBoth")))
    assert [line.split() for line in lines[both : both + 2]] == [
        ["ProbeBoth", "-1", "1,", "best", "0"],
        ["1", "0,", "best", "1", "WRONG"],
    ]
    assert sum(line.endswith("WRONG") for line in lines) == 2
    assert sum(line.endswith("right") for line in lines) == 4
