"""What all optimizers share: parameter groups, the flat layout, and state_dicts in PyTorch's format."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from .. import dtypes
from ..core.tensor import Tensor, wrap
from ..device import beside
from ..dialect.grad_modes import enable_grad
from ..speed.flat import Flat, Piece

_NOT_SETTINGS = ("params", "param_names", "initial_lr")  # what a group may hold besides settings


class Optimizer:
    """The base of all optimizers. A subclass says what it remembers (`_names`) and how a piece changes (`_update`).

    param_groups: a list of dicts. "params" holds the tensors, the other entries are settings, which may be changed
        between steps: `for group in optimizer.param_groups: group["lr"] *= 0.5`.

    The parameters' arrays become views of one flat array (see flat.py); values and Tensor objects stay the same.
    Views made before (by `detach()` or `state_dict()`) keep looking at the old memory: make them afterwards.
    Two optimizers may share parameters.
    """

    _counts_steps = True  # whether "step" is a part of each parameter's state, as PyTorch has it
    _remembers_at_once = False  # whether a parameter has state before its first step
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
        self.param_groups: list[dict[str, Any]] = []
        self._flats: list[list[Flat]] = []  # per group, one per dtype
        self._all: list[Tensor] = []
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

    @property
    def _kind(self) -> str:
        return type(self).__name__

    def _names(self, group: dict[str, Any]) -> tuple[str, ...]:
        """What is remembered per element under these settings."""
        raise NotImplementedError

    def _update(self, group: dict[str, Any], flat: Flat, piece: Piece) -> None:
        """One step of a piece, in place."""
        raise NotImplementedError

    def _initially(self, group: dict[str, Any], name: str) -> float:
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

    def _at_least_0(self, group: dict[str, Any], *names: str) -> None:
        for name in names:
            value = group[name]
            if not isinstance(value, int | float | np.number | Tensor) or not float(value) >= 0:
                raise ValueError(f"{self._kind}: {name}={value!r}; expected a number of at least 0")

    def _fractions(self, group: dict[str, Any], name: str, count: int, example: str) -> None:
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
        for i, group in enumerate(self.param_groups):
            names = self._names(group)
            for flat in self._flats[i]:
                if not flat.adopt(names):
                    self._lay_out(i)
                    break
            for flat in self._flats[i]:
                for piece in flat.gather():
                    self._update(group, flat, piece)
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
        param_group = self._named_apart(param_group)
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
        self._flats.append([])
        self._all += parameters
        self._lay_out(len(self.param_groups) - 1)

    def _named_apart(self, param_group: dict[str, Any]) -> dict[str, Any]:
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

    def _lay_out(self, i: int) -> None:
        """Make the flat arrays of group i, keeping what is remembered so far."""
        group = self.param_groups[i]
        before = self.state if self._flats[i] else {}
        kinds: dict[Any, list[Tensor]] = {}
        for p in group["params"]:
            kinds.setdefault((p.dtype, type(p.array)), []).append(p)
        names = self._names(group)
        self._flats[i] = [Flat(parameters, names) for parameters in kinds.values()]
        for flat in self._flats[i]:
            self._remember(group, flat, [before.get(p, {}) for p, _ in flat.pairs])

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
            if (array.shape, array.dtype) != (flat.values.shape, flat.values.dtype):
                raise ValueError(
                    f"{self._kind}.remember_in: {name} has shape {array.shape} and dtype {array.dtype}, expected "
                    f"{flat.values.shape} and {flat.values.dtype}, as the parameters have end to end"
                )
        flat.settle()
        flat.state = [memory[name] for name in flat.names]
        flat.start()

    # -- state on its way in and out ----------------------------------------------------------------------

    @property
    def state(self) -> dict[Tensor, dict[str, Any]]:
        """Parameter -> what is remembered about it: "step" and tensors on the optimizer's own memory."""
        found = {}
        for flats in self._flats:
            for flat in flats:
                flat.settle()
                for i, (p, _) in enumerate(flat.pairs):
                    if (flat.steps[i] or self._remembers_at_once) and (flat.names or self._counts_steps):
                        step = {"step": wrap(np.array(flat.steps[i], dtypes.float32))} if self._counts_steps else {}
                        found[p] = step | {name: wrap(a) for name, a in flat.remembered(i).items()}
        return found

    def state_dict(self) -> dict[str, Any]:
        """A copy of everything that the next steps depend on, in PyTorch's format.

        {"state": {parameter number: {"step": ..., ...}}, "param_groups": [{"lr": ..., "params": [numbers]}]}
        """
        number = {id(p): i for i, p in enumerate(self._all)}
        state = self.state
        return {
            "state": {
                i: {name: wrap(t.array.copy()) for name, t in state[p].items()}
                for i, p in enumerate(self._all)
                if p in state
            },
            "param_groups": [
                {**group, "params": [number[id(p)] for p in group["params"]]}
                for group in self.param_groups
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
            entries[p] = self._check_entry(i, p, entry, groups)
        for i, (group, settings) in enumerate(zip(self.param_groups, groups, strict=True)):
            group.update(settings)
            if any(flat.names != self._names(group) for flat in self._flats[i]):
                self._lay_out(i)
            for flat in self._flats[i]:
                self._remember(group, flat, [entries[p] for p, _ in flat.pairs])

    def _check_entry(self, i: int, p: Tensor, entry: Mapping[str, Any], groups: list[dict]) -> Mapping[str, Any]:
        entry = {name: value for name, value in entry.items() if value is not None}
        group = next(g for g in groups if any(q is p for q in g["params"]))
        expected = {*self._names(group), *(["step"] if self._counts_steps else [])}
        if entry and set(entry) != expected:
            raise ValueError(
                f"{self._kind}.load_state_dict: parameter {i} has the state {sorted(entry)}, expected "
                f"{sorted(expected)}; load it into the same kind of optimizer with the same settings"
            )
        for name, value in entry.items():
            if name != "step" and getattr(value, "shape", None) != p.shape:
                raise ValueError(
                    f"{self._kind}.load_state_dict: '{name}' of parameter {i} has shape "
                    f"{getattr(value, 'shape', None)}, the parameter {p.shape}; "
                    "build the network as it was when it was saved"
                )
        return entry

    def _remember(self, group: dict[str, Any], flat: Flat, entries: list[Mapping[str, Any]]) -> None:
        """Write per-parameter state, {} for none, into the flat arrays."""
        for i, entry in enumerate(entries):
            flat.steps[i] = int(entry.get("step", 1 if entry else 0))
            for name, array in flat.remembered(i).items():
                array[...] = beside(entry[name].array, array) if name in entry else self._initially(group, name)
        flat.start()

    # A copy (or another process) lays out its own parameters: copied arrays would not be views of each other.
    def __getstate__(self) -> dict[str, Any]:
        return {"defaults": self.defaults, "groups": self.param_groups, "state_dict": self.state_dict()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.defaults = state["defaults"]
        self.param_groups, self._flats, self._all = [], [], []
        for group in state["groups"]:
            self.add_param_group(group)
        self.load_state_dict(state["state_dict"])

    def __repr__(self) -> str:
        lines = []
        for i, group in enumerate(self.param_groups):
            settings = [f"    {name}: {group[name]}" for name in sorted(group) if not name.startswith("param")]
            lines += [f"Parameter Group {i}", *settings]
        return f"{self._kind} (\n" + "\n".join(lines) + "\n)"
