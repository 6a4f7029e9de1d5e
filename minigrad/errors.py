"""The engine's own exception."""


class GradientError(RuntimeError):
    """A mistake in the use of gradients: backward twice, a changed tensor, an in-place change of a leaf, ..."""
