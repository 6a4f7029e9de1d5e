"""The generator behind every random number of the engine.

One NumPy Generator, seeded by `manual_seed`, feeds `randn`, initialisation and sampling, so a program that seeds it
first is reproducible to the bit. Its state is a plain dict of numbers and strings, which fits into JSON.
"""

from __future__ import annotations

from typing import Any

import numpy as np

_generator: np.random.Generator | None = None  # made when first asked for: importing numpy.random takes 10 ms


class Generator:
    """A stream of random numbers of one's own, for the `generator=` arguments. PyTorch's interface."""

    def __init__(self, device: Any = "cpu") -> None:
        self.numpy = np.random.default_rng()
        self._seed = 0

    def manual_seed(self, seed: int) -> Generator:
        """Start the stream anew from `seed`; returns the generator."""
        self.numpy = np.random.default_rng(_checked(seed))
        self._seed = seed
        return self

    def initial_seed(self) -> int:
        """The seed last given."""
        return self._seed

    def get_state(self) -> dict[str, Any]:
        """The state as a JSON-able dict."""
        return dict(self.numpy.bit_generator.state)

    def set_state(self, state: dict[str, Any]) -> Generator:
        """Continue from a state that `get_state` gave; returns the generator."""
        self.numpy.bit_generator.state = state
        return self


def generator(own: Generator | None = None) -> np.random.Generator:
    """The NumPy generator to draw from: that of `own` if one is given, the engine's otherwise."""
    global _generator
    if own is not None:
        return own.numpy
    if _generator is None:
        _generator = np.random.default_rng()
    return _generator


def manual_seed(seed: int) -> None:
    """Make every random number from here on reproducible."""
    global _generator
    _generator = np.random.default_rng(_checked(seed))


def get_state() -> dict[str, Any]:
    """The state of the engine's generator, a JSON-able dict."""
    return dict(generator().bit_generator.state)


def set_state(state: dict[str, Any]) -> None:
    """Continue from a state that `get_state` gave."""
    generator().bit_generator.state = state


def _checked(seed: int) -> int:
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer):
        raise TypeError(f"manual_seed: expected an int, got {type(seed).__name__} ({seed!r})")
    return int(seed) % 2**64
