"""docs/operations.md is what the source of the table says."""

import runpy
from pathlib import Path

import pytest

import minigrad  # noqa: F401
from minigrad.core.operation import TABLE

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def made():
    return runpy.run_path(str(DOCS / "make_operations.py"))


def test_the_page_is_up_to_date(made):
    assert made["PAGE"].read_text() == made["page"](), "run `python docs/make_operations.py`"


def test_the_page_has_every_operation_that_has_a_rule(made):
    text = made["page"]()
    missing = [name for name, row in TABLE.items() if row.differentiable and f"\n| {name} |" not in text]
    assert not missing
