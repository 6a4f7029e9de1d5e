"""One update of DQN and of each of its variants on fixed numbers, against the equations written out in NumPy.

Nothing here comes from the agents: the loss of BATCH is computed from the papers' equations, as a function of the
weights, and its slope by differences. An agent that takes one step of gradient descent has to arrive where they say."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import minigrad.nn as nn
import minigrad.optim as optim
from agents import DQN, PrioritizedDQN, Rainbow
from agents.memory.replay import Batch
from agents.networks.noisy import NoisyLinear

ENV = "minigrad/ProbeBoth-v0"
ATOMS = np.array([-1.0, 0.0, 1.0, 2.0])
SETTINGS = {
    "categorical": dict(head_atoms=4, head_value_min=-1.0, head_value_max=2.0),
    "quantile": dict(head_quantiles=3),
    "averaged": dict(target_last=2),
}
# (s, a, r, s', γ or 0, weight); the second ended.
BATCH = Batch(
    np.array([[0.5], [-1.0]], np.float32),
    np.array([0, 1]),
    np.array([1.0, -0.25], np.float32),
    np.array([[0.75], [0.25]], np.float32),
    np.array([0.9, 0.0], np.float32),
    np.array([0, 1]),
    np.array([0.5, 1.0], np.float32),
)


def softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def huber(u: np.ndarray) -> np.ndarray:
    return np.where(np.abs(u) <= 1, u**2 / 2, np.abs(u) - 0.5)


class Equations:
    """DQN's, with the choices of an agent's hyper-parameters."""

    def __init__(self, h: Any, noise: list[np.ndarray]) -> None:
        self.h, self.noise = h, noise
        self.numbers = {"expected": 1, "categorical": 4, "quantile": 3}[h.head]

    def output(self, weights: list[np.ndarray], x: np.ndarray, noise: np.ndarray) -> np.ndarray:
        """(batch, 2 actions, numbers) of a network without hidden layers; dueling streams have one each."""
        left, drawn = list(weights), list(noise)

        def dense(x: np.ndarray) -> np.ndarray:
            w, b = left.pop(0), left.pop(0)
            if self.h.noisy:
                w_sigma, b_sigma = left.pop(0), left.pop(0)
                epsilon = np.array([drawn.pop(0) for _ in range(sum(w.shape))])
                f = np.sign(epsilon) * np.sqrt(np.abs(epsilon))
                at_input, at_output = f[: w.shape[1]], f[w.shape[1] :]
                w, b = w + w_sigma * np.outer(at_output, at_input), b + b_sigma * at_output
            return x @ w.T + b

        if not self.h.dueling:
            return dense(x).reshape(len(x), 2, self.numbers)
        hidden = np.maximum(dense(x), 0)
        value = dense(hidden[:, :1]).reshape(len(x), 1, self.numbers)
        advantage = dense(hidden[:, 1:]).reshape(len(x), 2, self.numbers)
        return value + advantage - advantage.mean(1, keepdims=True)

    def values(self, output: np.ndarray) -> np.ndarray:
        """Q, (batch, actions), of what describes the actions: numbers, probabilities or quantiles."""
        return output @ ATOMS if self.h.head == "categorical" else output.mean(-1)

    def described(self, output: np.ndarray) -> np.ndarray:
        return softmax(output) if self.h.head == "categorical" else output

    def target(self, online: list[np.ndarray], targets: list[list[np.ndarray]]) -> np.ndarray:
        """What a's numbers should have been, (batch, numbers)."""
        size, x = len(self.noise[0]), BATCH.next_observation
        parts = [self.noise[1][i * size : (i + 1) * size] for i in range(len(targets))]
        each = [self.described(self.output(w, x, noise)) for w, noise in zip(targets, parts, strict=True)]
        following = np.mean(each, 0)
        judge = self.described(self.output(online, x, self.noise[0])) if self.h.next_action == "online" else following
        best = following[[0, 1], self.values(judge).argmax(1)]
        if self.h.head != "categorical":
            return BATCH.reward[:, None] + BATCH.discount[:, None] * best
        m = np.zeros((2, 4))
        for b in range(2):
            for z, p in zip(ATOMS, best[b], strict=True):
                moved = np.clip(BATCH.reward[b] + BATCH.discount[b] * z, -1, 2)
                m[b] += np.clip(1 - np.abs(moved - ATOMS), 0, 1) * p  # the atoms are 1 apart
        return m

    def losses(self, online: list[np.ndarray], target: np.ndarray) -> np.ndarray:
        """(batch,)"""
        said = self.output(online, BATCH.observation, self.noise[0])[[0, 1], BATCH.action]
        if self.h.head == "categorical":
            return -(target * np.log(softmax(said))).sum(1)
        if self.h.head == "expected":
            return huber(target - said)[:, 0]
        losses = np.zeros(2)
        for b in range(2):
            for i, level in enumerate((1 / 6, 3 / 6, 5 / 6)):
                u = target[b] - said[b, i]
                losses[b] += np.mean(np.abs(level - (u < 0)) * huber(u))
        return losses


def slope(f: Any, weights: list[np.ndarray], eps: float = 1e-5) -> list[np.ndarray]:
    slopes = []
    for w in weights:
        slopes.append(np.zeros_like(w))
        for at in np.ndindex(*w.shape):
            kept, sides = w[at], []
            for w[at] in (kept + eps, kept - eps):
                sides.append(f(weights))
            w[at] = kept
            slopes[-1][at] = (sides[0] - sides[1]) / (2 * eps)
    return slopes


def fill(network: nn.Module, seed: int) -> list[np.ndarray]:
    """Fixed weights, of which a copy in float64 is returned."""
    rng = np.random.default_rng(seed)
    for parameter in network.parameters():
        parameter.array[...] = rng.uniform(-1, 1, parameter.shape)
    return [parameter.array.astype(np.float64) for parameter in network.parameters()]


def agent_by_hand(dqn_type: type[DQN], seed: int, **settings: Any) -> tuple[DQN, Equations, list, list]:
    """An agent with fixed weights that learns by gradient descent, its equations, its weights and its target's."""
    variant = dqn_type(ENV, hidden=(), **settings).hyperparameters
    for choice in (variant.head, variant.target):
        settings |= SETTINGS.get(choice, {})
    agent = dqn_type(ENV, hidden=(), max_gradient_norm=0.0, **settings)
    online = fill(agent.network, seed)
    targets = [fill(network, seed + 1 + i) for i, network in enumerate(agent.target_network.networks)]
    agent.optimizer = optim.SGD(agent.weights, lr=1.0)
    rng, noise = copy.deepcopy(agent.random["noise"]), []
    for network in (agent.network, agent.target_network):
        shapes = [layer.weight.shape for layer in network.modules() if isinstance(layer, NoisyLinear)]
        noise.append(rng.standard_normal(sum(sum(shape) for shape in shapes), np.float32).astype(np.float64))
    return agent, Equations(agent.hyperparameters, noise), online, targets


@pytest.mark.parametrize("seed", range(4))
def test_one_update(dqn_type: type[DQN], seed: int) -> None:
    agent, equations, online, targets = agent_by_hand(dqn_type, seed)
    y = equations.target(online, targets)
    loss = lambda weights: (BATCH.weight * equations.losses(weights, y)).mean()
    expected = [w - g for w, g in zip(online, slope(loss, online), strict=True)]
    first_loss = loss(online)
    agent.learn_from(BATCH)
    for parameter, wanted in zip(agent.network.parameters(), expected, strict=True):
        np.testing.assert_allclose(parameter.array, wanted, rtol=1e-3, atol=1e-4)
    assert agent.metrics.take()["loss"] == pytest.approx(first_loss, rel=1e-4)


def test_the_seeds_tell_double_dqn_from_dqn() -> None:
    """Or the test above would not notice who chooses."""
    differed = 0
    for seed in range(4):
        (_, dqn, online, targets), (_, double, *_) = (
            agent_by_hand(DQN, seed, next_action=who) for who in ("target", "online")
        )
        differed += not np.allclose(dqn.target(online, targets), double.target(online, targets))
    assert differed


def test_priorities_after_an_update() -> None:
    """(|δ| + ε)^α, whatever the weight of the loss: Schaul et al. 2016, algorithm 1, lines 11 and 12."""
    agent, equations, online, targets = agent_by_hand(PrioritizedDQN, 0, replay_alpha=0.5)
    said = equations.output(online, BATCH.observation, equations.noise[0])[[0, 1], BATCH.action, 0]
    delta = equations.target(online, targets)[:, 0] - said
    given = []
    agent.replay.order._tree.set = lambda rows, number: given.append((rows, number))
    agent.learn_from(BATCH)
    ((rows, number),) = given
    np.testing.assert_array_equal(rows, BATCH.rows)
    np.testing.assert_allclose(number, np.sqrt(np.abs(delta) + 1e-6), rtol=1e-4)


def test_rainbow_is_made_of_everything() -> None:
    h = Rainbow(ENV).hyperparameters
    chosen = (h.head, h.next_action, h.replay, h.noisy, h.dueling, h.n_step)
    assert chosen == ("categorical", "online", "prioritized", True, True, 3)


def test_the_gradients_norm_is_bounded(dqn_type: type[DQN]) -> None:
    """What the optimizer sees has the norm that is allowed, and the same direction."""
    seen: list[list[np.ndarray]] = []
    for bound in (0.0, 1e-9):
        agent = dqn_type(ENV, hidden=(4,), max_gradient_norm=bound)
        fill(agent.network, 0)
        look = lambda agent=agent: seen.append([p.grad.array.copy() for p in agent.weights if p.grad is not None])
        agent.optimizer.step = look
        agent.learn_from(BATCH)
    free, bounded = (np.concatenate([g.ravel() for g in grads]).astype(np.float64) for grads in seen)
    assert np.linalg.norm(free) > 1e-3
    np.testing.assert_allclose(bounded * 1e9, free / np.linalg.norm(free), rtol=1e-3, atol=1e-5)
