"""The `minigrad` command: a thin skin over what the agents do from Python.

    minigrad train ALGORITHM [--env ID] [--steps N] [--seed N] [--run DIR] [hyper-parameters ...]
    minigrad list
    minigrad evaluate RUN
    minigrad record RUN [--episodes N] [--best] [--output FILE]
    minigrad plot RUN...
    minigrad resume RUN
    minigrad probe ALGORITHM [--seed N]
    minigrad check-env ENV [--env-option NAME=VALUE ...]
    minigrad ablation [--env ID] [--seeds N] [--jobs N]

A mistake is one line on stderr and exit code 2.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable

from envs.errors import UsageError, did_you_mean

from .ablation import command_ablation
from .check_env import command_check_env
from .listing import command_list
from .probe import command_probe
from .show import command_evaluate, command_plot, command_record
from .train import command_resume, command_train

# A command may return an exit code.
COMMANDS: dict[str, Callable[[list[str]], int | None]] = {
    "train": command_train,
    "list": command_list,
    "evaluate": command_evaluate,
    "record": command_record,
    "plot": command_plot,
    "resume": command_resume,
    "probe": command_probe,
    "check-env": command_check_env,
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
        code = COMMANDS[arguments[0]](arguments[1:])
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read what was printed (head, less) has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains when it ends
        return 1
    except (UsageError, OSError) as problem:
        print(f"minigrad: {' '.join(str(problem).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return code or 0
