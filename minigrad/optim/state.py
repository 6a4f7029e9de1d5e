"""What an optimizer remembers: `state`, and state_dicts in PyTorch's format."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

import numpy as np

from .. import dtypes
from ..core.tensor import Tensor, wrap
from ..device import beside
from ..events import report
from ..speed.flat import Flat

_MADE_ANEW = ("param_groups", "_flats", "_all", "_state", "_entered", "_keeps_memory")  # by a copy


class Stateful:
    """What an Optimizer does for its state. It remembers in flat memory, and shows it as `state` when it is asked."""

    _counts_steps = True  # whether "step" is a part of each parameter's state, as PyTorch has it
    _remembers_at_once = False  # whether a parameter has state before its first step
    _keeps_memory = False  # whether the state lies in memory of the caller's (see remember_in)

    param_groups: list[dict[str, Any]]
    _flats: list[list[Flat]]  # per group, one per dtype; none if a subclass has a `step` of its own
    _all: list[Tensor]  # the parameters of all groups
    _state: Any  # what `state` is; None until somebody asks for it
    _entered: set[Tensor]  # the parameters that had an entry there
    _has_pieces: bool
    add_param_group: Callable[..., None]
    _begin: Callable[[], None]
    _check: Callable[..., None]
    _choose_initial: Callable[..., float]
    _lay_out: Callable[[int], list[Flat]]
    _list_state_names: Callable[..., tuple[str, ...]]

    @property
    def _kind(self) -> str:
        return type(self).__name__

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
        report("refused", "the loading of an optimizer's state")
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
