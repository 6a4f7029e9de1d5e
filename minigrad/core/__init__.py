"""The core: the engine itself, to be read from top to bottom.

    operation.py  Operation, a row of the table; Node, what a call of it remembers
    tensor.py     Tensor: an array, its gradient, the node that made it
    modes.py      whether this thread records
    hooks.py      where safety and speed plug in
    call.py       the forward pass: unwrap, compute, wrap, leave a Node
    rules.py      how a row is declared, and the first rows
    backward.py   the chain rule

The law: the core says what is true. A shortcut (speed/) may only say it faster, and hands everything unusual back to
the core. A check (safety/) may only refuse. A dialect file (dialect/) may only rename. Take the three away, and the
core still differentiates.
"""
