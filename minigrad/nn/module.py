"""Module: a function with parameters, built out of other modules.

Parameters, buffers and child modules are ordinary attributes. Nothing is registered when they are set: whoever asks
for them (an optimizer, `state_dict`) walks the attributes in the order in which they were defined. Reading
`self.weight` is therefore a plain attribute look-up, and a forward pass, which reads every parameter, costs little
more than its operations.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, Self

from ..core.tensor import Tensor
from ..device import beside
from ..dialect.inplace import overwrite
from ..events import act, forget_gradients, layout, observers, report
from .hooks import Hooked
from .parameter import Parameter


class IncompatibleKeys(NamedTuple):
    """What `load_state_dict(strict=False)` could not match, by name."""

    missing_keys: list[str]
    unexpected_keys: list[str]


class Module(Hooked):
    """The base of all networks: define attributes in `__init__` and the computation in `forward`.

        class Critic(nn.Module):
            def __init__(self):
                super().__init__()
                self.body = nn.Linear(4, 64)
                self.value = nn.Linear(64, 1)

            def forward(self, observation):                            # (batch, 4)
                return self.value(F.relu(self.body(observation)))      # (batch, 1)

    `module(x)` calls `forward(x)`, and the hooks if there are any.
    """

    training: bool
    _buffer_names: dict[str, bool] = {}  # the class's default; an instance has its own once it has buffers

    def __init__(self) -> None:
        self.training = True

    def forward(self, *inputs: Any) -> Any:
        """The computation. Every subclass defines its own."""
        raise NotImplementedError(
            f"{type(self).__name__}: 'forward' is not defined; write `def forward(self, x): ...` in the class"
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if observers:
            report("entered", self)
        if self._forward_hooks is None and self._forward_pre_hooks is None:
            if len(args) == 1 and not kwargs:  # as mostly: Python calls it in less time without a star
                return self.forward(args[0])
            return self.forward(*args, **kwargs)
        return self._call_with_hooks(args, kwargs)

    # -- attributes ---------------------------------------------------------------------------------------

    def __setattr__(self, name: str, value: Any) -> None:
        held = self.__dict__.get(name)
        if held is not None and value is not None:
            _check_assignment(self, name, held, value)
        elif isinstance(value, (Parameter, Module)):
            _check_init(self, name, "a Parameter" if isinstance(value, Parameter) else "a Module")
        if isinstance(value, Parameter) and name in self._buffer_names:
            self._forget_buffer(name)
        if isinstance(value, (Tensor, Module)) or name == "training" or isinstance(held, (Tensor, Module)):
            layout[0] += 1
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        layout[0] += 1
        object.__delattr__(self, name)
        if name in self._buffer_names:
            self._forget_buffer(name)

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Make `tensor` a part of the state that is not trained (running statistics, noise).

        persistent: whether `state_dict` contains it.

        Raises KeyError for a name that is taken, empty or has a dot, TypeError unless `tensor` is a Tensor or None.
        """
        if name not in self._buffer_names:
            _check_name(self, "register_buffer", name)
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(
                f"register_buffer: buffer '{name}' must be a Tensor or None, got {type(tensor).__name__}; "
                "wrap it with minigrad.tensor"
            )
        _check_init(self, name, "a buffer")
        object.__setattr__(self, "_buffer_names", {**self._buffer_names, name: persistent})
        object.__setattr__(self, name, tensor)
        layout[0] += 1

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """The same as `setattr(self, name, param)`, with the name checked as in `register_buffer`."""
        if not isinstance(self.__dict__.get(name), Parameter):
            _check_name(self, "register_parameter", name)
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(
                f"register_parameter: parameter '{name}' must be an nn.Parameter or None, got "
                f"{type(param).__name__}; wrap it with nn.Parameter"
            )
        setattr(self, name, param)

    def add_module(self, name: str, module: Module | None) -> None:
        """The same as `setattr(self, name, module)`, for names that are computed."""
        if module is not None and not isinstance(module, Module):
            raise TypeError(
                f"add_module: '{name}' must be a Module or None, got {type(module).__name__}"
                + ("; make an instance of it, with parentheses" if isinstance(module, type) else "")
            )
        if not isinstance(self.__dict__.get(name), Module):
            _check_name(self, "add_module", name)
        setattr(self, name, module)

    register_module = add_module

    def _forget_buffer(self, name: str) -> None:
        remaining = {n: saved for n, saved in self._buffer_names.items() if n != name}
        object.__setattr__(self, "_buffer_names", remaining)

    # -- walking over the attributes ----------------------------------------------------------------------

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """(name, module) of the modules that are attributes of this one, each module once."""
        names: dict[Module, str] = {}
        for name, value in self.__dict__.items():
            if isinstance(value, Module):
                names.setdefault(value, name)
        return ((name, module) for module, name in names.items())

    def children(self) -> Iterator[Module]:
        """The modules that are attributes of this one."""
        return (module for _, module in self.named_children())

    def named_modules(
        self, memo: set[Module] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """(dotted name, module) of this module and all below it: each before its children, each once."""
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        for name, value in self.__dict__.items():
            if isinstance(value, Module):
                yield from value.named_modules(memo, f"{prefix}.{name}" if prefix else name, remove_duplicate)

    def modules(self) -> Iterator[Module]:
        """This module and all below it."""
        modules: dict[Module, None] = {}
        self._collect(modules, {})
        return iter(modules)

    def _collect(self, modules: dict[Module, None], parameters: dict[Parameter, None]) -> None:
        """All below, without names, in the order of `named_modules`: in one walk, for every training step takes one."""
        if self in modules:
            return
        modules[self] = None
        children = []
        for value in self.__dict__.values():
            if isinstance(value, Parameter):
                parameters[value] = None
            elif isinstance(value, Module):
                children.append(value)
        for child in children:
            child._collect(modules, parameters)

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """(dotted name, parameter): a module's own first, then its children's, in the order of definition.

        remove_duplicate: name a parameter that is shared by several modules once, where it is met first.
        """
        for name, value, _ in self._members(prefix, recurse, remove_duplicate):
            if isinstance(value, Parameter):
                yield name, value

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """What there is to train: give it to an optimizer."""
        if not recurse:
            return iter({v: None for v in self.__dict__.values() if isinstance(v, Parameter)})
        found: dict[Parameter, None] = {}
        self._collect({}, found)
        return iter(found)

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """(dotted name, buffer), in the order of `named_parameters`."""
        for name, value, _ in self._members(prefix, recurse, remove_duplicate):
            if not isinstance(value, Parameter):
                yield name, value

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """The state that is not trained."""
        return (buffer for _, buffer in self.named_buffers(recurse=recurse))

    def _members(self, prefix: str, recurse: bool, once: bool) -> Iterator[tuple[str, Tensor, bool]]:
        """(dotted name, tensor, whether it is saved): per module its parameters, then its buffers."""
        seen = set()
        for path, module in self.named_modules(prefix=prefix, remove_duplicate=once) if recurse else [(prefix, self)]:
            attributes, buffers = module.__dict__, module._buffer_names
            own = [(name, value, True) for name, value in attributes.items() if isinstance(value, Parameter)]
            own += [(name, attributes[name], saved) for name, saved in buffers.items()]
            for name, value, saved in own:
                if value is None or (once and value in seen):
                    continue
                seen.add(value)
                yield (f"{path}.{name}" if path else name), value, saved

    # -- state on its way in and out ----------------------------------------------------------------------

    def state_dict(self, prefix: str = "", keep_vars: bool = False) -> OrderedDict[str, Tensor]:
        """Dotted name -> tensor, for all parameters and persistent buffers.

        The tensors look at the module's memory: `clone()` what shall stay as it is now.
        keep_vars: give the parameters themselves instead of detached tensors.
        """
        return OrderedDict(
            (prefix + name, value if keep_vars else value.detach())
            for name, value, saved in self._members("", recurse=True, once=False)
            if saved
        )

    def load_state_dict(
        self, state_dict: Mapping[str, Tensor], strict: bool = True, assign: bool = False
    ) -> IncompatibleKeys:
        """Copy the values of `state_dict` into the parameters and buffers.

        strict: False tolerates missing and unexpected keys, and returns them.
        assign: let the module hold the given tensors themselves, in their dtype and on their device. An optimizer that
            was made before goes on with the old ones.

        Raises RuntimeError that names every missing, unexpected and misshapen key; nothing has been changed then.
        """
        if not isinstance(state_dict, Mapping):
            hint = "pass its .state_dict()" if isinstance(state_dict, Module) else "load one with minigrad.load"
            raise TypeError(f"load_state_dict: expected a dict of Tensors, got {type(state_dict).__name__}; {hint}")
        own = self.state_dict(keep_vars=True)
        missing = [name for name in own if name not in state_dict]
        unexpected = [name for name in state_dict if name not in own]
        problems = []
        if strict and missing:
            problems.append(f"missing keys: {', '.join(missing)}")
        if strict and unexpected:
            problems.append(f"unexpected keys: {', '.join(map(str, unexpected))}")
        for name, held in own.items():
            given = state_dict.get(name)
            if given is None:
                continue
            if not isinstance(given, Tensor):
                problems.append(f"{name}: expected a Tensor, got {type(given).__name__}, use minigrad.tensor")
            elif given.shape != held.shape:
                problems.append(f"{name}: shape {held.shape} here, {given.shape} in the state_dict")
        if problems:
            hint = "; pass strict=False to ignore missing and unexpected keys" if strict else ""
            raise RuntimeError(
                f"load_state_dict: the state_dict does not fit this {type(self).__name__}:\n  "
                + "\n  ".join(problems)
                + f"\nbuild the module as it was when it was saved{hint}"
            )
        for name, held in own.items():
            if name in state_dict and assign:
                self._hold(name, held, state_dict[name])
            elif name in state_dict:
                # In place: an optimizer may hold this memory as a part of its flat buffer.
                overwrite(held, beside(state_dict[name].array, held.array))
        return IncompatibleKeys(missing, unexpected)

    def _hold(self, name: str, held: Tensor, given: Tensor) -> None:
        """Let `given` take the place of `held`, the parameter or buffer of that dotted name."""
        *path, attribute = name.split(".")
        module: Any = self
        for child in path:
            module = getattr(module, child)
        if isinstance(held, Parameter) and not isinstance(given, Parameter):
            given = Parameter(given, requires_grad=held.requires_grad)
        setattr(module, attribute, given)

    # -- changing the whole tree --------------------------------------------------------------------------

    def train(self, mode: bool = True) -> Self:
        """Set `training` here and below (noise and normalisation may depend on it)."""
        if not isinstance(mode, bool):
            raise ValueError(f"train: mode must be True or False, got {mode!r}")
        for module in self.modules():
            object.__setattr__(module, "training", mode)
        layout[0] += 1
        return self

    def eval(self) -> Self:
        """The same as `train(False)`."""
        return self.train(False)

    def apply(self, fn: Callable[[Module], Any]) -> Self:
        """Call `fn` on every module below this one and then on this one, to initialise weights for example."""
        for child in self.children():
            child.apply(fn)
        fn(self)
        return self

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Train the parameters, or freeze them."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters; `set_to_none=False` fills them with zeros instead."""
        parameters = [*self.parameters()]
        act(forget_gradients, parameters, parameters, set_to_none)

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """Move to a device, `to("cuda")`, or convert floating-point tensors, `to(minigrad.float64)`; in place."""

        def convert(tensor: Tensor) -> Tensor:
            moved = tensor.detach().to(*args, **kwargs)
            keeps_kind = moved.dtype == tensor.dtype or tensor.is_floating_point()
            return moved if keeps_kind else tensor.detach().to(moved.device)  # an integer buffer keeps its dtype

        return self._convert(convert)

    def float(self) -> Self:
        """Convert floating-point parameters and buffers to float32, in place."""
        return self._convert(lambda t: t.detach().float() if t.is_floating_point() else t)

    def double(self) -> Self:
        """Convert floating-point parameters and buffers to float64, in place."""
        return self._convert(lambda t: t.detach().double() if t.is_floating_point() else t)

    def cpu(self) -> Self:
        """Move to the host, in place."""
        return self._convert(lambda t: t.detach().cpu())

    def cuda(self) -> Self:
        """Move to the GPU, in place."""
        return self._convert(lambda t: t.detach().cuda())

    def _convert(self, convert: Callable[[Tensor], Tensor]) -> Self:
        """Give every parameter and buffer a new array; the Tensor objects stay, so an optimizer keeps knowing them."""
        report("refused", "a module's conversion")
        for _, tensor, _ in self._members("", recurse=True, once=True):
            array = convert(tensor).array
            if array is not tensor.array:
                tensor.array = array
                tensor._version[0] += 1
                if tensor._grad is not None:
                    tensor._grad = convert(tensor._grad)
        return self

    # -- printing -----------------------------------------------------------------------------------------

    def extra_repr(self) -> str:
        """What stands between the parentheses of this module's line; subclasses define their own."""
        return ""

    def __repr__(self) -> str:
        extra = self.extra_repr()
        children = [
            f"({name}): " + repr(value).replace("\n", "\n  ")
            for name, value in self.__dict__.items()
            if isinstance(value, Module)
        ]
        if not children:
            return f"{type(self).__name__}({extra})"
        lines = ([extra] if extra else []) + children
        return f"{type(self).__name__}(\n  " + "\n  ".join(lines) + "\n)"


def _check_init(module: Module, name: str, what: str) -> None:
    """Refuse a part of the state before Module.__init__ has run, as PyTorch does."""
    if "training" not in module.__dict__:
        raise AttributeError(
            f"{type(module).__name__}.{name}: cannot assign {what} before Module.__init__() was called; "
            "begin the class's __init__ with super().__init__()"
        )


def _check_name(module: Module, who: str, name: str) -> None:
    kind = type(module).__name__
    if not isinstance(name, str):
        raise TypeError(f"{who}: the name must be a str, got {type(name).__name__} {name!r}; give it as str(...)")
    if not name or "." in name:
        raise KeyError(f"{who}: the name {name!r} is empty or has a dot, which separates modules; choose a plain word")
    if hasattr(module, name):
        raise KeyError(f"{who}: {kind} has an attribute '{name}' already; choose another name")


def _check_assignment(module: Module, name: str, held: Any, value: Any) -> None:
    """Refuse what would silently drop a parameter, a buffer or a module from the state."""
    kind = type(module).__name__
    if isinstance(held, Parameter) and not isinstance(value, Parameter):
        raise TypeError(
            f"{kind}.{name} is a Parameter and can be replaced by an nn.Parameter or None only, got "
            f"{type(value).__name__}; to change its values: `with no_grad(): module.{name}.copy_(tensor)`"
        )
    if isinstance(held, Module) and not isinstance(value, Module):
        raise TypeError(
            f"{kind}.{name} is a Module and can be replaced by a Module or None only, got {type(value).__name__}; "
            "choose another name for the attribute"
        )
    if name in module._buffer_names and not isinstance(value, Tensor):
        raise TypeError(
            f"{kind}.{name} is a buffer and can be replaced by a Tensor or None only, got {type(value).__name__}; "
            "wrap it with minigrad.tensor"
        )
