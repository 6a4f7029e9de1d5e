"""The target network: a copy, the mean of the last ones, one that follows; what they say and when they change."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

import minigrad as mg
import minigrad.nn as nn
from agents import C51, DQN, AveragedDQN
from agents.value.averaged_dqn import Averaged
from agents.value.c51 import Categorical
from agents.value.parts.plain import ExpectedValue
from agents.value.parts.targets import Copied, Soft
from agents.value.qr_dqn import Quantiles

ENV = "minigrad/ProbeBoth-v0"


def weight(value: float) -> nn.Module:
    """A network of one weight."""
    network = nn.Linear(1, 1, bias=False)
    network.weight.data.fill_(value)
    return network


def made(kind: type[Copied], value: float, **settings: float) -> Copied:
    """A target that starts from a network of the weight `value`."""
    target = kind(SimpleNamespace(hyperparameters=SimpleNamespace(**settings), head=ExpectedValue(None)))
    target.start(weight(value), lambda: weight(99.0))
    return target


def said(target: nn.Module) -> float:
    """Its output for an observation of 1."""
    return target(mg.ones(1, 1)).item()


def test_copied() -> None:
    target, seen = made(Copied, 1.0, target_every=3), []
    for step in range(1, 8):
        target.follow(weight(step), step)
        seen.append(said(target))
    assert seen == [1, 1, 3, 3, 3, 6, 6]


def test_averaged() -> None:
    """Every second step; the last three, where those that there are not yet count as the first."""
    target, seen = made(Averaged, 1.0, target_every=2, target_last=3), []
    for step in range(1, 9):
        target.follow(weight(step), step)
        seen.append(said(target))
    sums = [3, 1 + 1 + 2, 1 + 1 + 2, 1 + 2 + 4, 1 + 2 + 4, 2 + 4 + 6, 2 + 4 + 6, 4 + 6 + 8]
    np.testing.assert_allclose(seen, np.array(sums) / 3, rtol=1e-6)


def test_soft() -> None:
    """Towards a network that stands still, (1 - τ)^k of the way is left after k steps."""
    target = made(Soft, 1.0, target_rate=0.25)
    for step in range(1, 5):
        target.follow(weight(3.0), step)
        assert said(target) == pytest.approx(3 - 2 * 0.75**step)


def test_soft_takes_statistics_along() -> None:
    """Means follow as weights do; a counter is copied."""
    make = lambda: nn.BatchNorm1d(2)
    network = make()
    target = Soft(SimpleNamespace(hyperparameters=SimpleNamespace(target_rate=0.5)))
    target.start(network, make)
    network(mg.tensor([[1.0, 2.0], [3.0, 6.0]]))
    target.follow(network, 1)
    followed, behind = network.state_dict(), target.networks[0].state_dict()
    np.testing.assert_allclose(behind["running_mean"].array, followed["running_mean"].array / 2)
    assert behind["num_batches_tracked"].item() == followed["num_batches_tracked"].item() == 1


@pytest.mark.parametrize("kind", [Copied, Averaged, Soft])
def test_a_target_shares_nothing_with_the_network(kind: type[Copied]) -> None:
    network = weight(1.0)
    target = kind(
        SimpleNamespace(
            hyperparameters=SimpleNamespace(target_every=1, target_last=2, target_rate=1.0), head=ExpectedValue(None)
        )
    )
    target.start(network, lambda: weight(99.0))
    target.follow(network, 1)
    with mg.no_grad():
        network.weight.mul_(5.0)
    assert said(target) == 1.0
    assert not any(parameter.requires_grad for parameter in target.parameters())


def test_the_mean_of_one_is_the_copy() -> None:
    one, other = AveragedDQN(ENV, target_last=1, learning_starts=20).learn(100), DQN(ENV, learning_starts=20).learn(100)
    for p, q in zip(one.network.parameters(), other.network.parameters(), strict=True):
        np.testing.assert_array_equal(p.array, q.array)


def test_averages_by_hand() -> None:
    """Values and quantiles have a mean. Of distributions it is that of the probabilities; the mean of logits is not."""
    a, b = mg.tensor([[1.0, 2.0]]), mg.tensor([[3.0, -2.0]])
    np.testing.assert_array_equal(ExpectedValue(None).average([a, b]).array, [[2.0, 0.0]])
    np.testing.assert_array_equal(Quantiles(2).average([a, b]).array, [[[2.0, 0.0]]])
    p = np.array([[0.9, 0.1, 0.0], [0.2, 0.2, 0.6]], np.float32)
    logits = [mg.from_numpy(np.log(np.maximum(row, 1e-30))[None] + 5.0) for row in p]
    head = Categorical(3, 0.0, 2.0)
    average = head.average(logits)
    np.testing.assert_allclose(head.probabilities(average)[0, 0], p.mean(0), atol=1e-6)
    assert head.values(average).item() == pytest.approx(np.mean([head.values(row).item() for row in logits]))


def test_an_averaged_distribution_is_learned_from() -> None:
    """The two targets of C51 begin alike, so the first update is C51's own."""
    first, second = (C51(ENV, target=target, learning_starts=30) for target in ("copied", "averaged"))
    for agent in (first, second):
        agent.learn(31)
    for p, q in zip(first.network.parameters(), second.network.parameters(), strict=True):
        np.testing.assert_allclose(p.array, q.array, atol=1e-5)
