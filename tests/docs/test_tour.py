"""docs/tour.md walks through the core, file by file, and its line counts are true; so is the README's."""

import re
from pathlib import Path

import minigrad.core

ROOT = Path(__file__).parents[2]
CORE = ROOT / "minigrad" / "core"


def count_lines() -> dict[str, int]:
    return {path.name: len(path.read_text().splitlines()) for path in CORE.glob("*.py")}


def test_the_tour_has_a_chapter_for_every_file_with_its_line_count():
    text = (ROOT / "docs" / "tour.md").read_text()
    rows = re.findall(r"^\| [^|]+ \| \[`(\w+\.py)`\]\(\.\./minigrad/core/\1\) \| (\d+) \|$", text, re.MULTILINE)
    assert {name: int(lines) for name, lines in rows} == count_lines()
    assert f"| together | | {sum(count_lines().values())} |" in text


def test_the_order_of_reading_is_the_same_everywhere():
    text = (ROOT / "docs" / "tour.md").read_text()
    of_the_table = re.findall(r"^\| [^|]+ \| \[`(\w+\.py)`\]", text, re.MULTILINE)
    of_the_chapters = re.findall(r"^\[`(\w+\.py)`\]\(\.\./minigrad/core/\1\)", text, re.MULTILINE)
    of_the_package = re.findall(r"^    (\w+\.py) ", minigrad.core.__doc__, re.MULTILINE)
    assert of_the_table == ["__init__.py", *of_the_chapters]
    assert of_the_package == of_the_chapters


def test_the_readme_says_how_long_the_core_is():
    assert f"`minigrad/core/` is the engine, {sum(count_lines().values())} lines" in (ROOT / "README.md").read_text()


def test_the_core_can_be_read_in_one_sitting():
    lines = count_lines()
    assert sum(lines.values()) <= 800
    assert max(lines.values()) <= 300
    assert not [path for path in CORE.glob("*.py") if re.search(r"\b(eval|exec|compile)\(", path.read_text())]
