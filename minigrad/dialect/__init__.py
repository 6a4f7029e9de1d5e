"""Dialect: PyTorch's words for what the core and ops/ compute. A dialect file may only rename.

attributes.py        what a tensor is, and how it leaves the engine
methods.py           operators and methods
functions/           public functions, a file for each family
creation.py          zeros, arange, tensor, ...
inplace.py           changes in place
gradients.py         autograd.grad, hooks
grad_modes.py        no_grad and its kin
numpy_protocols.py   NumPy's functions on Tensors
printing.py, settings.py, layout.py, size.py, typed.py
"""


def bind_words() -> None:
    """Give Tensor and Node PyTorch's words."""
    from .gradients import bind_to_node
    from .methods import bind_to_tensor
    from .numpy_protocols import bind_protocols

    bind_to_tensor()
    bind_to_node()
    bind_protocols()
