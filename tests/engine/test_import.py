"""`import minigrad` needs NumPy alone, and is quick."""

import json
import subprocess
import sys

ALONE = """
import sys

class NumpyAlone:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top not in sys.stdlib_module_names and top not in ("numpy", "minigrad") and not top.startswith("_"):
            raise ImportError(f"{name} must not be imported")

sys.meta_path.insert(0, NumpyAlone())
import minigrad as mg
from minigrad import nn, optim

net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
optimizer = optim.Adam(net.parameters())
nn.functional.mse_loss(net(mg.randn(5, 4)), mg.zeros(5, 2)).backward()
optimizer.step()
print("trained")
"""

TIMED = """
import time
import numpy
start = time.process_time()
import minigrad
print(time.process_time() - start)
"""


def run(program: str) -> str:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout


def test_a_network_trains_with_numpy_alone():
    assert run(ALONE).strip() == "trained"


def test_the_import_takes_at_most_30_ms_more_than_numpys():
    """The quickest of several, in CPU time: what the code costs, whatever else the machine does."""
    quickest = min(json.loads(run(TIMED)) for _ in range(7))
    assert quickest <= 0.030
