"""The Kullback–Leibler divergence, how much two distributions differ from the first one's point of view:

    KL(p ‖ q) = E_p[log p(x) - log q(x)]

TRPO bounds it, PPO watches it, and both need it exactly: each pair of distributions has its closed form here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.tensor import Tensor, wrap
from ..dialect.functions import softplus
from ..ops import arithmetic, reductions
from ..ops.shapes import fits
from .bernoulli import Bernoulli
from .categorical import Categorical
from .constraints import smallest
from .distribution import Distribution
from .independent import Independent
from .normal import Normal
from .squashed import SquashedNormal

_FORMULAS: dict[tuple[type, type], Callable[[Any, Any], Tensor]] = {}


def register_kl(type_p: type, type_q: type) -> Callable:
    """Decorator: the function (p, q) below it is KL(p ‖ q) for these types and what is derived from them."""
    for kind in (type_p, type_q):
        if not (isinstance(kind, type) and issubclass(kind, Distribution)):
            raise TypeError(f"register_kl: expected a subclass of Distribution, got {kind!r}")

    def register(formula: Callable[[Any, Any], Tensor]) -> Callable[[Any, Any], Tensor]:
        _FORMULAS[type_p, type_q] = formula
        return formula

    return register


def kl_divergence(p: Distribution, q: Distribution) -> Tensor:
    """KL(p ‖ q) of shape batch_shape, differentiable in the parameters of both.

    Raises NotImplementedError for a pair without a formula (see `register_kl`), and ValueError if the shapes of p and
    q are such that broadcasting would compare every p with every q.
    """
    formula = _FORMULAS.get((type(p), type(q))) or find_inherited(type(p), type(q))
    if formula is None:
        raise NotImplementedError(
            f"kl_divergence: there is no formula for KL({type(p).__name__} ‖ {type(q).__name__}); add one with "
            "register_kl, or estimate it: (p.log_prob(x) - q.log_prob(x)).mean(0) for x = p.sample((n,))"
        )
    if not fits(p.batch_shape, q.batch_shape) and not fits(q.batch_shape, p.batch_shape):
        raise ValueError(
            f"kl_divergence: p has batch_shape {p.batch_shape} and q {q.batch_shape}; reshape the parameters of one, "
            "because broadcasting would compare every p with every q"
        )
    return formula(p, q)


def find_inherited(type_p: type, type_q: type) -> Callable | None:
    """The formula of the nearest ancestors."""
    near = [
        (i + j, i, _FORMULAS[a, b])
        for i, a in enumerate(type_p.__mro__)
        for j, b in enumerate(type_q.__mro__)
        if (a, b) in _FORMULAS
    ]
    return min(near, key=lambda found: found[:2])[2] if near else None


@register_kl(Categorical, Categorical)
def _categorical(p: Categorical, q: Categorical) -> Tensor:
    """Σ_k p_k (log p_k - log q_k), where p_k = 0 counts nothing, and q_k = 0 < p_k is infinite."""
    if p.param_shape[-1] != q.param_shape[-1]:
        raise ValueError(f"kl_divergence: p chooses among {p.param_shape[-1]}, q among {q.param_shape[-1]}")
    log_p, log_q, probs = p.logits, q.logits, p.probs
    never_p, never_q = find_impossible(p), find_impossible(q)
    if never_p is None and never_q is None:
        return reductions.sum_(probs * (log_p - log_q), -1, False)
    # Replaced before the difference is formed: ∞ - ∞ would be NaN, in the gradient even where it is not chosen.
    terms = probs * (
        replace_impossible(never_q, replace_impossible(never_p, log_p))
        - replace_impossible(never_p, replace_impossible(never_q, log_q))
    )
    if never_q is not None:
        terms = arithmetic.where(wrap(never_q if never_p is None else never_q & ~never_p), np.inf, terms)
    return reductions.sum_(terms, -1, False)


def replace_impossible(never: Any, log_p: Tensor) -> Tensor:
    """0 in the place of what never happens."""
    return log_p if never is None else arithmetic.where(wrap(never), 0.0, log_p)


def find_impossible(dist: Categorical) -> Any:
    """Where a choice has probability 0, as a mask; None if it can be seen at once that there is no such choice."""
    if dist._probs is not None:
        return dist._probs.array == 0
    log_p = dist.logits.array
    return None if not log_p.size or smallest(log_p) > -np.inf else log_p == -np.inf


@register_kl(Normal, Normal)
def _normal(p: Normal, q: Normal) -> Tensor:
    """½ (r² + ((μ_p - μ_q) / σ_q)² - 1 - log r²) with r = σ_p / σ_q."""
    ratio = arithmetic.square(p.scale / q.scale)
    apart = arithmetic.square((p.loc - q.loc) / q.scale)
    return 0.5 * (ratio + apart - 1 - arithmetic.log(ratio))


@register_kl(Bernoulli, Bernoulli)
def _bernoulli(p: Bernoulli, q: Bernoulli) -> Tensor:
    """The sum over x = 1 and x = 0 of p(x) (log p(x) - log q(x)); log p(1) = -softplus(-l), log p(0) = -softplus(l)."""
    one = p.probs
    zero: Tensor = 1 - one  # type: ignore[assignment]
    kl_one = one * (softplus(-q.logits) - softplus(-p.logits))
    kl_zero = zero * (softplus(q.logits) - softplus(p.logits))
    if q._probs is not None:  # what q rules out and p doesn't
        kl_one = arithmetic.where(wrap((q._probs.array == 0) & (one.array > 0)), np.inf, kl_one)
        kl_zero = arithmetic.where(wrap((q._probs.array == 1) & (zero.array > 0)), np.inf, kl_zero)
    return kl_one + kl_zero


@register_kl(Independent, Independent)
def _independent(p: Independent, q: Independent) -> Tensor:
    """The sum over the event."""
    if p.event_shape != q.event_shape or p.reinterpreted_batch_ndims != q.reinterpreted_batch_ndims:
        raise NotImplementedError(
            f"kl_divergence: p has event_shape {p.event_shape} and q {q.event_shape}; they must be the same, and "
            "reinterpreted_batch_ndims too"
        )
    return p._sum_events(kl_divergence(p.base_dist, q.base_dist))


@register_kl(SquashedNormal, SquashedNormal)
def compare_squashed(p: SquashedNormal, q: SquashedNormal) -> Tensor:
    """That of the normals: squashing both in the same way changes no ratio of densities."""
    if not (np.array_equal(p.low, q.low) and np.array_equal(p.high, q.high)):
        raise NotImplementedError(
            f"kl_divergence: p is squashed to [{p.low}, {p.high}] and q to [{q.low}, {q.high}]; between different "
            "bounds there is no formula"
        )
    return kl_divergence(p.base_dist, q.base_dist)
