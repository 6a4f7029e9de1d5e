"""Which operation answers to which operator and method of Tensor. (The core has bound + - * / ** @.)"""

from __future__ import annotations

from typing import Any

from .. import dtypes
from ..core.tensor import Tensor
from ..device import CPU
from ..ops import arithmetic as a
from ..ops import losses, special
from ..ops.shapes import axis
from . import attributes, creation, gradients, inplace, layout, printing
from . import functions as f
from .inplace import define_operator, in_place

# -- operators --------------------------------------------------------------------------------------------


def is_comparable(x: Any) -> bool:
    """Whether `tensor == x` compares elements; with None or a string Python finds that the two differ."""
    return hasattr(x, "dtype") or isinstance(x, int | float)


OPERATORS = {
    "__pos__": f.positive,
    "__abs__": a.absolute,
    "__invert__": a.invert,
    "__floordiv__": f.floor_divide,
    "__rfloordiv__": lambda x, other: f.floor_divide(other, x),
    "__mod__": f.remainder,
    "__rmod__": lambda x, other: f.remainder(other, x),
    "__lt__": a.less,
    "__le__": a.less_equal,
    "__gt__": a.greater,
    "__ge__": a.greater_equal,
    "__eq__": lambda x, other: a.equal(x, other) if is_comparable(other) else NotImplemented,
    "__ne__": lambda x, other: a.not_equal(x, other) if is_comparable(other) else NotImplemented,
    "__and__": a.bitwise_and,
    "__rand__": a.bitwise_and,
    "__or__": a.bitwise_or,
    "__ror__": a.bitwise_or,
    "__xor__": a.bitwise_xor,
    "__rxor__": a.bitwise_xor,
    "__lshift__": a.left_shift,
    "__rlshift__": lambda x, other: a.left_shift(other, x),
    "__rshift__": a.right_shift,
    "__rrshift__": lambda x, other: a.right_shift(other, x),
    "__getitem__": inplace.getitem,
    "__setitem__": inplace.setitem,
}

# -- methods ----------------------------------------------------------------------------------------------


def _softmax(self: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """exp(self) / Σ exp(self) along `dim`, computed in `dtype`."""
    return losses.softmax(self if dtype is None else f.to(self, dtype), axis(dim, self.ndim))


def _log_softmax(self: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """log softmax(self), without underflow, computed in `dtype`."""
    return losses.log_softmax(self if dtype is None else f.to(self, dtype), axis(dim, self.ndim))


def _type(self: Tensor, dtype: Any = None, non_blocking: bool = False) -> Any:
    """The name of the tensor's type, or the tensor converted to `dtype` (see typed.py)."""
    from .typed import type_

    return type_(self, dtype)


METHODS = {
    "neg": a.negative,
    "negative": a.negative,
    "abs": a.absolute,
    "absolute": a.absolute,
    "add": f.add,
    "sub": f.sub,
    "subtract": f.sub,
    "mul": a.multiply,
    "multiply": a.multiply,
    "div": f.div,
    "divide": f.div,
    "true_divide": a.divide,
    "floor_divide": f.floor_divide,
    "remainder": f.remainder,
    "pow": a.power,
    "sqrt": a.sqrt,
    "square": a.square,
    "exp": a.exp,
    "expm1": a.expm1,
    "log": a.log,
    "log1p": a.log1p,
    "tanh": a.tanh,
    "sigmoid": a.sigmoid,
    "relu": a.relu,
    "sin": special.sin,
    "cos": special.cos,
    "tan": special.tan,
    "atan": special.atan,
    "atan2": special.atan2,
    "atanh": special.atanh,
    "log2": special.log2,
    "log10": special.log10,
    "logaddexp": special.logaddexp,
    "reciprocal": special.reciprocal,
    "rsqrt": special.rsqrt,
    "erf": special.erf,
    "erfc": special.erfc,
    "erfinv": special.erfinv,
    "arctan": special.atan,
    "arctan2": special.atan2,
    "arctanh": special.atanh,
    "sign": a.sign,
    "floor": a.floor,
    "ceil": a.ceil,
    "round": f.round,
    "lerp": f.lerp,
    "maximum": a.maximum,
    "minimum": a.minimum,
    "clamp": f.clamp,
    "clip": f.clamp,
    "where": lambda x, condition, other: f.where(condition, x, other),
    "masked_fill": f.masked_fill,
    "masked_select": f.masked_select,
    "lt": a.less,
    "le": a.less_equal,
    "gt": a.greater,
    "ge": a.greater_equal,
    "eq": a.equal,
    "ne": a.not_equal,
    "logical_and": a.logical_and,
    "logical_or": a.logical_or,
    "logical_not": a.logical_not,
    "isnan": a.isnan,
    "isinf": a.isinf,
    "isfinite": a.isfinite,
    "equal": f.equal,
    "allclose": f.allclose,
    "isclose": f.isclose,
    "sum": f.sum,
    "mean": f.mean,
    "var": f.var,
    "std": f.std,
    "max": f.max,
    "min": f.min,
    "amax": f.amax,
    "amin": f.amin,
    "argmax": f.argmax,
    "argmin": f.argmin,
    "all": f.all,
    "any": f.any,
    "prod": f.prod,
    "logsumexp": f.logsumexp,
    "norm": f.norm,
    "cumsum": f.cumsum,
    "matmul": f.matmul,
    "reshape": f.reshape,
    "view": f.view,
    "view_as": lambda x, other: f.view(x, *other.shape),
    "reshape_as": lambda x, other: f.reshape(x, *other.shape),
    "flatten": f.flatten,
    "squeeze": f.squeeze,
    "unsqueeze": f.unsqueeze,
    "transpose": f.transpose,
    "t": f.t,
    "permute": f.permute,
    "expand": f.expand,
    "expand_as": f.expand_as,
    "repeat": f.repeat,
    "flip": f.flip,
    "roll": f.roll,
    "narrow": f.narrow,
    "split": f.split,
    "chunk": f.chunk,
    "unbind": f.unbind,
    "gather": f.gather,
    "scatter_add": f.scatter_add,
    "index_select": f.index_select,
    "softmax": _softmax,
    "log_softmax": _log_softmax,
    "clone": f.clone,
    "contiguous": f.contiguous,
    "to": f.to,
    "type_as": lambda x, other: f.to(x, other),
    "float": lambda x: f.to(x, dtypes.float32),
    "double": lambda x: f.to(x, dtypes.float64),
    "long": lambda x: f.to(x, dtypes.int64),
    "int": lambda x: f.to(x, dtypes.int32),
    "bool": lambda x: f.to(x, dtypes.bool),
    "cpu": lambda x: f.to(x, device=CPU),
    "cuda": lambda x, device=None, non_blocking=False: f.to(x, device="cuda" if device is None else device),
    "copy_": inplace.copy_,
    "fill_": inplace.fill_,
    "zero_": inplace.zero_,
    "uniform_": inplace.uniform_,
    "normal_": inplace.normal_,
    "bernoulli_": inplace.bernoulli_,
    "random_": inplace.random_,
    "exponential_": inplace.exponential_,
    "add_": in_place("add_", f.add),
    "sub_": in_place("sub_", f.sub),
    "mul_": in_place("mul_", a.multiply),
    "div_": in_place("div_", f.div),
    "pow_": in_place("pow_", a.power),
    "neg_": in_place("neg_", a.negative),
    "abs_": in_place("abs_", a.absolute),
    "sqrt_": in_place("sqrt_", a.sqrt),
    "exp_": in_place("exp_", a.exp),
    "log_": in_place("log_", a.log),
    "tanh_": in_place("tanh_", a.tanh),
    "relu_": in_place("relu_", a.relu),
    "sigmoid_": in_place("sigmoid_", a.sigmoid),
    "clamp_": in_place("clamp_", f.clamp),
    "clip_": in_place("clip_", f.clamp),
    "lerp_": in_place("lerp_", f.lerp),
    "masked_fill_": in_place("masked_fill_", f.masked_fill),
    "scatter_add_": in_place("scatter_add_", f.scatter_add),
}

SAME_NAME = (
    "addcdiv addcmul addmm addmv argsort baddbmm bernoulli bincount bmm broadcast_to clamp_max clamp_min "
    "count_nonzero cumprod diag diag_embed diagonal dot fill_diagonal_ frac index_add index_copy index_fill kthvalue "
    "masked_scatter median mm movedim multinomial mv nan_to_num nonzero outer positive ravel repeat_interleave scatter "
    "select sort take take_along_dim tile topk trace tril triu unflatten unique"
)
"""Methods that are the function of the same name."""
for _name in SAME_NAME.split():
    METHODS[_name] = getattr(f, _name)
METHODS |= {
    "fmod": f.fmod,
    "trunc": a.trunc,
    "fix": a.trunc,
    "sgn": a.sign,
    "ger": f.outer,
    "not_equal": a.not_equal,
    "less": a.less,
    "less_equal": a.less_equal,
    "greater": a.greater,
    "greater_equal": a.greater_equal,
    "logical_xor": a.logical_xor,
    "bitwise_and": a.bitwise_and,
    "bitwise_or": a.bitwise_or,
    "bitwise_xor": a.bitwise_xor,
    "bitwise_not": a.invert,
    "bitwise_left_shift": a.left_shift,
    "bitwise_right_shift": a.right_shift,
    "xlogy": f.xlogy,
    "moveaxis": f.movedim,
    "swapaxes": f.swapaxes,
    "swapdims": f.transpose,
    "short": lambda x: f.to(x, dtypes.int16),
    "char": lambda x: f.to(x, dtypes.int8),
    "byte": lambda x: f.to(x, dtypes.uint8),
    "type": _type,
    **{f"new_{n}": getattr(creation, f"new_{n}") for n in ("zeros", "ones", "empty", "full", "tensor")},
    **layout.METHODS,
    **gradients.METHODS,
    **printing.METHODS,
    **attributes.METHODS,
}
IN_PLACE_TOO = (
    "addcdiv addcmul addmm atan bitwise_and bitwise_or bitwise_xor ceil clamp_max clamp_min cos cumprod cumsum "
    "erf expm1 floor floor_divide fmod frac index_add index_copy index_fill log10 log1p log2 masked_scatter "
    "nan_to_num reciprocal remainder round rsqrt scatter sign sin square tan tril triu trunc"
)
"""Methods that have a twin with an underscore, which changes the tensor in place."""
for _name in IN_PLACE_TOO.split():
    _operation: Any = METHODS[_name]
    METHODS[f"{_name}_"] = in_place(f"{_name}_", _operation)


for _symbol, _name, _operation in (
    ("+=", "add", f.add),
    ("-=", "sub", f.sub),
    ("*=", "mul", a.multiply),
    ("/=", "div", f.div),
    ("**=", "pow", a.power),
    ("//=", "floor_divide", f.floor_divide),
    ("%=", "remainder", f.remainder),
    ("&=", "bitwise_and", a.bitwise_and),
    ("|=", "bitwise_or", a.bitwise_or),
    ("^=", "bitwise_xor", a.bitwise_xor),
):
    _operator = {"div": "truediv", "floor_divide": "floordiv", "remainder": "mod"}.get(_name, _name)
    OPERATORS[f"__i{_operator.removeprefix('bitwise_')}__"] = define_operator(_symbol, _operation, f"{_name}_")


def reverse_dimensions(self: Tensor) -> Tensor:
    """The dimensions in reverse order: a matrix's transpose."""
    return f.permute(self, *range(self.ndim - 1, -1, -1)) if self.ndim != 2 else f.transpose(self, 0, 1)


def transpose_matrices(self: Tensor) -> Tensor:
    """The last two dimensions exchanged."""
    return f.transpose(self, -2, -1)


PROPERTIES = {
    "T": reverse_dimensions,
    "mT": transpose_matrices,
    **layout.PROPERTIES,
    **gradients.PROPERTIES,
    **attributes.PROPERTIES,
}


def bind_to_tensor() -> None:
    """Give Tensor its operators, methods and properties."""
    for name, method in {**OPERATORS, **METHODS}.items():
        setattr(Tensor, name, method)
    for name, attribute in PROPERTIES.items():
        setattr(Tensor, name, property(attribute))
    Tensor.data = property(attributes.data, attributes.set_data)
    Tensor.grad = Tensor.grad.setter(gradients.set_grad).deleter(lambda self: gradients.set_grad(self, None))  # type: ignore[attr-defined,method-assign]
