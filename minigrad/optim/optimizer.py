"""What all optimizers share: parameter groups, steps, and the flat layout. What they remember is in state.py."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from ..core.tensor import Tensor, wrap
from ..device import beside
from ..dialect.grad_modes import enable_grad
from ..events import act, forget_gradients
from ..speed.flat import Flat, Piece
from .state import Stateful

_NOT_SETTINGS = ("params", "param_names", "initial_lr")  # what a group may hold besides settings


class Optimizer(Stateful):
    """The base of all optimizers.

    param_groups: a list of dicts. "params" holds the tensors, the other entries are settings, which may be changed
        between steps: `for group in optimizer.param_groups: group["lr"] *= 0.5`.
    state: what is remembered about each parameter, a dict of dicts.

    To write an optimizer, define `step`, as in PyTorch:

        class Plain(Optimizer):
            def __init__(self, params, lr=0.1):
                super().__init__(params, {"lr": lr})

            def step(self, closure=None):
                for group in self.param_groups:
                    for p in group["params"]:
                        p.data.add_(p.grad, alpha=-group["lr"])

    The built-in ones define what they remember per element (`_list_state_names`) and how a piece of flat memory changes
    (`_update`) instead. The parameters' arrays become views of one flat array as far as nobody else looks at their
    memory (see speed/flat.py); values and Tensor objects stay the same. Two optimizers may share parameters.
    """

    _stepped = False  # since when a schedule looks (see lr_scheduler.py)

    def __init__(self, params: Any, defaults: dict[str, Any], **unsupported: bool) -> None:
        """unsupported: switches that raise if they are on: capturable (for CUDA graphs), differentiable (the step).

        PyTorch's foreach and fused are faster ways to the same numbers. The flat step is fast: they change nothing.
        """
        for name, asked in unsupported.items():
            if asked:
                raise NotImplementedError(
                    f"{self._kind}: {name}=True is not supported, there is one way to step and it is not {name}; leave "
                    "it out, and write steps that are to be differentiated with operators"
                )
        self.defaults = defaults
        self._begin()
        is_module = callable(getattr(params, "parameters", None))
        if is_module or isinstance(params, Tensor | Mapping) or not isinstance(params, Iterable):
            hint = "; pass its .parameters()" if is_module else "; put it into a list"
            raise TypeError(f"{self._kind}: expected an iterable of parameters, got {type(params).__name__}{hint}")
        groups = list(params)
        if not groups:
            raise ValueError(
                f"{self._kind}: expected parameters, got an empty list; a generator such as net.parameters() is empty "
                "after its first use (call it again), and a module finds only parameters that are attributes"
            )
        for group in groups if isinstance(groups[0], dict) else [{"params": groups}]:
            self.add_param_group(group)

    def _begin(self) -> None:
        """Start without any parameters."""
        self.param_groups = []
        self._flats = []
        self._all = []
        self._state = None
        self._entered = set()

    def _list_state_names(self, group: dict[str, Any]) -> tuple[str, ...]:
        """What is remembered per element under these settings."""
        raise NotImplementedError(
            f'{self._kind}: define step(self, closure=None), which changes each p of each group\'s "params" by its '
            "p.grad; self.state[p] is a dict for what it remembers"
        )

    def _update(self, group: dict[str, Any], flat: Flat, piece: Piece) -> None:
        """One step of a piece, in place."""
        raise NotImplementedError

    def _choose_initial(self, group: dict[str, Any], name: str) -> float:
        """The value that is remembered before the first step."""
        return 0.0

    def _prepare(self, group: dict[str, Any], piece: Piece) -> None:
        """Turn the gradient into what is to be descended: its sign for `maximize`, and the weights' decay.

        With weight_decay the loss has a term ½ weight_decay |θ|², so its gradient one weight_decay · θ. Decoupled from
        the gradient's scaling the weights shrink by themselves instead: θ ← (1 - lr · weight_decay) θ.
        """
        g, decay = piece.gradient, group["weight_decay"]
        if group["maximize"]:
            np.negative(g, g)
        if decay and group.get("decoupled_weight_decay"):
            np.multiply(piece.values, 1 - group["lr"] * decay, piece.values)
        elif decay:
            np.add(g, np.multiply(piece.values, decay, piece.scratch), g)

    def _check(self, group: dict[str, Any]) -> None:
        """Raise ValueError for settings that make no sense."""

    def _refuse_negative(self, group: dict[str, Any], *names: str) -> None:
        for name in names:
            value = group[name]
            if not isinstance(value, int | float | np.number | Tensor) or not float(value) >= 0:
                raise ValueError(f"{self._kind}: {name}={value!r}; expected a number of at least 0")

    def _refuse_non_fractions(self, group: dict[str, Any], name: str, count: int, example: str) -> None:
        """Refuse anything but `count` numbers in [0, 1): the weight of the past in an average over time."""
        values = group[name] if count > 1 else [group[name]]
        if not isinstance(values, tuple | list) or len(values) != count or not all(0 <= v < 1 for v in values):
            expected = "two numbers" if count == 2 else "a number"
            raise ValueError(f"{self._kind}: {name}={group[name]!r}; expected {expected} in [0, 1), such as {example}")

    # -- stepping -----------------------------------------------------------------------------------------

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Change every parameter that has a gradient; the others stay as they are, and so does their state.

        closure: computes the loss anew (and its gradients) before the step; its result is returned.
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        act(self.take_step, self._all)
        return loss

    def take_step(self) -> None:
        """The step, with the gradients that are there."""
        self._stepped = True
        if self._state is not None:
            self._read_state()
        for i, group in enumerate(self.param_groups):
            names, flats = self._list_state_names(group), self._flats[i]
            for flat in flats:
                if not flat.is_in_place(names):
                    flats = self._lay_out(i)
                    break
            for flat in flats:
                for piece in flat.gather():
                    self._update(group, flat, piece)
        if self._state is not None:
            self._write_state(self._state)
            self._count_changes()

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget all gradients; `set_to_none=False` fills them with zeros instead."""
        act(forget_gradients, self._all, self._all, set_to_none)

    # -- groups -------------------------------------------------------------------------------------------

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Train further parameters: `{"params": ..., "lr": ...}`. Settings that are left out are the defaults.

        Raises TypeError for what is no tensor, ValueError for tensors that are no leaves, or are here already.
        """
        if not isinstance(param_group, dict):
            raise TypeError(
                f"{self._kind}: expected a group to be a dict, got {type(param_group).__name__}; "
                "give {'params': [...], 'lr': ...}"
            )
        if "params" not in param_group:
            raise ValueError(f"{self._kind}: a group has the keys {list(param_group)}, but needs 'params'; add it")
        param_group = self._separate_names(param_group)
        parameters = param_group["params"]
        if not parameters:
            raise ValueError(f"{self._kind}: a group has no parameters; leave the group out, or give it some")
        known = {id(p) for p in self._all}
        for p in parameters:
            self._check_parameter(p)
            if id(p) in known:
                raise ValueError(
                    f"{self._kind}: the parameter of shape {p.shape} is given twice; "
                    "give each parameter once, in one group"
                )
            known.add(id(p))
        unknown = [name for name in param_group if name not in self.defaults and name not in _NOT_SETTINGS]
        if unknown:
            raise ValueError(
                f"{self._kind}: a group has the unknown settings {unknown}; expected some of {list(self.defaults)}"
            )
        group = {"params": parameters, **self.defaults, **param_group}
        self._check(group)
        self.param_groups.append(group)
        self._all += parameters
        self._flats.append([])
        if self._has_pieces:
            self._lay_out(len(self.param_groups) - 1)

    def _separate_names(self, param_group: dict[str, Any]) -> dict[str, Any]:
        """The group with its parameters as a list, and their names, if there are any (named_parameters), in another."""
        params = param_group["params"]
        if isinstance(params, set | frozenset):
            raise TypeError(f"{self._kind}: a set has no order, so its state could not be saved; give a list")
        members = [params] if isinstance(params, Tensor) else list(params)
        named = [isinstance(m, tuple) and len(m) == 2 and isinstance(m[0], str) for m in members]
        group = {**param_group, "params": members}
        if members and all(named):
            group |= {"params": [p for _, p in members], "param_names": [name for name, _ in members]}
        others = self.param_groups[:1]
        if (any(named) and not all(named)) or any(("param_names" in g) != ("param_names" in group) for g in others):
            raise ValueError(
                f"{self._kind}: some parameters are given with their names and some without; give .named_parameters() "
                "or .parameters() for all of them"
            )
        return group

    def _check_parameter(self, p: Any) -> None:
        if not isinstance(p, Tensor):
            hint = "pass tensors, or (name, tensor) for each" if isinstance(p, tuple) else "pass tensors"
            hint = "pass its .parameters()" if callable(getattr(p, "parameters", None)) else hint
            raise TypeError(f"{self._kind}: expected parameters to be Tensors, got {type(p).__name__}; {hint}")
        if not p.is_leaf:
            raise ValueError(
                f"{self._kind}: cannot optimize the tensor of shape {p.shape} because '{p._node.name}' made it; "
                "pass the leaf it was computed from, or make a leaf of it: x.detach().clone().requires_grad_()"
            )
        if p.dtype.kind != "f":
            raise ValueError(f"{self._kind}: cannot optimize a tensor of dtype {p.dtype}; convert it with .float()")

    @property
    def _has_pieces(self) -> bool:  # type: ignore[override]
        """Whether a step is written for pieces of flat memory, or, in a subclass, for parameters."""
        return type(self)._update is not Optimizer._update

    def _lay_out(self, i: int) -> list[Flat]:
        """Make the flat arrays of group i, keeping what is remembered so far."""
        group = self.param_groups[i]
        names = self._list_state_names(group)
        if any(not set(flat.names) <= set(names) for flat in self._flats[i]):
            self._state = self.state  # keeps what is of no use under the present settings, as in PyTorch
        shown = self._state
        remembered: dict[Tensor, tuple[int, Mapping[str, Any]]] = {}
        for flat in self._flats[i]:
            flat.settle()
            remembered |= {p: (flat.steps[j], flat.remembered(j)) for j, p in enumerate(flat.parameters)}
        if shown is not None:
            remembered = {p: (self._read_step(shown.get(p) or {}), shown.get(p) or {}) for p in group["params"]}
        kinds: dict[Any, list[Tensor]] = {}
        for p in group["params"]:
            kinds.setdefault((p.dtype, type(p.array)), []).append(p)
        plans = []
        for parameters in kinds.values():
            before = [remembered.get(p, (0, {})) for p in parameters]
            state = [
                [self._keep(group, name, p, old.get(name)) for p, (_, old) in zip(parameters, before, strict=True)]
                for name in names
            ]
            # Without "step" the state itself says whether there was a step: none counts that left nothing behind.
            steps = [
                n if self._counts_steps or all(old.get(name) is not None for name in names) else 0 for n, old in before
            ]
            plans.append((parameters, names, state, steps))
        for flat in self._flats[i]:
            flat.release()
        flats = self._flats[i] = [Flat(*plan) for plan in plans]
        if shown is not None:
            self._enter(flats)
        return flats

    def _keep(self, group: dict[str, Any], name: str, p: Tensor, tensor: Any) -> Tensor:
        """The tensor in which `name` is remembered about p: the one given, if it is of p's dtype and on its device."""
        if tensor is None:
            return wrap(np.full_like(p.array, self._choose_initial(group, name)))
        if not isinstance(tensor, Tensor) or tensor.shape != p.shape:
            given = f"shape {tensor.shape}" if isinstance(tensor, Tensor) else f"type {type(tensor).__name__}"
            raise ValueError(
                f"{self._kind}: state[parameter]['{name}'] has {given}, expected a tensor of the parameter's shape "
                f"{p.shape}, such as zeros_like(parameter)"
            )
        if tensor.dtype == p.dtype and tensor.device == p.device:
            return tensor
        return wrap(beside(tensor.array, p.array).astype(p.dtype))

    def remember_in(self, **memory: Any) -> None:
        """Keep what is remembered in 1-d arrays of the caller's, and go on from what stands in them.

        memory: an array of as many elements as all parameters have together, for each of the names that the state has
            ("square_avg"). In memory that processes share, they share the state (Hogwild).

        Raises ValueError for several groups, several dtypes, other names, or arrays of another size or dtype.
        """
        flats = [flat for group in self._flats for flat in group]
        if len(flats) != 1:
            raise ValueError(
                f"{self._kind}.remember_in: there are {len(self.param_groups)} groups and {len(flats)} flat arrays of "
                "parameters; use one group of parameters of one dtype"
            )
        (flat,) = flats
        if set(memory) != set(flat.names):
            raise ValueError(
                f"{self._kind}.remember_in: expected an array for each of {list(flat.names)}, got {list(memory)}"
            )
        for name, array in memory.items():
            if (array.shape, array.dtype) != (flat.gradient.shape, flat.gradient.dtype):
                raise ValueError(
                    f"{self._kind}.remember_in: {name} has shape {array.shape} and dtype {array.dtype}, expected "
                    f"{flat.gradient.shape} and {flat.gradient.dtype}, as the parameters have end to end"
                )
        flat.settle()
        for name, row in zip(flat.names, flat.state, strict=True):
            for tensor, (start, stop) in zip(row, pairwise(flat.bounds), strict=True):
                tensor.array = memory[name][start:stop].reshape(tensor.shape)
        flat.start()
        self._keeps_memory = True

    def __repr__(self) -> str:
        lines = []
        for i, group in enumerate(self.param_groups):
            settings = [f"    {name}: {group[name]}" for name in sorted(group) if not name.startswith("param")]
            lines += [f"Parameter Group {i}", *settings]
        return f"{self._kind} (\n" + "\n".join(lines) + "\n)"
