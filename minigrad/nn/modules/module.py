"""`nn.modules.module`: PyTorch's place of what is defined in nn/module.py."""

from ..module import Module
