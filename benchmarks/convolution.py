"""How fast is convolution? The Nature DQN network's training step, acting on one frame, and each layer by itself.

    python benchmarks/convolution.py

The network is that of Mnih et al. 2015 ("Human-level control through deep reinforcement learning", table 1 of the
extended data): 84 × 84 × 4 frames, convolutions of 32 windows 8 × 8 stride 4, 64 of 4 × 4 stride 2 and 64 of 3 × 3,
then 3136 → 512 → actions. A step is forward, gather, mean squared error, backward and Adam on a batch of 32, the frames
in uint8 and divided by 255 in the step, as from a replay. PyTorch does the same beside it, in the same process, on one
thread; the ratio is what counts. Below stand the other ways of doing it that were tried, with what they cost.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.common import fair_start, ratio, side_by_side, table, write

fair_start()

import gc
import tracemalloc
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np

import minigrad as mg
from minigrad.ops import convolution
from minigrad.ops.windows import Window

try:
    import torch

    torch.set_num_threads(1)
except ImportError:
    torch = None  # type: ignore[assignment]

BATCH, ACTIONS = 32, 6
GOAL, MEMORY_GOAL = 1.5, 3.0
LAYERS = {  # name: in, size, out, kernel, stride
    "32 of 8×8 stride 4": (4, 84, 32, 8, 4),
    "64 of 4×4 stride 2": (32, 20, 64, 4, 2),
    "64 of 3×3": (64, 9, 64, 3, 1),
}


def network(lib: Any) -> Any:
    """The network, from minigrad's or PyTorch's nn."""
    nn = lib.nn
    return nn.Sequential(
        nn.Conv2d(4, 32, 8, stride=4),
        nn.ReLU(),
        nn.Conv2d(32, 64, 4, stride=2),
        nn.ReLU(),
        nn.Conv2d(64, 64, 3),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(3136, 512),
        nn.ReLU(),
        nn.Linear(512, ACTIONS),
    )


def batch(n: int = BATCH) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Random frames (n, 4, 84, 84) in uint8, actions (n, 1) and targets (n, 1)."""
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (n, 4, 84, 84), dtype=np.uint8)
    return frames, rng.integers(0, ACTIONS, (n, 1)), rng.standard_normal((n, 1)).astype(np.float32)


def training_step(lib: Any) -> Callable[[], Any]:
    """The step as users write it; the same lines for minigrad and PyTorch."""
    frames, actions, targets = (lib.from_numpy(a) for a in batch())
    net = network(lib)
    optimizer = lib.optim.Adam(net.parameters(), lr=1e-4)
    mse_loss = lib.nn.functional.mse_loss

    def step() -> Any:
        loss = mse_loss(net(frames / 255).gather(1, actions), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return step


def forward(lib: Any, n: int) -> Callable[[], Any]:
    """The greedy actions for n frames."""
    net = network(lib)
    frames = lib.from_numpy(batch(n)[0])

    def act() -> Any:
        with lib.no_grad():
            return net(frames / 255).argmax(1)

    return act


def measure(lib_call: Callable[[Any], Callable]) -> tuple[dict[str, float], float | None]:
    """Milliseconds of each library, and the ratio to PyTorch."""
    contestants = {"minigrad": lib_call(mg)}
    if torch is not None:
        contestants["torch"] = lib_call(torch)
    times = side_by_side(contestants, rounds=31, seconds=0.05)
    ms = {k: round(median(v) * 1e3, 3) for k, v in times.items()}
    return ms, round(ratio(times, "minigrad", "torch"), 3) if torch is not None else None


def measure_network() -> tuple[str, dict]:
    """The whole network: a step, and acting."""
    rows, data = [], {}
    calls: dict[str, tuple[Callable[[Any], Callable], str]] = {
        f"training step, batch {BATCH}": (training_step, f" (≤ {GOAL})"),
        f"forward under no_grad, batch {BATCH}": (lambda lib: forward(lib, BATCH), ""),
        "forward under no_grad, batch 1": (lambda lib: forward(lib, 1), ""),
    }
    for name, (call, goal) in calls.items():
        ms, r = measure(call)
        data[name] = {"milliseconds": ms, "ratio": r}
        rows.append([name, ms["minigrad"], ms.get("torch", "-"), "-" if r is None else f"**{r:.2f}**{goal}"])
    return "## The Nature DQN network\n\n" + table(["", "minigrad ms", "PyTorch ms", "ratio (goal)"], rows), data


def measure_layers() -> tuple[str, dict]:
    """Each convolution by itself: y, and its two derivatives."""
    rows, data = [], {}
    rng = np.random.default_rng(0)
    for name, (c, size, o, k, s) in LAYERS.items():
        window, positions = Window((k, k), (s, s)), (size - k) // s + 1
        shapes = ((BATCH, c, size, size), (o, c, k, k), (BATCH, o, positions, positions))
        x, w, g = (rng.standard_normal(shape).astype(np.float32) for shape in shapes)
        ours = {
            "y": lambda x=x, w=w, window=window: convolution.convolution(x, w, None, window, 1),
            "x̄": lambda g=g, w=w, n=size, window=window: convolution.convolution_input(g, w, (n, n), window, 1),
            "w̄": lambda g=g, x=x, window=window: convolution.convolution_weight(g, x, window, 1),
        }
        cells: list[Any] = [name]
        data[name] = {}
        for which, call in ours.items():
            contestants: dict[str, Callable] = {"minigrad": call}
            if torch is not None:
                contestants["torch"] = _torch_call(which, x, w, g, s)
            times = side_by_side(contestants, rounds=15)
            ms = {key: round(median(v) * 1e3, 3) for key, v in times.items()}
            data[name][which] = ms
            cells.append(f"{ms['minigrad']:.2f} / {ms['torch']:.2f}" if torch is not None else f"{ms['minigrad']:.2f}")
        rows.append(cells)
    header = ["layer, batch 32", "y: minigrad / PyTorch ms", "x̄ (not needed in the first layer)", "w̄"]
    return "## Each layer by itself\n\n" + table(header, rows), data


def _torch_call(which: str, x: np.ndarray, w: np.ndarray, g: np.ndarray, stride: int) -> Callable[[], Any]:
    tx, tw, tg = (torch.from_numpy(a) for a in (x, w, g))
    if which == "y":
        return lambda: torch.nn.functional.conv2d(tx, tw, None, stride)
    mask = [which == "x̄", which == "w̄", False]
    settings = [stride, stride], [0, 0], [1, 1], False, [0, 0], 1, mask
    return lambda: torch.ops.aten.convolution_backward(tg, tx, tw, None, *settings)


# -- what was tried ---------------------------------------------------------------------------------------


def whole_batch(x: np.ndarray, window: Window, groups: int) -> Any:
    """The columns of all images at once."""
    held, convolution._CACHED = convolution._CACHED, 1 << 40
    try:
        return [*_COLUMNS(x, window, groups)]
    finally:
        convolution._CACHED = held


class Kept:
    """The columns of all images, kept from y until w̄ needs them."""

    def __init__(self) -> None:
        self.held: dict[int, Any] = {}

    def __call__(self, x: np.ndarray, window: Window, groups: int) -> Any:
        """What y made is found again by w̄, which has the same x. (Only windows for x̄ have padding here.)"""
        if any(window.padding):
            return _COLUMNS(x, window, groups)
        columns = self.held.pop(id(x), None)
        if columns is None:
            columns = self.held[id(x)] = whole_batch(x, window, groups)
        return columns


def input_by_scattering(g: np.ndarray, weight: np.ndarray, size: tuple[int, int], stride: int) -> np.ndarray:
    """x̄ the other way: the columns' cotangents in one product, then added onto x̄ for each place in the window."""
    (n, o, positions, _), (_, c, k, _) = g.shape, weight.shape
    x = np.zeros((n, *size, c), g.dtype)
    matrix = np.ascontiguousarray(weight.transpose(0, 2, 3, 1)).reshape(o, -1)
    reach = stride * (positions - 1) + 1
    for start in range(0, n, 4):
        rows = np.ascontiguousarray(g[start : start + 4].transpose(0, 2, 3, 1)).reshape(-1, o)
        columns = (rows @ matrix).reshape(-1, positions, positions, k, k, c)
        for i in range(k):
            for j in range(k):
                x[start : start + 4, i : i + reach : stride, j : j + reach : stride] += columns[:, :, :, i, j]
    return np.ascontiguousarray(x.transpose(0, 3, 1, 2))


_COLUMNS = convolution._columns
VARIANTS = {
    "a few images at a time, columns made again for w̄ (as it is)": lambda: _COLUMNS,
    "all images at once, columns made again": lambda: whole_batch,
    "all images at once, columns kept for w̄": Kept,
}


def step_with(columns: Any) -> Callable[[], None]:
    """The training step with another way of making columns."""
    train = training_step(mg)

    def step() -> None:
        convolution._columns = columns
        train()
        convolution._columns = _COLUMNS

    return step


def measure_variants() -> tuple[str, dict]:
    """The whole step with columns made and kept in other ways: its time, and its peak memory."""
    contestants: dict[str, Callable] = {}
    for name, columns in VARIANTS.items():
        contestants[name] = step_with(columns())
    times = side_by_side(contestants, rounds=25, seconds=0.05)
    first = next(iter(VARIANTS))
    rows, data = [], {}
    for name, columns in VARIANTS.items():
        peak, activations = peak_memory(columns())
        relative = ratio(times, name, first)
        data[name] = {"relative time": round(relative, 3), "peak": peak, "activations": activations}
        goal = f" (≤ {MEMORY_GOAL})" if name == first else ""
        rows.append([name, f"{relative:.2f}", f"{peak / 1e6:.1f}", f"**{peak / activations:.2f}**{goal}"])
    header = ["columns", "time of a step", "peak MB of forward and backward", "of the activations (goal)"]
    text = (
        "## Columns kept or made again\n\nThe peak is what a step holds at once above parameters, their gradients and "
        f"the optimizer; the activations, the outputs of all layers and the frames, are {activations / 1e6:.1f} MB.\n\n"
    )
    return text + table(header, rows) + "\n\n" + _scattering(data), data


def _scattering(data: dict) -> str:
    rows = []
    rng = np.random.default_rng(0)
    for name, (c, size, o, k, s) in LAYERS.items():
        window, positions = Window((k, k), (s, s)), (size - k) // s + 1
        g = rng.standard_normal((BATCH, o, positions, positions)).astype(np.float32)
        w = rng.standard_normal((o, c, k, k)).astype(np.float32)
        contestants: dict[str, Callable] = {
            "gather": lambda g=g, w=w, n=size, window=window: convolution.convolution_input(g, w, (n, n), window, 1),
            "scatter": lambda g=g, w=w, n=size, s=s: input_by_scattering(g, w, (n, n), s),
        }
        np.testing.assert_allclose(contestants["gather"](), contestants["scatter"](), rtol=1e-3, atol=1e-3)
        times = side_by_side(contestants, rounds=11)
        data[f"x̄ by scattering, {name}"] = round(ratio(times, "scatter", "gather"), 2)
        rows.append([name, *(f"{median(times[key]) * 1e3:.2f}" for key in contestants)])
    header = ["layer", "windows of g (as it is): ms", "col2im: ms"]
    return "## x̄ by gathering or by scattering\n\n" + table(header, rows)


def peak_memory(columns: Any) -> tuple[int, int]:
    """Bytes that a step's forward and backward hold at once, and bytes of the activations."""
    frames, actions, targets = (mg.from_numpy(a) for a in batch())
    net = network(mg)
    x = frames / 255
    activations = x.array.nbytes
    for layer in net:
        x = layer(x)
        activations += 0 if isinstance(layer, mg.nn.Flatten) else x.array.nbytes  # Flatten is a view
    gradients = sum(p.array.nbytes for p in net.parameters())
    del x
    convolution._columns = columns
    net.zero_grad()
    gc.collect()
    tracemalloc.start()
    loss = mg.nn.functional.mse_loss(net(frames / 255).gather(1, actions), targets)
    forward_peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.reset_peak()
    loss.backward()
    backward_peak = tracemalloc.get_traced_memory()[1] - gradients
    tracemalloc.stop()
    convolution._columns = _COLUMNS
    return max(forward_peak, backward_peak), activations


def main() -> None:
    """Measure everything and write results/convolution.md and .json."""
    tables, data = [], {}
    for key, part in (("network", measure_network), ("layers", measure_layers), ("variants", measure_variants)):
        text, figures = part()
        tables.append(text)
        data[key] = figures
    write("convolution", "Speed of convolution", tables, data)


if __name__ == "__main__":
    main()
