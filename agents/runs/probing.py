"""What an agent makes of the probe environments (envs/probes.py), beside what is exactly right there.

    minigrad probe ppo

The first probe that it gets wrong says where its fault is: docs/why-isnt-it-learning.md.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from envs import UsageError

from ..core.agent import Agent
from ..presets import CONTINUOUS_PROBE, PROBES, preset_for

CLOSE_ENOUGH = 0.05  # for a value that is learned within a second
NEAR_ENOUGH = 0.1  # for an action that is a number: the reward is a hundredth less there


class Probed(NamedTuple):
    """One probe, S states and A actions."""

    env_id: str
    states: np.ndarray  # (S,)
    learned: np.ndarray  # (S, A) Q(s, a), or (S,) V(s), or (S, 0) of an agent that knows no values
    exact: np.ndarray  # of the same shape; V is that of the best policy
    action: np.ndarray  # (S,) what the agent does, greedily
    best: np.ndarray  # (S,) the best action, of several the one that it does
    acts: np.ndarray  # (S,) bool: whether it is the best, or near enough

    @property
    def right(self) -> bool:
        return bool(self.acts.all() and np.allclose(self.learned, self.exact, rtol=0, atol=CLOSE_ENOUGH))


def probed(agent: Agent) -> Probed:
    """`agent`, trained on a probe."""
    env_id = agent.environments.name
    probe: Any = gym.make(env_id).unwrapped
    exact = probe.action_values(getattr(agent.hyperparameters, "gamma", 1.0))  # who only plans has none
    states = np.array(list(exact), np.float32)
    observation, values = states[:, None], np.array(list(exact.values()))
    if env_id == CONTINUOUS_PROBE:
        # What a policy that still explores is worth is not what the best action is worth: values don't count here.
        action = np.array([np.ravel(agent.predict(one))[0] for one in observation])
        best, none = np.array([probe.best_action(state) for state in states]), np.empty((len(states), 0))
        return Probed(env_id, states, none, none, action, best, np.abs(action - best) <= NEAR_ENOUGH)
    if hasattr(agent, "action_values"):
        learned = agent.action_values(observation)
    elif hasattr(agent, "state_values"):
        learned = agent.state_values(observation)
    else:
        learned = np.empty((len(states), 0))
    of_that_shape = values if learned.shape == values.shape else values.max(1) if learned.ndim == 1 else learned
    action, are_best = agent.predict_batch(observation), values == values.max(1, keepdims=True)
    acts = are_best[np.arange(len(states)), action]
    return Probed(env_id, states, learned, of_that_shape, action, np.where(acts, action, are_best.argmax(1)), acts)


def probe(agent_type: type[Agent], env_id: str, seed: int = 0) -> Probed:
    """Trains a new agent on one probe, as its preset says."""
    return probed(agent_type(env_id, seed=seed).learn(preset_for(agent_type, env_id).steps, progress=False))


def list_probes(agent_type: type[Agent]) -> list[str]:
    """Those whose actions the agent can take. The one with numbers for actions takes a policy gradient long that still
    explores: there it needs a preset."""
    if agent_type.needs_data:
        return []
    choices = PROBES if spaces.Discrete in agent_type.action_spaces else []
    return [*choices, *([CONTINUOUS_PROBE] if preset_for(agent_type, CONTINUOUS_PROBE).source else [])]


def report(agent_type: type[Agent], seed: int = 0) -> str:
    """All probes in order, a line for each state."""
    if not (probes := list_probes(agent_type)):
        raise UsageError(f"{agent_type.name} is not for the probes: it learns from recorded steps, and they have none")
    lines = [f"{'probe':<18}{'state':>6}   {'learned':<18}{'exact':<18}does"]
    for env_id in probes:
        found = probe(agent_type, env_id, seed)
        name = env_id.removeprefix("minigrad/").removesuffix("-v0")
        for i, state in enumerate(found.states):
            learned, exact = (" ".join(f"{v:.3f}" for v in np.ravel(of[i])) for of in (found.learned, found.exact))
            does = f"{found.action[i]:.3g}" + ("" if found.acts[i] else f", best {found.best[i]:.3g}")
            mark = ("right" if found.right else "WRONG") if i == len(found.states) - 1 else ""
            lines.append(f"{name if i == 0 else '':<18}{state:>6g}   {learned:<18}{exact:<18}{does:<12}{mark}".rstrip())
    return "\n".join(lines)
