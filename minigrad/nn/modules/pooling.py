"""`nn.modules.pooling`: PyTorch's place of what is defined in nn/convolution.py."""

from ..convolution import AdaptiveAvgPool2d, AvgPool2d, MaxPool1d, MaxPool2d
