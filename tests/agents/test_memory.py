"""What an update frees is there for the next one."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

COUNT_PAGE_FAULTS = """
import resource
from agents import PPO

faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt
agent = PPO("CartPole-v1", seed=0).learn(2_048)
before = faults()
agent.learn(2_048)
print(faults() - before)
"""


def page_faults(**more: str) -> int:
    """In 2,048 steps of a fresh process: in this one, the heap's end is never free."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    script = [sys.executable, "-c", COUNT_PAGE_FAULTS]
    return int(subprocess.run(script, env={**environment, **more}, capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="it is glibc that gives memory back so eagerly")
def test_memory_is_not_given_back_and_taken_again() -> None:
    assert page_faults() < 200


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="it is glibc that gives memory back so eagerly")
def test_who_has_set_glibcs_thresholds_keeps_them() -> None:
    assert page_faults(MALLOC_TRIM_THRESHOLD_="131072") > 2_000
