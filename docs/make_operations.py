"""Writes docs/operations.md, the derivative book on one page, from the source of the table.

python docs/make_operations.py
"""

from __future__ import annotations

import ast
import importlib
import inspect
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from minigrad import ops
from minigrad.core.operation import TABLE

PAGE = Path(__file__).with_name("operations.md")
DECLARATIONS = {"op", "op_of_list"}


def chapters() -> list[str]:
    """The modules that declare operations: the core's, then those of ops/ in its order, then the fused pairs."""
    of_ops = [f"ops/{name}" for name in ops.__all__ if inspect.ismodule(getattr(ops, name))]
    return ["core/rules", *of_ops, "speed/fused"]


def rows(source: str) -> list[dict[str, str]]:
    """Every declared operation of a chapter: name, forward and rules as they stand in the source."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in DECLARATIONS):
            continue
        keywords = {k.arg: k.value for k in node.keywords}
        forward = segment(source, node.args[0])
        name = ast.literal_eval(keywords["name"]) if "name" in keywords else forward.removeprefix("np.").strip("_")
        if name in TABLE:  # the three that a comprehension declares have no rules to show
            found.append({"name": name, "forward": forward, "rules": rules(source, keywords.get("vjp"))})
    return found


def rules(source: str, vjp: ast.expr | None) -> str:
    """The rules, one a line, each under the name of its input."""
    if vjp is None:
        return "none"
    if isinstance(vjp, ast.Call):  # dict(a=..., b=..., **others)
        texts = [(k.arg, code(segment(source, k.value))) for k in vjp.keywords]
        return "<br>".join(f"`{name}`: {text}" if name else f"and those in {text}" for name, text in texts)
    return code(segment(source, vjp))


def segment(source: str, node: ast.expr) -> str:
    """The source of an expression on one line."""
    text = ast.get_source_segment(source, node) or ""
    return " ".join(line.split("  #")[0].strip() for line in text.splitlines())


def code(text: str) -> str:
    """Text as code in a table's cell."""
    return "`" + text.replace("|", "\\|") + "`"


def page() -> str:
    """The whole page."""
    parts = [
        "# The operations\n\nMade from the source by `python docs/make_operations.py`. In a rule `g` is the cotangent "
        "of the output `y`; an input's name stands for the input, `x_shape` for its shape alone; what a rule names is "
        "what a recorded call keeps. A rule for `y` comes first, and gives the others their cotangent. "
        "A name that stands alone is a function in the same chapter.\n"
    ]
    for chapter in chapters():
        module = importlib.import_module(f"minigrad.{chapter.replace('/', '.')}")
        source = Path(module.__file__ or "").read_text()
        title = (module.__doc__ or chapter).strip().splitlines()[0]
        declared = sorted(rows(source), key=lambda row: list(TABLE).index(row["name"]))
        parts.append(f"## [{chapter}](../minigrad/{chapter}.py)\n\n{title}\n")
        parts.append("| operation | forward | rules |\n|---|---|---|")
        parts.append("\n".join(f"| {r['name']} | {code(r['forward'])} | {r['rules']} |" for r in declared) + "\n")
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page())
    print(f"wrote {PAGE}")
