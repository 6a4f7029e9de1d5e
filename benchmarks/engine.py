"""How fast is the engine? A whole training step, acting on one state, and one operation above NumPy.

    python benchmarks/engine.py
    python benchmarks/engine.py --device cuda

A step is what DQN does: forward, gather the actions' values, mean squared error, backward, Adam. The same step
stands beside it written by hand in NumPy (flat parameters, gradients and Adam in place), and in PyTorch if that is
installed. The contestants take turns, two by two, in one process and on one thread; the ratios are what counts.

With --device cuda the step runs on the GPU, beside the CPU's and PyTorch's CUDA, from the sizes of RL up to those where
a GPU pays. Without a GPU that ends with the engine's own words on what is missing.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.common import fair_start, ratio, side_by_side, table, write

fair_start()

import argparse
from collections.abc import Callable
from itertools import pairwise
from statistics import median
from typing import Any

import numpy as np

import minigrad as mg

try:
    import torch

    torch.set_num_threads(1)
except ImportError:
    torch = None  # type: ignore[assignment]

NETWORKS = [((4, 128, 2), 64), ((4, 128, 128, 2), 64), ((17, 256, 256, 6), 256)]
GPU_NETWORKS = [
    *NETWORKS,
    ((17, 256, 256, 6), 4096),
    ((17, 1024, 1024, 6), 1024),
    ((64, 2048, 2048, 64), 4096),
]
GOALS = {  # times hand-written NumPy, times PyTorch
    (4, 128, 2): (1.45, 0.25),
    (4, 128, 128, 2): (1.2, 0.36),
    (17, 256, 256, 6): (1.05, 0.5),
}
ACT_GOAL = 0.6
LEARNING_RATE = 1e-3


def batch(sizes: tuple[int, ...], size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Random states (size, in), actions (size, 1) and targets (size, 1)."""
    rng = np.random.default_rng(0)
    states = rng.standard_normal((size, sizes[0])).astype(np.float32)
    actions = rng.integers(0, sizes[-1], (size, 1))
    targets = rng.standard_normal((size, 1)).astype(np.float32)
    return states, actions, targets


def numpy_step(sizes: tuple[int, ...], size: int) -> Callable[[], Any]:
    """The step by hand: parameters, gradients and moments are views of four flat arrays."""
    states, actions, targets = batch(sizes, size)
    actions, targets = actions[:, 0], targets[:, 0]
    shapes = [shape for i, o in pairwise(sizes) for shape in ((o, i), (o,))]
    total = sum(int(np.prod(shape)) for shape in shapes)
    flat, grad, m, v, t = (np.zeros(total, np.float32) for _ in range(5))
    flat[:] = np.random.default_rng(1).uniform(-0.1, 0.1, total)
    params, grads, start = [], [], 0
    for shape in shapes:
        stop = start + int(np.prod(shape))
        params.append(flat[start:stop].reshape(shape))
        grads.append(grad[start:stop].reshape(shape))
        start = stop
    layers, rows = len(sizes) - 1, np.arange(size)
    beta1, beta2, eps = 0.9, 0.999, 1e-8
    steps = 0

    def step() -> Any:
        nonlocal steps
        activations = [states]
        for i in range(layers):
            z = activations[-1] @ params[2 * i].T
            z += params[2 * i + 1]
            if i < layers - 1:
                np.maximum(z, 0, out=z)
            activations.append(z)
        d = activations[-1][rows, actions] - targets
        loss = d.dot(d) / size
        d *= 2 / size
        g = np.zeros_like(activations[-1])
        g[rows, actions] = d
        for i in range(layers - 1, -1, -1):
            np.matmul(g.T, activations[i], out=grads[2 * i])
            np.add.reduce(g, 0, out=grads[2 * i + 1])
            if i:
                g = g @ params[2 * i]
                g *= activations[i] > 0
        steps += 1
        np.multiply(m, beta1, out=m)
        np.multiply(grad, 1 - beta1, out=t)
        np.add(m, t, out=m)
        np.multiply(v, beta2, out=v)
        np.multiply(grad, grad, out=t)
        np.multiply(t, 1 - beta2, out=t)
        np.add(v, t, out=v)
        np.sqrt(v, out=t)
        correction = (1 - beta2**steps) ** 0.5
        np.add(t, eps * correction, out=t)
        np.divide(m, t, out=t)
        np.multiply(t, LEARNING_RATE * correction / (1 - beta1**steps), out=t)
        np.subtract(flat, t, out=flat)
        return loss

    return step


def network(lib: Any, sizes: tuple[int, ...]) -> Any:
    """An MLP with ReLU, from minigrad's or PyTorch's nn."""
    layers: list[Any] = []
    for i, o in pairwise(sizes):
        layers += [lib.nn.Linear(i, o), lib.nn.ReLU()]
    return lib.nn.Sequential(*layers[:-1])


def library_step(lib: Any, sizes: tuple[int, ...], size: int, device: str = "cpu", **adam: Any) -> Callable[[], Any]:
    """The step as users write it; the same lines for minigrad and PyTorch."""
    states, actions, targets = (lib.from_numpy(a).to(device) for a in batch(sizes, size))
    net = network(lib, sizes).to(device)
    optimizer = lib.optim.Adam(net.parameters(), lr=LEARNING_RATE, **adam)
    mse_loss = lib.nn.functional.mse_loss

    def step() -> Any:
        loss = mse_loss(net(states).gather(1, actions), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    def finished_step() -> Any:
        loss = step()
        lib.cuda.synchronize()  # a GPU's calls return before they are done
        return loss

    return step if device == "cpu" else finished_step


def actor(lib: Any, sizes: tuple[int, ...]) -> Callable[[], Any]:
    """One state to one greedy action."""
    net = network(lib, sizes)
    state = np.random.default_rng(0).standard_normal((1, sizes[0])).astype(np.float32)

    def act() -> Any:
        with lib.no_grad():
            return net(lib.from_numpy(state)).argmax().item()

    return act


def measure_steps() -> tuple[str, dict]:
    """The training steps."""
    rows, data = [], {}
    for sizes, size in NETWORKS:
        # Two by two, so that no third one decides what is left in the caches when a turn starts.
        ours = library_step(mg, sizes, size)
        others = {"numpy": numpy_step(sizes, size)}
        if torch is not None:
            others["torch"] = library_step(torch, sizes, size)
            others["torch fused"] = library_step(torch, sizes, size, fused=True)
        us: dict[str, float] = {}
        ratios: dict[str, float] = {}
        for other, step in others.items():
            times = side_by_side({"minigrad": ours, other: step}, rounds=61)
            us.setdefault("minigrad", round(median(times["minigrad"]) * 1e6, 1))
            us[other] = round(median(times[other]) * 1e6, 1)
            ratios[other] = round(ratio(times, "minigrad", other), 3)
        name = "→".join(map(str, sizes))
        goal = GOALS[sizes]
        data[name] = {"batch": size, "microseconds": us, "ratios": ratios}
        cells = [f"{name}, {size}", us["minigrad"], us["numpy"], f"**{ratios['numpy']:.2f}** (≤ {goal[0]})"]
        if torch is not None:
            cells += [us["torch"], f"**{ratios['torch']:.2f}** (≤ {goal[1]})", f"{ratios['torch fused']:.2f}"]
        rows.append(cells)
    header = ["network, batch", "minigrad µs", "by hand in NumPy µs", "ratio (goal)"]
    if torch is not None:
        header += ["PyTorch µs", "ratio (goal)", "ratio to PyTorch's fused Adam"]
    return "## One training step\n\n" + table(header, rows), data


def measure_acting() -> tuple[str, dict]:
    """Acting on one state under no_grad."""
    rows, data = [], {}
    for sizes in ((4, 128, 2), (4, 128, 128, 2)):
        contestants = {"minigrad": actor(mg, sizes)}
        if torch is not None:
            contestants["torch"] = actor(torch, sizes)
        times = side_by_side(contestants, rounds=41)
        us = {k: round(median(v) * 1e6, 2) for k, v in times.items()}
        name = "→".join(map(str, sizes))
        cells: list[Any] = [name, us["minigrad"]]
        data[name] = {"microseconds": us}
        if torch is not None:
            r = ratio(times, "minigrad", "torch")
            data[name]["ratio"] = round(r, 3)
            goal = f" (≤ {ACT_GOAL})" if len(sizes) == 3 else ""
            cells += [us["torch"], f"**{r:.2f}**{goal}"]
        rows.append(cells)
    header = ["network", "minigrad µs"] + (["PyTorch µs", "ratio (goal)"] if torch is not None else [])
    return "## Acting on one state: `net(from_numpy(state)).argmax().item()`\n\n" + table(header, rows), data


def measure_operations() -> tuple[str, dict]:
    """What one small operation costs above the NumPy calls in it, forward (recorded) and backward."""
    length = 20
    x = np.random.default_rng(0).standard_normal(4).astype(np.float32)
    other = mg.from_numpy(x.copy())
    leaf = mg.from_numpy(x.copy()).requires_grad_()
    chains: dict[str, tuple[Callable, Callable, Callable]] = {
        "tanh": (lambda t: t.tanh(), np.tanh, lambda g, y: g * (1 - y * y)),
        "mul": (lambda t: t * other, lambda y: np.multiply(y, other.array), lambda g, y: g * other.array),
    }
    rows, data = [], {}
    for name, (ours, numpys, rule) in chains.items():

        def forward(ours: Callable = ours) -> Any:
            t = leaf
            for _ in range(length):
                t = ours(t)
            return t

        def forward_numpy(numpys: Callable = numpys) -> Any:
            y = x
            for _ in range(length):
                y = numpys(y)
            return y

        def backward_numpy(rule: Callable = rule) -> Any:
            g = x
            for _ in range(length):
                g = rule(g, x)
            return g

        end = forward()
        seed = mg.from_numpy(np.ones(4, np.float32))

        def backward(end: Any = end, seed: Any = seed) -> Any:
            leaf.grad = None
            end.backward(seed, retain_graph=True)

        times = side_by_side(
            {"forward": forward, "numpy": forward_numpy, "backward": backward, "rules": backward_numpy}, rounds=41
        )
        above = {
            "forward": (median(times["forward"]) - median(times["numpy"])) / length * 1e6,
            "backward": (median(times["backward"]) - median(times["rules"])) / length * 1e6,
        }
        data[name] = {k: round(v, 3) for k, v in above.items()}
        rows.append([name, f"{above['forward']:.2f}", f"{above['backward']:.2f}"])
    header = ["operation on 4 numbers", "forward, recorded: µs (goal ≈ 1)", "backward: µs (goal ≈ 2)"]
    return "## One small operation above NumPy\n\n" + table(header, rows), data


def measure_gpu() -> tuple[str, dict]:
    """The training steps on the GPU and on the CPU."""
    rows, data = [], {}
    for sizes, size in GPU_NETWORKS:
        contestants = {"cuda": library_step(mg, sizes, size, "cuda"), "cpu": library_step(mg, sizes, size)}
        if torch is not None and torch.cuda.is_available():
            contestants["torch cuda"] = library_step(torch, sizes, size, "cuda")
            contestants["torch cuda fused"] = library_step(torch, sizes, size, "cuda", fused=True)
        times = side_by_side(contestants, rounds=25)
        us = {k: round(median(v) * 1e6, 1) for k, v in times.items()}
        ratios = {k: round(ratio(times, "cuda", k), 3) for k in contestants if k != "cuda"}
        name = "→".join(map(str, sizes))
        data[f"{name}, {size}"] = {"microseconds": us, "ratios": ratios}
        rows.append([f"{name}, {size}", us["cuda"], us["cpu"], f"**{ratios['cpu']:.2f}**"])
        rows[-1] += [f"{ratios[k]:.2f}" if k in ratios else "" for k in ("torch cuda", "torch cuda fused")]
    header = ["network, batch", "GPU µs", "CPU µs", "GPU to CPU", "to PyTorch's CUDA", "to its fused Adam"]
    return f"## One training step on {mg.cuda.get_device_name()}\n\n" + table(header, rows), data


def main() -> None:
    """Measure everything and write results/engine.md and .json, or engine-cuda.md and .json."""
    parser = argparse.ArgumentParser(description="Speed of the engine: see the top of this file.")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu", help="where the engine computes")
    if parser.parse_args().device == "cuda":
        try:
            mg.zeros(1, device="cuda")
        except RuntimeError as error:
            sys.exit(f"benchmarks/engine.py: {error}")
        text, figures = measure_gpu()
        figures["gpu"] = mg.cuda.get_device_name()
        write("engine-cuda", "Speed of the engine on a GPU", [text], figures)
        return
    tables, data = [], {}
    for key, measure in (("steps", measure_steps), ("acting", measure_acting), ("operations", measure_operations)):
        text, figures = measure()
        tables.append(text)
        data[key] = figures
    write("engine", "Speed of the engine", tables, data)


if __name__ == "__main__":
    main()
