"""Do time and memory grow in proportion? Graph length, graph width, tensor size; a training step's peak memory.

    python benchmarks/scale.py

Each measurement runs in a process of its own, whose peak memory the operating system reports. A line in a log-log
plot has the exponent of growth as its slope: 1 is proportion. A graph of a million nodes is some millions of Python
objects, which Python's cyclic garbage collector walks over again and again as they are made (in vain: a graph has no
cycles); the slope without the collector is the engine's own.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.common import fair_start, table, write

fair_start()

import gc
import resource
import subprocess
import time
from itertools import pairwise
from typing import Any

import numpy as np

LENGTHS = [1_000, 10_000, 100_000, 1_000_000]
WIDTHS = [1_000, 10_000, 100_000]
SIZES = [1_000_000, 10_000_000, 100_000_000]
MEMORY_GOAL = 1.5


def peak() -> int:
    """The most memory this process has held so far, bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def current() -> int:
    """The memory this process holds now, bytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def chain(n: int) -> dict[str, float]:
    """n operations one after the other on one number."""
    import minigrad as mg

    x = mg.ones(1, requires_grad=True)
    x.tanh().sum().backward()
    before, start = current(), time.perf_counter()
    y = x
    for _ in range(n):
        y = y * 1.0
    forward = time.perf_counter() - start
    y.sum().backward()
    return {"forward": forward, "backward": time.perf_counter() - start - forward, "memory": peak() - before}


def fan(n: int) -> dict[str, float]:
    """n operations side by side on one number, then a stack and a sum."""
    import minigrad as mg

    x = mg.ones(1, requires_grad=True)
    mg.stack([x * 1.0, x]).sum().backward()
    before, start = current(), time.perf_counter()
    y = mg.stack([x * float(i) for i in range(n)]).sum()
    forward = time.perf_counter() - start
    y.backward()
    return {"forward": forward, "backward": time.perf_counter() - start - forward, "memory": peak() - before}


def rows(n: int) -> dict[str, float]:
    """n rows of one matrix, taken one by one."""
    import minigrad as mg

    x = mg.ones(n, 2, requires_grad=True)
    mg.stack([x[0], x[1]]).sum().backward()
    before, start = current(), time.perf_counter()
    y = mg.stack(list(x)).sum()
    forward = time.perf_counter() - start
    y.backward()
    return {"forward": forward, "backward": time.perf_counter() - start - forward, "memory": peak() - before}


def size(n: int) -> dict[str, float]:
    """Three operations on n numbers."""
    import minigrad as mg

    x = mg.ones(n, requires_grad=True)
    mg.ones(3, requires_grad=True).tanh().sum().backward()
    before, start = current(), time.perf_counter()
    y = (x.tanh() * x).sum()
    forward = time.perf_counter() - start
    y.backward()
    return {"forward": forward, "backward": time.perf_counter() - start - forward, "memory": peak() - before}


def step_memory(library: str, batch: int) -> dict[str, float]:
    """Two training steps of 256→1024→1024→1024→256 with Adam: what they need above the network and the data."""
    lib: Any = __import__(library)
    importer = __import__("importlib")
    nn, optim = importer.import_module(f"{library}.nn"), importer.import_module(f"{library}.optim")
    widths = [256, 1024, 1024, 1024, 256]
    layers: list[Any] = []
    for i, o in pairwise(widths):
        layers += [nn.Linear(i, o), nn.ReLU()]
    net = nn.Sequential(*layers[:-1])
    optimizer = optim.Adam(net.parameters(), lr=1e-3)
    x, target = (lib.from_numpy(np.random.default_rng(0).random((batch, 256), np.float32)) for _ in range(2))
    nn.functional.mse_loss(net(x[:2]), target[:2]).backward()  # what is loaded at the first use
    optimizer.zero_grad()
    before = current()
    for _ in range(2):
        loss = nn.functional.mse_loss(net(x), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return {"memory": peak() - before}


MEASUREMENTS = {"chain": chain, "fan": fan, "rows": rows, "size": size}


def in_a_process(*arguments: Any) -> dict[str, float]:
    """This script, asked for one measurement."""
    out = subprocess.run(
        [sys.executable, __file__, "--one", *map(str, arguments)], capture_output=True, text=True, check=True
    )
    return json.loads(out.stdout)


def slope(ns: list[int], values: list[float]) -> float:
    """The exponent of growth between the two largest sizes, where start-up costs no longer count."""
    return float(np.log(values[-1] / values[-2]) / np.log(ns[-1] / ns[-2]))


def main() -> None:
    """Measure everything and write results/scale.md and .json."""
    tables, data = [], {}
    for name, ns in (("chain", LENGTHS), ("fan", WIDTHS), ("rows", WIDTHS), ("size", SIZES)):
        figures = [min((in_a_process(name, n) for _ in range(3)), key=lambda f: f["backward"]) for n in ns]
        data[name] = dict(zip(map(str, ns), figures, strict=True))
        lines: list[list[Any]] = [
            [f"{n:,}", *(f"{f[k] * 1e3:.1f}" for k in ("forward", "backward")), f"{f['memory'] / 2**20:.1f}"]
            for n, f in zip(ns, figures, strict=True)
        ]
        lines.append(["**slope**", *(f"**{slope(ns, [f[k] for f in figures]):.2f}**" for k in figures[0])])
        if name != "size":
            largest = ns[-2:]
            runs = [[in_a_process(name, n, "alone") for _ in range(3)] for n in largest]
            alone = [min(three, key=lambda f: f["forward"]) for three in runs]
            data[f"{name} without the collector"] = dict(zip(map(str, largest), alone, strict=True))
            own = (f"**{slope(largest, [f[k] for f in alone]):.2f}**" for k in alone[0])
            lines.append(["**slope** without the collector", *own])
        title = (MEASUREMENTS[name].__doc__ or "").strip()
        tables.append(f"## {title}\n\n" + table(["n", "forward ms", "backward ms", "peak memory MiB"], lines))
    tables.append(measure_memory(data))
    write("scale", "Time and memory against size", tables, data)


def measure_memory(data: dict[str, Any]) -> str:
    """The table of a training step's memory beside PyTorch's, if that is installed."""
    lines, header = [], ["batch", "minigrad MiB"]
    for batch in (1024, 8192):
        ours = in_a_process("step", "minigrad", batch)["memory"]
        cells: list[Any] = [batch, f"{ours / 2**20:.0f}"]
        data[f"step {batch}"] = {"minigrad": ours}
        try:
            theirs = in_a_process("step", "torch", batch)["memory"]
        except subprocess.CalledProcessError:
            lines.append(cells)
            continue
        data[f"step {batch}"]["torch"] = theirs
        header = ["batch", "minigrad MiB", "PyTorch MiB", f"ratio (goal ≤ {MEMORY_GOAL})"]
        lines.append([*cells, f"{theirs / 2**20:.0f}", f"**{ours / theirs:.2f}**"])
    return f"## Peak memory of a training step\n\n{(step_memory.__doc__ or '').strip()}\n\n" + table(header, lines)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        what, *arguments = sys.argv[2:]
        if what == "step":
            print(json.dumps(step_memory(arguments[0], int(arguments[1]))))
        else:
            if arguments[1:] == ["alone"]:
                gc.disable()
            print(json.dumps(MEASUREMENTS[what](int(arguments[0]))))
    else:
        main()
