"""`nn.modules.batchnorm`: PyTorch's place of what is defined in nn/normalization.py."""

from ..normalization import BatchNorm1d, BatchNorm2d
