"""Forward hooks: functions that a module calls before and after its `forward`, to look at what goes through it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..dialect.gradients import RemovableHandle
from ..events import report


class Hooked:
    """What a Module does for its hooks."""

    # name of the hook -> (the function, whether it is given the keyword arguments); None as long as there are none
    _forward_hooks: dict[int, tuple[Callable, bool]] | None = None
    _forward_pre_hooks: dict[int, tuple[Callable, bool]] | None = None
    forward: Callable[..., Any]

    def register_forward_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call `hook(module, args, output)` after each forward; what it returns, unless None, is the output.

        with_kwargs: call `hook(module, args, kwargs, output)`. prepend: before the hooks that are there already.
        """
        if self._forward_hooks is None:
            self._forward_hooks = {}
        return add_hook(self._forward_hooks, hook, prepend, with_kwargs)

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call `hook(module, args)` before each forward; what it returns, unless None, are the arguments.

        with_kwargs: call `hook(module, args, kwargs)`, which returns None or both, (args, kwargs).
        prepend: before the hooks that are there already.
        """
        if self._forward_pre_hooks is None:
            self._forward_pre_hooks = {}
        return add_hook(self._forward_pre_hooks, hook, prepend, with_kwargs)

    def _call_with_hooks(self, args: tuple, kwargs: dict[str, Any]) -> Any:
        if self._forward_hooks or self._forward_pre_hooks:  # they are empty when the last has been removed
            report("refused", "a hook of a module")
        for before, with_kwargs in list((self._forward_pre_hooks or {}).values()):
            replaced = before(self, args, kwargs) if with_kwargs else before(self, args)
            if replaced is None:
                continue
            if with_kwargs:
                if not isinstance(replaced, tuple) or len(replaced) != 2 or not isinstance(replaced[1], dict):
                    raise RuntimeError(
                        "a forward pre-hook with_kwargs must return None or a pair (args, kwargs), it returned "
                        f"{type(replaced).__name__}; return both, even if one is as it was"
                    )
                args, kwargs = replaced
            else:
                args = replaced if isinstance(replaced, tuple) else (replaced,)
        output = self.forward(*args, **kwargs)
        for after, with_kwargs in list((self._forward_hooks or {}).values()):
            replaced = after(self, args, kwargs, output) if with_kwargs else after(self, args, output)
            if replaced is not None:
                output = replaced
        return output


def add_hook(hooks: dict, hook: Callable, prepend: bool, with_kwargs: bool) -> RemovableHandle:
    others = dict(hooks)
    handle = RemovableHandle(hooks, (hook, with_kwargs))
    if prepend:
        for name, other in others.items():  # a dict keeps its order: what is set anew comes last
            del hooks[name]
            hooks[name] = other
    return handle
