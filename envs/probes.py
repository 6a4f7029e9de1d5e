"""Probe environments: each isolates one thing an agent must get right, and has an exactly known answer.

Train on them in order. The first probe that an agent gets wrong says where its fault is; all but the last two
after Andy Jones, "Debugging Reinforcement Learning Systems" (2021).

| probe              | what it isolates                                    | Q(s, a)                       |
|--------------------|-----------------------------------------------------|-------------------------------|
| `ProbeConstant`    | the loss: one state, one action, reward 1           | 1                             |
| `ProbeObservation` | the input: the reward is the observation            | s                             |
| `ProbeDiscount`    | bootstrapping: the reward comes one step later      | Q(0) = γ, Q(1) = 1            |
| `ProbeAction`      | choosing: the reward depends on the action alone    | Q(0) = -1, Q(1) = 1           |
| `ProbeBoth`        | both at once: the action must match the observation | 1 if they match, else -1      |
| `ProbeTruncation`  | truncation: the reward goes on after the cut        | Q(0) = γ Q(1), Q(1) = 1/(1-γ) |
| `ProbeContinuous`  | an action that is a number: it must be 0.6 s        | 1 - (a - 0.6 s)²              |
"""

from __future__ import annotations

from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
from gymnasium import spaces

Step = tuple[np.ndarray, float, bool, bool, dict[str, Any]]


def observe(value: float) -> np.ndarray:
    return np.array([value], dtype=np.float32)


class Probe(gym.Env[np.ndarray, int]):
    """What the probes share: one number as observation, and a state that can be saved and restored."""

    metadata: dict[str, Any] = {"render_modes": []}
    observation_space: spaces.Box = spaces.Box(-1.0, 1.0, (1,), np.float32)
    actions: ClassVar[int] = 1

    def __init__(self) -> None:
        self.action_space: Any = spaces.Discrete(self.actions)
        self.position = 0.0

    def start(self) -> float:
        """The first observation of an episode."""
        return 0.0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        super().reset(seed=seed)
        self.position = self.start()
        return observe(self.position), {}

    def get_state(self) -> dict[str, Any]:
        """Everything the environment's future depends on, as JSON-able values."""
        return {"random": self.np_random.bit_generator.state, "position": self.position}

    def set_state(self, state: dict[str, Any]) -> None:
        self.np_random.bit_generator.state = state["random"]
        self.position = state["position"]

    @staticmethod
    def action_values(gamma: float) -> dict[float, list[float]]:
        """The optimal Q(s, ·) of every state s, exactly."""
        raise NotImplementedError


class ProbeConstant(Probe):
    def step(self, action: int) -> Step:
        return observe(0.0), 1.0, True, False, {}

    @staticmethod
    def action_values(gamma: float) -> dict[float, list[float]]:
        return {0.0: [1.0]}


class ProbeObservation(Probe):
    def start(self) -> float:
        return float(self.np_random.choice([-1.0, 1.0]))

    def step(self, action: int) -> Step:
        return observe(self.position), self.position, True, False, {}

    @staticmethod
    def action_values(gamma: float) -> dict[float, list[float]]:
        return {-1.0: [-1.0], 1.0: [1.0]}


class ProbeDiscount(Probe):
    def step(self, action: int) -> Step:
        if self.position == 0.0:
            self.position = 1.0
            return observe(1.0), 0.0, False, False, {}
        return observe(1.0), 1.0, True, False, {}

    @staticmethod
    def action_values(gamma: float) -> dict[float, list[float]]:
        return {0.0: [gamma], 1.0: [1.0]}


class ProbeAction(Probe):
    actions = 2

    def step(self, action: int) -> Step:
        return observe(0.0), 1.0 if action == 1 else -1.0, True, False, {}

    @staticmethod
    def action_values(gamma: float) -> dict[float, list[float]]:
        return {0.0: [-1.0, 1.0]}


class ProbeBoth(ProbeObservation):
    actions = 2

    def step(self, action: int) -> Step:
        matches = (action == 1) == (self.position > 0)
        return observe(self.position), 1.0 if matches else -1.0, True, False, {}

    @staticmethod
    def action_values(gamma: float) -> dict[float, list[float]]:
        return {-1.0: [1.0, -1.0], 1.0: [-1.0, 1.0]}


class ProbeTruncation(Probe):
    """State 0 leads to state 1, which pays 1 and leads to itself for ever; every episode is cut off at its
    second step.

    Three agents, three answers: bootstrapping from the final observation gives Q(1) = 1 / (1 - γ); taking
    truncation for termination gives 1; bootstrapping from the observation after the reset gives 1 / (1 - γ²).
    """

    def __init__(self) -> None:
        super().__init__()
        self.elapsed = 0

    def start(self) -> float:
        self.elapsed = 0
        return 0.0

    def step(self, action: int) -> Step:
        reward, self.position = self.position, 1.0
        self.elapsed += 1
        return observe(1.0), reward, False, self.elapsed == 2, {}

    def get_state(self) -> dict[str, Any]:
        return {**super().get_state(), "elapsed": self.elapsed}

    def set_state(self, state: dict[str, Any]) -> None:
        super().set_state(state)
        self.elapsed = state["elapsed"]

    @staticmethod
    def action_values(gamma: float) -> dict[float, list[float]]:
        return {0.0: [gamma / (1 - gamma)], 1.0: [1 / (1 - gamma)]}


class ProbeContinuous(ProbeObservation):
    """The best action is a known function of the observation. It is among 11 actions from -1 to 1, and among 6."""

    def __init__(self) -> None:
        super().__init__()
        self.action_space = spaces.Box(-1.0, 1.0, (1,), np.float32)

    def step(self, action: Any) -> Step:
        return observe(self.position), 1.0 - float(action[0] - self.best_action(self.position)) ** 2, True, False, {}

    @staticmethod
    def best_action(state: float) -> float:
        return 0.6 * state

    @staticmethod
    def action_values(gamma: float) -> dict[float, list[float]]:
        """Of the best action alone."""
        return {-1.0: [1.0], 1.0: [1.0]}
