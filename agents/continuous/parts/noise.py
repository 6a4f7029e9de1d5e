"""Exploration of a policy that has no randomness of its own: noise, a seam of DDPG and TD3.

What stands there has

    linear(inputs, outputs)             a layer of the actor, before it is made
    start(actor)                        the actor, once it is made
    explore(observation, rng)           actions to learn from, an array (num_envs, *shape)
    observe(transition)                 what came of them
    draw(rng), still()                  before the actor learns, and before it acts without noise
    state_dict(), load_state_dict(state)
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np

import minigrad as mg
import minigrad.nn as nn
from envs import Transition

from ...core.components import Seam
from ...core.hyperparameters import Count, Fraction, Hyperparameters, NonNegative, Positive
from ...core.state import State
from ...networks import noisy

NOISE = Seam("noise", ("linear", "start", "explore", "observe", "draw", "still", "state_dict", "load_state_dict"))


@dataclass(frozen=True)
class NoiseSettings(Hyperparameters):
    noise_std: NonNegative = 0.1
    """Standard deviation of what is added to an action between -1 and 1."""


class ActionNoise:
    """What the noises share. By itself it adds nothing."""

    def __init__(self, agent: Any) -> None:
        self.settings, self.num_envs = agent.hyperparameters, agent.num_envs
        self.space, self.tensor = agent.action_space, agent.tensor
        self.actor: Any = None
        self.state = State()

    def linear(self, inputs: int, outputs: int) -> nn.Module:
        return nn.Linear(inputs, outputs)

    def start(self, actor: Any) -> None:
        self.actor = actor

    def act(self, actor: Any, observation: np.ndarray) -> np.ndarray:
        """What an actor says, an array."""
        with mg.no_grad():
            return mg.to_numpy(actor(self.tensor(observation)))

    def inside(self, action: np.ndarray) -> np.ndarray:
        return action.clip(self.space.low, self.space.high)

    def explore(self, observation: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return self.act(self.actor, observation)

    def observe(self, transition: Transition) -> None:
        pass

    def draw(self, rng: np.random.Generator) -> None:
        pass

    def still(self) -> None:
        pass

    def state_dict(self) -> dict[str, Any]:
        return self.state.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.state.load_state_dict(state)


@NOISE.option("gaussian", NoiseSettings)
class Gaussian(ActionNoise):
    """a = μ(s) + σ ε, ε ~ N(0, 1): new at every step. Fujimoto et al. (2018), section 6.1: as good as correlated noise,
    and simpler."""

    def explore(self, observation: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        action = self.act(self.actor, observation)
        return self.inside(action + self.settings.noise_std * rng.standard_normal(action.shape, np.float32))


@dataclass(frozen=True)
class OrnsteinUhlenbeckSettings(Hyperparameters):
    noise_std: NonNegative = 0.2
    """σ, the standard deviation of each step's own part of the noise."""
    noise_pull: Fraction = 0.15
    """θ, the part of the noise that is gone after a step."""


@NOISE.option("ornstein-uhlenbeck", OrnsteinUhlenbeckSettings)
class OrnsteinUhlenbeck(ActionNoise):
    """a = μ(s) + x,  x ← (1 - θ) x + σ ε: noise with a memory, which pushes for a while in one direction. Each
    environment has its own, 0 at the start of an episode. Its variance goes to σ² / (1 - (1 - θ)²).

    Uhlenbeck & Ornstein, "On the theory of the Brownian motion", Physical Review 36 (1930); Lillicrap et al. (2016),
    section 7."""

    def __init__(self, agent: Any) -> None:
        super().__init__(agent)
        self.state = State(x=np.zeros((self.num_envs, *self.space.shape), np.float32))

    def explore(self, observation: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        h, x = self.settings, self.state.x
        noise = rng.standard_normal(x.shape, np.float32)
        self.state.x = ((1 - h.noise_pull) * x + h.noise_std * noise).astype(np.float32)
        return self.inside(self.act(self.actor, observation) + self.state.x)

    def observe(self, transition: Transition) -> None:
        self.state.x[transition.env[transition.terminated | transition.truncated]] = 0.0


@dataclass(frozen=True)
class ParameterSettings(Hyperparameters):
    noise_std: Positive = 0.1
    """How far the actions of the noisy actor are to be from the actor's: the root of the mean squared distance."""
    noise_every: Count = 100
    """Steps of the environments, side by side, with the same noisy weights."""


@NOISE.option("parameter", ParameterSettings)
class Parameter(ActionNoise):
    """Actions of an actor whose weights have noise: the same state gets the same action for a while.

        θ̃ = θ + s ε,    s ← 1.01 s if the actions were nearer than wanted, else s / 1.01

    Plappert et al., "Parameter space noise for exploration", ICLR (2018), section 3 and equation 7; without their layer
    normalisation."""

    def __init__(self, agent: Any) -> None:
        super().__init__(agent)
        self.state = State(scale=0.05, squares=0.0, count=0, left=0)

    def start(self, actor: Any) -> None:
        super().start(actor)
        self.noisy = copy.deepcopy(actor).requires_grad_(False)

    def explore(self, observation: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        if not self.state.left:
            self.adapt()
            self.perturb(rng)
            self.state.left = self.settings.noise_every
        self.state.left -= 1
        action, noisy = self.act(self.actor, observation), self.act(self.noisy, observation)
        self.state.squares += float(np.square(action - noisy).mean())
        self.state.count += 1
        return noisy

    def adapt(self) -> None:
        """The scale, to the distance since the last time."""
        if self.state.count:
            near = (self.state.squares / self.state.count) ** 0.5 < self.settings.noise_std
            self.state.scale *= 1.01 if near else 1 / 1.01
            self.state.squares, self.state.count = 0.0, 0

    def perturb(self, rng: np.random.Generator) -> None:
        with mg.no_grad():
            for noisy, weight in zip(self.noisy.parameters(), self.actor.parameters(), strict=True):
                noise = rng.standard_normal(weight.shape, np.float32)
                noisy.copy_(weight + self.tensor(np.float32(self.state.scale) * noise))

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "actor": self.noisy.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.noisy.load_state_dict(state["actor"])
        super().load_state_dict({name: value for name, value in state.items() if name != "actor"})


@dataclass(frozen=True)
class ActivationSettings(Hyperparameters):
    noise_std: NonNegative = 0.1
    """Standard deviation of what is added to the output of every hidden unit."""


@NOISE.option("activation", ActivationSettings)
class Activation(ActionNoise):
    """Noise on what the hidden units say: h ← h + σ ε after each hidden layer. It reaches the action through the
    weights, so directions that the network tells apart get more of it."""

    def explore(self, observation: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        with mg.no_grad():
            x = self.tensor(observation)
            for layer in self.actor.layers:
                x = layer(x)
                if isinstance(layer, nn.ReLU):
                    x = x + self.tensor(self.settings.noise_std * rng.standard_normal(x.shape, np.float32))
            return mg.to_numpy(self.actor.squash(x))


@NOISE.option("noisy")
class NoisyLayers(ActionNoise):
    """Noise on the weights that is learned: the actor's layers are noisy ones (networks/noisy.py). New at every step,
    and for every update."""

    def linear(self, inputs: int, outputs: int) -> nn.Module:
        return noisy.NoisyLinear(inputs, outputs)

    def start(self, actor: Any) -> None:
        super().start(actor)
        self.noise = noisy.Noise(actor, self.tensor)

    def explore(self, observation: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        self.noise.draw(rng)
        return self.act(self.actor, observation)

    def draw(self, rng: np.random.Generator) -> None:
        self.noise.draw(rng)

    def still(self) -> None:
        self.noise.still()
