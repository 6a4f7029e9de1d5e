"""The generator behind every random number of the engine.

One stream of numbers, seeded by `manual_seed`, feeds `randn`, initialisation and sampling, so a program that seeds it
first is reproducible to the bit. It belongs to the process. Where threads draw at the same time, each can have a
stream of its own for a block: `with using(generator): ...`.
"""

from __future__ import annotations

import os
from _thread import _local  # `threading` has it, too, and takes long to import
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from .core.tensor import Tensor


class Generator:
    """A stream of random numbers of one's own, for the `generator=` arguments and `using`. PyTorch's interface.

    Until it is seeded, it begins somewhere else each time; `initial_seed` says where.
    """

    def __init__(self, device: Any = "cpu") -> None:
        self._numpy: np.random.Generator | None = None  # made when first asked for: importing numpy.random takes long
        self._seed = _make_seed()

    @property
    def numpy(self) -> np.random.Generator:
        """NumPy's generator, which draws the numbers."""
        if self._numpy is None:
            self._numpy = np.random.default_rng(self._seed)
        return self._numpy

    def manual_seed(self, seed: int) -> Generator:
        """Start the stream anew from `seed`; returns the generator."""
        if isinstance(seed, bool) or not isinstance(seed, int | np.integer):
            raise TypeError(f"manual_seed: expected an int, got {type(seed).__name__} ({seed!r})")
        self._seed = int(seed) % 2**64
        self._numpy = None
        return self

    def seed(self) -> int:
        """Start the stream anew somewhere else; returns the seed that leads there."""
        return self.manual_seed(_make_seed())._seed

    def initial_seed(self) -> int:
        """The seed that the stream began with."""
        return self._seed

    def get_state(self) -> Tensor:
        """Where the stream is now, as a uint8 tensor: for `set_state`, and to be saved."""
        import json

        from .core.tensor import wrap

        state = json.dumps(self.numpy.bit_generator.state).encode()
        return wrap(np.frombuffer(state, np.uint8).copy())

    def set_state(self, new_state: Tensor | dict[str, Any]) -> Generator:
        """Continue from a state that `get_state` (or `minigrad.random.get_state`) gave; returns the generator."""
        import json

        try:
            state = new_state if isinstance(new_state, dict) else json.loads(bytes(new_state.tolist()))
            self.numpy.bit_generator.state = state
        except (AttributeError, TypeError, ValueError, KeyError):
            raise TypeError(
                f"set_state: expected a state, as get_state gives it, got {type(new_state).__name__}; to start a "
                "stream anew use manual_seed"
            ) from None
        return self


def _make_seed() -> int:
    """A seed that nobody could guess."""
    return int.from_bytes(os.urandom(8), "little")


class _Borrowed(_local):
    generator: Generator | None = None  # in each thread


_process = Generator()
_borrowed = _Borrowed()


@contextmanager
def using(generator: Generator) -> Iterator[Generator]:
    """Inside, this thread draws from `generator` wherever none is given, and seeds it with `manual_seed`.

    Other threads, those that are started inside, too, don't notice.
    """
    if not isinstance(generator, Generator):
        raise TypeError(f"using: expected a minigrad.Generator, got {type(generator).__name__}")
    outside = _borrowed.generator
    _borrowed.generator = generator
    try:
        yield generator
    finally:
        _borrowed.generator = outside


def current_generator() -> Generator:
    """The generator that this thread draws from: that of `using`, or the process's."""
    return _borrowed.generator or _process


def generator(own: Generator | None = None) -> np.random.Generator:
    """The NumPy generator to draw from: that of `own` if one is given, the thread's current one otherwise."""
    chosen = own or _borrowed.generator or _process
    return chosen._numpy or chosen.numpy


def manual_seed(seed: int) -> Generator:
    """Make every random number from here on reproducible; returns the generator."""
    return current_generator().manual_seed(seed)


def seed() -> int:
    """Go on with other random numbers each time; returns the seed with which `manual_seed` repeats them."""
    return current_generator().seed()


def initial_seed() -> int:
    """The seed that the random numbers began with."""
    return current_generator().initial_seed()


def get_rng_state() -> Tensor:
    """Where the random numbers are now, as a uint8 tensor: for `set_rng_state`, and to be saved."""
    return current_generator().get_state()


def set_rng_state(new_state: Tensor | dict[str, Any]) -> None:
    """Continue from a state that `get_rng_state` gave."""
    current_generator().set_state(new_state)


@contextmanager
def fork_rng(devices: Any = None, enabled: bool = True) -> Iterator[None]:
    """What is drawn inside changes nothing outside: after the block the random numbers go on as if it had not been.

    devices: changes nothing, because a GPU's numbers are drawn on the host. enabled: False does nothing.
    """
    forked = current_generator()
    seed, state = forked.initial_seed(), get_state()
    try:
        yield
    finally:
        if enabled:
            forked.manual_seed(seed).set_state(state)


def get_state() -> dict[str, Any]:
    """Where the random numbers are now, as a plain dict of numbers and strings, which fits into JSON."""
    return dict(generator().bit_generator.state)


def set_state(state: dict[str, Any]) -> None:
    """Continue from a state that `get_state` gave."""
    set_rng_state(state)
