"""Probability distributions as policies use them: draw an action, and know how probable it was.

    dist = Categorical(logits=policy(states))
    actions = dist.sample()
    loss = -(dist.log_prob(actions) * advantages).mean() - 0.01 * dist.entropy().mean()

The names, arguments and shapes are PyTorch's `torch.distributions`. Two things are stricter: see distribution.py.
"""

from . import constraints
from .bernoulli import Bernoulli
from .categorical import Categorical
from .distribution import Distribution, ParameterError
from .independent import DiagonalNormal, Independent
from .kl import kl_divergence, register_kl
from .normal import Normal
from .squashed import SquashedNormal

__all__ = [
    "Bernoulli",
    "Categorical",
    "DiagonalNormal",
    "Distribution",
    "Independent",
    "Normal",
    "ParameterError",
    "SquashedNormal",
    "constraints",
    "kl_divergence",
    "register_kl",
]
