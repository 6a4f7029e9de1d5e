"""How fast is a captured step? Beside eager, NumPy by hand, PyTorch and JAX's jit, where they are installed.

    python benchmarks/capture.py

Steps of three networks, and updates of DQN, PPO and SAC as users write them; a step of the Nature CNN. All contestants
take turns in one process, on one thread; the ratios are what counts, and eager is that of the same commit.
"""

from __future__ import annotations

import sys
from pathlib import Path

# Beside this file lies agents.py, which would be taken for the package.
sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks.common import fair_start, ratio, side_by_side, table, write

fair_start()

from collections.abc import Callable
from itertools import pairwise
from statistics import median
from typing import Any

import numpy as np

import minigrad as mg
from benchmarks import convolution, engine, updates

try:
    import jax
    import jax.numpy as jnp
except ImportError:
    jax = None

NUMPY_GOALS = (0.78, 0.90, 1.02)  # times NumPy by hand
UPDATE_GOALS = {"DQN, 64: 4→128→2": 0.50, "PPO, 64, categorical": 0.35, "PPO, 64, normal": 0.30, "SAC, 256×256": 0.88}
CNN_GOALS = {"eager": 0.95, "PyTorch": 1.0}


def dqn_update(lib: Any) -> Callable[[], Any]:
    """Huber's loss towards the target network's maximum, clipping, Adam, a target that follows softly."""
    net, target = engine.network(lib, (4, 128, 2)), engine.network(lib, (4, 128, 2))
    optimizer = lib.optim.Adam(net.parameters(), lr=1e-3)
    rng = np.random.default_rng(0)
    draw = lambda *shape: lib.from_numpy(rng.standard_normal(shape).astype(np.float32))
    s, r, s2, discount = draw(64, 4), draw(64, 1), draw(64, 4), lib.from_numpy(np.full((64, 1), 0.99, np.float32))
    a = lib.from_numpy(rng.integers(0, 2, (64, 1)))

    def update() -> Any:
        with lib.no_grad():
            y = r + discount * target(s2).amax(1, keepdim=True)
        loss = lib.nn.functional.huber_loss(net(s).gather(1, a), y)
        optimizer.zero_grad()
        loss.backward()
        lib.nn.utils.clip_grad_norm_(net.parameters(), 10.0)
        optimizer.step()
        with lib.no_grad():
            for behind, ahead in zip(target.parameters(), net.parameters(), strict=True):
                behind.lerp_(ahead, 0.005)
        return loss

    return update


def jax_step(sizes: tuple[int, ...], size: int) -> Callable[[], Any]:
    """The step of engine.py as one jitted function, called once a step."""
    states, actions, targets = (jnp.asarray(a) for a in engine.batch(sizes, size))
    rng = np.random.default_rng(1)
    zipped = pairwise(sizes)
    params = [(jnp.asarray(rng.uniform(-0.1, 0.1, (o, i)), jnp.float32), jnp.zeros(o)) for i, o in zipped]
    zeros = jax.tree.map(jnp.zeros_like, params)

    def loss_of(params: Any) -> Any:
        x = states
        for i, (w, b) in enumerate(params):
            x = x @ w.T + b
            x = jnp.maximum(x, 0) if i < len(params) - 1 else x
        return ((jnp.take_along_axis(x, actions, 1) - targets) ** 2).mean()

    @jax.jit
    def step(params: Any, m: Any, v: Any, n: Any) -> Any:
        loss, g = jax.value_and_grad(loss_of)(params)
        m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, g)
        v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, g)
        rate, root = 1e-3 / (1 - 0.9**n), (1 - 0.999**n) ** 0.5
        new = lambda p, m, v: p - rate * m / (jnp.sqrt(v) / root + 1e-8)
        return loss, jax.tree.map(new, params, m, v), m, v, n + 1

    state = [params, zeros, zeros, jnp.asarray(1.0)]

    def call() -> Any:
        loss, *state[:] = step(*state)
        return loss.block_until_ready()

    return call


def capture_and_record(step: Callable[[], Any]) -> Callable[[], Any]:
    """The captured step, recorded already."""
    step = mg.capture(step)
    for _ in range(3):
        step()
    return step


def measure(contestants: dict[str, Callable], seconds: float = 0.02) -> tuple[dict[str, float], dict[str, float]]:
    """Microseconds of each, and what the captured step takes of each."""
    times = side_by_side(contestants, rounds=41, seconds=seconds)
    us = {name: round(median(t) * 1e6, 1) for name, t in times.items()}
    return us, {name: round(ratio(times, "captured", name), 3) for name in times if name != "captured"}


def row(name: str, us: dict[str, float], ratios: dict[str, float], others: list[str], goals: dict[str, float]) -> list:
    cells: list[Any] = [name, us["captured"]]
    for other in others:
        goal = f" (≤ {goals[other]})" if other in goals else ""
        cells.append(f"**{ratios[other]:.2f}**{goal}" if other in ratios else "")
    return cells


def main() -> None:
    """Measure everything and write results/capture.md and .json."""
    data: dict[str, Any] = {}
    rows = []
    peers = (["PyTorch"] if engine.torch is not None else []) + (["JAX, jit"] if jax is not None else [])
    for (sizes, size), goal in zip(engine.NETWORKS, NUMPY_GOALS, strict=True):
        contestants = {
            "captured": capture_and_record(engine.library_step(mg, sizes, size)),
            "eager": engine.library_step(mg, sizes, size),
            "NumPy by hand": engine.numpy_step(sizes, size),
        }
        if engine.torch is not None:
            contestants["PyTorch"] = engine.library_step(engine.torch, sizes, size)
        if jax is not None:
            contestants["JAX, jit"] = jax_step(sizes, size)
        name = f"{'→'.join(map(str, sizes))}, {size}"
        data[name] = us, ratios = measure(contestants)
        goals = {"NumPy by hand": goal, "JAX, jit": 1.0}
        rows.append(row(name, us, ratios, ["NumPy by hand", "eager", *peers], goals))
    header = ["step", "captured µs", "of NumPy by hand (goal)", "of eager", *(f"of {peer}" for peer in peers)]
    steps = table(header, rows)

    rows = []
    made = {
        "DQN, 64: 4→128→2": dqn_update,
        "PPO, 64, categorical": lambda lib: updates.ppo_update(lib, updates.categorical),
        "PPO, 64, normal": lambda lib: updates.ppo_update(lib, updates.normal),
        "SAC, 256×256": updates.sac_update,
    }
    for name, make in made.items():
        contestants = {"captured": capture_and_record(make(mg)), "eager": make(mg)}
        if engine.torch is not None:
            contestants["PyTorch"] = make(engine.torch)
        data[name] = us, ratios = measure(contestants)
        rows.append(row(name, us, ratios, ["eager", *peers[:1]], {"eager": UPDATE_GOALS[name]}))
    contestants = {
        "captured": capture_and_record(convolution.training_step(mg)),
        "eager": convolution.training_step(mg),
    }
    if engine.torch is not None:
        contestants["PyTorch"] = convolution.training_step(engine.torch)
    data["Nature CNN, 32"] = us, ratios = measure(contestants, seconds=0.05)
    rows.append(row("Nature CNN, 32", us, ratios, ["eager", *peers[:1]], CNN_GOALS))
    whole = table(["update", "captured µs", "of eager (goal)", *(f"of {peer}" for peer in peers[:1])], rows)
    write("capture", "Speed of captured steps", [steps, whole], {"measured": data})


if __name__ == "__main__":
    main()
