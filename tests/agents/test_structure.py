"""How the agents' source is laid out: no circles, and a family's folder lists what can be trained."""

from __future__ import annotations

import os
import subprocess
import sys
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


def test_a_reader_of_dqn_has_little_to_read():
    """All that a training without a run imports of agents/ and envs/. The other agents are not among it."""
    code = """
import sys, types
package = types.ModuleType("agents")
package.__path__ = ["agents"]  # without its __init__, which imports every agent
sys.modules["agents"] = package
from agents.value.dqn import DQN
# It has no preset: one of DQN's speaks of C51, too.
DQN("CliffWalking-v1", seed=0, learning_starts=50).learn(100)
names = [name for name in sys.modules if name.partition(".")[0] in ("agents", "envs")]
files = {file for name in names if (file := getattr(sys.modules[name], "__file__", None))}
print(sum(len(open(file).readlines()) for file in files))
print(*sorted(files))
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    lines, files = done.stdout.splitlines()
    assert int(lines) <= 4_600, files
    assert "runs" not in files, files
