"""`minigrad train` and `minigrad resume`."""

from __future__ import annotations

import itertools
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

import tyro

from envs.errors import UsageError

from ..core.agent import Agent
from ..core.components import ComposedHyperparameters
from ..core.evaluation import evaluate
from ..core.training import train
from ..presets import preset_for
from ..registry import AGENTS, agent_class
from ..runs.progress import Progress, duration
from ..runs.run import Run, unused_directory
from .listing import doc
from .parsing import RunArgument, parse
from .signals import interruption

H = TypeVar("H")


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
class ResumeOptions:
    run: RunArgument
    """A run directory."""
    quiet: bool = False
    """No progress."""


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
    """The options, whose defaults depend on some of them: the environment has a preset, and a component has settings of
    its own."""
    kind, description = agent_type.Hyperparameters, doc(agent_type)
    chosen: dict[str, Any] = {}
    if issubclass(kind, ComposedHyperparameters):
        arguments, chosen = in_present_words(kind, arguments)
        typed = words_typed(arguments)
        # Another word is a mistake that the parser explains.
        chosen |= {seam.name: typed[seam.name] for seam in kind.seams if typed.get(seam.name) in seam.options}
        description += " --help shows the settings of the components that are chosen: --target averaged --help."
    typed = words_typed(arguments)
    env = typed.get("env", agent_type.default_env)
    preset = preset_for(agent_type, env)
    hyperparameters = kind.of(chosen, preset.hyperparameters)
    if isinstance(hyperparameters, ComposedHyperparameters):
        for name in typed:
            if why := hyperparameters.explain_missing(name, hyperparameters.chosen()):
                raise UsageError(why)
    default: TrainOptions = TrainOptions(env, preset.steps, preset.num_envs, hyperparameters)
    composed: Any = type(hyperparameters)
    options = tyro.conf.OmitArgPrefixes[TrainOptions[composed]]
    return parse(options, arguments, f"train {agent_type.name}", default, description)


def in_present_words(kind: type[ComposedHyperparameters], arguments: list[str]) -> tuple[list[str], dict[str, Any]]:
    """The arguments with each option under the name of its field (`--atoms` is `--head-atoms`), and without switches
    such as `--dueling` and `--no-dueling`; and those."""
    switches = {f"--{'' if on else 'no-'}{name}": (name, on) for name in kind.switches for on in (True, False)}
    aliases = kind.all_aliases()
    kept: list[str] = []
    switched: dict[str, Any] = {}
    for argument in arguments:
        option, equals, value = argument.partition("=")
        if option in switches:
            name, on = switches[option]
            switched[name] = on
        elif (field := aliases.get(option[2:].replace("-", "_"))) and option.startswith("--"):
            kept.append(f"--{field.replace('_', '-')}{equals}{value}")
        else:
            kept.append(argument)
    return kept, switched


def words_typed(arguments: list[str]) -> dict[str, str]:
    """The word behind each option, by the name of its field."""
    typed = {}
    for argument, following in itertools.pairwise([*arguments, ""]):
        if argument.startswith("--"):
            option, equals, value = argument[2:].partition("=")
            typed[option.replace("-", "_")] = value if equals else following
    return typed


def command_resume(arguments: list[str]) -> None:
    options = parse(ResumeOptions, arguments, "resume", None, "Goes on with a run exactly where its checkpoint is.")
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
    progress = None if quiet else Progress(f"{agent.name} {agent.environments.name}", agent.steps, agent.total_steps)
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


def versions() -> dict[str, str]:
    """What a run's bits depend on besides its config."""
    from importlib.metadata import version

    return {package: version(package) for package in ("numpy", "gymnasium")}
