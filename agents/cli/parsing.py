"""Options from what was typed, by tyro; a mistake is one sentence."""

from __future__ import annotations

import contextlib
import io
import itertools
import re
from pathlib import Path
from typing import Annotated, Any

import tyro

from envs.errors import UsageError

RunArgument = Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN")]
AgentOption = Annotated[
    str | None, tyro.conf.arg(help="FILE.py:CLASS, where a class of your own trained the run: no run imports a file.")
]
EnvOption = Annotated[
    str | None,
    tyro.conf.arg(help="The run's environment, to be named again where it is MODULE:ID: no run imports a module."),
]


def parse(kind: Any, arguments: list[str], command: str, default: Any, description: str) -> Any:
    """The arguments as `kind`. tyro answers a mistake with a box of many lines; here its first sentence is
    kept."""
    said = io.StringIO()
    extra = {} if default is None else {"default": default}
    try:
        with contextlib.redirect_stderr(said):
            return tyro.cli(kind, args=arguments, prog=f"minigrad {command}", description=description, **extra)
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


def take_option(name: str, arguments: list[str]) -> tuple[str | None, list[str]]:
    """The value of an option that has to be known before the others can be parsed, and the other arguments."""
    for i, argument in enumerate(arguments):
        if argument == name:
            if i + 1 == len(arguments):
                raise UsageError(f"{name} needs a value")
            return arguments[i + 1], arguments[:i] + arguments[i + 2 :]
        if argument.startswith(f"{name}="):
            return argument.removeprefix(f"{name}="), arguments[:i] + arguments[i + 1 :]
    return None, arguments
