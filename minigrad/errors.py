"""The engine's own exceptions."""


class GradientError(RuntimeError):
    """A mistake in the use of gradients: backward twice, a changed tensor, an in-place change of a leaf, ..."""


class DivisionByZeroError(GradientError, ZeroDivisionError):
    """An integer divided by 0. (A float divided by 0 is infinite or NaN.)"""
