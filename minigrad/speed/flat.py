"""The memory behind an optimizer: many parameters as one long array.

Every call of NumPy takes time before it touches the first element, so a dozen calls per parameter would make the
optimizer slower than the backward pass. Instead the parameters of a group are laid end to end in one array, each
parameter's own array becoming a view of its place; gradients are copied to their places in another, what the optimizer
remembers (moments, momentum) is laid out the same way, and a step is a dozen calls whatever the number of layers.
(Cutting the array into blocks that fit the cache was tried, and gained nothing.)

A parameter moves only if nobody else looks at its memory. A tensor tied to it by `.data`, a NumPy array that it was
made from, a `state_dict` or a view taken before would stay behind, silently. Such a parameter stays where it is, and is
a piece by itself: slower, but every name for it sees the step. Parameters that lie end to end already, as in one flat
vector or in the memory of another optimizer, are one piece there.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

import numpy as np

from ..core.tensor import Tensor, wrap
from . import ENABLED

layout_allowed: bool = ENABLED
"""Whether tensors may be laid end to end. If not, each one stays where it is and is a piece by itself: slower, with
results that are equal to the bit."""


class Piece:
    """A run of neighbouring parameters that have a gradient, equally many steps behind them, and one stretch of memory.

    values, gradient: 1-d arrays, to be changed in place. The gradient may be used up.
    state: what the optimizer remembers, one array per name, in the order of `Flat.names`.
    scratch: an array of the same size, with no meaning.
    steps: how often the state has been updated, this time included.
    first, last: the parameters' positions, the last one not included.
    """

    __slots__ = ("first", "gradient", "last", "scratch", "state", "steps", "values")

    def __init__(self, flat: Flat, first: int, last: int) -> None:
        place = slice(flat.bounds[first], flat.bounds[last])
        self.gradient = flat.gradient[place]
        self.scratch = flat.scratch[place]
        self.values, *self.state = [span(lines[first:last]) for lines in flat.lines]
        self.steps = flat.steps[first]
        self.first, self.last = first, last


class Flat:
    """Parameters of one dtype, and what is remembered about them, laid end to end as far as nobody else looks at them.

    names: what is remembered per element, e.g. ("exp_avg", "exp_avg_sq").
    state: for each name a list of tensors, one for each parameter, of its shape.
    steps: how often each parameter has been updated.
    """

    def __init__(
        self, parameters: list[Tensor], names: tuple[str, ...], state: list[list[Tensor]], steps: list[int]
    ) -> None:
        self.parameters, self.names, self.state, self.steps = parameters, names, state, steps
        for tensors in (parameters, *state):
            lay_end_to_end(tensors)
        self.bounds = [0, *accumulate(p.array.size for p in parameters)]
        self.gradient = np.empty_like(parameters[0].array, shape=(self.bounds[-1],))
        self.scratch = np.empty_like(self.gradient)
        self.homes = [  # each parameter and the place of its gradient
            (p, self.gradient[start:stop].reshape(p.array.shape))
            for p, (start, stop) in zip(parameters, pairwise(self.bounds), strict=True)
        ]
        self.scalars = Scalars(self.gradient)
        self.start()

    def start(self) -> None:
        """Take notice of new `steps`, and of where the tensors are now."""
        self.copied: list[tuple[int, Tensor, Any]] = []  # position, tensor, copy: for memory that has gaps
        self.lines = [[self._line(i, t) for i, t in enumerate(row)] for row in (self.parameters, *self.state)]
        self.joined = [  # whether a piece may go on from the parameter before to this one
            i > 0 and layout_allowed and all(lies_behind(line[i - 1], line[i]) for line in self.lines)
            for i in range(len(self.parameters))
        ]
        self.pairs = [(p, p.array) for p in self.parameters]
        self.state_pairs = [(t, t.array) for row in self.state for t in row]
        self._pieces: list[Piece] = []
        self._absent: list[int] | None = None  # for which missing gradients the pieces were cut; None: not cut yet

    def _line(self, i: int, tensor: Tensor) -> Any:
        """The tensor's memory as a 1-d array, or an array to copy it to if it has gaps or another order."""
        if tensor.array.flags.c_contiguous:
            return tensor.array.reshape(-1)
        line = np.empty_like(tensor.array, shape=(tensor.array.size,))
        self.copied.append((i, tensor, line))
        return line

    def release(self) -> None:
        """Let go of all memory, so that another layout, made at the next step, can tell who else looks at it."""
        self.lines, self.state_pairs, self._pieces, self.copied = [], [], [], []
        self.pairs = [(self.parameters[0], None)]  # nothing is in place

    def is_in_place(self, names: tuple[str, ...]) -> bool:
        """Whether the parameters are where they were; False, too, if other `names` are to be remembered.

        `module.to()` or `p.data = x` give a parameter a new array.
        """
        if names != self.names:
            return False
        for p, array in self.pairs:  # noqa: SIM110  (all() takes twice as long)
            if p.array is not array:
                return False
        return True

    def gather(self) -> Iterable[Piece]:
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
                home[...] = g.array  # one by one, because a concatenate takes longer for a few parameters
        if absent != self._absent:  # mostly they stay the same: a frozen body, or none
            self._cut(absent)
        pieces = self._pieces
        for piece in pieces:
            piece.steps += 1
        return self._copying() if self.copied else pieces

    def _copying(self) -> Iterator[Piece]:
        """The pieces, with memory that has gaps copied before each one's update and written after it.

        One by one, because two parameters may look at the same memory, one of them transposed.
        """
        for piece in self._pieces:
            copied = [(t, line) for i, t, line in self.copied if piece.first <= i < piece.last]
            for tensor, line in copied:
                line[...] = tensor.array.reshape(-1)
            yield piece
            for tensor, line in copied:
                tensor.array[...] = line.reshape(tensor.array.shape)

    def _cut(self, absent: list[int]) -> None:
        """Make the pieces for the gradients that are there now."""
        self.settle()
        there = [p._grad is not None for p in self.parameters]
        runs: list[list[int]] = []  # [first, last]
        for i, steps in enumerate(self.steps):
            if not there[i]:
                continue
            if runs and runs[-1][1] == i and self.joined[i] and self.steps[i - 1] == steps:
                runs[-1][1] = i + 1
            else:
                runs.append([i, i + 1])
        self._pieces, self._absent = [Piece(self, *run) for run in runs], absent

    def settle(self) -> None:
        """Write the steps that the pieces counted into `steps`."""
        for piece in self._pieces:
            self.steps[piece.first : piece.last] = [piece.steps] * (piece.last - piece.first)

    def remembered(self, i: int) -> dict[str, Tensor]:
        """What is remembered about the i-th parameter: name -> tensor of its shape."""
        return {name: row[i] for name, row in zip(self.names, self.state, strict=True)}


class Scalars:
    """Numbers to multiply arrays with, as 0-d arrays of the arrays' dtype.

    NumPy takes twice as long to multiply a small array with a Python float.
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


# -- who looks at which memory ------------------------------------------------------------------------------------


def lay_end_to_end(tensors: list[Tensor]) -> None:
    """Move the tensors' values into one array, except where somebody else looks at their memory.

    Memory that cannot be written to is left, too: no step could change it.
    """
    for tensor in tensors:
        if not getattr(tensor.array.flags, "writeable", True):  # CuPy has no such flag
            tensor.array = tensor.array.copy()
    if not layout_allowed or lie_end_to_end(tensors):
        return
    movable = find_unshared(tensors)
    if len(movable) < 2:
        return
    memory = np.concatenate([t.array.reshape(-1) for t in movable])
    bounds = accumulate((t.array.size for t in movable), initial=0)
    for tensor, (start, stop) in zip(movable, pairwise(bounds), strict=True):
        tensor.array = memory[start:stop].reshape(tensor.array.shape)


def lie_end_to_end(tensors: list[Tensor]) -> bool:
    """Whether each tensor's memory begins where that of the one before ends."""
    return all(lies_behind(a.array.reshape(-1), b.array.reshape(-1)) for a, b in pairwise(tensors))


def find_unshared(tensors: list[Tensor]) -> list[Tensor]:
    """The tensors at whose memory nothing looks but they themselves, as far as Python's reference counts tell.

    Who looks at a tensor's memory holds its array or a view of it, and a view holds the array that owns the memory. So
    the tensor's array must be referred to as often as a fresh one is, and the owner by these tensors' arrays only.
    """
    fresh = count_fresh(tensors[0].array)
    if fresh is None:
        return []
    counts = [count_references(t) for t in tensors]  # before a variable here refers to one of the arrays
    extents: dict[int, list[tuple[float, float]]] = defaultdict(list)  # by owner: where the tensors lie in its memory
    for t in tensors:
        extents[id(t.array.base)].append(find_extent(t.array))

    def is_unshared(array: Any, references: int, references_to_owner: int) -> bool:
        owner = array if array.base is None else array.base
        if (
            references != fresh.references
            or type(owner) is not type(array)
            or not owner.flags.owndata
            or type(find_memory(owner)) is not fresh.memory
        ):
            return False
        if owner is array:
            return True
        lookers = sorted(extents[id(owner)])
        overlap = any(stop > start for (_, stop), (start, _) in pairwise(lookers))
        return references_to_owner == fresh.references_to_owner + len(lookers) - 1 and not overlap

    return [t for t, count in zip(tensors, counts, strict=True) if is_unshared(t.array, *count)]


class Fresh(NamedTuple):
    """How often a fresh array is referred to, and the owner of a fresh view; and the class of the memory behind."""

    references: int
    references_to_owner: int
    memory: type


def count_fresh(like: Any) -> Fresh | None:
    """What the counts are where nobody else looks. None if they do not rise with a look: not every Python counts."""
    if not hasattr(sys, "getrefcount"):
        return None
    own, view = wrap(np.empty_like(like, shape=(2,))), wrap(np.empty_like(like, shape=(2,))[:1])
    alone = count_references(own)[0], count_references(view)[1]
    looks = [own.array, view.array[:1]]
    seen = count_references(own)[0], count_references(view)[1]
    if seen != (alone[0] + 1, alone[1] + 1):
        return None
    return Fresh(*alone, type(find_memory(looks[0])))


def count_references(tensor: Tensor) -> tuple[int, int]:
    """The references to a tensor's array, and to its array's base (of no meaning if it has none)."""
    return sys.getrefcount(tensor.array), sys.getrefcount(tensor.array.base)


def find_memory(array: Any) -> Any:
    """CuPy's object for the memory: of another class if CuPy did not allocate it. None for NumPy's arrays."""
    return getattr(getattr(array, "data", None), "mem", None)


def find_extent(array: Any) -> tuple[float, float]:
    """Where the array's memory begins and ends; everywhere, if it has gaps."""
    return (find_address(array), find_address(array) + array.nbytes) if array.flags.c_contiguous else (-np.inf, np.inf)


def lies_behind(a: Any, b: Any) -> bool:
    """Whether the 1-d array b begins where a ends, in memory of the same owner that can be taken as one array."""
    owner = a.base
    return (
        owner is not None
        and owner is b.base
        and owner.dtype == a.dtype
        and owner.flags.c_contiguous
        and getattr(owner.flags, "writeable", True)
        and find_address(a) + a.nbytes == find_address(b)
    )


def span(lines: list[Any]) -> Any:
    """One 1-d array over lines of which each lies behind the one before."""
    if len(lines) == 1:
        return lines[0]
    owner = lines[0].base
    start = (find_address(lines[0]) - find_address(owner)) // owner.itemsize
    return owner.reshape(-1)[start : start + sum(line.size for line in lines)]


def find_address(array: Any) -> int:
    """Where the array's memory begins."""
    interface = getattr(array, "__cuda_array_interface__", None) or array.__array_interface__
    return interface["data"][0]
