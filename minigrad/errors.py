"""The engine's exceptions, and the texts of what the core refuses: what was given, what was expected, how to mend."""

from __future__ import annotations

import warnings
from typing import Any


class GradientError(RuntimeError):
    """A mistake in the use of gradients: backward twice, a changed tensor, an in-place change of a leaf, ..."""


class DivisionByZeroError(GradientError, ZeroDivisionError):
    """An integer divided by 0. (A float divided by 0 is infinite or NaN.)"""


class CaptureError(RuntimeError):
    """Something that a captured step cannot repeat (see speed/capture/)."""


class RuleError(GradientError):
    """A derivative rule has made something that cannot be the gradient of its input."""


def describe(x: Any) -> str:
    """The shape, dtype and device of a tensor or an array, for a message."""
    array = getattr(x, "array", x)
    return f"shape {tuple(array.shape)} and dtype {array.dtype}"


def name_value(x: Any) -> str:
    """What x is, for a message: None, the float 2.0, a list."""
    kind = type(x).__name__
    return "None" if x is None else f"the {kind} {x}" if isinstance(x, int | float) else f"a {kind}"


def find_device(x: Any) -> str:
    """The module that the array comes from, for a message: numpy on the CPU, cupy on a GPU."""
    return "cpu" if type(getattr(x, "array", x)).__module__.startswith("numpy") else "cuda:0"


# -- declaring and calling a row --------------------------------------------------------------------------


def needs_named_arguments(function: Any) -> TypeError:
    """The forward or a rule of a row is something whose arguments have no names, or have defaults."""
    return TypeError(
        f"an operation's forward and rules must be functions with named arguments and no defaults, got {function!r}; "
        "write a lambda that calls it: lambda x: ..., of a rule lambda g, x: ..."
    )


def forward_returns_no_array(name: str, y: Any) -> TypeError:
    """The forward of a row has returned a number, a list, a Tensor."""
    return TypeError(
        f"{name}: the forward has returned {name_value(y)}; expected an array: NumPy's functions of the inputs make "
        "one, and np.asarray(..., x.dtype) does"
    )


def wrong_number_of_arguments(name: str, expected: int, given: int) -> TypeError:
    """A row was called with too many or too few arguments."""
    arguments = "argument" if expected == 1 else "arguments"
    return TypeError(f"{name}() takes {expected} positional {arguments} but {given} were given; rows have no defaults")


def not_differentiable(name: str, input: str) -> GradientError:
    """A row has no rule for an input that requires a gradient."""
    return GradientError(
        f"{name}: cannot be differentiated with respect to '{input}'; .detach() it if it is meant as a constant"
    )


def product_needs_one_dtype(name: str, a: Any, b: Any) -> GradientError:
    """The operands of a matrix product have two dtypes."""
    return GradientError(
        f"{name}: one operand is {a.dtype} with shape {a.shape}, the other {b.dtype} with shape {b.shape}; "
        "a matrix product needs one dtype: convert one of them with .float() or .double()"
    )


# -- tensors ----------------------------------------------------------------------------------------------


def only_floats_require_gradients(dtype: Any) -> GradientError:
    """requires_grad was set on a tensor of integers or bools."""
    return GradientError(
        f"requires_grad: only floating-point tensors can require gradients, this one is {dtype}; "
        "convert it first, with .float()"
    )


def only_leaves_stop_recording(name: str) -> GradientError:
    """requires_grad was taken from a tensor that an operation has made."""
    return GradientError(
        f"requires_grad: can be switched off on leaves only, but this tensor was made by '{name}'; "
        "use .detach() to get a tensor that does not require a gradient"
    )


def gradient_does_not_fit(array: Any, given: Any) -> Exception:
    """`.grad` was assigned something that is no gradient of this tensor."""
    if not hasattr(given, "array"):
        return TypeError(f"grad: expected a Tensor or None, got {type(given).__name__}; wrap it with as_tensor")
    if find_device(array) != find_device(given):
        return GradientError(
            f"grad: this tensor is on {find_device(array)}, the gradient given on {find_device(given)}; "
            "move it with .to()"
        )
    return GradientError(
        f"grad: this tensor has {describe(array)}, the gradient given has {describe(given)}; they must be the same"
    )


# -- backward ---------------------------------------------------------------------------------------------


def no_graph(who: str, x: Any) -> GradientError:
    """Backward was started from a tensor that does not require a gradient."""
    return GradientError(
        f"{who}: the tensor (shape {x.shape}) does not require a gradient: nothing it was computed from does, "
        "or it was made under no_grad or by detach(); call requires_grad_() on the leaves you want gradients of"
    )


def no_scalar(who: str, x: Any) -> GradientError:
    """Backward was started from several numbers, without a cotangent."""
    return GradientError(
        f"{who}: a gradient can be started implicitly only from a tensor of one element, this one has "
        f"shape {x.shape}; reduce it first (.sum() or .mean()) or pass gradient="
    )


def as_many_gradients(who: str, tensors: int, gradients: int) -> GradientError:
    """As many cotangents as tensors are needed to start from."""
    return GradientError(f"{who}: {tensors} tensors but {gradients} gradients; give one for each")


def start_does_not_fit(who: str, x: Any, g: Any) -> Exception:
    """The cotangent to start from is none of this tensor."""
    if not hasattr(g, "array"):
        return TypeError(f"{who}: gradient must be a Tensor, got {type(g).__name__}; wrap it with as_tensor")
    if find_device(x) != find_device(g):
        return GradientError(
            f"{who}: the gradient is on {find_device(g)}, the tensor on {find_device(x)}; "
            f"move it with .to('{find_device(x)}')"
        )
    return GradientError(f"{who}: gradient has shape {g.shape}, the tensor {x.shape}; they must be the same")


def no_inputs() -> GradientError:
    """backward(inputs=[])."""
    return GradientError("backward: inputs is empty; leave it out to reach every leaf")


def input_without_gradient(i: int, x: Any) -> GradientError:
    """grad was asked for the derivative by a tensor that does not require one."""
    return GradientError(
        f"grad: input {i} (shape {x.shape}) does not require a gradient; call requires_grad_() on it before it is used"
    )


def unused_input(i: int, x: Any) -> GradientError:
    """grad was asked for the derivative by a tensor that the outputs do not depend on."""
    return GradientError(
        f"grad: the outputs do not depend on input {i} (shape {x.shape}); "
        "pass allow_unused=True to get None for it, if that is meant"
    )


def warn_of_cycle() -> None:
    """backward(create_graph=True): the graph of a gradient holds the leaf that holds the gradient."""
    warnings.warn(
        "backward: with create_graph=True a leaf and its .grad hold each other, so their memory is freed late, by the "
        "garbage collector; use autograd.grad(..., create_graph=True), or set .grad to None afterwards",
        stacklevel=3,
    )


def graph_is_gone(name: str) -> GradientError:
    """Backward has passed here before."""
    return GradientError(
        f"backward: the graph was freed by an earlier backward at '{name}'; pass retain_graph=True to the earlier "
        "call, or compute the loss anew (adding the losses and calling backward once does both in one pass)"
    )


def rule_does_not_fit(name: str, place: Any, dx: Any) -> RuleError:
    """A rule has made a cotangent that its input cannot have. `place`: the leaf or the node that it is for."""
    if not hasattr(dx, "shape"):
        return RuleError(
            f"backward: the rule of '{name}' has returned {name_value(dx)}; expected an array of its input's shape, "
            "computed from g: for a slope of 2 write g * 2"
        )
    return RuleError(
        f"backward: the rule of '{name}' has made a cotangent of {describe(dx)} for a leaf of {describe(place)}; "
        "they must be the same: the rule is wrong, check it with gradcheck"
    )


def hook_must_return(g: Any, returned: Any) -> GradientError:
    """A gradient hook has returned something that cannot replace the gradient."""
    return GradientError(
        f"a gradient hook must return None or a Tensor of {describe(g)}, "
        f"it returned {describe(returned) if hasattr(returned, 'array') else type(returned).__name__}; "
        "return one of the same, e.g. with .expand() or .to()"
    )
