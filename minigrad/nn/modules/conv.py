"""`nn.modules.conv`: PyTorch's place of what is defined in nn/convolution.py."""

from ..convolution import Conv1d, Conv2d, ConvTranspose2d
