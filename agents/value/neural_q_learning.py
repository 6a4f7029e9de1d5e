"""Neural Q-learning: Q-learning whose table is a network, learning from each transition once, as it comes.

    L(θ) = ( r + γ max_a' Q(s', a'; θ) - Q(s, a; θ) )²

where the target, all before the last minus sign, is taken as a constant, and there is no γ-term where the episode
terminated. No replay, no target network: what DQN (dqn.py) adds to this is what makes it stable on harder problems.

Two forms of the network: the state goes in and the value of every action comes out, or the state and one action go in
and one value comes out. The second needs a pass for each action to find the best, but would also take actions that
can't be listed in its last layer.

Watkins and Dayan, "Q-learning", Machine Learning 8 (1992), with the gradient of Sutton & Barto, "Reinforcement
Learning" (2018), section 9.3 (semi-gradient).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import gymnasium as gym
import numpy as np

import minigrad as mg
import minigrad.nn as nn
import minigrad.nn.functional as F
import minigrad.optim as optim
from envs import Transition

from ..core.agent import Agent
from ..core.hyperparameters import Fraction, Hyperparameters, Positive, Sizes
from ..networks.bodies import body, mlp


@dataclass(frozen=True)
class NeuralQLearningHyperparameters(Hyperparameters):
    form: Literal["state", "state-action"] = "state"
    """What goes into the network: the state, for the values of all actions; or a state and an action, for theirs."""
    learning_rate: Positive = 0.01
    """Step size of SGD."""
    gamma: Fraction = 0.9
    """Discount: what a reward is worth one step earlier."""
    epsilon: Fraction = 0.1
    """Probability of a random action."""
    hidden: Sizes = (100,)
    """Units of each hidden layer."""


class StateForm(nn.Module):
    """s to Q(s, ·)."""

    def __init__(self, observation_space: gym.Space, actions: int, hidden: tuple[int, ...]) -> None:
        super().__init__()
        layers, features = body(observation_space, hidden)
        self.layers = nn.Sequential(*layers, nn.Linear(features, actions))

    def forward(self, observation: mg.Tensor) -> mg.Tensor:
        """Q(s, ·), (k, actions)."""
        return self.layers(observation)

    def of_action(self, observation: mg.Tensor, action: mg.Tensor) -> mg.Tensor:
        """Q(s, a), (k, 1), of actions (k, 1)."""
        return self(observation).gather(1, action)


class StateActionForm(nn.Module):
    """s and a, as a vector with a one in its place, to Q(s, a)."""

    def __init__(self, observation_space: gym.Space, actions: int, hidden: tuple[int, ...]) -> None:
        super().__init__()
        encoding, inputs = body(observation_space, ())
        self.encoding = nn.Sequential(*encoding)
        sizes = (inputs + actions, *hidden)
        self.layers = nn.Sequential(*mlp(sizes), nn.Linear(sizes[-1], 1))
        self.actions = actions

    def forward(self, observation: mg.Tensor) -> mg.Tensor:
        """Q(s, ·), (k, actions): a pass for each action, all in one batch."""
        k = len(observation)
        action = mg.arange(self.actions, device=observation.device).repeat(k)
        return self.of_pairs(observation.repeat_interleave(self.actions, 0), action).reshape(k, self.actions)

    def of_action(self, observation: mg.Tensor, action: mg.Tensor) -> mg.Tensor:
        """Q(s, a), (k, 1), of actions (k, 1)."""
        return self.of_pairs(observation, action[:, 0])

    def of_pairs(self, observation: mg.Tensor, action: mg.Tensor) -> mg.Tensor:
        """(k, ...) and (k,) to (k, 1)."""
        encoded = self.encoding(observation)
        return self.layers(mg.cat([encoded, F.one_hot(action, self.actions).to(encoded.dtype)], 1))


FORMS: dict[str, type[StateForm] | type[StateActionForm]] = {"state": StateForm, "state-action": StateActionForm}


class NeuralQLearning(Agent):
    name = "neural-q-learning"
    default_env = "minigrad/GridWorld-v0"
    Hyperparameters = NeuralQLearningHyperparameters
    metric_names = ("loss", "q_value")

    def build(self) -> None:
        h = self.hyperparameters
        self.network = FORMS[h.form](self.observation_space, int(self.action_space.n), h.hidden)
        self.network.to(self.device)
        self.optimizer = optim.SGD(self.network.parameters(), lr=h.learning_rate)

    def choose(self, observation: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
        """ε-greedy."""
        best = self.action_values(observation).argmax(1)
        if rng is None:
            return best
        explores = rng.random(len(best)) < self.hyperparameters.epsilon
        return np.where(explores, rng.integers(self.action_space.n, size=len(best)), best)

    def action_values(self, observation: np.ndarray) -> np.ndarray:
        """Q(s, ·) of (k, ...) observations, (k, actions)."""
        with mg.no_grad():
            return mg.to_numpy(self.network(self.tensor(observation)))

    def observe(self, transition: Transition) -> None:
        self.transition = transition

    def update(self, new_steps: int) -> None:
        for i in range(new_steps):  # one after the other, also those of environments side by side
            self.learn_from(Transition(*(field[i : i + 1] for field in self.transition)))

    def learn_from(self, transition: Transition) -> None:
        """One step of SGD on one transition."""
        prediction = self.network.of_action(
            self.tensor(transition.observation), self.tensor(transition.action[:, None])
        )
        loss = F.mse_loss(prediction, self.target(transition))
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.metrics.add(loss.item(), prediction.item())

    def target(self, transition: Transition) -> mg.Tensor:
        """r + γ max_a' Q(s', a'), (k, 1). A constant: no gradient flows through it."""
        best = self.action_values(transition.next_observation).max(1)
        goes_on = ~transition.terminated
        y = transition.reward + self.hyperparameters.gamma * goes_on * best
        return self.tensor(y[:, None].astype(best.dtype))

    def parts(self) -> dict[str, Any]:
        return {"network": self.network, "optimizer": self.optimizer}
