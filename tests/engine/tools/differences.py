"""Where we differ from PyTorch on purpose: (program, what comes here, what comes there, why).

docs/mistakes.md shows these rows; test_differences.py runs them. In a program T is the module, F its nn.functional.
"""

# ruff: noqa: E501  (a row stays on its line)
# fmt: off

from __future__ import annotations

ROWS: list[tuple[str, str, str, str]] = [
    # NaN and infinity
    ("T.tensor([nan, -2.0]).sign()", "[nan, -1.0] float32", "[0.0, -1.0] float32", "a NaN stays visible; so does the slope of abs and of the 1-norm there"),
    ("T.allclose(T.tensor([1.0]), T.tensor([1.0], dtype=T.float64))", "True", "raises", "comparisons promote their dtypes, as arithmetic does"),
    # integers
    ("T.tensor([5], dtype=T.uint8) < -1", "[False] bool", "[True] bool", "the number is compared as it is, not wrapped around to 255"),
    ("T.tensor([5], dtype=T.uint8) % 300", "raises", "[5] uint8", "PyTorch divides by 300 - 256 = 44; only sums, products and bits wrap around here"),
    ("T.tensor([5], dtype=T.uint8).clamp(min=-1)", "raises", "[255] uint8", "the same, of a bound or of a value to store (where, masked_fill, index_fill, scatter)"),
    ("T.tensor([1, 2]) ** T.tensor([-1, 2])", "raises", "[1, 4] int64", "integers to a negative power are fractions: PyTorch gives 0 but for a base of 1"),
    ("T.tensor([True]).square()", "[1] int8", "[1] int64", "powers of a bool are NumPy's"),
    ("T.tensor([3], dtype=T.uint8).any()", "True bool", "1 uint8", "all and any answer with a bool"),
    ("T.addmv(T.tensor([1]), T.ones(1, 1, dtype=T.int64), T.tensor([1]), beta=0.5)", "[1.5] float32", "[1] int64", "a fraction makes the result a float, as in arithmetic; so do alpha= and value="),
    ("F.avg_pool2d(T.tensor([[[1, 2], [3, 4]]]), 2)", "[[[2.5]]] float32", "[[[2]]] int64", "the mean of integers is a fraction"),
    ("T.tensor([1, 2]).lerp(T.tensor([3, 4]), 0.5)", "[2.0, 3.0] float32", "raises", "integers are computed as floats"),
    # step functions
    ("T.ones(1, requires_grad=True).floor().sum().backward()", "raises", "None", "floor, ceil, round, trunc, sign, //, rounding_mode and norm(0) are not recorded: a slope of 0 everywhere is no use, and backward says so"),
    ("[T.no_grad().__enter__(), T.is_grad_enabled(), T.set_grad_enabled(True)][1]", "True", "False", "who enters a block without a `with` keeps the object: what it has switched ends with it, so that no interrupt leaves recording off"),
    # numbers and shapes
    ("T.add(2, 3)", "5", "5 int64", "of plain numbers the result is a number"),
    ("T.arange(4)[::-1]", "[3, 2, 1, 0] int64", "raises", "slices run backwards, as in NumPy; the result is a view"),
    ("T.gather(T.tensor(5.0), 0, T.tensor([0, 0]))", "raises", "[5.0, 5.0] float32", "a 0-d tensor is not taken for a 1-d one"),
    ("T.multinomial(T.tensor([1.0, 0.0]), 2)", "raises", "[0, 1] int64", "what has the weight 0 is never drawn"),
    ("T.ones(1).to('float32')", "[1.0] float32", "raises", "a dtype may be named; it is NumPy's own"),
    ("T.maximum(T.ones(1), other=T.ones(1))", "raises", "[1.0] float32", "what is a row of the table (docs/operations.md) takes its tensors by position, which makes its call cheap"),
    ("[z := T.ones(2, requires_grad=True) * 1, z.__iadd__(1)][0]", "[1.0, 1.0] float32", "[2.0, 2.0] float32", "a recorded x += y gives the name x a new tensor: another name for the old one keeps the old value; x.add_(y) changes it for all names"),
    # networks and losses
    ("F.softmax(T.zeros(2))", "[0.5, 0.5] float32", "[0.5, 0.5] float32", "without dim the dimension is 0 for 0-d, 1-d and 3-d tensors and 1 for others, as there; PyTorch warns"),
    ("F.mse_loss(T.ones(2), T.ones(2, 1))", "raises", "0.0 float32", "a loss refuses shapes that would broadcast; PyTorch warns"),
    ("F.gaussian_nll_loss(T.ones(2, 1), T.ones(2), T.ones(2, 1))", "raises", "0.0 float32", "the same, without a warning"),
    ("F.embedding(T.tensor([0]), T.ones(1, 1), sparse=True)", "raises", "[[1.0]] float32", "there are no sparse gradients, and an argument is not ignored silently"),
]
