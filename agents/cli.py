"""The `minigrad` command: a thin skin over what the agents do from Python.

    minigrad train ALGORITHM [--env ID] [--steps N] [--seed N] [--run DIR] [hyper-parameters ...]
    minigrad list
    minigrad evaluate RUN
    minigrad record RUN [--episodes N] [--best] [--output FILE]
    minigrad plot RUN...
    minigrad resume RUN
    minigrad probe ALGORITHM [--seed N]
    minigrad ablation [--env ID] [--seeds N] [--jobs N]

A mistake is one line on stderr and exit code 2.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import os
import re
import signal
import sys
import textwrap
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

import gymnasium as gym
import tyro

from envs.errors import UsageError, did_you_mean

from .ablation import study, summary
from .core.agent import Agent
from .core.evaluation import EVALUATION_SEED, evaluate
from .core.plots import plot_runs
from .core.probing import report
from .core.progress import Progress, duration
from .core.recording import record
from .core.runs import Run, read_config, unused_directory
from .core.training import train
from .presets import PRESETS, preset_for
from .registry import AGENTS, agent_class

H = TypeVar("H")
T = TypeVar("T")
RunArgument = tyro.conf.Positional[Path]


@dataclass(frozen=True)
class TrainOptions(Generic[H]):
    env: str
    """Environment: any gymnasium id."""
    steps: int
    """Environment steps to train for, over all environments together."""
    num_envs: int
    """Environments stepped side by side."""
    hyperparameters: H
    seed: int = 0
    """Everything random follows from it: the same command gives the same curve."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where the networks are: cuda pays for large ones only, and needs an NVIDIA GPU and CuPy (docs/gpu.md)."""
    run: Path | None = None
    """Where the run goes: a new directory. Left out, one under runs/."""
    checkpoint_every: int = 0
    """Steps between checkpoints, each with an evaluation; 0 is a tenth of the training."""
    evaluation_episodes: int = 10
    """Greedy episodes in each evaluation during training; 0 is none."""
    quiet: bool = False
    """No progress."""


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
    output: Path | None = None
    """The animated WebP to write; left out, it goes into the run."""


@dataclass(frozen=True)
class PlotOptions:
    runs: tyro.conf.Positional[tuple[Path, ...]]
    """Run directories; those that differ only in their seed become one line with an interval."""
    output: Path | None = None
    """The PNG to write; left out, it goes into the first run."""
    window: int = 21
    """Episodes in the moving average."""
    metric: str = "return"
    """Any column of metrics.csv, such as loss or q_value."""


@dataclass(frozen=True)
class ResumeOptions:
    run: RunArgument
    """A run directory."""
    quiet: bool = False
    """No progress."""


@dataclass(frozen=True)
class AblationOptions:
    env: str = "CartPole-v1"
    """Environment: any gymnasium id."""
    steps: int | None = None
    """Environment steps of every training; left out, the preset's."""
    seeds: int = 3
    """Trainings of each algorithm."""
    jobs: int = 1
    """Trainings at the same time, each on one core."""
    output: Path | None = None
    """Directory of the runs and the picture; one that exists is gone on with. Left out, one under runs/."""


@dataclass(frozen=True)
class ProbeOptions:
    algorithm: tyro.conf.Positional[str]
    """One that takes observations of numbers."""
    seed: int = 0
    """Everything random follows from it."""


@dataclass(frozen=True)
class ListOptions:
    pass


# -- commands


def command_train(arguments: list[str]) -> None:
    if not arguments or arguments[0].startswith("-"):
        text = f"minigrad train ALGORITHM [options]; algorithms: {', '.join(AGENTS)}"
        if arguments and arguments[0] in ("-h", "--help"):
            print(f"usage: {text}\n\n`minigrad train dqn --help` shows an algorithm's options.")
            return
        raise UsageError(f"which algorithm? {text}")
    agent_type = agent_class(arguments[0])
    options = parse_train_options(agent_type, arguments[1:])
    for name, least in (("steps", 1), ("checkpoint_every", 0), ("evaluation_episodes", 0)):
        if (value := getattr(options, name)) < least:
            raise UsageError(f"--{name.replace('_', '-')} must be at least {least}, got {value}")
    agent = agent_type(
        options.env,
        seed=options.seed,
        num_envs=options.num_envs,
        device=options.device,
        **options.hyperparameters.plain(),
    )
    agent.total_steps = options.steps
    name = f"{agent.name}-{options.env.replace('/', '-')}-seed{options.seed}"
    config = {
        **agent.config(),
        "checkpoint_every": options.checkpoint_every,
        "evaluation_episodes": options.evaluation_episodes,
        "versions": versions(),
    }
    train_and_report(agent, Run.create(options.run or unused_directory(name), config), options.quiet)


def parse_train_options(agent_type: type[Agent], arguments: list[str]) -> TrainOptions:
    """The options, whose defaults depend on one of them: the environment's preset."""
    env = agent_type.default_env
    for i, argument in enumerate(arguments):
        if argument == "--env" and i + 1 < len(arguments):
            env = arguments[i + 1]
        elif argument.startswith("--env="):
            env = argument.removeprefix("--env=")
    preset = preset_for(agent_type, env)
    default: TrainOptions = TrainOptions(
        env, preset.steps, preset.num_envs, agent_type.Hyperparameters.of(preset.hyperparameters)
    )
    kind = TrainOptions[agent_type.Hyperparameters]  # type: ignore[name-defined]
    return parse(
        tyro.conf.OmitArgPrefixes[kind], arguments, f"train {agent_type.name}", default, doc(agent_type)
    )


def command_resume(arguments: list[str]) -> None:
    options = parse(
        ResumeOptions, arguments, "resume", None, "Goes on with a run exactly where its checkpoint is."
    )
    run = Run.open(options.run)
    state, damaged = run.restore()
    for message in damaged:
        print(f"{message}; the one before it is used", file=sys.stderr)
    trained = state["config"] if state is not None else run.config
    changed = [name for name, value in trained.items() if run.config.get(name) != value]
    if changed:
        raise UsageError(
            f"{run.directory / 'config.json'} was changed: {', '.join(changed)} is not what its checkpoint was trained "
            f"with; change it back, or train a new run"
        )
    agent = agent_class(run.config["algorithm"]).from_config(run.config, state=state)
    if agent.steps >= agent.total_steps:
        print(f"{options.run} is finished: {agent.steps:,} of {agent.total_steps:,} steps")
        return
    print(f"resuming {options.run} at step {agent.steps:,} of {agent.total_steps:,}", file=sys.stderr)
    train_and_report(agent, run, options.quiet)


def train_and_report(agent: Agent, run: Run, quiet: bool) -> None:
    """Trains to the end or to Ctrl-C, and says where the run is and what to type next."""
    started, first = time.perf_counter(), agent.steps
    progress = (
        None if quiet else Progress(f"{agent.name} {agent.environments.name}", agent.steps, agent.total_steps)
    )
    try:
        with interruption() as interrupted:
            finished = train(agent, run, progress, stop=interrupted)
    finally:
        run.close()
        if progress is not None:
            progress.close()
    if not finished:
        done = f"stopped at step {agent.steps:,} of {agent.total_steps:,}"
        print(f"{done}; `minigrad resume {run.directory}` goes on")
        return
    seconds = time.perf_counter() - started
    print(f"run         {run.directory}")
    speed = (agent.steps - first) / seconds
    print(f"trained     {agent.steps:,} steps in {duration(seconds)} ({speed:,.0f} steps/s)")
    print(f"evaluation  {evaluate(agent)}")
    print(f"next        minigrad evaluate {run.directory}")
    print(f"            minigrad plot {run.directory}")


def command_evaluate(arguments: list[str]) -> None:
    options = parse(
        EvaluateOptions, arguments, "evaluate", None, "Plays greedy episodes with a trained agent."
    )
    if options.episodes < 1:
        raise UsageError(f"--episodes must be at least 1, got {options.episodes}")
    agent = agent_class(read_config(options.run)["algorithm"]).load(options.run, best=options.best)
    print(
        f"{agent.name} {agent.environments.name}, step {agent.steps:,}: return "
        f"{evaluate(agent, episodes=options.episodes, seed=options.seed)}"
    )


def command_record(arguments: list[str]) -> None:
    options = parse(RecordOptions, arguments, "record", None, "Films a trained agent, as an animated WebP.")
    agent = agent_class(read_config(options.run)["algorithm"]).load(options.run, best=options.best)
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


def command_ablation(arguments: list[str]) -> None:
    description = "Trains DQN, DQN with each of Rainbow's improvements, and Rainbow, and draws them together."
    options = parse(AblationOptions, arguments, "ablation", None, description)
    for name in ("seeds", "jobs", "steps"):
        value = getattr(options, name)
        if value is not None and value < 1:
            raise UsageError(f"--{name} must be at least 1, got {value}")
    directory = options.output or unused_directory(f"ablation-{options.env.replace('/', '-')}")
    picture = study(directory, options.env, options.steps, options.seeds, options.jobs)
    print(f"\n{'greedy return':>25}   over {options.seeds} seeds\n{summary(directory, options.seeds)}\n\n{picture}")


def command_probe(arguments: list[str]) -> None:
    description = "Trains on the probe environments, and prints what was learned beside what is exactly right."
    options = parse(ProbeOptions, arguments, "probe", None, description)
    print(report(agent_class(options.algorithm), options.seed))


def command_list(arguments: list[str]) -> None:
    parse(
        ListOptions, arguments, "list", None, "Lists the algorithms and the environments that have presets."
    )
    print("algorithms")
    for name, agent_type in AGENTS.items():
        takes = f"{kinds(agent_type.observation_spaces)} observations, {kinds(agent_type.action_spaces)} actions"
        print(f"  {name:<26} {doc(agent_type)} [{takes}]")
    print("environments with presets, and their steps (any other gymnasium id works too)")
    by_env: dict[str, list[str]] = {}
    for (algorithm, env), preset in PRESETS.items():
        by_env.setdefault(env, []).append(f"{algorithm} {preset.steps:,}")
    for env, presets in by_env.items():
        print(textwrap.fill(", ".join(presets), 120, initial_indent=f"  {env:<28} ", subsequent_indent=" " * 31))


COMMANDS: dict[str, Callable[[list[str]], None]] = {
    "train": command_train,
    "list": command_list,
    "evaluate": command_evaluate,
    "record": command_record,
    "plot": command_plot,
    "resume": command_resume,
    "probe": command_probe,
    "ablation": command_ablation,
}


def main(arguments: list[str] | None = None) -> int:
    """The entry point; returns the exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if not arguments or arguments[0] in ("-h", "--help"):
        print(__doc__.partition("\n\nA mistake")[0])
        return 0
    warnings.showwarning = lambda message, *_, **__: print(f"warning: {message}", file=sys.stderr)
    try:
        if arguments[0] not in COMMANDS:
            known = did_you_mean(arguments[0], COMMANDS) or f"; commands: {', '.join(COMMANDS)}"
            raise UsageError(f"unknown command {arguments[0]!r}{known}")
        COMMANDS[arguments[0]](arguments[1:])
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read what was printed (head, less) has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains when it ends
        return 1
    except (UsageError, OSError) as problem:
        print(f"minigrad: {' '.join(str(problem).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


# -- helpers


def parse(kind: Any, arguments: list[str], command: str, default: Any, description: str) -> Any:
    """The arguments as `kind`. tyro answers a mistake with a box of many lines; here its first sentence is
    kept."""
    said = io.StringIO()
    extra = {} if default is None else {"default": default}
    try:
        with contextlib.redirect_stderr(said):
            return tyro.cli(
                kind, args=arguments, prog=f"minigrad {command}", description=description, **extra
            )
    except SystemExit as exit:
        if exit.code != 2:
            raise
        raise UsageError(f"{first_sentence(said.getvalue())}; see `minigrad {command} --help`") from None


def first_sentence(box: str) -> str:
    """What tyro's box says between its title and its first rule (drawn with ─ or, without UTF-8, with -)."""
    lines = [line.strip(" │") for line in box.splitlines()[1:]]
    if lines and re.fullmatch("-+", lines[0]):
        del lines[0]
    body = itertools.takewhile(lambda line: not re.fullmatch("[─-]+|╰.*", line), lines)
    text = " ".join(" ".join(body).split()).rstrip(" .")
    return text.removeprefix("Error parsing hyperparameters: ")


@contextlib.contextmanager
def interruption() -> Iterator[Callable[[], bool]]:
    """Inside, Ctrl-C and SIGTERM are only noted, so that training stops between two steps and can save; a
    second one interrupts at once."""
    noted = False

    def note(signum: int, frame: Any) -> None:
        nonlocal noted
        if noted:
            raise KeyboardInterrupt
        noted = True

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: noted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def doc(agent_type: type[Agent]) -> str:
    """The first sentence of the algorithm's file, on one line."""
    first_paragraph = (sys.modules[agent_type.__module__].__doc__ or "").partition("\n\n")[0]
    return re.split(r"(?<=\.)\s", first_paragraph, maxsplit=1)[0].replace("\n", " ")


def kinds(allowed: tuple[type[gym.Space], ...]) -> str:
    return " or ".join(space.__name__ for space in allowed) or "any"


def versions() -> dict[str, str]:
    """What a run's bits depend on besides its config."""
    from importlib.metadata import version

    return {package: version(package) for package in ("numpy", "gymnasium")}


if __name__ == "__main__":
    sys.exit(main())
