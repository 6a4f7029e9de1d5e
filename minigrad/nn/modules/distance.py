"""`nn.modules.distance`: PyTorch's place of what is defined in nn/layers.py."""

from ..layers import CosineSimilarity
