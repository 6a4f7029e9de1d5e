"""Modules that hold modules."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..core.modes import observers
from ..core.tensor import Tensor
from ..events import wants_every_row
from ..speed import ENABLED as fuse
from ..speed.fused import linear_relu
from .activations import ReLU
from .layers import Linear
from .module import Module
from .parameter import Parameter

_LINEAR, _RELU = Linear.forward, ReLU.forward


def _can_fuse(layer: Module, relu: Module) -> bool:
    """Whether calling the two is calling Linear's and ReLU's forward: no hooks, and no other forward of the user's."""
    # Hooks and a forward of an instance's own are in its dict. To look there takes less time than to read the
    # attributes: most instances have none, and Python then looks in all their classes.
    own, its_own = layer.__dict__, relu.__dict__
    return (
        type(layer) is Linear
        and type(relu) is ReLU
        and "_forward_hooks" not in own
        and "_forward_pre_hooks" not in own
        and "forward" not in own
        and "_forward_hooks" not in its_own
        and "_forward_pre_hooks" not in its_own
        and "forward" not in its_own
        and Linear.forward is _LINEAR
        and ReLU.forward is _RELU
    )


class Sequential(Module):
    """Modules one after the other: `Sequential(Linear(4, 64), ReLU(), Linear(64, 2))`.

    A Linear and the ReLU behind it are computed in one node of the graph, `linear_relu`, unless one of them has a hook
    or a forward of its own; the numbers are the same.

    Also takes one dict of names and modules. The modules are attributes named "0", "1", ... (or as in the dict), and
    `net[0]`, `net[-1]`, `net[:2]`, `len(net)` and iteration work as for a list.
    """

    _layers: tuple[Module, ...] = ()
    _steps: tuple[tuple[Any, ReLU | None], ...] = ()  # a layer, and the ReLU that may go into the same node

    def __init__(self, *args: Any) -> None:
        super().__init__()
        named = args[0] if len(args) == 1 and isinstance(args[0], Mapping) else {str(i): m for i, m in enumerate(args)}
        for name, module in named.items():
            _add(self, name, module)

    def forward(self, input: Any) -> Any:
        """The input after every layer in turn."""
        for layer, relu in self._steps:
            if relu is None:
                # layer(input) takes longer, which only hooks are worth
                hooked = layer._forward_hooks is not None or layer._forward_pre_hooks is not None
                input = layer(input) if hooked else layer.forward(input)
            elif fuse and not (observers and wants_every_row()) and _can_fuse(layer, relu):
                input = linear_relu(input, layer.weight, layer.bias)
            else:
                input = relu(layer(input))
        return input

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Steps are worked out anew: what an older version pickled has none."""
        self.__dict__.update(state)
        self._renew_layers()

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        self._renew_layers()

    def __delattr__(self, name: str) -> None:
        super().__delattr__(name)
        self._renew_layers()

    def _renew_layers(self) -> None:
        layers = tuple(m for m in self.__dict__.values() if isinstance(m, Module))
        steps: list[tuple[Any, ReLU | None]] = []
        for layer in layers:
            if steps and type(layer) is ReLU and type(steps[-1][0]) is Linear and steps[-1][1] is None:
                steps[-1] = steps[-1][0], layer
            else:
                steps.append((layer, None))
        self.__dict__.update(_layers=layers, _steps=tuple(steps))

    def append(self, module: Module) -> Sequential:
        """Add a module at the end; returns the container."""
        _add(self, str(len(self)), module)
        return self

    def extend(self, sequential: Iterable[Module]) -> Sequential:
        """Add several modules at the end; returns the container."""
        for module in sequential:
            self.append(module)
        return self

    def __len__(self) -> int:
        return len(self._layers)

    def __iter__(self) -> Iterator[Module]:
        return iter(self._layers)

    def __getitem__(self, index: int | slice) -> Module:
        if isinstance(index, slice):
            return type(self)(dict(list(name_modules(self).items())[index]))
        return self._layers[find_position(self, index)]

    def __setitem__(self, index: int, module: Module) -> None:
        setattr(self, list(name_modules(self))[find_position(self, index)], module)

    def __delitem__(self, index: int | slice) -> None:
        """Take modules away; those that stay are numbered anew, even if they had names, as in PyTorch."""
        names, modules = list(name_modules(self)), list(self)
        del modules[index if isinstance(index, slice) else find_position(self, index)]
        for name in names:
            delattr(self, name)
        for number, module in enumerate(modules):
            setattr(self, str(number), module)


class ModuleList(Sequential):
    """A list of modules whose parameters are found. It computes nothing itself: `for layer in self.layers: ...`."""

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        super().__init__(*modules)

    def __getitem__(self, index: int | slice) -> Any:
        return ModuleList(self._layers[index]) if isinstance(index, slice) else super().__getitem__(index)

    def forward(self, *inputs: Any) -> Any:
        """Raises NotImplementedError: in which order to call the modules is for the owner to say."""
        raise NotImplementedError(
            "ModuleList: cannot be called; call its modules in your own forward, or use Sequential to chain them"
        )


class ModuleDict(Module):
    """A dict of modules whose parameters are found: `self.heads["value"](x)`."""

    def __init__(self, modules: Mapping[str, Module] | None = None) -> None:
        super().__init__()
        for name, module in (modules or {}).items():
            self[name] = module

    def __getitem__(self, name: str) -> Module:
        return name_modules(self)[name]

    def __setitem__(self, name: str, module: Module) -> None:
        _add(self, name, module)

    def __delitem__(self, name: str) -> None:
        delattr(self, name)

    def __len__(self) -> int:
        return len(name_modules(self))

    def __iter__(self) -> Iterator[str]:
        return iter(name_modules(self))

    def __contains__(self, name: str) -> bool:
        return name in name_modules(self)

    def keys(self) -> Iterable[str]:
        """The names."""
        return name_modules(self).keys()

    def values(self) -> Iterable[Module]:
        """The modules."""
        return name_modules(self).values()

    def items(self) -> Iterable[tuple[str, Module]]:
        """(name, module), in order."""
        return name_modules(self).items()


class ParameterList(Module):
    """A list of parameters that are found: `self.scales[i]`. Tensors that are no Parameters become trainable ones."""

    def __init__(self, values: Iterable[Tensor] = ()) -> None:
        super().__init__()
        self.extend(values)

    def _list_parameters(self) -> dict[str, Parameter]:
        return {name: value for name, value in self.__dict__.items() if isinstance(value, Parameter)}

    def append(self, value: Tensor) -> ParameterList:
        """Add a parameter at the end; returns the list."""
        self.register_parameter(str(len(self)), value if isinstance(value, Parameter) else Parameter(value))
        return self

    def extend(self, values: Iterable[Tensor]) -> ParameterList:
        """Add several parameters at the end; returns the list."""
        for value in values:
            self.append(value)
        return self

    def __len__(self) -> int:
        return len(self._list_parameters())

    def __iter__(self) -> Iterator[Parameter]:
        return iter(self._list_parameters().values())

    def __getitem__(self, index: int | slice) -> Any:
        held = list(self)
        return ParameterList(held[index]) if isinstance(index, slice) else held[find_position(self, index)]

    def __setitem__(self, index: int, value: Tensor) -> None:
        setattr(self, str(find_position(self, index)), value if isinstance(value, Parameter) else Parameter(value))

    def forward(self, *inputs: Any) -> Any:
        """Raises NotImplementedError: what to do with the parameters is for the owner to say."""
        raise NotImplementedError("ParameterList: cannot be called; use its parameters in your own forward")

    def extra_repr(self) -> str:
        """The shape and dtype of each."""
        lines = [f"({name}): Parameter of {p.dtype} and shape {p.shape}" for name, p in self._list_parameters().items()]
        return "\n  " + "\n  ".join(lines) + "\n" if lines else ""


def name_modules(module: Module) -> dict[str, Module]:
    return {name: value for name, value in module.__dict__.items() if isinstance(value, Module)}


def _add(container: Module, name: str, module: Any) -> None:
    if not isinstance(module, Module):
        kind = type(container).__name__
        if isinstance(module, type) and issubclass(module, Module):
            raise TypeError(
                f"{kind}: element '{name}' is the class {module.__name__}; make a module of it: {module.__name__}()"
            )
        if isinstance(module, list | tuple):
            raise TypeError(f"{kind}: element '{name}' is a {type(module).__name__}; unpack it: {kind}(*modules)")
        what = getattr(module, "__name__", type(module).__name__)
        mend = "; pass modules, e.g. nn.ReLU() for a function" if callable(module) or isinstance(module, Tensor) else ""
        raise TypeError(f"{kind}: element '{name}' must be a Module, got {what}{mend}")
    container.add_module(name, module)


def find_position(container: Any, index: Any) -> int:
    n, i = len(container), operator.index(index)
    what = "parameters" if isinstance(container, ParameterList) else "modules"
    if not -n <= i < n:
        raise IndexError(f"{type(container).__name__}: index {i} is out of range; it holds {n} {what}")
    return i % n
