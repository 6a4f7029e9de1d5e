"""The check of a replay: eager runs before it, from the same start, and everything that either changes is compared."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ... import random
from ...core.tensor import Tensor, wrap
from ...errors import CaptureError
from ...events import draw
from .recording import Leaf, is_same_array


def check(captured: Any, program: Any, inputs: list, args: tuple, kwargs: dict) -> Any:
    """Run eager, go back, replay. Returns the replay's result. Raises CaptureError at the first value that differs."""
    state = State(program, inputs)
    before = state.read()
    expected = dict(name_arrays("the result", captured.eager(*args, **kwargs)))
    expected |= state.read()
    state.write(before)
    result = program.run(*inputs)
    found = dict(name_arrays("the result", result)) | state.read()
    for name, value in expected.items():
        other = found.get(name)
        same = is_same_array(value, other) if isinstance(value, np.ndarray) and other is not None else value == other
        if not same:
            raise CaptureError(
                f"capture: at replay {program.runs} of {captured.__name__}, {name} is another than eager's "
                f"({show(other)}, not {show(value)}). A number or a choice that the function takes from outside has "
                "changed since it was recorded: pass it as an argument"
            )
    return result


def show(x: Any) -> str:
    return np.array2string(x, threshold=6, edgeitems=2) if isinstance(x, np.ndarray) else repr(x)


def name_arrays(name: str, x: Any) -> Iterator[tuple[str, Any]]:
    """The arrays and numbers in a result, named by their place."""
    if isinstance(x, Tensor | np.ndarray):
        yield name, np.array(getattr(x, "array", x))
    elif isinstance(x, tuple | list):
        for i, part in enumerate(x):
            yield from name_arrays(f"{name}[{i}]", part)
    elif isinstance(x, dict):
        for key, part in x.items():
            yield from name_arrays(f"{name}[{key!r}]", part)
    else:
        yield name, x


class State:
    """What a program may change: arrays from outside and arguments, gradients, optimizers, schedules, generators."""

    def __init__(self, program: Any, inputs: list) -> None:
        recording = program.recording
        arrays = [(f"the array p{value.place}", value.array) for value in recording.outside.values()]
        arrays += [(f"argument {i}", getattr(x, "array", x)) for i, x in enumerate(inputs) if not isinstance(x, float)]
        self.arrays = {name: array for name, array in arrays if array.flags.writeable}
        self.leaves: dict[str, Tensor] = {}
        self.generators: dict[str, np.random.Generator] = {}
        self.owners: dict[str, Any] = {}
        for line in recording.lines:
            for x in line.arguments:
                if isinstance(x, Leaf):
                    leaf = x.tensor if x.place is None else inputs[x.place]
                    self.leaves.setdefault(f"the gradient of a tensor of shape {leaf.shape} ({id(leaf)})", leaf)
            if line.function is draw:
                generator = random.generator(line.arguments[1])
                self.generators[f"the state of generator {id(generator)}"] = generator
            owner = getattr(line.function, "__self__", None)
            if owner is not None:
                self.owners[f"the state of {type(owner).__name__} ({id(owner)})"] = owner

    def read(self) -> dict[str, Any]:
        """Copies of everything."""
        found: dict[str, Any] = {name: array.copy() for name, array in self.arrays.items()}
        found |= {name: None if x._grad is None else x._grad.array.copy() for name, x in self.leaves.items()}
        found |= {name: generator.bit_generator.state for name, generator in self.generators.items()}
        for name, owner in self.owners.items():
            found |= {f"{name}: {part}": value for part, value in read_owner(owner).items()}
        return found

    def write(self, found: dict[str, Any]) -> None:
        """Put everything back."""
        for name, array in self.arrays.items():
            array[...] = found[name]
        for name, leaf in self.leaves.items():
            leaf._grad = None if found[name] is None else wrap(found[name].copy())
        for name, generator in self.generators.items():
            generator.bit_generator.state = found[name]
        for name, owner in self.owners.items():
            write_owner(owner, {part: found[f"{name}: {part}"] for part in read_owner(owner)})


def list_flats(owner: Any) -> list[Any]:
    """The flat memory of an optimizer."""
    return [flat for flats in getattr(owner, "_flats", ()) for flat in flats]


def read_owner(owner: Any) -> dict[str, Any]:
    """What an optimizer or a schedule remembers."""
    found: dict[str, Any] = {}
    for i, flat in enumerate(list_flats(owner)):
        flat.settle()
        found[f"steps of {i}"] = [*flat.steps]
        for j, (tensor, _) in enumerate(flat.state_pairs):
            found[f"memory {j} of {i}"] = tensor.array.copy()
    for i, group in enumerate(getattr(owner, "param_groups", ())):
        found[f"settings of {i}"] = {name: value for name, value in group.items() if name != "params"}
    if hasattr(owner, "last_epoch"):
        found["schedule"] = {name: value for name, value in vars(owner).items() if name != "optimizer"}
        found["rates"] = [group["lr"] for group in owner.optimizer.param_groups]
    return found


def write_owner(owner: Any, found: dict[str, Any]) -> None:
    for i, flat in enumerate(list_flats(owner)):
        flat.steps[:] = found[f"steps of {i}"]
        for piece in flat._pieces:
            piece.steps = flat.steps[piece.first]
        for j, (tensor, _) in enumerate(flat.state_pairs):
            tensor.array[...] = found[f"memory {j} of {i}"]
    for i, group in enumerate(getattr(owner, "param_groups", ())):
        group.update(found[f"settings of {i}"])
    if hasattr(owner, "last_epoch"):
        vars(owner).update(found["schedule"])
        for group, rate in zip(owner.optimizer.param_groups, found["rates"], strict=True):
            group["lr"] = rate
