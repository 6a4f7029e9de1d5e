"""What the benchmarks share: a fair start, side-by-side timing, and results on disk.

Machines are noisy and differ, so a speed is a ratio: the contestants take turns in short rounds within one process,
each round gives one ratio, and the median over the rounds is what counts.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from statistics import median
from typing import Any

RESULTS = Path(__file__).parent / "results"

_FAIR = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def fair_start() -> None:
    """Restart this script with one BLAS thread and without OPENBLAS_CORETYPE, unless it runs so already.

    Some machines set OPENBLAS_CORETYPE=Haswell, which almost halves NumPy's matrix products and leaves others' alone.
    BLAS reads these variables when it is loaded, so they must be right before NumPy is imported.
    """
    wanted = {**os.environ, **_FAIR}
    wanted.pop("OPENBLAS_CORETYPE", None)
    if dict(os.environ) != wanted:
        os.execve(sys.executable, [sys.executable, *sys.argv], wanted)


def side_by_side(contestants: dict[str, Callable[[], Any]], rounds: int = 25, seconds: float = 0.02) -> dict[str, list]:
    """Seconds per call of each contestant, one figure a round; in every round all take their turn.

    Each turn repeats the call for about `seconds`. Two rounds go first, uncounted.
    """
    repeats = {}
    for name, call in contestants.items():
        call()
        start = time.perf_counter()
        call()
        repeats[name] = max(1, int(seconds / max(time.perf_counter() - start, 1e-7)))
    times: dict[str, list] = {name: [] for name in contestants}
    for turn in range(rounds + 2):
        for name, call in contestants.items():
            n = repeats[name]
            start = time.perf_counter()
            for _ in range(n):
                call()
            if turn >= 2:
                times[name].append((time.perf_counter() - start) / n)
    return times


def ratio(times: dict[str, list], a: str, b: str) -> float:
    """The median over the rounds of a's time divided by b's."""
    return median(x / y for x, y in zip(times[a], times[b], strict=True))


def machine() -> dict[str, str]:
    """What the figures were measured on."""
    import numpy as np

    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]  # type: ignore[index,call-overload]
    info = {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "BLAS": f"{blas['name']} {blas['version']}, {os.environ.get('OPENBLAS_NUM_THREADS', '?')} thread",
        "OPENBLAS_CORETYPE": os.environ.get("OPENBLAS_CORETYPE", "unset"),
        "commit": _commit(),
    }
    for package in ("torch", "stable-baselines3", "gymnasium"):
        try:
            info[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            info[package] = "not installed"
    return info


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _commit() -> str:
    try:
        out = subprocess.run(
            ["git", "describe", "--always", "--dirty"], capture_output=True, text=True, cwd=RESULTS.parent, check=True
        )
        return out.stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def write(name: str, title: str, tables: list[str], data: dict[str, Any]) -> None:
    """Print the tables, and write them to results/NAME.md and the data to results/NAME.json."""
    RESULTS.mkdir(exist_ok=True)
    info = machine()
    command = "python benchmarks/" + " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])
    about = "\n".join(f"- {key}: {value}" for key, value in info.items())
    text = "\n\n".join([f"# {title}", f"`{command}`", about, *tables]) + "\n"
    (RESULTS / f"{name}.md").write_text(text)
    (RESULTS / f"{name}.json").write_text(json.dumps({"command": command, "machine": info, **data}, indent=1) + "\n")
    print(text)


def table(header: list[str], rows: list[list[Any]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)
