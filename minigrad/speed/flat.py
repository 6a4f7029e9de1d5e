"""The memory behind an optimizer: many parameters as one long array.

A step costs NumPy about 0.3 µs per call before the first element is touched, so a dozen calls per parameter would
make the optimizer slower than the backward pass. Instead the parameters of a group are laid end to end in one array,
each parameter's own array becoming a view of its piece; gradients are copied to their places in another, what the
optimizer remembers (moments, momentum) is laid out the same way, and a step is a dozen calls whatever the number of
layers. (Cutting the array into blocks that fit the cache was tried: no gain from 770 to a million elements.)
"""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from ..core.tensor import Tensor


class Piece:
    """A run of neighbouring parameters that have a gradient and equally many steps behind them.

    values, gradient: 1-d arrays, to be changed in place. The gradient may be used up.
    state: what the optimizer remembers, one array per name, in the order of `Flat.names`.
    scratch: an array of the same size, with no meaning.
    steps: how often the state has been updated, this time included.
    first, last: the parameters' positions, the last one not included.
    """

    __slots__ = ("first", "gradient", "last", "scratch", "state", "steps", "values")

    def __init__(self, flat: Flat, first: int, last: int) -> None:
        place = slice(flat.bounds[first], flat.bounds[last])
        self.values = flat.values[place]
        self.gradient = flat.gradient[place]
        self.scratch = flat.scratch[place]
        self.state = [array[place] for array in flat.state]
        self.steps = flat.steps[first]
        self.first, self.last = first, last


class Flat:
    """Parameters of one dtype, laid end to end.

    names: what is remembered per element, e.g. ("exp_avg", "exp_avg_sq"). All of it starts at 0.
    """

    def __init__(self, parameters: list[Tensor], names: tuple[str, ...]) -> None:
        self.bounds = [0, *accumulate(p.array.size for p in parameters)]
        self.values = _end_to_end([p.array for p in parameters])
        self.pairs: list[tuple[Tensor, Any]] = []  # each parameter and its view of `values`
        for p, (start, stop) in zip(parameters, pairwise(self.bounds), strict=True):
            p.array = self.values[start:stop].reshape(p.array.shape)
            self.pairs.append((p, p.array))
        self.gradient = np.empty_like(self.values)
        self.homes = [  # each parameter and the place of its gradient
            (p, self.gradient[start:stop].reshape(p.array.shape))
            for p, (start, stop) in zip(parameters, pairwise(self.bounds), strict=True)
        ]
        self.scratch = np.empty_like(self.values)
        self.scalars = Scalars(self.values)
        self.names = names
        self.state = [np.zeros_like(self.values) for _ in names]
        self.steps = [0] * len(parameters)
        self.start()

    def start(self) -> None:
        """Take notice of new `steps`."""
        self._pieces: list[Piece] = []
        self._absent: list[int] | None = None  # for which missing gradients the pieces were cut; None: not cut yet

    def adopt(self, names: tuple[str, ...]) -> bool:
        """Make sure that the parameters still live here; False if their arrays, or `names`, do not fit any more.

        Another optimizer, `module.to()` or `p.data = x` may have given a parameter a new array: its values are
        taken in.
        """
        if names != self.names:
            return False
        for p, view in self.pairs:
            if p.array is not view:
                if type(p.array) is not type(view) or p.array.dtype != view.dtype or p.array.shape != view.shape:
                    return False
                view[...] = p.array
                p.array = view
        return True

    def gather(self) -> list[Piece]:
        """The pieces to update: everything, in one, if every parameter has a gradient and equally many steps.

        Counts the step, and the change in place of every parameter that has a gradient.
        """
        absent = []
        for p, home in self.homes:
            g = p._grad
            if g is None:
                absent.append(id(p))
            else:
                p._version[0] += 1
                home[...] = g.array  # one by one, because a concatenate takes 0.7 µs longer for four parameters
        if absent != self._absent:  # mostly they stay the same: a frozen body, or none
            self._cut(absent)
        for piece in self._pieces:
            piece.steps += 1
        return self._pieces

    def _cut(self, absent: list[int]) -> None:
        """Make the pieces for the gradients that are there now."""
        self.settle()
        there = [p._grad is not None for p, _ in self.pairs]
        runs: list[list[int]] = []  # [first, last]
        for i, steps in enumerate(self.steps):
            if not there[i]:
                continue
            if runs and runs[-1][1] == i and self.steps[i - 1] == steps:
                runs[-1][1] = i + 1
            else:
                runs.append([i, i + 1])
        self._pieces, self._absent = [Piece(self, *run) for run in runs], absent

    def settle(self) -> None:
        """Write the steps that the pieces counted into `steps`."""
        for piece in self._pieces:
            self.steps[piece.first : piece.last] = [piece.steps] * (piece.last - piece.first)

    def remembered(self, i: int) -> dict[str, Any]:
        """What is remembered about the i-th parameter: name -> array of its shape."""
        start, stop = self.bounds[i], self.bounds[i + 1]
        shape = self.pairs[i][1].shape
        return {name: a[start:stop].reshape(shape) for name, a in zip(self.names, self.state, strict=True)}


class Scalars:
    """Numbers to multiply arrays with, as 0-d arrays of the arrays' dtype.

    NumPy takes twice as long (0.7 µs instead of 0.35) to multiply a small array with a Python float.
    """

    def __init__(self, like: Any) -> None:
        self._like = like
        self._boxes: list[Any] = []
        self._held: list[float] = []  # what is in the boxes: most numbers are the same at every step

    def __call__(self, *values: float) -> Any:
        """The numbers given, converted. Valid until the next call."""
        if type(self._like) is not np.ndarray:
            return values  # a GPU takes them as arguments of the kernel
        held, boxes = self._held, self._boxes
        while len(boxes) < len(values):
            boxes.append(np.zeros_like(self._like, shape=()))
            held.append(0.0)
        for i, value in enumerate(values):
            if value != held[i]:
                boxes[i][()] = held[i] = value
        return boxes


def _end_to_end(arrays: list[Any]) -> Any:
    """One 1-d array of all elements: the memory they are in if they lie end to end already, else a copy.

    They do when another optimizer has laid them out: the two then share the memory.
    """
    first = arrays[0]
    base = first.base
    size = sum(a.size for a in arrays)
    if (
        type(first) is np.ndarray
        and type(base) is np.ndarray
        and base.ndim == 1
        and base.dtype == first.dtype
        and base.flags.c_contiguous
        and base.flags.writeable
        and all(a.base is base and a.flags.c_contiguous for a in arrays)
    ):
        starts = [a.__array_interface__["data"][0] for a in arrays]
        if all(start + a.nbytes == then for start, a, then in zip(starts, arrays, starts[1:], strict=False)):
            offset = (starts[0] - base.__array_interface__["data"][0]) // base.itemsize
            return base[offset : offset + size]
    return np.concatenate([a.reshape(-1) for a in arrays])
