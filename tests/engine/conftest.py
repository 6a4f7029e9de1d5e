"""Fixtures of the engine's tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import double
import pytest


@pytest.fixture
def cupy() -> Iterator[Any]:
    """A double of CuPy in its place: "cuda" is a device (see double.py)."""
    with double.installed() as module:
        yield module
