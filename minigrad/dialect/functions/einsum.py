"""einsum: sums of products, named by letters. Computed as matrix products, which NumPy's own einsum is not.

    einsum("bij,bjk->bik", a, b)        # Σ_j a[b, i, j] · b[b, j, k]

Two operands at a time: letters of one operand alone that nobody needs are summed, shared ones that nobody needs are
contracted by one batched matrix product, and the result's letters are put in order at the end.
"""

from __future__ import annotations

import functools
from typing import Any

from ...core.tensor import Tensor
from ...errors import GradientError
from ...ops import arithmetic, linalg, reductions, shapes
from .linalg import diagonal

_HIDDEN = "αβγδεζηθικλμνξοπρστυφχψω"  # letters for the dimensions that an ellipsis stands for


def einsum(equation: str, *operands: Any) -> Tensor:
    """The sum over all letters that the result leaves out of the product of the operands' elements.

    equation: the letters of each operand's dimensions and, after '->', of the result's; '...' stands for any further
    dimensions, which broadcast. Without '->' the result has the letters that occur once, in alphabetical order.
    """
    tensors = list(operands[0]) if len(operands) == 1 and isinstance(operands[0], list | tuple) else list(operands)
    terms, result = read_equation(
        equation, tuple([x.array.shape if isinstance(x, Tensor) else x.shape for x in tensors])
    )
    x, letters = sum_own_letters(tensors[0], terms[0])
    for i in range(1, len(tensors)):
        y, others = sum_own_letters(tensors[i], terms[i])
        needed = set(result).union(*terms[i + 1 :])
        x, letters = multiply_pair(x, letters, y, others, needed)
    x, letters = _sum_out(x, letters, set(result))
    order = tuple(letters.index(letter) for letter in result)
    return x if order == tuple(range(len(order))) else shapes.permute(x, order)


@functools.lru_cache(maxsize=256)
def read_equation(equation: str, shapes: tuple[tuple[int, ...], ...]) -> tuple[tuple[str, ...], str]:
    """The letters of each operand and of the result, the ellipses spelled out. Checked against the operands' shapes."""
    inputs, arrow, output = equation.replace(" ", "").partition("->")
    terms = inputs.split(",")
    if len(terms) != len(shapes):
        raise GradientError(
            f"einsum: '{equation}' names {len(terms)} operands, {len(shapes)} were given; give one per comma"
        )
    for letter in set(inputs + output) - set(",."):
        if not (letter.isascii() and letter.isalpha()):
            raise ValueError(
                f"einsum: {letter!r} in '{equation}' is no letter; expected letters, commas, '...' and '->'"
            )
    hidden = ""
    for i, (term, ndim) in enumerate(zip(terms, map(len, shapes), strict=True)):
        named = term.replace("...", "")
        extra = ndim - len(named)
        if extra < 0 or (extra and "..." not in term) or "." in named:
            raise GradientError(
                f"einsum: '{term}' has {len(named)} letters, but operand {i} has {ndim} dimensions; expected a letter "
                "each, or '...' for the others"
            )
        mine = _HIDDEN[len(_HIDDEN) - extra :] if extra else ""
        hidden = max(hidden, mine, key=len)
        terms[i] = term.replace("...", mine)
    if arrow:
        result = output.replace("...", hidden)
    else:
        joined = "".join(terms)
        result = hidden + "".join(sorted(c for c in set(joined) if joined.count(c) == 1 and c not in hidden))
    unknown = set(result) - set("".join(terms))
    if unknown or len(set(result)) < len(result):
        raise GradientError(
            f"einsum: the result '{output}' of '{equation}' must name letters of the operands, each once"
            + (f"; it has {', '.join(sorted(unknown))}" if unknown else "")
        )
    _check_sizes(equation, terms, shapes)
    return tuple(terms), result


def _check_sizes(equation: str, terms: list[str], shapes: tuple[tuple[int, ...], ...]) -> None:
    sizes: dict[str, int] = {}
    for term, shape in zip(terms, shapes, strict=True):
        of_letter = dict(zip(term, shape, strict=True))
        if any(of_letter[letter] != n for letter, n in zip(term, shape, strict=True)):
            raise GradientError(
                f"einsum: '{equation}' repeats a letter in one operand, of shape {shape}, where it names two different "
                "sizes; a diagonal needs equal ones"
            )
        for letter, n in zip(term, shape, strict=True):
            known = sizes.setdefault(letter, n)
            if known != n and 1 not in (known, n):
                raise GradientError(
                    f"einsum: in '{equation}' a dimension has size {known} in one operand and {n} in another; the "
                    f"shapes are {', '.join(map(str, shapes))}; sizes under one letter must be equal"
                )
            sizes[letter] = max(known, n)


def sum_own_letters(x: Any, term: str) -> tuple[Any, str]:
    """An operand whose letters differ: where one is repeated, its diagonal."""
    if len(set(term)) == len(term):
        return x, term
    for letter in dict.fromkeys(term):
        while term.count(letter) > 1:
            i = term.index(letter)
            j = term.index(letter, i + 1)
            x = diagonal(x, 0, i, j)
            term = term[:i] + term[i + 1 : j] + term[j + 1 :] + letter
    return x, term


def _sum_out(x: Any, letters: str, needed: set[str]) -> tuple[Any, str]:
    if needed.issuperset(letters):
        return x, letters
    gone = tuple(i for i, letter in enumerate(letters) if letter not in needed)
    return reductions.sum_(x, gone, False), "".join(c for c in letters if c in needed)


def stretch_to(x: Any, letters: str, others: str, y: Any) -> tuple[Any, str]:
    """Without the dimensions of size 1 that the other operand has at another size: there they broadcast."""
    if 1 not in x.shape:
        return x, letters
    gone = [i for i, c in enumerate(letters) if c in others and x.shape[i] == 1 and y.shape[others.index(c)] != 1]
    if gone:
        x = shapes.reshape(x, tuple(n for i, n in enumerate(x.shape) if i not in gone))
    return x, "".join(c for i, c in enumerate(letters) if i not in gone)


def multiply_pair(a: Any, in_a: str, b: Any, in_b: str, needed: set[str]) -> tuple[Any, str]:
    """The product of two operands, summed over the letters that are not needed any more."""
    a_letters, b_letters = in_a, in_b
    a, in_a = stretch_to(a, a_letters, b_letters, b)
    b, in_b = stretch_to(b, b_letters, in_a, a)
    a, in_a = _sum_out(a, in_a, needed | set(in_b))
    b, in_b = _sum_out(b, in_b, needed | set(in_a))
    both = [c for c in in_a if c in in_b]
    batch, summed = [c for c in both if c in needed], [c for c in both if c not in needed]
    left, right = [c for c in in_a if c not in in_b], [c for c in in_b if c not in in_a]
    letters = "".join(batch + left + right)
    if not summed:  # nothing to contract: a product with broadcasting
        a = arrange_letters(a, in_a, batch + left)
        b = arrange_letters(b, in_b, batch + right)
        shape = (*a.shape[: len(batch)], *a.shape[len(batch) :], *(1,) * len(right))
        a = shapes.reshape(a, shape) if right else a
        if left:
            b = shapes.reshape(b, (*b.shape[: len(batch)], *(1,) * len(left), *b.shape[len(batch) :]))
        return arithmetic.multiply(a, b), letters
    a = arrange_letters(a, in_a, batch + left + summed)
    b = arrange_letters(b, in_b, batch + summed + right)
    kept = (*a.shape[: len(batch) + len(left)], *b.shape[len(batch) + len(summed) :])
    product = linalg.matmul(
        group_letters(a, len(batch), len(left), len(summed)), group_letters(b, len(batch), len(summed), len(right))
    )
    return product if product.shape == kept else shapes.reshape(product, kept), letters


def arrange_letters(x: Any, letters: str, order: list[str]) -> Any:
    places = tuple(letters.index(c) for c in order)
    return x if places == tuple(range(len(places))) else shapes.permute(x, places)


def group_letters(x: Any, batch: int, rows: int, columns: int) -> Any:
    """A stack of matrices: the dimensions after `batch` made two."""
    if batch <= 1 and rows == columns == 1:
        return x
    shape = tuple(x.shape)
    sizes = []
    for start, count in ((batch, rows), (batch + rows, columns)):
        n = 1
        for m in shape[start : start + count]:
            n *= m
        sizes.append(n)
    return shapes.reshape(x, (*shape[:batch], *sizes))
