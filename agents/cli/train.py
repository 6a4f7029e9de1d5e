"""`minigrad train` and `minigrad resume`."""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

import tyro

from envs.errors import UsageError
from envs.making import import_module_of, parse_option

from ..core.agent import Agent
from ..core.built_in_callbacks import StopAtReturn
from ..core.callbacks import Callback
from ..core.components import ComposedHyperparameters
from ..core.evaluation import evaluate
from ..core.training import train
from ..presets import preset_for
from ..registry import AGENTS, agent_class
from ..runs.config import config_path
from ..runs.files import size_of
from ..runs.interruption import interruption
from ..runs.kept_callbacks import describe_all, make_again, restore
from ..runs.loading import find_class, import_agent, name_again
from ..runs.progress import Progress, duration
from ..runs.run import Run, command_for, command_line, unused_directory
from ..runs.saved import make_agent
from .listing import doc
from .parsing import AgentOption, EnvOption, RunArgument, parse, take_option

H = TypeVar("H")

CAPTURE: dict[str, Any] = {"auto": "auto", "always": True, "never": False}


@dataclass(frozen=True)
class TrainOptions(Generic[H]):
    env: str
    """Environment: any gymnasium id, or module:Id, of which the module is imported first (from this folder, too)."""
    steps: int
    """Environment steps to train for, over all environments together."""
    num_envs: int
    """Environments stepped side by side."""
    hyperparameters: H
    seed: int = 0
    """Everything random follows from it: the same command gives the same curve."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where the networks are: cuda pays for large ones only, and needs an NVIDIA GPU and CuPy (docs/gpu.md)."""
    capture: Literal["auto", "always", "never"] = "auto"
    """Whether updates are recorded once and replayed, which takes less time and gives the same result. auto is where
    nothing of your own runs in them. --capture is always, --no-capture is never."""
    env_option: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """An option of the environment, NAME=VALUE, such as is_slippery=False; may be given several times."""
    data: Path | None = None
    """Recorded steps to learn from, a file that `minigrad collect` wrote."""
    run: Path | None = None
    """Where the run goes: a new directory. Left out, one under runs/."""
    checkpoint_every: int = 0
    """Steps between checkpoints, each with an evaluation; 0 is a tenth of the training."""
    evaluation_episodes: int = 10
    """Greedy episodes in each evaluation during training; 0 is none."""
    stop_at_return: float | None = None
    """Ends the training when the mean return of the last 100 episodes is at least this."""
    quiet: bool = False
    """No progress."""


@dataclass(frozen=True)
class ResumeOptions:
    run: RunArgument
    """A run directory."""
    steps: int | None = None
    """Steps in all, counted from the start: more than the run was made for lengthen it, and what changes over training
    by plan (exploration, an annealed step size) is stretched to the new end from here on."""
    agent: AgentOption = None
    env: EnvOption = None
    quiet: bool = False
    """No progress."""


def command_train(arguments: list[str]) -> int:
    own, arguments = take_option("--agent", arguments)
    if own is None and (not arguments or arguments[0].startswith("-")):
        text = f"minigrad train ALGORITHM [options]; algorithms: {', '.join(AGENTS)}"
        if arguments and arguments[0] in ("-h", "--help"):
            print(f"usage: {text}\n\n`minigrad train dqn --help` shows an algorithm's options.")
            print("`minigrad train --agent FILE.py:CLASS [options]` trains a class of your own.")
            return 0
        raise UsageError(f"which algorithm? {text}")
    if arguments and not arguments[0].startswith("-"):
        if own is not None:
            raise UsageError(f"--agent {own} stands in the place of an algorithm; leave {arguments[0]} out")
        if ".py" in arguments[0]:
            raise UsageError(f"a class of your own is given as --agent {arguments[0]}")
    agent_type = import_agent(own)
    if agent_type is None:
        agent_type, arguments = agent_class(arguments[0]), arguments[1:]
    check_hidden(arguments)
    options = parse_train_options(agent_type, arguments)
    for name, least in (("steps", 1), ("checkpoint_every", 0), ("evaluation_episodes", 0)):
        if (value := getattr(options, name)) < least:
            raise UsageError(f"--{name.replace('_', '-')} must be at least {least}, got {value}")
    import_module_of(options.env, in_working_folder=True)
    agent = agent_type(
        options.env,
        env_options=dict(map(parse_option, options.env_option)),
        seed=options.seed,
        num_envs=options.num_envs,
        data=options.data,
        device=options.device,
        capture=CAPTURE[options.capture],
        **options.hyperparameters.plain(),
    )
    agent.total_steps = options.steps
    callbacks = [] if options.stop_at_return is None else [StopAtReturn(options.stop_at_return)]
    config = {
        **agent.config(),
        "preset": agent.preset_values(),
        "checkpoint_every": options.checkpoint_every,
        "evaluation_episodes": options.evaluation_episodes,
        "callbacks": describe_all(callbacks),
        "versions": versions(),
    }
    directory = options.run or unused_directory(f"{agent.name}-{agent.environments.name}-seed{options.seed}")
    run = Run.create(directory, config)
    print(agent.describe_preset())
    return train_and_report(agent, run, options.quiet, callbacks)


def check_hidden(arguments: list[str]) -> None:
    """Raises `UsageError` where --hidden has no number, which would be a network without a hidden layer."""
    for argument, following in itertools.pairwise([*arguments, "--"]):
        if argument == "--hidden" and following.startswith("--"):
            raise UsageError(
                "--hidden needs the size of each hidden layer, such as --hidden 64 64; a network without one is "
                "hidden=() from Python"
            )


def parse_train_options(agent_type: type[Agent], arguments: list[str]) -> TrainOptions:
    """The options, whose defaults depend on some of them: the environment has a preset, and a component has settings of
    its own."""
    kind, description = agent_type.Hyperparameters, doc(agent_type)
    arguments = [*spell_out_capture(arguments)]
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


def spell_out_capture(arguments: list[str]) -> Iterator[str]:
    """--no-capture is --capture never, and --capture alone is --capture always."""
    for argument, following in itertools.pairwise([*arguments, "--"]):
        if argument == "--capture" and following not in CAPTURE:
            argument = "--capture=always"
        yield "--capture=never" if argument == "--no-capture" else argument


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


def command_resume(arguments: list[str]) -> int:
    options = parse(ResumeOptions, arguments, "resume", None, "Goes on with a run exactly where its checkpoint is.")
    run = Run.open(options.run)
    # Everything is checked first, and changed afterwards: a run that is refused stays as it is.
    try:
        saved = run.read_newest()
        for message in saved.damaged:
            print(f"{message}; the one before it is used", file=sys.stderr)
        run.check_unchanged(saved)
        agent_type = find_class(run.config, options.run, import_agent(options.agent))
        where = config_path(run.directory)
        agent = make_agent(agent_type, run.config, name_again(run.config, options.env, options.run), saved.agent, where)
        total = total_steps(run, options.steps)
        if agent.stopped is not None and total == run.config["steps"]:
            longer = command_for(run.config, "resume", options.run, "--steps", 2 * total)
            print(f"{options.run} is finished: stopped at step {agent.steps:,}, {agent.stopped}; `{longer}` goes on")
            run.close()
            return 0
        if agent.steps >= total:
            print(
                f"{options.run} is finished: {agent.steps:,} of {total:,} steps; "
                f"`{command_for(run.config, 'resume', options.run, '--steps', 2 * total)}` goes on"
            )
            run.close()
            return 0
        callbacks = make_again(run.config.get("callbacks", []), options.run)
        run.go_back_to(saved)
        restore(callbacks, run.callbacks)
        run.lengthen(total)
    except BaseException:
        run.close()
        raise
    print(f"resuming {options.run} at step {agent.steps:,} of {total:,}", file=sys.stderr)
    if total != agent.total_steps:
        planned = ", ".join(agent.schedules())
        stretched = f"; what changes by plan ({planned}) is stretched to the new end" if planned else ""
        print(f"lengthened from {agent.total_steps:,} steps{stretched}", file=sys.stderr)
        agent.total_steps, agent.stopped = total, None
    return train_and_report(agent, run, options.quiet, callbacks)


def total_steps(run: Run, steps: int | None) -> int:
    """How many steps the run has in all, if `steps` are asked for."""
    total: int = run.config["steps"]
    if steps is None:
        return total
    if steps < total:
        raise UsageError(
            f"--steps must be at least {total:,}, the steps that {run.directory} was made for, got {steps:,}"
        )
    return steps


def train_and_report(agent: Agent, run: Run, quiet: bool, callbacks: Sequence[Callback] = ()) -> int:
    """Trains to the end or to a signal, says where the run is and what to type next, and returns the exit code."""
    started, first = time.perf_counter(), agent.steps
    progress = None if quiet else Progress(f"{agent.name} {agent.environments.name}", agent.steps, agent.total_steps)
    try:
        with interruption() as interrupted:
            finished = train(agent, run, progress, interrupted, callbacks)
    finally:
        run.close()
        if progress is not None:
            progress.close()
    if not finished:
        done = f"stopped at step {agent.steps:,} of {agent.total_steps:,}"
        print(f"{done}; `{command_for(run.config, 'resume', run.directory)}` goes on")
        return interrupted.exit_code
    seconds = time.perf_counter() - started
    print(f"run         {run.directory}")
    print(f"size        {size_of(run.directory) / 1e6:.1f} MB")
    speed = (agent.steps - first) / seconds
    print(f"trained     {agent.steps:,} steps in {duration(seconds)} ({speed:,.0f} steps/s)")
    if agent.stopped is not None:
        print(f"stopped     {agent.stopped}")
    print(f"evaluation  {evaluate(agent)}")
    print(f"next        {command_for(run.config, 'evaluate', run.directory)}")
    print(f"            {command_line('plot', run.directory)}")
    return 0


def versions() -> dict[str, str]:
    """What a run's bits depend on besides its config."""
    from importlib.metadata import version

    return {package: version(package) for package in ("numpy", "gymnasium")}
