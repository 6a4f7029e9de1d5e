"""Returns over several steps: what the n-step learners and the Monte Carlo learners share.

    G_{t:t+n} = r_{t+1} + γ r_{t+2} + ... + γⁿ⁻¹ r_{t+n} + γⁿ V(s_{t+n})

One step is TD(0), which trusts its estimate of what follows; as many steps as the episode has is Monte Carlo, which
trusts only what it got.

Sutton & Barto, "Reinforcement Learning" (2018), section 7.1, equation 7.1.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Path = list[list[Any]]  # the last steps in one environment, oldest first; a learner keeps in a step what it needs


def discounted(rewards: list[float], value: float, gamma: float) -> float:
    """The return of `rewards`, if what comes after them is worth `value`."""
    total = value
    for reward in reversed(rewards):
        total = reward + gamma * total
    return total


def ready(path: Path, n: int, ended: bool) -> Iterator[Path]:
    """The parts of `path` whose first step can be learned from; then that step is dropped.

    In the middle of an episode that is the step n steps ago. At the end it is every step that is left, with as many
    steps after it as there were.
    """
    while path and (ended or len(path) == n):
        yield path
        del path[0]


def first_visits(places: list[Any]) -> list[bool]:
    """For each of an episode's places, whether the episode was there for the first time."""
    first: dict[Any, int] = {}
    return [first.setdefault(place, t) == t for t, place in enumerate(places)]
