"""Rules broken on purpose, to see that the checks notice.

A mutant is a row of the table with one rule changed. Its name says how:

    sign:x           x's rule times -1
    double:x         x's rule times 2
    zero:x           x's rule times 0
    swap:a:b         a uses b's rule
    exchange:x:a:b   x's rule with its arguments a and b exchanged
    broadcast        the un-broadcasting of the cotangents skipped (elementwise rows of several inputs)
    x: g * b -> g    one rewriting of x's rule: a term or factor dropped, a function not applied, a minus sign or
                     transposition left out, a branch taken always or never, < and <= confused
    f: p -> q        the same in f, a function of ops/ that rules call

The first four and the un-broadcasting are function wrappers, the rewritings go over the syntax tree. A rewriting that
occurs twice in one function is numbered from the second on: "x: p -> q #2". A function that several rules share is
one piece of code, so its mutant is killed if one of those rules gives it away.
"""

from __future__ import annotations

import ast
import copy
import functools
import inspect
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

from rows import new_row

from minigrad.core.call import bind
from minigrad.core.operation import Operation
from minigrad.core.tensor import Tensor
from minigrad.ops.lists import ListOperation

# Helpers that only work out axes and lengths, from shapes: no cotangent goes through them, and the tests of errors
# cover what they refuse.
BOOKKEEPING = {"axes", "axis", "is_basic", "check_shapes", "check_reduction"}


def rules(row: Operation) -> dict[str, Callable]:
    """Input name -> rule; an operation on a list has one rule, for every 'item'."""
    return {"item": row.rule} if isinstance(row, ListOperation) else dict(row.vjp)


def mutants(row: Operation) -> Iterator[tuple[str, Operation]]:
    """Every mutant of a row: its name and the operation to be checked in the row's stead."""
    vjp = rules(row)
    for name, rule in vjp.items():
        yield f"sign:{name}", with_rule(row, name, wrapped(rule, lambda dx: -dx))
        yield f"double:{name}", with_rule(row, name, wrapped(rule, lambda dx: dx * 2))
        yield f"zero:{name}", with_rule(row, name, wrapped(rule, lambda dx: dx * 0))
        for other in vjp:
            if other != name:
                yield f"swap:{name}:{other}", with_rule(row, name, vjp[other])
        inputs = [a for a in inspect.signature(rule).parameters if a in row.inputs]
        for i, a in enumerate(inputs):
            for b in inputs[i + 1 :]:
                yield f"exchange:{name}:{a}:{b}", with_rule(row, name, _exchanged(rule, a, b))
        for prefix, change, mutated in rewritings(rule):
            yield f"{prefix or name}: {change}", with_rule(row, name, mutated)
    if isinstance(row, ListOperation):
        yield "swap:item:next", with_rule(row, "item", _next_item(row.rule))
    elif row.elementwise and len(row.inputs) > 1:
        yield "broadcast", with_rule(row, None, None)


def with_rule(row: Operation, name: str | None, rule: Callable | None) -> Operation:
    """The row with another rule for the input `name`; without a name, the row that does not un-broadcast."""
    if isinstance(row, ListOperation):
        assert rule is not None
        mutant = ListOperation(row.name, row.forward, row.choose_kept, rule, row.cases)
        bind(mutant, in_table=False)
        return mutant
    return new_row(
        row.name,
        row.forward,
        row.vjp if name is None or rule is None else {**row.vjp, name: rule},
        elementwise=row.elementwise and name is not None,
        fractional=row.fractional,
        view=row.view,
        cases=row.cases,
    )


def wrapped(rule: Callable, change: Callable) -> Callable:
    """The rule with `change` applied to what it gives."""
    return _with_signature_of(rule, lambda *arguments: change(rule(*arguments)))


def _with_signature_of(rule: Callable, function: Callable) -> Callable:
    """`function` taking the arguments of `rule` by their names, from which the engine sees what to keep."""
    names = ", ".join(inspect.signature(rule).parameters)
    return eval(f"lambda {names}: function({names})", {"function": function})


def detached(rule: Callable, position: int) -> Callable:
    """The rule with one argument cut from the graph in a recorded backward: the mistake that a saved array makes."""

    def cut(*arguments: Any) -> Any:
        values = list(arguments)
        if isinstance(values[position], Tensor):
            values[position] = values[position].detach()
        return rule(*values)

    return _with_signature_of(rule, cut)


def _next_item(rule: Callable) -> Callable:
    return lambda g, i, *kept: rule(g, (i + 1) % 2, *kept)


def _exchanged(rule: Callable, a: str, b: str) -> Callable:
    names = list(inspect.signature(rule).parameters)
    i, j = names.index(a), names.index(b)

    def exchanged(*arguments: Any) -> Any:
        values = list(arguments)
        values[i], values[j] = values[j], values[i]
        return rule(*values)

    return _with_signature_of(rule, exchanged)


# -- rewriting the syntax tree ----------------------------------------------------------------------------


def rewritings(rule: Callable) -> Iterator[tuple[str, str, Callable]]:
    """The rule with one place of its source, or of a helper's, rewritten: (the helper, what was done, the rule)."""
    functions = [rule, *helpers(rule)]
    for function in functions:
        prefix = "" if function is rule and function.__name__ == "<lambda>" else function.__name__
        seen: dict[str, int] = {}
        for change, mutated in _mutated_trees(source_of(function)):
            seen[change] = seen.get(change, 0) + 1
            number = f" #{seen[change]}" if seen[change] > 1 else ""
            yield prefix, change + number, _rebuild(functions, function, mutated)


def untouched(rule: Callable) -> Callable:
    """The rule and its helpers taken apart and put together again without a change: to check the machinery."""
    functions = [rule, *helpers(rule)]
    for function in functions:
        rule = _rebuild(functions, function, copy.deepcopy(source_of(function)))
    return rule


def helpers(rule: Callable) -> list[Callable]:
    """The plain functions of ops/ that a rule calls, directly or through each other. Operations are not among them."""
    found: list[Callable] = []
    queue = [rule]
    while queue:
        function = queue.pop(0)
        for name in _names(function.__code__):
            value = function.__globals__.get(name)
            if (
                isinstance(value, types.FunctionType)
                and value.__module__.startswith("minigrad.ops")
                and not hasattr(value, "operation")
                and value not in found
                and value is not rule
                and value.__name__ not in BOOKKEEPING
            ):
                found.append(value)
                queue.append(value)
    return found


def _names(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)


@functools.cache
def _module(name: str) -> ast.Module:
    return ast.parse(inspect.getsource(sys.modules[name]))


def source_of(function: Callable) -> ast.Lambda | ast.FunctionDef:
    """The syntax tree of a function, told from others on its line by where its first expression starts."""
    code = function.__code__
    candidates = [
        node
        for node in ast.walk(_module(function.__module__))
        if isinstance(node, ast.Lambda | ast.FunctionDef) and node.lineno == code.co_firstlineno
    ]
    if len(candidates) > 1:
        start = min((p[0], p[2]) for p in code.co_positions() if p[0] and p[2] is not None and p[3])
        candidates = [
            node
            for node in candidates
            if isinstance(node, ast.Lambda) and (node.body.lineno, node.body.col_offset) == start
        ]
    assert len(candidates) == 1, f"the source of {function} was not found"
    return candidates[0]


def _mutated_trees(tree: ast.Lambda | ast.FunctionDef) -> Iterator[tuple[str, ast.AST]]:
    """Every single rewriting of a function's body."""
    body = tree.body if isinstance(tree.body, list) else [tree.body]
    places = [place for statement in body for place in _places(statement)]
    for place in places:
        for replacement in _replacements(place):
            change = f"{_short(place)} -> {_short(replacement)}"
            copied = copy.deepcopy(tree, {id(place): replacement})  # deepcopy puts the replacement in its place
            yield change, copied


def _short(node: ast.AST) -> str:
    return f"if {ast.unparse(node.test)}" if isinstance(node, ast.If) else ast.unparse(node)


def _places(node: ast.AST) -> Iterator[ast.AST]:
    """The expressions that may be rewritten: not those of error messages and refusals."""
    if isinstance(node, ast.Raise | ast.Assert | ast.JoinedStr):
        return
    if isinstance(node, ast.If) and all(isinstance(s, ast.Raise) for s in node.body):
        return
    yield node
    for child in ast.iter_child_nodes(node):
        yield from _places(child)


_BOUNDARY = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt}
_NOT_APPLIED = {"len", "range", "tuple", "zip", "enumerate", "isinstance", "slice", "list", "any", "all", "type"}


def _replacements(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.BinOp(left, ast.Add() | ast.Mult() | ast.MatMult(), right):
            yield left
            yield right
        case ast.BinOp(left, ast.Sub(), right):
            yield left
            yield ast.UnaryOp(ast.USub(), right)
        case ast.BinOp(left, ast.Div(), right):
            yield left
            yield ast.BinOp(ast.Constant(1), ast.Div(), right)
        case ast.BinOp(left, ast.Pow() | ast.Mod(), _):
            yield left
        case ast.UnaryOp(ast.USub() | ast.Not(), operand):
            yield operand
        case ast.Call(ast.Name("where"), [_, a, b]):
            yield a
            yield b
        case ast.Call(function, [first, *_]) if ast.unparse(function) not in _NOT_APPLIED:
            if not isinstance(first, ast.Starred | ast.GeneratorExp):
                yield first
        case ast.Attribute(value, "T"):
            yield value
        case ast.IfExp(_, body, orelse):
            yield body
            yield orelse
        case ast.If(test, body, orelse):
            if not isinstance(test, ast.Constant):
                yield ast.If(ast.Constant(True), body, orelse)
                yield ast.If(ast.Constant(False), body, orelse)
        case ast.BoolOp(_, values):
            yield from values
        case ast.Compare(left, [op], [right]) if type(op) in _BOUNDARY:
            yield ast.Compare(left, [_BOUNDARY[type(op)]()], [right])


class _Bounded(ast.NodeTransformer):
    """A mutated loop may never end: count its turns."""

    def visit_While(self, node: ast.While) -> ast.While:
        self.generic_visit(node)
        node.test = ast.BoolOp(ast.And(), [ast.Call(ast.Name("_turn", ast.Load()), [], []), node.test])
        return node


def _rebuild(functions: list[Callable], changed: Callable, tree: ast.AST) -> Callable:
    """functions[0], calling fresh copies of the others, one of which was changed."""
    turns = iter(range(1000))

    def turn() -> bool:
        next(turns)
        return True

    scopes: dict[str, dict] = {}  # per module, its globals with the copies in place of the helpers
    for function in functions:
        scope = {n: {} if n.isupper() and type(v) is dict else v for n, v in function.__globals__.items()}
        scopes.setdefault(function.__module__, scope | {"_turn": turn})  # {}: a mutant may spoil a cache
    copies = {}
    for function in functions:
        scope = scopes[function.__module__]
        if function is changed:
            scope |= inspect.getclosurevars(function).nonlocals
            copies[function] = _compiled(tree, scope)
        else:
            copies[function] = types.FunctionType(
                function.__code__, scope, function.__name__, function.__defaults__, function.__closure__
            )
    for scope in scopes.values():
        for name, value in scope.items():
            if isinstance(value, types.FunctionType) and value in copies:
                scope[name] = copies[value]
    return copies[functions[0]]


def _compiled(tree: ast.AST, scope: dict) -> Callable:
    tree = ast.fix_missing_locations(_Bounded().visit(tree))
    if isinstance(tree, ast.Lambda):
        return eval(compile(ast.Expression(tree), "<mutant>", "eval"), scope)
    assert isinstance(tree, ast.FunctionDef)
    tree.decorator_list, tree.returns = [], None
    for argument in tree.args.args:
        argument.annotation = None
    found: dict[str, Any] = {}
    exec(compile(ast.Module([tree], []), "<mutant>", "exec"), scope, found)
    return found[tree.name]
