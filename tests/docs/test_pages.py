"""The listings of the documentation run."""

import re
import shlex
from pathlib import Path

import gymnasium as gym
import pytest

from agents import cli
from agents.cli import COMMANDS
from agents.cli.train import parse_train_options
from agents.registry import AGENTS, agent_class
from agents.value.parts.seams import TARGET
from minigrad.core.operation import TABLE

ROOT = Path(__file__).parents[2]


def listings(page: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", (ROOT / page).read_text(), re.DOTALL | re.MULTILINE)


@pytest.fixture
def table_as_before():
    before = dict(TABLE)
    yield
    TABLE.clear()
    TABLE.update(before)


@pytest.mark.usefixtures("table_as_before")
def test_add_an_operation():
    found = listings("docs/add-an-operation.md")
    assert len(found) >= 6
    exec("\n".join(found), {})


@pytest.fixture
def tables_as_before():
    """Of agents and of targets: the page enters its own."""
    agents, targets = dict(AGENTS), dict(TARGET.options)
    yield
    for table, before in ((AGENTS, agents), (TARGET.options, targets)):
        table.clear()
        table.update(before)


@pytest.mark.usefixtures("tables_as_before")
def test_add_an_agent(capsys):
    found = listings("docs/add-an-agent.md")
    assert len(found) >= 5
    names: dict = {"__name__": __name__}
    exec("\n".join(found), names)
    assert capsys.readouterr().out == "3\n"
    assert agent_class("mean-dqn") is names["MeanDQN"]


def test_value_based(tmp_path, monkeypatch, capsys):
    """And print what their comments say."""
    found = listings("docs/value-based.md")
    assert len(found) >= 2
    monkeypatch.chdir(tmp_path)
    exec("\n".join(found), {})
    assert capsys.readouterr().out.startswith("0.6561")
    assert (tmp_path / "gridworld.png").exists()


@pytest.mark.parametrize("page", ["docs/continuous.md", "docs/model-based.md"])
def test_continuous_and_model_based(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    found = listings(page)
    assert len(found) >= 1
    for listing in found:
        exec(listing, {})
    assert capsys.readouterr().out.strip()


def test_every_agent_has_its_place():
    """In the picture of the families, once."""
    (picture,) = re.findall(r"```mermaid\n(.*?)```", (ROOT / "docs/families.md").read_text(), re.DOTALL)
    nodes = re.findall(r"\[([^\]]*)\]|--> ([\w-]+)$", picture, re.MULTILINE)
    words = [word for node in nodes for word in re.split(r"[:,] *", "".join(node))]
    # Rainbow stands at the end of two roads.
    assert sorted({word for word in words if word in AGENTS}) == sorted(AGENTS)
    assert [name for name in AGENTS if words.count(name) != (2 if name == "rainbow" else 1)] == []


def test_policy_gradient(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    found = listings("docs/policy-gradient.md")
    assert len(found) >= 1
    exec("\n".join(found), {})
    assert capsys.readouterr().out.startswith("[5]")


def test_imitation(tmp_path, monkeypatch, capsys):
    """And print what their comments say."""
    found = listings("docs/imitation.md")
    assert len(found) == 3
    monkeypatch.chdir(tmp_path)
    exec("\n".join(found), {})
    said = re.findall(r"^print\(.*# (.*)", "\n".join(found), re.MULTILINE)
    assert capsys.readouterr().out.splitlines() == said


def test_your_own_environment(capsys):
    found = listings("docs/your-own-environment.md")
    assert len(found) >= 2
    exec("\n".join(found), names := {"__name__": __name__})
    del gym.registry["Rope-v0"]
    assert capsys.readouterr().out == "1.0 ± 0.0 over 10 episodes\n"
    assert names["longer"].environments.instances()[0].length == 5


def test_why_isnt_it_learning(capsys):
    """The broken agent is caught where the page says, and the healthy one's table is the page's own."""
    page = "docs/why-isnt-it-learning.md"
    found = listings(page)
    assert len(found) >= 1
    exec("\n".join(found), {})
    assert "ProbeConstant          0   2.000             1.000             0           WRONG" in capsys.readouterr().out
    assert cli.main(["probe", "ppo"]) == 0
    assert f"```\n{capsys.readouterr().out}```" in (ROOT / page).read_text()


def test_callbacks(tmp_path, monkeypatch, capsys):
    """And print what their comments say."""
    found = listings("docs/callbacks.md")
    assert len(found) == 4
    monkeypatch.chdir(tmp_path)
    exec("\n".join(found), {"__name__": "callbacks_page"})
    said = capsys.readouterr().out
    assert said.startswith("step 500: epsilon is 0.")
    assert "\nTrue\nthe mean return of 5 episodes is " in said
    assert cli.main(["resume", "sure", "--steps", "1600"]) == 2
    assert "callbacks_page:StopWhenSure" in capsys.readouterr().err


def test_the_commands_of_why_isnt_it_learning():
    """Every `pytest` it names selects tests, and every `minigrad` is a command with options that there are."""
    text = (ROOT / "docs/why-isnt-it-learning.md").read_text()
    blocks = "\n".join(re.findall(r"^```\n(.*?)^```", text, re.DOTALL | re.MULTILINE))
    named = re.findall(r"`((?:pytest|minigrad) [^`]+)`", text) + re.findall(r"^((?:pytest|minigrad) .*)", blocks, re.M)
    commands = [shlex.split(command, comments=True) for command in named]
    tests = [arguments for program, *arguments in commands if program == "pytest"]
    assert len(tests) >= 8
    for arguments in tests:
        files, _, wanted = "\n".join(arguments).partition("\n-k\n")
        names = re.findall(r"^def (test_\w+)", "\n".join((ROOT / f).read_text() for f in files.split("\n")), re.M)
        for word in wanted.split(" or "):  # all that -k is used for there
            assert re.fullmatch(r"\w*", word)
            assert any(word in name for name in names), (arguments, word)
    for program, command, *arguments in commands:
        if program == "minigrad" and command == "train":
            parse_train_options(agent_class(arguments[0]), ["0" if a == "N" else a for a in arguments[1:]])
        elif program == "minigrad":
            assert command in COMMANDS


def test_the_readmes_engine_listings():
    engine = [code for code in listings("README.md") if "agents" not in code]
    assert len(engine) >= 2
    exec("\n".join(engine), {})
