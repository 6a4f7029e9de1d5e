"""`minigrad.nn.functional`: layers and losses as functions, with PyTorch's arguments."""

from ...dialect.convolution import conv1d, conv2d, conv_transpose2d
from ...dialect.functions import softplus
from ...dialect.pooling import adaptive_avg_pool2d, avg_pool1d, avg_pool2d, max_pool1d, max_pool2d
from .activations import (
    celu,
    elu,
    gelu,
    glu,
    gumbel_softmax,
    hardsigmoid,
    hardswish,
    hardtanh,
    leaky_relu,
    log_softmax,
    logsigmoid,
    mish,
    normalize,
    relu,
    relu6,
    selu,
    sigmoid,
    silu,
    softmax,
    softmin,
    softsign,
    tanh,
    tanhshrink,
)
from .batch_norm import batch_norm
from .layers import (
    cosine_similarity,
    dropout,
    embedding,
    layer_norm,
    linear,
    one_hot,
    pad,
)
from .losses import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cross_entropy,
    gaussian_nll_loss,
    huber_loss,
    kl_div,
    l1_loss,
    mse_loss,
    nll_loss,
    poisson_nll_loss,
    smooth_l1_loss,
)
