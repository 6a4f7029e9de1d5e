"""Which module imports which, read from their text.

An edge leads from a module to each module that it imports. Who imports a module of a package from outside also imports
the package's __init__, so there is an edge to that. From inside there is none: the package is there already, as far as
it has come. That is a circle only if the inner module asks the __init__ for a name.
"""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path


def find_modules(root: Path, package: str) -> dict[str, Path]:
    """The modules of a package: name -> file."""
    modules = {}
    for file in sorted((root / package).rglob("*.py")):
        parts = file.relative_to(root).with_suffix("").parts
        modules[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return modules


def find_imports(name: str, file: Path, modules: dict[str, Path]) -> set[str]:
    """The modules among `modules` that this one imports, anywhere in its text."""
    package = name if file.name == "__init__.py" else name.rpartition(".")[0]
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package.rsplit(".", node.level - 1)[0] if node.level else ""
            source = ".".join(part for part in (base, node.module) if part)
            for alias in node.names:
                submodule = f"{source}.{alias.name}"
                found.add(submodule if submodule in modules else source)
    return {target for target in found if target in modules} - {name}


def add_packages(name: str, targets: set[str]) -> set[str]:
    """The targets, and the packages that are imported on the way to them from outside."""
    everything = set(targets)
    for target in targets:
        while "." in target:
            target = target.rpartition(".")[0]
            if not f"{name}.".startswith(f"{target}."):
                everything.add(target)
    return everything


def find_circle(graph: dict[str, set[str]]) -> str:
    """The modules of a circle, or nothing."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return " imports ".join(reversed(error.args[1]))
    return ""


def read_graph(root: Path, package: str = "minigrad") -> dict[str, set[str]]:
    """Every module of the package with what it imports."""
    modules = find_modules(root, package)
    return {name: find_imports(name, file, modules) for name, file in modules.items()}
