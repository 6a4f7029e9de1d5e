"""The rules are written so that arrays and Tensors can go through the same line.

In a recorded backward a rule meets Tensors instead of arrays. What means something else on a Tensor, or quietly turns
it into an array, would give a right first derivative and a wrong second one, or none at all. Here the source is read:
a value that comes from the cotangent, the output or an input may meet operators, NumPy functions that dispatch, and
the engine's own operations only.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from mutants import helpers, rules, source_of
from rows import DIFFERENTIABLE

from minigrad.core.operation import TABLE
from minigrad.core.tensor import Tensor
from minigrad.dialect.numpy_protocols import FUNCTIONS, UFUNCS

# They mean the same on both and are no values themselves, so what is computed from them is free.
FREE = {"shape", "ndim", "dtype"}
ARRAY_METHODS = {name for name in dir(np.ndarray) if not name.startswith("_")} - FREE - {"T"}
LEAVING = {"array", "numpy", "detach", "data", "item", "tolist"}
KNOWN = {*UFUNCS, *FUNCTIONS, np.add.reduce}


def complaints(rule: Callable, values: set[str]) -> list[str]:
    """What is wrong with a rule whose arguments `values` may be Tensors: a line each."""
    found: list[str] = []
    known = {function.__name__: function for function in [rule, *helpers(rule)]}
    seen: set[tuple[str, frozenset[str]]] = set()

    def read(function: Callable, names: set[str]) -> None:
        if (function.__name__, frozenset(names)) in seen:
            return
        seen.add((function.__name__, frozenset(names)))
        found.extend(_closures(function))
        tree = source_of(function)
        reader = _Reader(function, set(names))
        for statement in tree.body if isinstance(tree.body, list) else [tree.body]:
            reader.visit(statement)
        found.extend(reader.found)
        for name, arguments in reader.calls:
            callee = known.get(name)
            if callee is not None and callee is not rule:
                parameters = inspect.signature(callee).parameters
                read(callee, {p for p, is_value in zip(parameters, arguments, strict=False) if is_value})

    read(rule, values)
    return found


def _closures(function: Callable) -> Iterator[str]:
    captured = inspect.getclosurevars(function)
    for name, value in {**captured.nonlocals, **captured.globals}.items():
        if isinstance(value, np.ndarray | Tensor):
            yield (
                f"{function.__name__} uses the array {name!r} from outside its arguments: if it was computed from an "
                "input, the second derivative is silently wrong. Name the input in the rule's signature instead"
            )


class _Reader(ast.NodeVisitor):
    """Follows values through one function."""

    def __init__(self, function: Callable, values: set[str]) -> None:
        self.function, self.values = function, values
        self.found: list[str] = []
        self.calls: list[tuple[str, list[bool]]] = []

    def is_value(self, node: ast.AST) -> bool:
        """Whether an expression may be a Tensor."""
        match node:
            case ast.Name(name):
                return name in self.values
            case ast.Attribute(_, attribute) if attribute in FREE:
                return False
            case ast.Call(ast.Name("len" | "isinstance" | "type" | "namespace"), _):
                return False
            case ast.Compare(_, [ast.Is() | ast.IsNot()], _):
                return False
        return any(self.is_value(child) for child in ast.iter_child_nodes(node))

    def complain(self, node: ast.AST, why: str) -> None:
        self.found.append(f"{self.function.__name__}: `{ast.unparse(node)}`: {why}")

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self._branches(node.test, [node.body], [node.orelse])

    def visit_If(self, node: ast.If) -> None:
        self._branches(node.test, node.body, node.orelse)

    def _branches(self, test: ast.expr, body: list, orelse: list) -> None:
        """Where the test has made sure of an array, anything may be done with it."""
        conditions = test.values if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And) else [test]
        sure = False
        for condition in conditions:
            if not sure:
                self.visit(condition)
            match condition:
                case ast.Compare(ast.Call(ast.Name("type"), _), [ast.Is()], [ast.Attribute(_, "ndarray")]):
                    sure = True
        for statement in orelse if sure else [*body, *orelse]:
            self.visit(statement)

    def visit_Assign(self, node: ast.Assign) -> None:
        self.visit(node.value)
        for target in node.targets:
            if isinstance(target, ast.Subscript) and self.is_value(target.value):
                self.complain(node, "writes into a value, which others may hold, too; use assign, index_add or where")
            pairs = [(target, node.value)]
            if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                pairs = list(zip(target.elts, node.value.elts, strict=True))
            for to, value in pairs:
                if self.is_value(value):
                    self.values |= {n.id for n in ast.walk(to) if isinstance(n, ast.Name)}

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        if self.is_value(node.target):
            self.complain(node, "changes a value in place, which others may hold, too; write x = x + ... instead")
        self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if self.is_value(node.value):
            if node.attr in LEAVING:
                self.complain(node, "leaves the engine, so the second derivative is silently wrong")
            elif node.attr in ARRAY_METHODS:
                self.complain(
                    node,
                    f"array methods mean other things on a Tensor; use the operation ({node.attr} of ops/), "
                    "or a NumPy function",
                )
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        arguments = [self.is_value(a) for a in node.args] + [self.is_value(k.value) for k in node.keywords]
        name = ast.unparse(node.func)
        if isinstance(node.func, ast.Name):
            self.calls.append((name, arguments))
        if any(arguments):
            if name.startswith("np."):
                self._numpy(node, name)
            elif name in ("float", "int", "bool", "list"):
                self.complain(node, "turns a value into a Python number, so the second derivative is silently wrong")
        if any(k.arg == "out" for k in node.keywords):
            self.complain(node, "out= writes into memory that others may hold, too")
        self.generic_visit(node)

    def _numpy(self, node: ast.Call, name: str) -> None:
        function: Any = np
        for part in name.split(".")[1:]:
            function = getattr(function, part)
        if name in ("np.asarray", "np.array", "np.ascontiguousarray", "np.lib.stride_tricks.as_strided"):
            self.complain(node, "slips past NumPy's dispatching and would detach silently")
        elif not any(function == k for k in KNOWN):
            self.complain(node, f"{name} does not dispatch to an operation of ours (see UFUNCS and FUNCTIONS)")


def values_of(row: Any, rule: Callable) -> set[str]:
    """Which of a rule's arguments may be Tensors: the cotangent, the output and the inputs."""
    names = list(inspect.signature(rule).parameters)
    return {names[0], *(n for n in names if n == "y" or n in row.inputs)}


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_rules_are_written_for_arrays_and_tensors_alike(name):
    row = TABLE[name]
    for input_name, rule in rules(row).items():
        found = complaints(rule, values_of(row, rule))
        assert not found, f"the rule of '{name}' for '{input_name}':\n" + "\n".join(found)


# -- the check itself -------------------------------------------------------------------------------------

_captured = np.ones(3)


def _long_way(g, x):
    a, n = g * x, len(x)
    b = a + n
    return b.sum(0)


def _in_place(g, x):
    g *= x
    return g


def _written(g, x):
    g[0] = 0
    return g


BAD = {
    "array methods": (lambda g, x: g * x.max(), "array methods"),
    "transpose": (lambda g, x: (g + 1).transpose(1, 0), "array methods"),
    "size": (lambda g, x: g / x.size, "array methods"),
    "repeat": (lambda g, x: g.repeat(2), "array methods"),
    "in several steps": (_long_way, "array methods"),
    "item": (lambda g, x: g * x.item(), "leaves the engine"),
    "detach": (lambda g, x: g * x.detach(), "leaves the engine"),
    "float": (lambda g, x: g * float(x), "Python number"),
    "asarray": (lambda g, x: g * np.asarray(x), "slips past"),
    "as_strided": (lambda g, x: np.lib.stride_tricks.as_strided(g, x.shape), "slips past"),
    "a function without a rule": (lambda g, x: np.cross(g, x), "does not dispatch"),
    "in place": (_in_place, "in place"),
    "written into": (_written, "writes into"),
    "out": (lambda g, x: np.multiply(g, x, out=g), "out="),
    "not sure of an array": (lambda g, x: g.sum() if type(x) is not np.ndarray else g, "array methods"),
    "captured": (lambda g: g * _captured, "from outside its arguments"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_rules_are_refused(kind):
    rule, message = BAD[kind]
    found = complaints(rule, {"g", "x"})
    assert any(message in line for line in found), found


def test_good_rules_are_not():
    def branch(g, x, index):
        n = x.shape[0] * index.max()
        if type(g) is np.ndarray:
            return g.dot(x)
        return g * np.exp(x) * n

    for rule in (
        branch,
        lambda g, x: g @ x.T,
        lambda g, x: g.dot(x) if type(x) is np.ndarray and x.all() else g @ x,
        lambda g, x, index: g * np.where(x > 0, 1.0, x) * index.sum(),
        lambda g, x: np.add.reduce(g * x, 0) * len(x),
        lambda g, x: g * x.dtype.type(2),
    ):
        assert complaints(rule, {"g", "x"}) == []
