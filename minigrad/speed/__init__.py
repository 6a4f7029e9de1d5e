"""Speed: the same as the core, faster. A shortcut hands everything unusual back to the core.

    shortcuts.py  calls: the code of each row's public function
    walk.py       backward: the usual graph, written out flat
    forwards.py   the same arrays by a shorter way
    fused.py      pairs of rows as one
    changes.py    changes in place that training makes at every step
    blocks.py     no_grad as it is mostly used
    flat.py       the memory of optimizers

With MINIGRAD_SHORTCUTS=0 in the environment, read once at import, all of them are left out.
"""

import os

ENABLED = os.environ.get("MINIGRAD_SHORTCUTS", "1") != "0"


def take_shortcuts() -> None:
    """Plug the shortcuts into the core, unless they are off. The dialect has bound its methods before."""
    if not ENABLED:
        return
    from ..core import backward, hooks
    from ..core.operation import TABLE
    from .blocks import quicken_blocks
    from .changes import quicken_changes
    from .forwards import exchange_forwards
    from .shortcuts import exchange_code
    from .walk import send_in_place, walk_usual_graph

    for operation in TABLE.values():
        exchange_code(operation)
    hooks.declared, hooks.walk_usual_graph = exchange_code, walk_usual_graph
    backward.send = send_in_place
    exchange_forwards()
    quicken_changes()
    quicken_blocks()
