"""How well an agent learns: returns over several seeds, with an interval, beside the published figure.

    python benchmarks/learning.py ALGORITHM ENV [--seeds N] [--steps N] [--jobs N] [--runs DIR]

Trains with the presets and evaluates greedily on 100 new episodes: the final weights, and the checkpoint that
evaluated best during training. Adds the rows to benchmarks/results/learning.csv, renders all of it as
benchmarks/results/learning.md, and keeps the evaluations during training, with a picture for each environment, in
benchmarks/results/learning/. Rows of the same name that another preset gave are dropped: no median mixes two.

With --runs, each seed's run stays in DIR, and one that was interrupted goes on from its last checkpoint: the result is
the same, to the bit. Its seconds are then those since.

An agent that learns from recorded steps gets those of an expert: 10 greedy episodes of a PPO of the same seed, trained
with its own preset.

ALGORITHM may be a combination: double-dqn+prioritized-dqn is Double DQN with prioritised replay."""

from __future__ import annotations

import argparse
import ast
import csv
import fcntl
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np

# Beside this file lies agents.py, which would be taken for the package.
sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks.common import fair_start

if __name__ == "__main__":  # not in the processes that train
    fair_start()

from agents import PPO, Agent, collect, evaluate
from agents.presets import preset_for
from agents.registry import agent_class
from agents.runs.plots import mean_and_interval
from agents.runs.tables import read_table
from agents.tabular.parts.planning import evaluate_policy, optimal_values
from envs import UsageError

RESULTS = Path(__file__).parent / "results"
CURVES = RESULTS / "learning"
EPISODES = 100
EXPERT_EPISODES = 10
EPISODE_SEED = 2_000_000  # not the episodes that chose the best checkpoint
KEY = ("algorithm", "env", "steps", "seed")
COLUMNS = (*KEY, "final", "best", "best_step", "seconds", "value", "optimal", "preset", "commit")
CURVE_COLUMNS = (*KEY, "step", "return", "preset")
Row = dict[str, Any]

# Where a figure is published, and under which protocol: never two protocols in one column.
PUBLISHED = {
    ("dqn", "CartPole-v1"): "500 ± 0 @50k (RL Zoo, one run); 488.7 ± 16 @500k (CleanRL, training returns, 3 seeds)",
    ("double-dqn+prioritized-dqn", "CartPole-v1"): "452 @200k (SLM-Lab, final moving average)",
    ("c51", "CartPole-v1"): "481 ± 21 @500k (CleanRL, training returns, 3 seeds)",
    ("dqn", "Acrobot-v1"): "−76.6 ± 11.8 @100k (RL Zoo, one run); −91.5 ± 7 @500k (CleanRL)",
    ("dqn", "MountainCar-v0"): "−100.8 ± 9.9 @120k (RL Zoo, one run)",
    ("dqn", "Pendulum-v1"): "−293 @200 episodes (Hands-on-RL, training returns, one seed)",
    ("double-dqn", "Pendulum-v1"): "−279 @200 episodes (Hands-on-RL, training returns, one seed)",
    ("double-dqn+prioritized-dqn", "LunarLander-v3"): "266 @300k (SLM-Lab, final moving average)",
    ("a2c", "CartPole-v1"): "500 ± 0 @500k (RL Zoo, one run)",
    ("a2c", "Acrobot-v1"): "−83.4 ± 17 @500k (RL Zoo, one run)",
    ("a2c", "MountainCar-v0"): "−111 ± 24 @1M (RL Zoo, one run)",
    ("a2c", "LunarLander-v3"): "156 ± 80 @200k (RL Zoo, v2, one run)",
    ("ddpg", "Pendulum-v1"): "−152 ± 94 @20k (RL Zoo, one run)",
    ("td3", "Pendulum-v1"): "−152 ± 90 @20k (RL Zoo, one run)",
    ("sac", "Pendulum-v1"): "−157 ± 89 @20k (RL Zoo, one run)",
    ("ppo", "MountainCar-v0"): "−110 ± 19.5 @1M (RL Zoo, one run)",
    ("ppo", "BipedalWalker-v3"): "213 ± 129 @5M (RL Zoo, one run)",
    ("ppo", "Hopper-v5"): "2410 ± 10 @1M (RL Zoo, v3, one run)",
    ("ppo", "Walker2d-v5"): "3479 ± 822 @1M (RL Zoo, v3, one run)",
    ("ppo", "Ant-v5"): "1327 ± 452 @1M (RL Zoo, v3, one run)",
    ("ppo", "CartPole-v1"): "500 ± 0 @100k (RL Zoo, one run); 490 ± 6 @500k (CleanRL, training returns, 3 seeds)",
    ("ppo", "Acrobot-v1"): "−73.5 ± 18 @1M (RL Zoo, one run); −86.4 @500k (CleanRL, training returns, 3 seeds)",
    ("ppo", "Pendulum-v1"): "−172 ± 104 @100k (RL Zoo, one run)",
    ("ppo", "LunarLander-v3"): "242 ± 32 @1M (RL Zoo, v2, one run)",
    ("ppo", "LunarLanderContinuous-v3"): "271 ± 32 @1M (RL Zoo, v2, one run)",
    ("ppo", "HalfCheetah-v5"): "5819 @1M (RL Zoo, v3, one run); 1443 @1M (CleanRL, v4, training returns, 3 seeds)",
}


def combined(algorithm: str) -> tuple[type[Agent], dict[str, Any]]:
    """An algorithm, and what others add to it: "double-dqn+prioritized-dqn" is Double DQN with prioritised replay."""
    first, *others = [agent_class(name) for name in algorithm.split("+")]
    return first, {name: value for other in others for name, value in other.components.items()}


def preset_digest(algorithm: str, env: str) -> str:
    """Eight hexadecimal digits that change when the preset, or what the combination adds to it, does."""
    agent_type, components = combined(algorithm)
    preset = preset_for(agent_type, env)
    settings = sorted({**preset.hyperparameters, **components, "num_envs": preset.num_envs}.items())
    return f"{crc32(repr(settings).encode()):08x}"


def train_and_evaluate(
    algorithm: str, env: str, seed: int, steps: int, changes: dict[str, Any], runs: str | None
) -> tuple[Row, Row]:
    """The result, and the curve: a row of greedy evaluations during training."""
    agent_type, components = combined(algorithm)
    changes = {**components, **changes}
    with tempfile.TemporaryDirectory() as temporary:
        run = Path(runs or temporary, f"{algorithm}-{env}-{steps}-{seed}".replace("/", "-"))
        started = time.perf_counter()
        if (run / "checkpoints").exists():
            agent = agent_type.load(run)
        else:
            if agent_type.needs_data:
                changes = {**changes, "data": record_expert(env, seed, run.with_suffix(".safetensors"))}
            agent = agent_type(env, seed=seed, **changes)
        if agent.steps < steps:
            agent.learn(steps - agent.steps, run=run, progress=False)
        seconds = time.perf_counter() - started
        best = agent_type.load(run, best=True)
        curve = read_table(run / "evaluations.csv")
    result = {
        "algorithm": algorithm,
        "env": env,
        "steps": steps,
        "seed": seed,
        "final": round(evaluate(agent, episodes=EPISODES, seed=EPISODE_SEED).mean, 2),
        "best": round(evaluate(best, episodes=EPISODES, seed=EPISODE_SEED).mean, 2),
        "best_step": best.steps,
        "seconds": round(seconds, 1),
        **exact_value(agent),
        "preset": preset_digest(algorithm, env),
        "commit": current_commit(),
    }
    whose = {name: result[name] for name in (*KEY, "preset")}
    points = [
        {**whose, "step": int(step), "return": round(mean, 2)}
        for step, mean in zip(curve.get("step", []), curve.get("mean", []), strict=True)
    ]
    return result, points


def record_expert(env: str, seed: int, path: Path) -> Path:
    """The file of an expert's greedy episodes."""
    expert = PPO(env, seed=seed).learn(preset_for(PPO, env).steps, progress=False)
    collect(expert, path, episodes=EXPERT_EPISODES)
    return path


def current_commit() -> str:
    """The commit whose code is trained, with a + if the code has been changed since."""
    ask = lambda *words: subprocess.run(["git", *words], capture_output=True, text=True, cwd=RESULTS).stdout.strip()
    changed = ask("status", "--porcelain", "--", ":/minigrad", ":/agents", ":/envs")
    return ask("rev-parse", "--short=7", "HEAD") + ("+" if changed else "")


def exact_value(agent: Agent) -> Row:
    """Where the environment has a model: what the greedy policy is worth from the start, exactly, and what the best one
    is. Returns don't tell a detour from the shortest way, discounted values do."""
    try:
        model = agent.environments.model()
    except UsageError:
        return {"value": "", "optimal": ""}
    gamma = agent.hyperparameters.gamma
    policy = agent.predict_batch(np.arange(len(model.terminal)))
    # A policy that walks in circles for ever has no value without a discount.
    value = model.start @ evaluate_policy(model, policy, min(gamma, 1 - 1e-9))
    return {"value": round(value, 4), "optimal": round(model.start @ optimal_values(model, gamma), 4)}


def replace_rows(path: Path, columns: tuple[str, ...], rows: list[Row]) -> list[Row]:
    """Puts rows in the place of those with the same key, and of those that another preset gave; returns all. Two
    benchmarks may run at once."""
    with open(Path(tempfile.gettempdir(), f"minigrad-{path.name}.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        kept = list(csv.DictReader(path.open(newline=""))) if path.exists() else []
        kept = [{name: row.get(name) or "" for name in columns} for row in kept]
        rows = [{name: str(row[name]) for name in columns} for row in rows]
        group = lambda row: tuple(row[name] for name in KEY[:3])
        new = {(*group(row), row["seed"]) for row in rows}
        presets = {group(row): row["preset"] for row in rows}
        stale = lambda row: presets.get(group(row), row["preset"]) != row["preset"]
        kept = [row for row in kept if (*group(row), row["seed"]) not in new and not stale(row)] + rows
        kept.sort(key=lambda row: (*[row[name] for name in KEY[:2]], int(row["steps"]), int(row["seed"])))
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, columns, lineterminator="\n")
            writer.writeheader()
            writer.writerows(kept)
    return kept


def median_and_interval(values: np.ndarray) -> str:
    """The median over seeds and its 95 % bootstrap interval; of one seed, what it has."""
    if len(values) == 1:
        return f"{values[0]:.1f}"
    drawn = np.random.default_rng(0).choice(values, size=(10_000, len(values)))
    low, high = np.percentile(np.median(drawn, axis=1), [2.5, 97.5])
    return f"{np.median(values):.1f} [{low:.1f}, {high:.1f}]"


def render(rows: list[Row], points: list[Row]) -> str:
    lines = [
        f"Greedy returns on {EPISODES} new episodes: median over seeds and its 95 % bootstrap interval. Each row is",
        "`python benchmarks/learning.py ALGORITHM ENV --seeds N --steps N`. Each algorithm trains with its own",
        "[preset](../../agents/presets/), so two may differ in more than their names.",
        "",
        "During training: the mean of the greedy evaluations from the first to the last, which are a curve in",
        "[learning/](learning/). Of two agents that end alike, it is higher for the one that learned faster.",
        "",
        "Where the environment has a model, the exact value of the greedy policy from the start follows, and the best",
        "there is.",
        "",
        f"bc learns from {EXPERT_EPISODES} greedy episodes of a PPO of the same seed. Its steps are updates, and its",
        "seconds have the expert's in them.",
        "",
        "The commit is that of the code that was trained. At c0e14ed and before, environment i had the seed of its run",
        "plus i, so that runs of several environments shared some; continuous actions were in the units of the box.",
        "",
        "| algorithm | environment | steps | seeds | final weights | best checkpoint | during training | value "
        "| seconds | commit | published |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    curves: dict[tuple[str, ...], list[float]] = {}
    for point in points:
        curves.setdefault(tuple(point[name] for name in KEY), []).append(float(point["return"]))
    groups: dict[tuple[str, str, int], list[Row]] = {}
    for row in rows:
        groups.setdefault((row["algorithm"], row["env"], int(row["steps"])), []).append(row)
    for (algorithm, env, steps), group in sorted(groups.items()):
        final, best, seconds = (np.array([float(row[key]) for row in group]) for key in ("final", "best", "seconds"))
        cells = [algorithm, env, f"{steps:,}", str(len(group)), median_and_interval(final)]
        exact = sorted(float(row["value"]) for row in group if row["value"])
        value = f"{exact[0]:g} to {exact[-1]:g} of {float(group[0]['optimal']):g}" if exact else ""
        during = np.array([np.mean(curves[tuple(row[name] for name in KEY)]) for row in group])
        cells += [median_and_interval(best), median_and_interval(during), value, f"{np.median(seconds):.0f}"]
        cells.append(", ".join(sorted({row["commit"] for row in group})))
        cells.append(PUBLISHED.get((algorithm, env), ""))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def draw(env: str, points: list[Row]) -> None:
    """The greedy evaluations during training, one line an algorithm, with the interval over its seeds."""
    from matplotlib import colormaps
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    curves: dict[tuple[str, int], dict[str, list[tuple[float, float]]]] = {}
    for point in points:
        if point["env"] == env:
            seeds = curves.setdefault((point["algorithm"], int(point["steps"])), {})
            seeds.setdefault(point["seed"], []).append((float(point["step"]), float(point["return"])))
    lengths = [steps for _, steps in curves]
    if max(lengths) > 3 * min(lengths):  # or the short ones would be a stroke at the left
        axes.set_xscale("log")
    axes.set_prop_cycle(color=colormaps["tab20" if len(curves) > 10 else "tab10"].colors)
    for (algorithm, steps), seeds in sorted(curves.items()):
        lines = [tuple(np.array(curve).T) for curve in seeds.values()]
        grid, mean, low, high = mean_and_interval(lines)
        (line,) = axes.plot(grid, mean, label=f"{algorithm}, {steps:,} steps (seeds: {len(lines)})")
        axes.fill_between(grid, low, high, color=line.get_color(), alpha=0.2, linewidth=0)
    axes.set(xlabel="environment steps", ylabel="return of the greedy policy", title=env)
    axes.grid(alpha=0.3)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize="small")  # beside the lines
    figure.savefig(CURVES / f"{env.replace('/', '-')}.png", dpi=100, metadata={"Software": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("algorithm")
    parser.add_argument("env")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--jobs", type=int, default=1, help="seeds trained at the same time")
    parser.add_argument("--runs", metavar="DIR", help="keep the runs there, and go on with those that are there")
    parser.add_argument(
        "--set", nargs="*", default=[], metavar="NAME=VALUE", help="try other hyper-parameters; records nothing"
    )
    options = parser.parse_args()
    steps = options.steps or preset_for(combined(options.algorithm)[0], options.env).steps
    changes = {name: ast.literal_eval(value) for name, value in (change.split("=") for change in options.set)}

    CURVES.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn")) as pool:
        runs = [
            pool.submit(train_and_evaluate, options.algorithm, options.env, seed, steps, changes, options.runs)
            for seed in range(options.seeds)
        ]
        for run in as_completed(runs):
            result, points = run.result()
            print(", ".join(f"{key} {value}" for key, value in result.items()), flush=True)
            if not changes:
                rows = replace_rows(RESULTS / "learning.csv", COLUMNS, [result])
                curves = replace_rows(CURVES / "curves.csv", CURVE_COLUMNS, points)
                (RESULTS / "learning.md").write_text(render(rows, curves))
    if not changes:
        draw(options.env, curves)


if __name__ == "__main__":
    main()
