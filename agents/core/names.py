"""Names of the user's own classes, functions and objects, as config.json has them. They are shown and compared, and
nothing is imported by them."""

from __future__ import annotations

from typing import Any


def qualified_name(value: Any) -> str:
    """`module:qualname` of a class or a function, or of an object's class."""
    named = value if hasattr(value, "__qualname__") else type(value)
    return f"{named.__module__}:{named.__qualname__}"
