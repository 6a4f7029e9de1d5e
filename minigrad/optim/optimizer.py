"""What all optimizers share: parameter groups, the flat layout, and state_dicts in PyTorch's format."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from itertools import pairwise
from typing import Any

import numpy as np

from .. import dtypes
from ..core.tensor import Tensor, wrap
from ..device import beside
from ..dialect.grad_modes import enable_grad
from ..speed.flat import Flat, Piece

_NOT_SETTINGS = ("params", "param_names", "initial_lr")  # what a group may hold besides settings
_MADE_ANEW = ("param_groups", "_flats", "_all", "_state", "_entered", "_keeps_memory")  # by a copy


class Optimizer:
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

    _counts_steps = True  # whether "step" is a part of each parameter's state, as PyTorch has it
    _remembers_at_once = False  # whether a parameter has state before its first step
    _stepped = False  # since when a schedule looks (see lr_scheduler.py)
    _keeps_memory = False  # whether the state lies in memory of the caller's (see remember_in)

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
        self.param_groups: list[dict[str, Any]] = []
        self._flats: list[list[Flat]] = []  # per group, one per dtype; none if a subclass has a `step` of its own
        self._all: list[Tensor] = []
        self._state: Any = None  # what `state` is; None until somebody asks for it
        self._entered: set[Tensor] = set()  # the parameters that had an entry there

    @property
    def _kind(self) -> str:
        return type(self).__name__

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
        loss, self._stepped = None, True
        if closure is not None:
            with enable_grad():
                loss = closure()
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
        return loss

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget all gradients; `set_to_none=False` fills them with zeros instead."""
        for p in self._all:
            p._grad = None if set_to_none or p._grad is None else wrap(np.zeros_like(p.array))

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
    def _has_pieces(self) -> bool:
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

    # -- state on its way in and out ----------------------------------------------------------------------

    @property
    def state(self) -> MutableMapping[Any, Any]:
        """Parameter -> what is remembered about it, a dict: "step" and tensors on the optimizer's own memory.

        A parameter without an entry gets an empty one, and what is written there counts from the next step on:
        `optimizer.state[p]["exp_avg"] = t` makes t the average that the steps change in place, and an empty entry makes
        the optimizer begin anew.
        """
        # From the first look on it is the truth: every step reads it and writes it. Until then only flat memory is.
        if self._state is None:
            self._state = defaultdict(dict)
            self._write_state(self._state)
        return self._state

    @state.setter
    def state(self, state: MutableMapping[Any, Any]) -> None:
        self._state = state

    def _write_state(self, state: Any) -> Any:
        """Enter into `state` what is remembered of every step so far."""
        for flats in self._flats:
            for flat in flats:
                flat.settle()
                for i, p in enumerate(flat.parameters):
                    if (flat.steps[i] or self._remembers_at_once) and (flat.names or self._counts_steps):
                        entry = state.setdefault(p, {})
                        if self._counts_steps:
                            self._write_step(entry, flat.steps[i])
                        entry.update(flat.remembered(i))
                        if state is self._state:
                            self._entered.add(p)
        return state

    def _count_changes(self) -> None:
        """Count a step as a change in place of what `state` holds: backward must not take it for what it was."""
        for p in self._all:
            for value in (self._state.get(p) or {}).values() if p._grad is not None else ():
                if isinstance(value, Tensor):
                    value._version[0] += 1

    def _enter(self, flats: list[Flat]) -> None:
        """Complete the entries that the user made."""
        for flat in flats:
            for i, p in enumerate(flat.parameters):
                entry = self._state.get(p)
                if entry:
                    entry.update(flat.remembered(i))
                    self._entered.add(p)
                else:
                    self._entered.discard(p)

    def _read_state(self) -> None:
        """Take notice of what the user changed in `state`."""
        for i, flats in enumerate(self._flats):
            if not all(self._is_as_entered(flat) for flat in flats):
                self._lay_out(i)

    def _is_as_entered(self, flat: Flat) -> bool:
        """Whether the user's state holds the tensors that the flat memory holds, where they were; reads the steps."""
        steps = list(flat.steps)
        for i, p in enumerate(flat.parameters):
            entry = self._state.get(p)
            if bool(entry) != (p in self._entered):
                return False
            if entry:
                if any(entry.get(name) is not tensor for name, tensor in flat.remembered(i).items()):
                    return False
                if self._counts_steps:
                    steps[i] = self._read_step(entry)
        if any(tensor.array is not array for tensor, array in flat.state_pairs):
            return False
        if steps != flat.steps:
            flat.steps = steps
            flat.start()
        return True

    def _read_step(self, entry: Mapping[str, Any]) -> int:
        """How many steps an entry of the state counts."""
        if not self._counts_steps:
            return 1 if entry else 0
        step = entry.get("step")
        return 0 if step is None else int(step)

    def _write_step(self, entry: MutableMapping[str, Any], count: int) -> None:
        """Write the number of steps into the tensor that is there, which others may hold."""
        step = entry.get("step")
        if isinstance(step, Tensor):
            step.array[...] = count
        else:
            entry["step"] = wrap(np.array(count, dtypes.float32)) if step is None else count

    def state_dict(self) -> dict[str, Any]:
        """A copy of everything that the next steps depend on, in PyTorch's format.

        {"state": {parameter number: {"step": ..., ...}}, "param_groups": [{"lr": ..., "params": [numbers]}]}
        """
        number = {id(p): i for i, p in enumerate(self._all)}
        if self._state is None:
            state = self._write_state({})
        else:
            self._read_state()
            state = self._state
        keys = [*(p for p in self._all if state.get(p)), *(key for key in state if id(key) not in number)]
        return {
            "state": {number.get(id(key), key): _copy_entry(state[key]) for key in keys},
            "param_groups": [
                {**group, "params": [number[id(p)] for p in group["params"]]} for group in self.param_groups
            ],
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Continue where the optimizer that gave `state_dict` was. The parameters themselves are not part of it.

        Raises ValueError if groups, shapes or the kind of optimizer differ; nothing has been changed then.
        """
        if not isinstance(state_dict, Mapping) or not {"state", "param_groups"} <= set(state_dict):
            got = f"keys {list(state_dict)[:4]}" if isinstance(state_dict, Mapping) else type(state_dict).__name__
            raise ValueError(
                f"{self._kind}.load_state_dict: expected a dict with 'state' and 'param_groups', got {got}; "
                "pass what optimizer.state_dict() gave"
            )
        here = [len(group["params"]) for group in self.param_groups]
        given = [len(group["params"]) for group in state_dict["param_groups"]]
        if here != given:
            raise ValueError(
                f"{self._kind}.load_state_dict: this optimizer has groups of {here} parameters, "
                f"the state_dict of {given}; build the optimizer as it was when it was saved"
            )
        groups = []
        for group, saved in zip(self.param_groups, state_dict["param_groups"], strict=True):
            settings = {k: tuple(v) if isinstance(v, list) else v for k, v in saved.items() if k != "params"}
            groups.append({**group, **settings})
            self._check(groups[-1])
        numbers = [i for group in state_dict["param_groups"] for i in group["params"]]
        entries = {}
        for p, i in zip(self._all, numbers, strict=True):
            entry = state_dict["state"].get(i) or state_dict["state"].get(str(i)) or {}
            entries[p] = self._check_entry(i, p, entry, groups) if self._has_pieces else entry
        others = {k: v for k, v in state_dict["state"].items() if k not in {*numbers, *map(str, numbers)}}
        if self._state is not None and not self._keeps_memory:
            self._flats = [[] for _ in self.param_groups]  # who holds what was remembered, keeps it
        self._state, self._entered = None, set()
        for i, (group, settings) in enumerate(zip(self.param_groups, groups, strict=True)):
            group.update(settings)
            if self._has_pieces:
                names, flats = self._list_state_names(group), self._flats[i]
                if not flats or not all(flat.is_in_place(names) for flat in flats):
                    self._lay_out(i)
                for flat in self._flats[i]:
                    self._remember(group, flat, [entries[p] for p in flat.parameters])
        self._load_others(entries, others)

    def _check_entry(self, i: int, p: Tensor, entry: Mapping[str, Any], groups: list[dict]) -> Mapping[str, Any]:
        entry = {name: value for name, value in entry.items() if value is not None}
        group = next(g for g in groups if any(q is p for q in g["params"]))
        expected = {*self._list_state_names(group), *(["step"] if self._counts_steps else [])}
        if entry and not (expected <= set(entry) and ("step" in entry) == self._counts_steps):
            raise ValueError(
                f"{self._kind}.load_state_dict: parameter {i} has the state {sorted(entry)}, expected "
                f"{sorted(expected)}; load it into the same kind of optimizer with the same settings"
            )
        for name in self._list_state_names(group) if entry else ():
            if getattr(entry[name], "shape", None) != p.shape:
                raise ValueError(
                    f"{self._kind}.load_state_dict: '{name}' of parameter {i} has shape "
                    f"{getattr(entry[name], 'shape', None)}, the parameter {p.shape}; "
                    "build the network as it was when it was saved"
                )
        return entry

    def _remember(self, group: dict[str, Any], flat: Flat, entries: list[Mapping[str, Any]]) -> None:
        """Write per-parameter state, {} for none, into the flat arrays."""
        for i, entry in enumerate(entries):
            flat.steps[i] = self._read_step(entry)
            for name, t in flat.remembered(i).items():
                t.array[...] = (
                    beside(entry[name].array, t.array) if name in entry else self._choose_initial(group, name)
                )
        flat.start()

    def _load_others(self, entries: Mapping[Tensor, Mapping[str, Any]], others: Mapping[Any, Any]) -> None:
        """Put into `state` what the flat memory has no place for: what a user, or an optimizer of the user's, keeps."""
        step = ["step"] if self._counts_steps else []
        known = {p: {*flat.names, *step} for flats in self._flats for flat in flats for p in flat.parameters}
        for p, entry in entries.items():
            for name, value in entry.items():
                if name not in known.get(p, ()):
                    self.state[p][name] = _copy_value(value, p if name != "step" else None)
        for key, value in others.items():
            self.state[key] = _copy_entry(value)

    # A copy (or another process) lays out its own parameters: copied arrays would not be views of each other.
    def __getstate__(self) -> dict[str, Any]:
        attributes = {name: value for name, value in self.__dict__.items() if name not in _MADE_ANEW}
        return {"attributes": attributes, "groups": self.param_groups, "state_dict": self.state_dict()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state["attributes"])
        self._begin()
        for group in state["groups"]:
            self.add_param_group(group)
        self.load_state_dict(state["state_dict"])
        # Whoever copies still holds the arrays. So the parameters are laid out once more at the first step.
        for flats in self._flats:
            for flat in flats:
                flat.release()

    def __repr__(self) -> str:
        lines = []
        for i, group in enumerate(self.param_groups):
            settings = [f"    {name}: {group[name]}" for name in sorted(group) if not name.startswith("param")]
            lines += [f"Parameter Group {i}", *settings]
        return f"{self._kind} (\n" + "\n".join(lines) + "\n)"


def _copy_entry(entry: Any) -> Any:
    """A copy of a parameter's state, or of whatever else `state` holds."""
    if not isinstance(entry, Mapping):
        return _copy_value(entry)
    return {name: _copy_value(value) for name, value in entry.items()}


def _copy_value(value: Any, p: Tensor | None = None) -> Any:
    """A copy of what is remembered. A tensor gets p's dtype and device if p is given, as PyTorch has it."""
    if not isinstance(value, Tensor):
        return copy.deepcopy(value)
    return wrap(value.array.copy() if p is None else beside(value.array, p.array).astype(p.dtype))
