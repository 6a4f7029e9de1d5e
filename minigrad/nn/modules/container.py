"""`nn.modules.container`: PyTorch's place of what is defined in nn/containers.py."""

from ..containers import ModuleDict, ModuleList, ParameterList, Sequential
