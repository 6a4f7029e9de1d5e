"""Conjugate gradients: A x = b solved without A, from products of A with vectors alone.

    x ← x + α p      α = rᵀr / pᵀA p         as far along p as it helps
    r ← r - α A p                            what is left of b
    p ← r + β p      β = r'ᵀr' / rᵀr         A-conjugate to all directions before: none of their work is undone

A must be symmetric and positive definite. In exact arithmetic n steps solve n equations, and a few come near where A's
eigenvalues lie in a few clusters.

Hestenes and Stiefel, "Methods of conjugate gradients for solving linear systems", Journal of Research of the National
Bureau of Standards 49 (1952), section 3; Nocedal and Wright, "Numerical optimization" (2006), algorithm 5.2.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def conjugate_gradients(
    product: Callable[[Any], Any], b: Any, iterations: int, tolerance: float = 1e-5
) -> Any:
    """x, (n,), with A x ≈ b, for `product`(v) = A v. Ends after so many `iterations`, or once what is left of b is no
    longer than `tolerance` times b. Vectors are arrays or tensors.

    Raises ValueError for a b that isn't a vector, and for a product of another shape: (n,) less (n, 1) would be (n, n).
    """
    if b.ndim != 1:
        raise ValueError(f"conjugate_gradients: b has shape {b.shape}, and must be a vector; flatten it")
    x, r, p = 0 * b, b, b
    squared = r @ r
    enough = tolerance**2 * squared
    for _ in range(iterations):
        if squared <= enough:
            break
        ap = product(p)
        if ap.shape != b.shape:
            raise ValueError(f"conjugate_gradients: b has shape {b.shape} but the product {ap.shape}; reshape one")
        alpha = squared / (p @ ap)
        x, r = x + alpha * p, r - alpha * ap
        before, squared = squared, r @ r
        p = r + squared / before * p
    return x
