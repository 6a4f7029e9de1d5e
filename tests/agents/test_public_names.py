"""Agents and environments are written in minigrad's public names alone, as any program of its users is.

So the engine's inside can change without them, and a reader who knows PyTorch can read them. What an agent needs beyond
PyTorch's words has a public name: `minigrad.to_numpy`, `minigrad.count_changes`, `minigrad.operation`.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import minigrad as mg

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(path for folder in ("agents", "envs") for path in (ROOT / folder).rglob("*.py"))
# Where a program may import from. What else lies in the package is its inside.
PUBLIC = {"minigrad"} | {
    f"minigrad.{name}"
    for name in (
        *("autograd", "cuda", "distributions", "gradcheck", "optim", "random"),
        *("nn", "nn.functional", "nn.init", "nn.utils"),
    )
}
# The parts of a Tensor that are the engine's. (`np.array` is NumPy's function.)
INSIDE = {"array", "_version", "_node", "_grad", "_base", "_hooks"}


def complaints(source: str) -> list[str]:
    """What in a module's source is not public, a line each."""
    tree = ast.parse(source)
    modules, found = dict(imported_modules(tree)), []
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                found += [name.name for name in names if is_inside(name.name)]
            case ast.ImportFrom(module=str(module), names=names, level=0) if module.partition(".")[0] == "minigrad":
                found += [f"{module}.{name.name}" for name in names if is_private(module, name.name)]
            case ast.Attribute(value=value, attr=name):
                module = module_of(value, modules)
                if module is not None:
                    found += [f"{module}.{name}"] if is_private(module, name) else []
                elif name in INSIDE and not (isinstance(value, ast.Name) and value.id == "np"):
                    found.append(f"{ast.unparse(value)}.{name}")
    return found


def imported_modules(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """(what the source calls it, its full name) of the modules of minigrad that are imported."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for name in node.names:
                yield (name.asname, name.name) if name.asname else (name.name.partition(".")[0],) * 2
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            for name in node.names:
                yield name.asname or name.name, f"{node.module}.{name.name}"


def module_of(value: ast.expr, modules: dict[str, str]) -> str | None:
    """The full name of the module of minigrad that an expression such as `mg.nn` stands for, if it is one."""
    if isinstance(value, ast.Name):
        name = modules.get(value.id, "")
    elif isinstance(value, ast.Attribute) and (parent := module_of(value.value, modules)) is not None:
        name = f"{parent}.{value.attr}"
    else:
        return None
    return name if name.partition(".")[0] == "minigrad" and is_module(name) else None


def is_module(name: str) -> bool:
    parent, _, last = name.rpartition(".")
    # A function hides the module of its name: minigrad.gradcheck is both.
    return name in sys.modules and (not parent or isinstance(getattr(sys.modules[parent], last), ModuleType))


def is_inside(module: str) -> bool:
    return module.partition(".")[0] == "minigrad" and module not in PUBLIC


def is_private(module: str, name: str) -> bool:
    """Whether `name` of this module is not for others: the module is not, or the name, or it is such a module."""
    full = f"{module}.{name}"
    return is_inside(module) or name.startswith("_") or name == "*" or (is_module(full) and is_inside(full))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_public_names_of_minigrad_are_used(path: Path) -> None:
    assert complaints(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import minigrad.core.tensor", "minigrad.core.tensor"),
        ("import minigrad.ops as ops", "minigrad.ops"),
        ("from minigrad.device import host", "minigrad.device.host"),
        ("from minigrad import core", "minigrad.core"),
        ("from minigrad import _LAZY", "minigrad._LAZY"),
        ("from minigrad.nn import module", "minigrad.nn.module"),
        ("from minigrad import *", "minigrad.*"),
        ("import minigrad as mg\nmg.ops.arithmetic.tanh", "minigrad.ops"),
        ("import minigrad\nminigrad.core.tensor", "minigrad.core"),
        ("import minigrad.nn as nn\nnn.module.Module", "minigrad.nn.module"),
        ("x.array", "x.array"),
        ("f(x)._version[0]", "f(x)._version"),
        ("self.weight._node", "self.weight._node"),
    ],
)
def test_what_is_not_public_is_found(source: str, found: str) -> None:
    assert found in complaints(source)


@pytest.mark.parametrize(
    "source",
    [
        "import numpy as np\nnp.array([1])",
        "import minigrad as mg\nmg.to_numpy(x); mg.nn.utils.clip_grad_norm_(p, 1); mg.random.get_state()",
        "import minigrad.nn.functional as F\nF.relu(x)",
        "from minigrad.autograd import grad\nfrom minigrad import nn, optim\nnn.init.zeros_(x)",
        "from minigrad.gradcheck import gradcheck",
        "from ..core.agent import Agent",
    ],
)
def test_what_is_public_is_left_alone(source: str) -> None:
    assert complaints(source) == []


def test_the_public_modules_are_there() -> None:
    for name in PUBLIC - {"minigrad"}:
        __import__(name)
        assert name in sys.modules
    assert mg.nn is sys.modules["minigrad.nn"]
