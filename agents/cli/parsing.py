"""Options from what was typed, by tyro; a mistake is one sentence."""

from __future__ import annotations

import contextlib
import io
import itertools
import re
from pathlib import Path
from typing import Any

import tyro

from envs.errors import UsageError

RunArgument = tyro.conf.Positional[Path]


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
