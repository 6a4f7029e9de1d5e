"""Programs that run at once, each in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any


def run_in_threads(*programs: Callable[[], Any]) -> list[Any]:
    """What the programs return, each run in a thread of its own, all of them at once."""
    results: list[Any] = [None] * len(programs)
    start = threading.Barrier(len(programs))

    def run(i: int) -> None:
        start.wait()
        try:
            results[i] = programs[i]()
        except BaseException as error:
            results[i] = error

    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(programs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results
