"""The `minigrad` command: a thin skin over what the agents do from Python.

    minigrad train ALGORITHM [--env ID] [--steps N] [--seed N] [--run DIR] [hyper-parameters ...]
    minigrad resume RUN [--steps N]
    minigrad evaluate RUN [--episodes N] [--best]
    minigrad record RUN [--episodes N] [--best] [--output FILE]
    minigrad collect RUN --output FILE [--episodes N]
    minigrad plot RUN... [--metric NAME] [--output FILE]
    minigrad list
    minigrad probe ALGORITHM [--seed N]
    minigrad check-env ENV [--env-option NAME=VALUE ...]
    minigrad ablation [--env ID] [--seeds N] [--jobs N]

`minigrad COMMAND --help` shows all options. A class of your own: --agent FILE.py:CLASS in place of ALGORITHM, and again
wherever a command takes its RUN.

A mistake is one line on stderr and exit code 2. A training that a signal stopped has 128 and the signal's number.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable

from envs.errors import UsageError, did_you_mean

from .ablation import command_ablation
from .check_env import command_check_env
from .listing import command_list
from .probe import command_probe
from .show import command_collect, command_evaluate, command_plot, command_record
from .streams import forgiving_streams
from .train import command_resume, command_train

# A command may return an exit code.
COMMANDS: dict[str, Callable[[list[str]], int | None]] = {
    "train": command_train,
    "resume": command_resume,
    "evaluate": command_evaluate,
    "record": command_record,
    "collect": command_collect,
    "plot": command_plot,
    "list": command_list,
    "probe": command_probe,
    "check-env": command_check_env,
    "ablation": command_ablation,
}


def main(arguments: list[str] | None = None) -> int:
    """The entry point; returns the exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    shown = warnings.showwarning
    warnings.showwarning = lambda message, *_, **__: print(f"warning: {message}", file=sys.stderr)
    with forgiving_streams():
        try:
            return run_command(arguments)
        except UsageError as problem:
            complain(str(problem))
        except OSError as problem:
            # A file that can't be read or written is named. What names none comes from an environment, with a reason
            # that its traceback shows.
            if problem.filename is None:
                raise
            complain(f"{problem.filename}: {problem.strerror}")
        except KeyboardInterrupt:
            return 130
        finally:
            warnings.showwarning = shown
    return 2


def run_command(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help"):
        print(__doc__.partition("\n\nA mistake")[0])
        return 0
    if arguments[0] not in COMMANDS:
        known = did_you_mean(arguments[0], COMMANDS) or f"; commands: {', '.join(COMMANDS)}"
        raise UsageError(f"unknown command {arguments[0]!r}{known}")
    return COMMANDS[arguments[0]](arguments[1:]) or 0


def complain(message: str) -> None:
    print(f"minigrad: {' '.join(message.split())}", file=sys.stderr)
