"""Values that change over training, as functions of its progress from 0 (start) to 1 (end).

Those that take `h` read an agent's hyper-parameters. An agent calls them with its own `progress`; it needs no base
class for that.
"""

from __future__ import annotations

from typing import Any


def linear(start: float, end: float, fraction: float, progress: float) -> float:
    """From `start` to `end` in a straight line over the first `fraction` of training, and `end` after
    that."""
    if progress >= fraction:
        return end
    return start + (end - start) * progress / fraction


def decay_epsilon(h: Any, progress: float) -> float:
    """ε of an ε-greedy agent: it falls as epsilon_start, epsilon_end and epsilon_fraction say."""
    return linear(h.epsilon_start, h.epsilon_end, h.epsilon_fraction, progress)


def decay_learning_rate(h: Any, progress: float) -> float:
    """The step size. It falls in a straight line from learning_rate to 0 if anneal_learning_rate says so."""
    return h.learning_rate * (1 - progress) if h.anneal_learning_rate else h.learning_rate


def set_learning_rate(optimizer: Any, h: Any, progress: float) -> None:
    """Gives the optimizer the step size of this moment. To be called before its step."""
    if h.anneal_learning_rate:
        optimizer.param_groups[0]["lr"] = decay_learning_rate(h, progress)


def list_learning_rate(h: Any, progress: float) -> dict[str, float]:
    """The learning rate as a column of metrics.csv, where it changes; else no column."""
    return {"learning_rate": decay_learning_rate(h, progress)} if h.anneal_learning_rate else {}
