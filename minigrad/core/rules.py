"""Rules: how a row is declared, and the first rows. ops/ has the others, a chapter for each family.

    tanh = op(np.tanh, vjp=lambda g, y: g * (1 - y * y))

In a rule g is the cotangent of the output y. A rule works on arrays, and on Tensors when backward is recorded. So
every linear operation comes with its adjoint, and they are each other's rule.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import errors
from .call import bind
from .operation import Operation, argument_names
from .tensor import Tensor


def op(
    forward: Callable, vjp: Any = None, *, name: str | None = None, in_table: bool = True, **properties: Any
) -> Callable[..., Any]:
    """Declare an operation. Returns the function that computes and records it.

    forward: a ufunc of NumPy's, or a function of arrays (the inputs) and then parameters, all positional.
    vjp: one rule for an operation of one input, or input name -> rule; None if nothing can be differentiated.
    name: the row's name; the forward's own by default. in_table: whether it becomes a row of the table.
    properties: elementwise (by default, whether `forward` is a ufunc), fractional, view, ...: see `Operation`.
    """
    rules = vjp if isinstance(vjp, dict) else {} if vjp is None else {argument_names(forward)[0]: vjp}
    properties.setdefault("elementwise", isinstance(forward, np.ufunc))
    return bind(Operation(name or forward.__name__.strip("_"), forward, rules, **properties), in_table)


add = op(np.add, vjp=dict(a=lambda g: g, b=lambda g: g))
subtract = op(np.subtract, vjp=dict(a=lambda g: g, b=lambda g: -g))
multiply = op(np.multiply, vjp=dict(a=lambda g, b: g * b, b=lambda g, a: g * a))
divide = op(np.divide, vjp=dict(a=lambda g, b: g / b, b=lambda g, y, b: -g * y / b), fractional=True)
negative = op(np.negative, vjp=lambda g: -g)
tanh = op(np.tanh, vjp=lambda g, y: g * (1 - y * y), fractional=True)
cast = op(lambda x, dtype, source: x.astype(dtype), vjp=lambda g, dtype, source: cast(g, source, dtype), name="cast")
clone = op(lambda x: x.copy(), vjp=lambda g: g, name="clone")


def differentiate_base(g: Any, a: Any, b: Any) -> Any:
    """g · b · a**(b - 1). Where b = 0 the slope is 0, also where a ** -1 is infinite or a is NaN."""
    if isinstance(b, int | float):
        return g * b * a ** (b - 1) if b else g * 0
    return g * b * np.where(b == 0, 1.0, a) ** (b - 1)


def differentiate_exponent(g: Any, y: Any, a: Any, b: Any) -> Any:
    """g · y · log(a). Where a = 0 and b >= 0, the power is 0 all around: the slope is 0, not 0 · log 0."""
    if not isinstance(a, int | float):
        return g * y * np.log(np.where((b >= 0) & (a == 0), 1.0, a))
    if a == 0:
        return np.where(b >= 0, 0.0, -g * y)  # where b < 0, y is infinite
    return g * y * (math.log(a) if a > 0 else math.nan)  # as a Python number, which does not bring a dtype of its own


power = op(lambda a, b: a**b, vjp=dict(a=differentiate_base, b=differentiate_exponent), name="pow", elementwise=True)


def sum_dimensions(x: Any, shape: tuple[int, ...]) -> Any:
    """The sum over what broadcasting from `shape` to the shape of x repeats. To () it is the sum of everything."""
    extra = x.ndim - len(shape)
    stretched = [i + extra for i, n in enumerate(shape) if n == 1 and x.shape[i + extra] != 1]
    return np.add.reduce(x, axis=(*range(extra), *stretched)).reshape(shape)


sum_to = op(sum_dimensions, vjp=lambda g, x_shape: broadcast_to(g, x_shape), name="sum_to")
repeat_dimensions = lambda x, shape: np.broadcast_to(x, shape)
broadcast_to = op(repeat_dimensions, vjp=lambda g, x_shape: sum_to(g, x_shape), name="broadcast_to", view=True)


def undo_broadcasting(g: Any, shape: tuple[int, ...]) -> Any:
    """The cotangent of an input of this shape that was broadcast."""
    return g if getattr(g, "shape", shape) == shape else sum_to(g, shape)


def differentiate_left(g: Any, b: Any, a_shape: tuple[int, ...]) -> Any:
    """Ā = Ȳ Bᵀ, for Y = A B. A vector on the left counts as a row, a vector on the right as a column (Giles 2008)."""
    if len(b.shape) == 1:
        g, b = np.expand_dims(g, -1), np.expand_dims(b, 1)
    if len(a_shape) == 1:
        g = np.expand_dims(g, -2)
    return undo_broadcasting(g @ (b.T if len(b.shape) == 2 else np.swapaxes(b, -1, -2)), a_shape)


def differentiate_right(g: Any, a: Any, b_shape: tuple[int, ...]) -> Any:
    """B̄ = Aᵀ Ȳ, for Y = A B."""
    if len(b_shape) == 1:
        g = np.expand_dims(g, -1)
    if len(a.shape) == 1:
        g, a = np.expand_dims(g, -2), np.expand_dims(a, 0)
    product = (a.T if len(a.shape) == 2 else np.swapaxes(a, -1, -2)) @ g
    return undo_broadcasting(product if len(b_shape) > 1 else np.reshape(product, product.shape[:-1]), b_shape)


def multiply_matrices(a: Any, b: Any) -> Any:
    """a @ b, of vectors, matrices and stacks of matrices."""
    if a.dtype != b.dtype:
        raise errors.product_needs_one_dtype("matmul", a, b)
    return np.matmul(a, b)


matmul = op(multiply_matrices, vjp=dict(a=differentiate_left, b=differentiate_right), name="matmul")

Tensor.__add__ = Tensor.__radd__ = add
Tensor.__mul__ = Tensor.__rmul__ = multiply
Tensor.__sub__, Tensor.__rsub__ = subtract, lambda x, other: subtract(other, x)
Tensor.__truediv__, Tensor.__rtruediv__ = divide, lambda x, other: divide(other, x)
Tensor.__pow__, Tensor.__rpow__ = power, lambda x, other: power(other, x)
Tensor.__matmul__, Tensor.__rmatmul__ = matmul, lambda x, other: matmul(other, x)
Tensor.__neg__ = negative
