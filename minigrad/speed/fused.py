"""Fused pairs: two rows that often follow each other, as one row. One call, one node, and rules that share a cotangent.

Sequential computes a Linear and the ReLU behind it so. The numbers are the same.
"""

from __future__ import annotations

from ..ops.arithmetic import rectify
from ..ops.linalg import add_product
from ..ops.table import TABLE, op, real

linear_relu = op(
    lambda x, weight, bias: rectify(add_product(x, weight, bias)),
    vjp=dict(y=lambda g, y: g * (y != 0), **TABLE["linear"].vjp),
    name="linear_relu",
    cases=lambda: [
        (real(5, 3), real(4, 3), real(4)),
        (real(5, 3), real(4, 3), None),
        (real(3), real(9, 3), real(9)),
        (real(2, 4, 3), real(4, 3), real(4)),
        (real(0, 3), real(4, 3), real(4)),
    ],
)
