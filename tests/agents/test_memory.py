"""What an update frees is there for the next one."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

PPO_UPDATES = """
from agents import PPO

agent = PPO("CartPole-v1", seed=0)
again = lambda: agent.learn(2_048)
"""
# Whether what PPO frees lies at the heap's end is chance. These 20 MB do: each array is too small to lie elsewhere.
MANY_ARRAYS = """
import numpy as np
from agents.core.process import keep_freed_memory

keep_freed_memory()
again = lambda: len([np.ones(12_800) for _ in range(200)])
"""
COUNT_PAGE_FAULTS = """
import resource

faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt
again()
before = faults()
again()
print(faults() - before)
"""


def page_faults(work: str, **more: str) -> int:
    """Of a second turn of some work, in a fresh process: in this one, the heap's end is never free."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    script = [sys.executable, "-c", work + COUNT_PAGE_FAULTS]
    return int(subprocess.run(script, env={**environment, **more}, capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="it is glibc that gives memory back so eagerly")
@pytest.mark.parametrize("work", [PPO_UPDATES, MANY_ARRAYS])
def test_memory_is_not_given_back_and_taken_again(work: str) -> None:
    assert page_faults(work) < 200


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="it is glibc that gives memory back so eagerly")
def test_who_has_set_glibcs_thresholds_keeps_them() -> None:
    assert page_faults(MANY_ARRAYS, MALLOC_TRIM_THRESHOLD_="131072") > 2_000
