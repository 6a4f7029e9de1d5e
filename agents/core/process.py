"""What belongs to the whole process. Two settings make a training faster: freed memory is kept, and BLAS has one
thread. Its terminal says whether somebody looks."""

from __future__ import annotations

import ctypes
import os
import platform
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # <malloc.h>


def keep_freed_memory() -> None:
    """What one update frees, the next one needs again. glibc (Linux) hands the end of its heap back to the system in
    between, and gets it again page by page: without this, PPO on CartPole has 3,400 page faults in 1,000 steps, which
    is an eighth of its time. For the whole process, and as long as it lives."""
    if platform.libc_ver()[0] != "glibc" or "MALLOC_TRIM_THRESHOLD_" in os.environ:
        return
    mallopt = ctypes.CDLL(None).mallopt
    mallopt(M_TRIM_THRESHOLD, 256 << 20)  # bytes that may lie free there
    mallopt(M_MMAP_THRESHOLD, 32 << 20)  # the largest there is: arrays below it come from the heap


class BlasLimit:
    """One thread for BLAS while at least one training goes on. The number belongs to the process: the first training
    sets it, and the last one puts back what was there."""

    def __init__(self) -> None:
        self.trainings, self.lock = 0, threading.Lock()
        self.limit: Any = None

    def enter(self) -> None:
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

        with self.lock:
            if not self.trainings:
                self.limit = threadpool_limits(1, user_api="blas")
            self.trainings += 1

    def leave(self) -> None:
        with self.lock:
            self.trainings -= 1
            if not self.trainings:
                self.limit.restore_original_limits()


blas_limit = BlasLimit()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """At these sizes two threads cost more in waiting for each other than they compute."""
    blas_limit.enter()
    try:
        yield
    finally:
        blas_limit.leave()


def is_watched() -> bool:
    """Whether somebody looks at stderr in a terminal. A daemon may have no stderr at all."""
    return sys.stderr is not None and sys.stderr.isatty()
