"""`minigrad.nn.functional`: layers and losses as functions, with PyTorch's arguments."""

from ...ops.convolution import conv1d, conv2d, conv_transpose2d
from ...ops.normalization import batch_norm
from ...ops.pooling import adaptive_avg_pool2d, avg_pool1d, avg_pool2d, max_pool1d, max_pool2d
from .activations import elu, leaky_relu, log_softmax, logsigmoid, relu, sigmoid, softmax, softplus, tanh
from .layers import dropout, embedding, linear, one_hot
from .losses import (
    binary_cross_entropy_with_logits,
    cross_entropy,
    huber_loss,
    l1_loss,
    mse_loss,
    nll_loss,
    smooth_l1_loss,
)
