"""The agents of each family, by the folder that they are in."""

from agents import AGENTS


def family(folder: str) -> list[type]:
    return [kind for kind in AGENTS.values() if kind.__module__.startswith(f"agents.{folder}.")]


TABULAR, VALUE, POLICY_GRADIENT = family("tabular"), family("value"), family("policy_gradient")
