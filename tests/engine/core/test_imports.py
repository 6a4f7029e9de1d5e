"""Who imports whom: no circles, not even inside functions or for type checkers. Each layer imports what is below it."""

from __future__ import annotations

from pathlib import Path

import pytest
from imports import add_packages, find_circle, read_graph

import minigrad

ROOT = Path(minigrad.__file__).parent.parent

LAYERS = [  # a module may import from its own line, and from the lines above
    {"dtypes", "device", "errors"},
    {"core"},
    {"ops"},
    {"random"},
    {"events"},
    {"speed", "safety", "dialect"},
    {"nn", "optim", "distributions"},
    {"autograd", "gradcheck", "linalg", "backends", "cuda", "serialization"},
]
APART = [{"speed", "safety", "dialect"}, {"nn", "optim", "distributions"}]
"""These stand in one line, but do not import each other."""
FACES = {"autograd", "gradcheck", "linalg", "backends", "cuda", "serialization"}
"""Only minigrad/__init__.py imports them."""


@pytest.fixture(scope="module")
def graph() -> dict[str, set[str]]:
    return read_graph(ROOT)


def part_of(module: str) -> str:
    """`core` of `minigrad.core.call`. Of minigrad itself it is nothing."""
    return module.split(".")[1] if "." in module else ""


def test_there_is_no_circle(graph):
    assert len(graph) > 80
    assert not find_circle({name: add_packages(name, targets) for name, targets in graph.items()})


def test_every_module_belongs_to_a_layer(graph):
    assert {part_of(name) for name in graph} - {""} == set().union(*LAYERS)


def test_each_layer_imports_only_what_is_below_it(graph):
    height = {part: i for i, layer in enumerate(LAYERS) for part in layer}
    wrong = []
    for name, targets in graph.items():
        here = part_of(name)
        for there in {part_of(target) for target in targets} - {here} if here else ():
            apart = any(here in parts and there in parts for parts in APART)
            if not there or height[there] > height[here] or apart or there in FACES:
                wrong.append(f"{name} imports {there or 'minigrad'}")
    assert wrong == []


def test_the_core_imports_only_the_lowest_layer(graph):
    outside = {target for name in graph if part_of(name) == "core" for target in graph[name]}
    assert {part_of(target) for target in outside} == {"core", "dtypes", "device", "errors"}


def test_the_lowest_layer_imports_nothing_else(graph):
    lowest = {f"minigrad.{name}" for name in ("dtypes", "device", "errors")}
    assert all(set(graph[name]) <= lowest for name in lowest)


@pytest.mark.parametrize(
    ("files", "circular"),
    [
        ({"a": "from . import b", "b": ""}, False),
        ({"__init__": "from .a import x", "a": "from .b import x", "b": "x = 1"}, False),
        ({"a": "from .b import x", "b": "def f():\n    from .a import y"}, True),
        ({"a": "import p.b", "b": "if TYPE_CHECKING:\n    from . import a"}, True),
        ({"__init__": "from .a import x", "a": "from . import x"}, True),
        ({"__init__": "from .a import x", "a": "from p import x"}, True),
        ({"q/__init__": "from . import c", "q/c": "from .. import a", "a": "from .q.d import x", "q/d": ""}, True),
        ({"q/__init__": "from . import c", "q/c": "from .d import x", "a": "import p.q", "q/d": ""}, False),
    ],
)
def test_circles_are_found(tmp_path, files, circular):
    """The walk itself, on packages written for it."""
    for name, text in ({"__init__": ""} | files).items():
        file = tmp_path / "p" / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    graph = {name: add_packages(name, targets) for name, targets in read_graph(tmp_path, "p").items()}
    assert bool(find_circle(graph)) == circular
