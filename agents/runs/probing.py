"""What an agent makes of the probe environments (envs/probes.py), beside what is exactly right there.

    minigrad probe ppo

The first probe that it gets wrong says where its fault is: docs/why-isnt-it-learning.md.
"""

from __future__ import annotations

from typing import NamedTuple

import gymnasium as gym
import numpy as np

from ..core.agent import Agent
from ..presets import PROBES, preset_for

CLOSE_ENOUGH = 0.05  # for a value that is learned within a second


class Probed(NamedTuple):
    """One probe, S states and A actions."""

    env_id: str
    states: np.ndarray  # (S,)
    learned: np.ndarray  # (S, A) Q(s, a), or (S,) V(s), or (S, 0) of an agent that knows no values
    exact: np.ndarray  # of the same shape; V is that of the best policy
    action: np.ndarray  # (S,) what the agent does, greedily
    best: np.ndarray  # (S, A) bool: which actions are best

    @property
    def right(self) -> bool:
        acts = self.best[np.arange(len(self.states)), self.action].all()
        return bool(acts and np.allclose(self.learned, self.exact, rtol=0, atol=CLOSE_ENOUGH))


def probed(agent: Agent) -> Probed:
    """`agent`, trained on a probe."""
    env_id = agent.environments.name
    exact = gym.make(env_id).unwrapped.action_values(agent.hyperparameters.gamma)  # type: ignore[attr-defined]
    states = np.array(list(exact), np.float32)
    observation, values = states[:, None], np.array(list(exact.values()))
    if hasattr(agent, "action_values"):
        learned = agent.action_values(observation)
    elif hasattr(agent, "state_values"):
        learned = agent.state_values(observation)
    else:
        learned = np.empty((len(states), 0))
    of_that_shape = values if learned.shape == values.shape else values.max(1) if learned.ndim == 1 else learned
    best = values == values.max(1, keepdims=True)
    return Probed(env_id, states, learned, of_that_shape, agent.predict_batch(observation), best)


def probe(agent_type: type[Agent], env_id: str, seed: int = 0) -> Probed:
    """Trains a new agent on one probe, as its preset says."""
    return probed(agent_type(env_id, seed=seed).learn(preset_for(agent_type, env_id).steps, progress=False))


def report(agent_type: type[Agent], seed: int = 0) -> str:
    """All probes in order, a line for each state."""
    lines = [f"{'probe':<18}{'state':>6}   {'learned':<18}{'exact':<18}does"]
    for env_id in PROBES:
        found = probe(agent_type, env_id, seed)
        name = env_id.removeprefix("minigrad/").removesuffix("-v0")
        for i, state in enumerate(found.states):
            learned, exact = (" ".join(f"{v:.3f}" for v in np.ravel(of[i])) for of in (found.learned, found.exact))
            does = f"{found.action[i]}" + ("" if found.best[i, found.action[i]] else f", best {found.best[i].argmax()}")
            mark = ("right" if found.right else "WRONG") if i == len(found.states) - 1 else ""
            lines.append(f"{name if i == 0 else '':<18}{state:>6g}   {learned:<18}{exact:<18}{does:<12}{mark}".rstrip())
    return "\n".join(lines)
