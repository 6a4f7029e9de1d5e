"""The core is complete without what plugs into it: speed, safety and the dialect may be taken away."""

import os
import pkgutil
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import minigrad

PACKAGE = Path(minigrad.__file__).parent
LOWEST = ("dtypes", "device", "errors")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder with a package `minigrad` that is the core, the rows, the lowest layer, and an empty __init__.py."""
    folder = tmp_path_factory.mktemp("alone")
    copy = folder / "minigrad"
    for part in ("core", "ops"):
        shutil.copytree(PACKAGE / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
    for name in LOWEST:
        shutil.copy(PACKAGE / f"{name}.py", copy)
    (copy / "__init__.py").touch()
    return folder


START = """
import sys
sys.dont_write_bytecode = True
sys.path.insert(0, {folder!r})
# An editable install has a finder of its own, which would find the rest of the project.
sys.meta_path[:] = [finder for finder in sys.meta_path if finder.__module__.startswith("_frozen_importlib")]
"""


def run_alone(folder: Path, program: str) -> list[str]:
    """Run a program that sees NumPy and the copy, but neither this folder nor PYTHONPATH. The lines it prints."""
    command = [sys.executable, "-I", "-c", START.format(folder=str(folder)) + program]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout.splitlines()


def test_the_core_alone_trains_a_network_of_two_layers(folder):
    program = (Path(__file__).parents[1] / "tools" / "two_layers.py").read_text()
    losses, *modules = run_alone(folder, program)
    first, last = map(float, losses.split())
    assert last < first / 10
    names, files = zip(*(line.split(maxsplit=1) for line in modules), strict=True)
    assert "minigrad.core.backward" in names
    assert all(file.startswith(str(folder) + os.sep) for file in files), "something else was importable"


CHAPTERS = """
import importlib
for chapter in chapters:
    for name in [name for name in sys.modules if name.partition(".")[0] == "minigrad"]:
        del sys.modules[name]  # as if no other chapter had been imported before
    importlib.import_module(f"minigrad.ops.{chapter}")
    print(chapter, "tanh" in sys.modules["minigrad.core.operation"].TABLE)
"""


def test_each_chapter_of_rows_needs_the_core_alone(folder):
    chapters = [module.name for module in pkgutil.iter_modules([str(PACKAGE / "ops")])]
    assert "arithmetic" in chapters
    assert run_alone(folder, f"chapters = {chapters}\n{CHAPTERS}") == [f"{chapter} True" for chapter in chapters]
