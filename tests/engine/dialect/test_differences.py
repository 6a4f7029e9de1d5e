"""What differs from PyTorch on purpose (differences.py): each line is run, here and, if it is there, in PyTorch."""

from __future__ import annotations

import math
import warnings
from typing import Any

import pytest
from differences import ROWS

import minigrad as mg
import minigrad.nn.functional as F


def outcome(T: Any, functional: Any, program: str) -> str:
    """What a program gives, in a few words."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = eval(program, {"T": T, "F": functional, "nan": math.nan})
    except Exception:
        return "raises"
    return f"{result.tolist()} {result.dtype}".replace("torch.", "") if isinstance(result, T.Tensor) else str(result)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_what_comes_here(row):
    program, here, _, _ = row
    assert outcome(mg, F, program) == here


@pytest.mark.oracle
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_what_comes_there(row):
    torch = pytest.importorskip("torch")
    program, _, there, _ = row
    assert outcome(torch, torch.nn.functional, program) == there
