"""What the functions say to a list, an array or a number where a tensor belongs."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from ...core.tensor import Tensor


def explain(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, which raises TypeError instead of "'list' object has no attribute 'array'".

    The arguments are looked at once it has failed, so a call that is right does no work for this.
    """

    def explained(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except AttributeError as error:
            for argument, given in inspect.signature(function).bind_partial(*args, **kwargs).arguments.items():
                for x in given if isinstance(given, tuple) else (given,):
                    if x is error.obj and not isinstance(x, Tensor):
                        raise TypeError(
                            f"{function.__name__}: {argument} must be a Tensor, got {type(x).__name__}; "
                            "wrap it with as_tensor"
                        ) from None
            raise

    # What functools.wraps does. It takes much longer, and there are many functions to import.
    explained.__name__, explained.__qualname__ = function.__name__, function.__qualname__
    explained.__doc__ = function.__doc__
    explained.__module__ = "minigrad"  # where pickle finds it
    explained.__wrapped__ = function  # type: ignore[attr-defined]  # whose signature `inspect` shows
    return explained
