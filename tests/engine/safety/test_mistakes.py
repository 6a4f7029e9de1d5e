"""The catalogue of mistakes: what a user may do wrong, and what the engine says.

Each message says what was given, what was expected and how to mend it; a row names a piece of each. The page
docs/mistakes.md is written from the same rows: `python tests/engine/safety/test_mistakes.py`.
"""

from __future__ import annotations

import importlib.util
import re
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))  # when run as a script

from differences import ROWS
from mistakes_tensors import CATALOGUE, Mistake

import minigrad as mg

PAGE = Path(__file__).parents[3] / "docs" / "mistakes.md"


def _collected(file: str) -> list[Mistake]:
    """The `MISTAKES` of another module of this folder, if it is there."""
    if importlib.util.find_spec(file) is None:
        return []
    return [Mistake(*row) for row in importlib.import_module(file).MISTAKES]


CATALOGUE["Networks, optimizers and files"] = _collected("mistakes_nn")
CATALOGUE["Convolution"] = _collected("mistakes_convolution")
CATALOGUE["Distributions"] = _collected("mistakes_distributions")
CATALOGUE["Functions"] = _collected("mistakes_functions")
ALL = [(chapter, row) for chapter, rows in CATALOGUE.items() for row in rows]


def message_of(row: Mistake) -> str:
    """What the engine says when the mistake is made. Fails unless it raises exactly what the row says."""
    try:
        with np.errstate(all="ignore"):
            row.make()
    except Exception as error:
        # The engine's own RuntimeError, ZeroDivisionError and ValueError
        own = {
            mg.GradientError: RuntimeError,
            mg.errors.DivisionByZeroError: ZeroDivisionError,
            mg.distributions.ParameterError: ValueError,
        }
        exact = own.get(type(error), type(error)) is row.exception
        if not exact:
            raise AssertionError(
                f"{row.name}: raises {type(error).__name__}, not {row.exception.__name__}: {error}"
            ) from error
        return str(error).strip("'") if isinstance(error, KeyError) else str(error)
    raise AssertionError(f"{row.name}: raises nothing")


@pytest.mark.parametrize(("chapter", "row"), ALL, ids=[f"{c}: {r.name}" for c, r in ALL])
def test_the_message_says_what_was_given_expected_and_how_to_mend_it(chapter, row, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    message = message_of(row)
    if isinstance(row.code, str):
        assert len(row.fragments) >= 3, "a row names what was given, what was expected and how to mend it"
    for fragment in row.fragments:
        assert fragment in message, f"{row.name}: {fragment!r} is not in the message\n{message}"


def test_there_are_enough_and_they_differ():
    assert len(ALL) >= 40
    assert len({(chapter, row.name) for chapter, row in ALL}) == len(ALL)


# -- the page ---------------------------------------------------------------------------------------------

INTRODUCTION = """\
# Mistakes, and what the engine says

Each message says what was given, what was expected and how to mend it. Written by
`python tests/engine/safety/test_mistakes.py` from the catalogue there, which is tested. At the end stands
[where we differ from PyTorch on purpose](#where-we-differ-from-pytorch-on-purpose).
"""

DIFFERENCES = """\
## Where we differ from PyTorch on purpose

PyTorch is version 2.13 on the CPU; T is the module, F its `nn.functional`. Each line is run by
`tests/engine/dialect/test_differences.py`, here and in PyTorch.

| code | here | in PyTorch | why |
|---|---|---|---|
"""


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def _said(row: Mistake) -> str:
    if callable(row.code):  # may speak of files: what is tested is enough
        return " … ".join(row.fragments)
    return re.sub(r"(does not fit a tensor of shape \(.*?\)): .*", r"\1: …", message_of(row))  # … is NumPy's


def page() -> str:
    """The catalogue as Markdown."""
    lines = [INTRODUCTION]
    for chapter, rows in CATALOGUE.items():
        with_code = isinstance(rows[0].code, str) if rows else False
        lines.append(f"## {chapter}\n")
        lines.append(
            "| mistake | code | what comes |\n|---|---|---|" if with_code else "| mistake | what comes |\n|---|---|"
        )
        for row in rows:
            cells = [row.name]
            if isinstance(row.code, str):
                code = textwrap.dedent(row.code).strip().replace("|", "\\|")
                cells.append("<br>".join(f"`{line}`" for line in code.splitlines()))
            lines.append(f"| {' | '.join(cells)} | **{row.exception.__name__}** {_cell(_said(row))} |")
        lines.append("")
    different = [f"| `{code}` | {here} | {there} | {_cell(why)} |" for code, here, there, why in ROWS]
    lines.append(DIFFERENCES + "\n".join(different))
    return "\n".join(lines) + "\n"


def test_the_page_is_up_to_date():
    assert PAGE.read_text() == page(), (
        "run `python tests/engine/safety/test_mistakes.py` to write docs/mistakes.md anew"
    )


if __name__ == "__main__":
    PAGE.write_text(page())
    print(f"{PAGE}: {len(ALL)} mistakes")
