"""MINIGRAD_SHORTCUTS=0, read once at import, leaves every shortcut out."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
import minigrad as mg
from minigrad.core import backward, hooks, modes
from minigrad.speed import ENABLED, flat
x = mg.ones(2, requires_grad=True)
(x.tanh() * 2).sum().backward()
parts = [mg.tanh.__code__, mg.Tensor.add_.__code__, backward.send.__code__, hooks.walk_usual_graph.__code__,
         modes.Block.__enter__.__code__]
print(ENABLED, flat.layout_allowed, [code.co_filename.rpartition("minigrad")[2].replace("\\\\", "/") for code in parts])
"""


CORE = ["/core/call.py", "/dialect/inplace.py", "/core/backward.py", "/core/hooks.py", "/core/modes.py"]
SPEED = ["<operation tanh>", "/speed/changes.py", "/speed/walk.py", "/speed/walk.py", "/speed/blocks.py"]


@pytest.mark.parametrize(("switch", "expected"), [("0", f"False False {CORE}"), ("1", f"True True {SPEED}")])
def test_the_switch_leaves_them_out(switch, expected):
    environment = os.environ | {"MINIGRAD_SHORTCUTS": switch}
    run = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, env=environment)
    assert run.stdout.strip() == expected
