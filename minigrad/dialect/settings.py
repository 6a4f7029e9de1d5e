"""What scripts set before they start: how tensors are printed, and how many threads compute."""

from __future__ import annotations

from typing import Any

from .printing import PRINTING

_PROFILES: dict[str, dict[str, Any]] = {
    "default": {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80},
    "short": {"precision": 2, "threshold": 1000, "edgeitems": 2, "linewidth": 80},
    "full": {"precision": 4, "threshold": 2**63 - 1, "edgeitems": 3, "linewidth": 80},
}


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """How tensors are printed from now on. What is None stays as it is.

    precision: digits after the point. threshold: from how many elements on the middle is left out; edgeitems: how many
    are shown at each end then. linewidth: characters a line. profile: 'default', 'short' or 'full', before the others.
    sci_mode: True writes all numbers as 1.0000e+01, False none. None, as at first: those whose sizes differ by more
    than 1000, or leave the range from 1e-4 to 1e8.
    """
    PRINTING["sci_mode"] = sci_mode
    if profile is not None:
        if profile not in _PROFILES:
            raise ValueError(f"set_printoptions: profile={profile!r}; expected 'default', 'short' or 'full'")
        PRINTING.update(_PROFILES[profile])
    if threshold is not None:
        threshold = int(min(threshold, 2**63 - 1))
    given = {"precision": precision, "threshold": threshold, "edgeitems": edgeitems, "linewidth": linewidth}
    PRINTING.update({name: value for name, value in given.items() if value is not None})


def get_num_threads() -> int:
    """How many threads the matrix products use. Everything else in the engine runs on one."""
    return max((pool["num_threads"] for pool in _pools()), default=1)


def set_num_threads(num: int) -> None:
    """Let the matrix products use `num` threads, whatever BLAS NumPy was built with. Networks of RL's size want 1."""
    if type(num) is not int or num < 1:
        raise ValueError(f"set_num_threads: expected an int of at least 1, got {num!r}")
    _threadpoolctl().threadpool_limits(num, "blas")


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Accepted and not needed: on a CPU, the same program gives the same bits for the same number of threads."""


def are_deterministic_algorithms_enabled() -> bool:
    """True: there are no others on a CPU."""
    return True


def _pools() -> list[dict[str, Any]]:
    return [pool for pool in _threadpoolctl().threadpool_info() if pool["user_api"] == "blas"]


def _threadpoolctl() -> Any:
    try:
        import threadpoolctl
    except ImportError:
        raise RuntimeError(
            "the number of threads is that of NumPy's BLAS, which the package threadpoolctl asks and sets; install it, "
            "or set OPENBLAS_NUM_THREADS before the program starts"
        ) from None
    return threadpoolctl
