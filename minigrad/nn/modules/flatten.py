"""`nn.modules.flatten`: PyTorch's place of what is defined in nn/layers.py."""

from ..layers import Flatten, Unflatten
