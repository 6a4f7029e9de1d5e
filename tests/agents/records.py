"""What every agent does in short trainings, as digests of weights, metrics and evaluations.

For a change that must change nothing:

    python tests/agents/records.py write before.json [FILTER]      # in the tree before the change
    python tests/agents/records.py write after.json [FILTER]       # in the tree after it
    python tests/agents/records.py compare before.json after.json

FILTER is a part of a label, such as "ppo" or "dqn|CartPole". The digests are of bits, so both must be written on one
machine, with one NumPy. Each line that differs is printed, and the exit code is 1.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from agents import AGENTS

OTHER = {"minigrad/GridWorld-v0": "FrozenLake-v1", "CartPole-v1": "Acrobot-v1"}
GRID, IMAGES = "minigrad/GridWorld-v0", "minigrad/SnakeImage-v0"
SMALL_DQN = dict(learning_starts=100, batch_size=16, replay_size=500, target_every=50, hidden=(16,))
SMALL_PPO = dict(rollout_steps=64, batch_size=16, epochs=2, hidden=(16,))
VARIANTS = [kind.name for kind in AGENTS.values() if kind.__mro__[1].__name__ == "DQN" or kind.name == "dqn"]


class Case(NamedTuple):
    algorithm: str
    env: str
    steps: int
    num_envs: int
    seed: int
    hyperparameters: dict[str, Any]

    @property
    def label(self) -> str:
        return f"{self.algorithm}|{self.env}|{self.steps}|{self.num_envs}|{json.dumps(self.hyperparameters)}"


def list_cases() -> Iterator[Case]:
    for name, kind in AGENTS.items():
        yield Case(name, kind.default_env, 600, 1, 0, {})
        yield Case(name, OTHER.get(kind.default_env, "CartPole-v1"), 600, 1, 3, {})
    for name in VARIANTS:
        for env in ("CartPole-v1", "Pendulum-v1", GRID, IMAGES):
            yield Case(name, env, 260, 1, 1, SMALL_DQN)
        rare = dict(SMALL_DQN, anneal_learning_rate=True, max_gradient_norm=0.0, train_every=2, updates=2)
        yield Case(name, "CartPole-v1", 400, 3, 2, rare)
    together = dict(SMALL_DQN, dueling=True, noisy=True, loss="mse", replay="prioritized", n_step=2)
    yield Case("dqn", "CartPole-v1", 400, 2, 2, together)
    yield Case("c51", "CartPole-v1", 400, 2, 2, dict(SMALL_DQN, risk_from=0.0, risk_to=0.25, atoms=11))
    for name in ("ppo", "ppo-kl", "trpo"):
        for env, steps in (("CartPole-v1", 300), ("Pendulum-v1", 500), (GRID, 300), (IMAGES, 300)):
            yield Case(name, env, steps, 2, 1, SMALL_PPO)
        scaled = dict(SMALL_PPO, normalize_observations=True, normalize_rewards=True, orthogonal=False)
        yield Case(name, "Pendulum-v1", 500, 2, 1, scaled)
    options = dict(shared=True, anneal_clip=True, target_kl=0.001, value_clip=0.2, entropy_coefficient=0.01)
    yield Case("ppo", "CartPole-v1", 300, 2, 1, dict(SMALL_PPO, **options, anneal_learning_rate=True))
    for name in ("a2c", "actor-critic", "simple-policy-gradient", "reinforce", "reinforce-with-baseline"):
        for env in ("CartPole-v1", "Pendulum-v1", GRID):
            yield Case(name, env, 400, 2 if name in ("a2c", "actor-critic") else 1, 1, {})
    for name in ("off-policy-actor-critic", "off-policy-policy-gradient"):
        for env in ("CartPole-v1", "Pendulum-v1", GRID):
            yield Case(name, env, 400, 1, 1, {})
    yield Case("a2c", "CartPole-v1", 300, 2, 1, dict(shared=True, entropy_coefficient=0.01, gae_lambda=0.9))


def find_arrays(tree: Any) -> Iterator[np.ndarray]:
    """The arrays of floats in a state, and its lists of floats."""
    if isinstance(tree, dict):
        for value in tree.values():
            yield from find_arrays(value)
    elif isinstance(tree, list | tuple):
        if tree and all(isinstance(value, float) for value in tree):
            yield np.array(tree)
        else:
            for value in tree:
                yield from find_arrays(value)
    else:
        array = tree.detach().numpy() if hasattr(tree, "detach") else tree
        if isinstance(array, np.ndarray) and array.dtype.kind == "f" and array.size:
            yield np.asarray(array)


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def record(case: Case) -> dict[str, Any]:
    """The digests of one training. The order of the state's parts and their names don't count: those may change."""
    alone = dict(workers=1) if case.algorithm == "a3c" else {}
    kind = AGENTS[case.algorithm]
    agent = kind(case.env, seed=case.seed, num_envs=case.num_envs, **case.hyperparameters, **alone)
    with tempfile.TemporaryDirectory() as directory:
        run = Path(directory, "run")
        agent.learn(case.steps, run=run)
        tables = {name: run / f"{name}.csv" for name in ("metrics", "evaluations")}
        read = {name: path.read_bytes() if path.exists() else b"" for name, path in tables.items()}
    state = agent.state_dict()
    del state["config"]
    weights = sorted(digest(str(a.dtype).encode() + np.ascontiguousarray(a).tobytes()) for a in find_arrays(state))
    digests = {name: digest(data) for name, data in read.items()}
    return {"steps": agent.steps, **digests, "weights": digest("".join(weights).encode())}


def write(path: str, part: str = "") -> int:
    warnings.simplefilter("ignore")
    found = {case.label: record(case) for case in list_cases() if part in case.label}
    Path(path).write_text(json.dumps(found, indent=1) + "\n")
    print(f"{path}: {len(found)} trainings")
    return 0


def compare(before: str, after: str) -> int:
    old, new = (json.loads(Path(path).read_text()) for path in (before, after))
    both = [label for label in old if label in new]
    differ = {label: [name for name in old[label] if old[label][name] != new[label].get(name)] for label in both}
    differ = {label: names for label, names in differ.items() if names}
    for label, names in differ.items():
        print(f"{label}: {', '.join(names)}")
    print(f"{len(both)} compared, {len(differ)} differ")
    return 1 if differ else 0


if __name__ == "__main__":
    command, *arguments = sys.argv[1:]
    sys.exit({"write": write, "compare": compare}[command](*arguments))
