"""The error for a mistake by whoever typed the command or wrote the script."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UsageError(ValueError):
    """What was given, what was expected, how to fix it. The command line prints its one line and exits with
    2."""


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """`"; did you mean CartPole-v1 or CartPole-v0?"`, or nothing when no known name is close."""
    # difflib compares letters exactly, so `cartpole` would match nothing.
    by_lower = {name.lower(): name for name in known}
    close = difflib.get_close_matches(given.lower(), list(by_lower), n=3, cutoff=0.6)
    return f"; did you mean {' or '.join(by_lower[name] for name in close)}?" if close else ""
