"""Every entry of a checkpoint matters: changed, the resumed training ends otherwise.

So none is written that nobody reads, and a resumed run that forgot one would not be the uninterrupted one. The settings
are chosen so that each matters: a full ring whose beginning was forgotten, environments that have just ended and reset
themselves at the next step, an annealed step size, figures of an unfinished episode.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import minigrad as mg
from agents import DQN, PPO, Agent, QLearning, train
from agents.memory.ring import Ring
from agents.runs.checkpoint import Checkpoints, pack, unpack
from agents.runs.run import Run
from agents.runs.saved import make_agent
from agents.runs.tables import read_table
from tests.agents.conftest import arrays_of


def cartpoles() -> gym.vector.VectorEnv:
    """Short episodes that end at different times, in environments that reset themselves at the next step."""
    return gym.make_vec("CartPole-v1", num_envs=2, vectorization_mode="sync")


VALUE = dict(
    hidden=(4,), batch_size=24, replay_size=40, learning_starts=10, n_step=2, replay="prioritized",
    anneal_learning_rate=True, target_every=7, train_every=3, epsilon_start=0.5, epsilon_end=0.1,
)  # fmt: skip
POLICY = dict(
    hidden=(4,), rollout_steps=16, batch_size=8, epochs=2, normalize_observations=True, normalize_rewards=True,
    anneal_learning_rate=True,
)  # fmt: skip
CASES: dict[str, tuple[type[Agent], dict[str, Any]]] = {"dqn": (DQN, VALUE), "ppo": (PPO, POLICY)}
STEPS, MORE = 61, {"dqn": 60, "ppo": 120}  # the second long enough that every entry is used
# What these settings, and no others, leave without an effect: by its place, and why.
UNUSED = {
    r"/random/engine/.*": "the engine drew the first weights, and draws nothing in an update of these two",
    r"/random/generators/noise/.*": "noisy layers are switched off",
    r"/random/.*/(has_uint32|uinteger)": "half of a 64-bit draw, kept for the next of 32 bits, if there is any",
    r"/environments/env/attributes/(copy|num_envs)/value": "settings of the environments, which made them, too",
    r"/environments/env/attributes/_(observations|rewards|terminations|truncations)/value": "filled by the next step",
    r"/metrics/taken": "how many updates there were: asked by callbacks, and where there was none",
    r"/optimizer/param_groups/0/lr": "annealed: set before every step",
    r"/optimizer/param_groups/0/decoupled_weight_decay": "how a decay of 0 would be done",
    r"/replay/ring/first": "a ring that is full starts after its last row: test_checkpoint.py has one that isn't",
}


def copy_of(tree: Any) -> Any:
    """As a checkpoint gives it back, and sharing no memory."""
    arrays: dict[str, np.ndarray] = {}
    rings: dict[str, Ring] = {}

    def pack_ring(place: str, ring: Ring) -> dict[str, str]:
        copy = Ring(ring.capacity, **{name: (a.shape[1:], a.dtype) for name, a in ring.arrays.items()})
        copy.total, copy.first = ring.total, ring.first
        copy.arrays = {name: array.copy() for name, array in ring.arrays.items()}
        rings[place] = copy
        return {}

    packed = json.loads(json.dumps(pack(tree, "", arrays, pack_ring)))
    return unpack(packed, arrays, lambda ring: rings[ring["place"]])


def other(value: Any) -> Any:
    """A value of the same kind that isn't this one."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, float):
        return value + 0.25
    if isinstance(value, np.ndarray) and value.size:
        return ~value if value.dtype == bool else value + np.asarray(1, value.dtype)
    if isinstance(value, mg.Tensor):
        return value + 1
    return None


def changes(tree: Any, place: str = "") -> dict[str, Any]:
    """For every entry of a state, the function that changes it in a copy; rings are entries of their own."""
    found: dict[str, Any] = {}
    if isinstance(tree, Ring):
        for name in ("total", "first"):
            found[f"{place}/{name}"] = lambda ring, name=name: setattr(ring, name, getattr(ring, name) + 1)
        for name in tree.arrays:
            found[f"{place}/{name}"] = lambda ring, name=name: ring.arrays.update({name: other(ring.arrays[name])})
        return found
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in items:
        inner = changes(value, f"{place}/{key}")
        for where, change in inner.items():
            found[where] = lambda copy, key=key, change=change: change(copy[key])
        if not inner and other(value) is not None:
            found[f"{place}/{key}"] = lambda copy, key=key: copy.__setitem__(key, other(copy[key]))
    return found


def outcome(agent: Agent, directory: Path) -> dict[str, Any]:
    """The state of the agent and the rows of its table, after more training."""
    run = Run.create(directory, agent.config() | {"evaluation_episodes": 0})
    train(agent, run)
    run.close()
    end = arrays_of(agent.state_dict())
    end["/metrics.csv"] = (directory / "metrics.csv").read_text()
    return end


@pytest.mark.parametrize("case", ["dqn", pytest.param("ppo", marks=pytest.mark.slow)])
def test_every_entry_of_a_checkpoint_matters(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kind, settings = CASES[case]
    monkeypatch.setattr("agents.runs.files.os.fsync", lambda descriptor: None)
    monkeypatch.setattr("envs.transitions.why_not_resumable", lambda make: None)
    first = kind(cartpoles, seed=3, **settings)
    first.total_steps = STEPS + MORE[case]
    train(first, stop=lambda: first.steps >= STEPS)
    state = first.state_dict()

    def resumed(change: Any, name: str) -> dict[str, Any]:
        copy = copy_of(state)
        if change is not None:
            change(copy)
        agent = kind(cartpoles, seed=3, **settings)
        agent.load_state_dict(copy)
        return outcome(agent, tmp_path / name)

    expected = resumed(None, "same")
    silent = []
    for number, (place, change) in enumerate(changes(state).items()):
        if place.startswith(("/config", "/spaces")):
            continue  # compared before anything else: test_resume.py
        try:
            found = resumed(change, str(number))
        except Exception:  # a count that doesn't fit its array: noticed in any case
            continue
        if all(np.array_equal(found.get(name), value) for name, value in expected.items() if name != place):
            silent.append(place)
    unexplained = [place for place in silent if not any(re.fullmatch(pattern, place) for pattern in UNUSED)]
    assert not unexplained, "\n".join(unexplained)


def test_the_best_before_the_stop_stays_the_best(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or the next evaluation, however bad, would be the best, and the better checkpoint deleted."""
    from agents.core.evaluation import Evaluation
    from agents.runs import recorder

    means = iter([1.0, 5.0, 2.0, 3.0, 4.0, 5.0, 1.0])
    monkeypatch.setattr(recorder, "evaluate", lambda agent, episodes: Evaluation(np.array([next(means)]), np.ones(1)))
    env = "minigrad/GridWorld-v0"
    agent = QLearning(env)
    agent.total_steps = 300
    run = Run.create(tmp_path / "run", agent.config() | {"checkpoint_every": 100})
    train(agent, run)
    run.close()
    for total, best in ((500, 200), (700, 600)):  # the later of two equals
        run = Run.open(tmp_path / "run")
        saved = run.read_newest()
        agent = make_agent(QLearning, run.config, state=saved.agent)
        run.go_back_to(saved)
        run.lengthen(total)
        agent.total_steps = total
        train(agent, run)
        run.close()
        tree = Checkpoints(tmp_path / "run" / "checkpoints").load_newest()[1]
        assert tree["best"]["step"] == best
        assert QLearning.load(tmp_path / "run", best=True).steps == best
    assert read_table(tmp_path / "run" / "evaluations.csv")["mean"] == [1.0, 5.0, 2.0, 3.0, 4.0, 5.0, 1.0]
