"""Values that change over training, as functions of its progress from 0 (start) to 1 (end)."""

from __future__ import annotations


def linear(start: float, end: float, fraction: float, progress: float) -> float:
    """From `start` to `end` in a straight line over the first `fraction` of training, and `end` after
    that."""
    if progress >= fraction:
        return end
    return start + (end - start) * progress / fraction
