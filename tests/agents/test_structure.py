"""How the agents' source is laid out: no circles, and a family's folder lists what can be trained."""

from __future__ import annotations

from pathlib import Path

import pytest
from imports import add_packages, find_circle, read_graph

import agents
from agents import AGENTS, Agent

ROOT = Path(agents.__file__).parent.parent
FAMILIES = sorted({kind.__module__.split(".")[1] for kind in AGENTS.values()})


@pytest.mark.parametrize("package", ["agents", "envs"])
def test_there_is_no_circle(package):
    graph = read_graph(ROOT, package)
    assert len(graph) > 15
    assert not find_circle({name: add_packages(name, targets) for name, targets in graph.items()})


@pytest.mark.parametrize("family", FAMILIES)
def test_a_folder_lists_what_can_be_trained(family):
    """Every file of a family's folder is one algorithm's; what it is made of is in parts/."""
    files = {file.stem for file in (ROOT / "agents" / family).glob("*.py")} - {"__init__"}
    homes = [kind.__module__.rpartition(".")[2] for kind in AGENTS.values() if f".{family}." in kind.__module__]
    assert files == set(homes)
    assert len(homes) == len(files)


def test_a_file_is_named_after_its_algorithm():
    for name, kind in AGENTS.items():
        assert kind.__module__.rpartition(".")[2] == name.replace("-", "_")


@pytest.mark.parametrize("kind", AGENTS.values(), ids=AGENTS)
def test_an_agent_is_at_most_three_classes_deep(kind):
    """Agent, at most one class that several share, the algorithm. Mixins count."""
    between = [parent for parent in kind.__mro__ if parent not in (kind, Agent, object)]
    assert len(between) <= 1, between
