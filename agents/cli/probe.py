"""`minigrad probe`: what an agent learns where the right answer is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import tyro

from ..registry import agent_class
from ..runs.probing import report
from .parsing import parse


@dataclass(frozen=True)
class ProbeOptions:
    algorithm: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="ALGORITHM")]
    """One that takes observations of numbers."""
    seed: int = 0
    """Everything random follows from it."""


def command_probe(arguments: list[str]) -> None:
    description = "Trains on the probe environments, and prints what was learned beside what is exactly right."
    options = parse(ProbeOptions, arguments, "probe", None, description)
    print(report(agent_class(options.algorithm), options.seed))
