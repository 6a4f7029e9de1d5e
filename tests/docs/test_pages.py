"""The listings of the documentation run."""

import re
from pathlib import Path

import pytest

from minigrad.recording import TABLE

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


def test_value_based(tmp_path, monkeypatch, capsys):
    """And print what their comments say."""
    found = listings("docs/value-based.md")
    assert len(found) >= 2
    monkeypatch.chdir(tmp_path)
    exec("\n".join(found), {})
    assert capsys.readouterr().out.startswith("0.6561")
    assert (tmp_path / "gridworld.png").exists()


def test_the_readmes_engine_listings():
    engine = [code for code in listings("README.md") if "agents" not in code]
    assert len(engine) >= 2
    exec("\n".join(engine), {})
