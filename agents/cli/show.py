"""What is done with a trained run: `minigrad evaluate`, `record`, `collect` and `plot`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from envs.errors import UsageError

from ..core.agent import Agent
from ..core.evaluation import EVALUATION_SEED, evaluate
from ..runs.collecting import collect
from ..runs.config import read_config
from ..runs.films import record
from ..runs.loading import import_agent, load, name_again
from ..runs.plots import plot_runs
from .parsing import AgentOption, EnvOption, RunArgument, parse


@dataclass(frozen=True)
class EvaluateOptions:
    run: RunArgument
    """A run directory."""
    episodes: int = 20
    """Greedy episodes to play."""
    seed: int = EVALUATION_SEED
    """Seed of the environment they are played in."""
    best: bool = False
    """The checkpoint that evaluated best during training, instead of the newest."""
    agent: AgentOption = None
    env: EnvOption = None


@dataclass(frozen=True)
class RecordOptions:
    run: RunArgument
    """A run directory."""
    episodes: int = 1
    """Greedy episodes to record."""
    seed: int = EVALUATION_SEED
    """Seed of the environment they are played in."""
    best: bool = False
    """The checkpoint that evaluated best during training, instead of the newest."""
    agent: AgentOption = None
    env: EnvOption = None
    output: Path | None = None
    """The animated WebP to write; left out, it goes into the run."""


@dataclass(frozen=True)
class CollectOptions:
    run: RunArgument
    """A run directory."""
    output: Path
    """The file to write, .safetensors."""
    episodes: int = 10
    """Episodes to play."""
    seed: int = EVALUATION_SEED
    """Seed of the environment they are played in."""
    stochastic: bool = False
    """Actions drawn from the policy, instead of the best ones."""
    best: bool = False
    """The checkpoint that evaluated best during training, instead of the newest."""
    agent: AgentOption = None
    env: EnvOption = None


@dataclass(frozen=True)
class PlotOptions:
    runs: Annotated[tyro.conf.Positional[tuple[Path, ...]], tyro.conf.arg(metavar="RUN")]
    """Run directories; those that differ only in their seed become one line with an interval."""
    output: Path | None = None
    """The PNG to write; left out, it goes into the run, or beside the runs where there are several."""
    window: int = 21
    """Episodes in the moving average."""
    metric: str = "return"
    """Any column of metrics.csv, such as loss or q_value."""


def command_evaluate(arguments: list[str]) -> None:
    options = parse(EvaluateOptions, arguments, "evaluate", None, "Plays greedy episodes with a trained agent.")
    if options.episodes < 1:
        raise UsageError(f"--episodes must be at least 1, got {options.episodes}")
    agent = load_run(options)
    print(
        f"{agent.name} {agent.environments.name}, step {agent.steps:,}: return "
        f"{evaluate(agent, episodes=options.episodes, seed=options.seed)}"
    )


def command_collect(arguments: list[str]) -> None:
    description = "Records the steps of a trained agent, for others to learn from: `minigrad train bc --data FILE`."
    options = parse(CollectOptions, arguments, "collect", None, description)
    agent = load_run(options)
    steps = collect(agent, options.output, options.episodes, options.seed, not options.stochastic)
    mean = np.mean(steps.about["returns"])
    print(f"{options.output}: {len(steps):,} steps of {options.episodes} episodes, mean return {mean:g}")


def load_run(options: EvaluateOptions | RecordOptions | CollectOptions) -> Agent:
    """The agent that a run trained."""
    env = name_again(read_config(options.run), options.env, options.run)
    return load(options.run, env, best=options.best, agent=import_agent(options.agent))


def command_record(arguments: list[str]) -> None:
    options = parse(RecordOptions, arguments, "record", None, "Films a trained agent, as an animated WebP.")
    agent = load_run(options)
    output = options.output or options.run / "episode.webp"
    recording = record(agent, output, options.episodes, options.seed)
    whole = len(recording.returns)
    cut = "" if whole == options.episodes else f"; cut there, after {whole} of {options.episodes} episodes"
    returns = "".join(f", return {total:g}" for total in recording.returns)
    print(f"{recording.path}: {recording.frames:,} frames{returns}{cut}")


def command_plot(arguments: list[str]) -> None:
    options = parse(PlotOptions, arguments, "plot", None, "Draws learning curves.")
    if not options.runs:
        raise UsageError("plot needs at least one run directory")
    print(plot_runs(options.runs, options.output, options.window, options.metric))
