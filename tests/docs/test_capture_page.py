"""docs/capture.md shows the program that its listing prints, and its other listings run."""

import contextlib
import io
import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "capture.md"


def test_the_page_shows_what_its_listing_prints():
    text = PAGE.read_text()
    first, *others = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    (shown,) = re.findall(r"^```\n(def .*?)^```", text, re.DOTALL | re.MULTILINE)
    names: dict = {}
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(first, names)
    assert shown.strip() == printed.getvalue().strip()
    assert "replayed 49 times" in repr(names["update"])  # after the change at step 50
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        for listing in others:
            exec(listing, names)
    assert re.fullmatch(r"\d\.\d+ \d\.\d+\n", printed.getvalue())
