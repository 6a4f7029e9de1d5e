"""Is a gradient right? Compare it with finite differences.

For y = f(x) and a random cotangent v, backward gives the gradient of φ(x) = ⟨v, f(x)⟩. The same number, one
element or direction d at a time and without any calculus, is the central difference

    ∂φ/∂d ≈ (φ(x + h d) − φ(x − h d)) / 2h ,        wrong by O(h²).

The cotangent is random because a constant one hides mistakes: the gradient of `softmax(x).sum()` is zero,
whatever the rule says. Where f has a kink no derivative exists and nothing can be compared: the *second*
difference φ(x + h d) − 2 φ(x) + φ(x − h d) shrinks with h² where f is smooth, but only with h at a kink,
which gives it away. (To notice a kink from several points is an idea of Chainer's `gradient_check`.)
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import dtypes
from ..core.backward import grad
from ..core.modes import Block
from ..core.tensor import LEAF, Tensor, wrap
from ..device import beside, to_numpy
from ..errors import GradientError, RuleError

Function = Callable[..., Any]
Arrays = list[np.ndarray]

_ULP = 2.0**-52  # the spacing of float64 at 1


class GradcheckError(GradientError):
    """The gradient is not the derivative of the function."""


class NotDifferentiableError(GradcheckError):
    """The function has a kink or a jump at the point given, so there is no derivative to compare with."""


def gradcheck(
    function: Function,
    inputs: Tensor | Sequence[Any],
    *,
    eps: float = 1e-6,
    atol: float = 1e-6,
    rtol: float = 1e-4,
    nondet_tol: float = 0.0,
    fast_mode: bool = False,
    raise_exception: bool = True,
    seed: int = 0,
) -> bool:
    """Check the gradients of `function(*inputs)` against central differences; True if they agree.

    function: takes the inputs and returns a Tensor or a tuple of Tensors, of which those that require
        a gradient count.
    inputs: Tensors and anything else the function takes. Those that require a gradient are checked. They must
        be float64, because a finite difference has no more than three digits in float32; and they are
        changed in place while the check runs and put back afterwards.
    eps: the step, times the element's size if that is above 1.
    atol, rtol: `|analytic - numeric| <= atol + rtol * |numeric|` passes. Where the gradients with respect to
        an input are all below 1, atol shrinks with the largest: no tolerance wider than what it checks.
    nondet_tol: how far the gradients of two identical runs may differ.
    fast_mode: compare along one random direction per input rather than element by element: two calls of the
        function per input instead of two per element, but the message can't say which element is wrong.
    raise_exception: raise instead of returning False.
    seed: for the random cotangents and directions.

    Raises GradcheckError where a gradient is wrong (or an input or cotangent was changed by the function),
    NotDifferentiableError at a kink, ValueError if there is nothing to check or an input is not float64.
    """
    checked = _inputs("gradcheck", inputs)
    everything = _as_tuple(inputs)

    def outputs() -> list[Tensor]:
        with Block(recording=True):
            return _differentiable(function(*everything))

    def values() -> Arrays:
        return [y.array for y in outputs()]

    def gradients(cotangents: list[Tensor]) -> list[Tensor | None]:
        return grad(outputs(), checked, cotangents)

    check = _Check("gradcheck", eps, atol, rtol, nondet_tol, fast_mode, np.random.default_rng(seed))
    return run_check(lambda: check.run(checked, values, gradients), raise_exception)


def gradgradcheck(
    function: Function,
    inputs: Tensor | Sequence[Any],
    grad_outputs: Tensor | Sequence[Tensor] | None = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-6,
    rtol: float = 1e-4,
    nondet_tol: float = 0.0,
    fast_mode: bool = False,
    raise_exception: bool = True,
    seed: int = 0,
) -> bool:
    """Check the second derivatives: the gradients of the gradients of `function(*inputs)`.

    The finite differences are taken of an ordinary backward, the analytic side is backward through a backward
    that was recorded with `create_graph=True`. That both give the same first derivatives is checked, too.

    grad_outputs: the cotangents of the first backward, which is differentiated with respect to them, too;
        random by default. The other arguments, and what is raised, are those of `gradcheck`.
    """
    checked = _inputs("gradgradcheck", inputs)
    everything = _as_tuple(inputs)
    rng = np.random.default_rng(seed)

    def outputs() -> list[Tensor]:
        with Block(recording=True):
            return _differentiable(function(*everything))

    if grad_outputs is None:
        firsts = [wrap(beside(_cotangent(rng, y.array), y.array)) for y in outputs()]
    else:
        firsts = [wrap(g.array.copy()) for g in _as_tuple(grad_outputs)]
    for g in firsts:
        g._node = LEAF

    def first(create_graph: bool) -> list[Any]:
        cotangents = firsts if create_graph else [g.detach() for g in firsts]
        found = grad(outputs(), checked, cotangents, create_graph=create_graph)
        return [wrap(np.zeros_like(x.array)) if g is None else g for x, g in zip(checked, found, strict=True)]

    def values() -> Arrays:
        return [g.array for g in first(create_graph=False)]

    def gradients(cotangents: list[Tensor]) -> list[Tensor | None]:
        recorded = first(create_graph=True)
        for i, (ordinary, g) in enumerate(zip(values(), recorded, strict=True)):
            ordinary, again = to_numpy(ordinary), to_numpy(g.array)
            if not np.allclose(ordinary, again, rtol=1e-10, atol=1e-10, equal_nan=True):
                raise GradcheckError(
                    f"gradgradcheck: the gradient with respect to input {i} differs by "
                    f"{np.abs(ordinary - again).max():.3g} from itself with create_graph=True: "
                    "a rule treats Tensors and arrays differently"
                )
        pairs = [(g, v) for g, v in zip(recorded, cotangents, strict=True) if g.requires_grad]
        if not pairs:
            return [None] * len(targets)
        return grad([g for g, _ in pairs], targets, [v for _, v in pairs])

    targets = [*checked, *firsts]
    check = _Check("gradgradcheck", eps, atol, rtol, nondet_tol, fast_mode, rng)
    check.names = [f"input {i}" for i in range(len(checked))]
    check.names += [f"grad_output {i}" for i in range(len(firsts))]
    return run_check(lambda: check.run(targets, values, gradients), raise_exception)


def run_check(run: Callable[[], None], raise_exception: bool) -> bool:
    try:
        run()
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def _as_tuple(inputs: Any) -> tuple:
    return tuple(inputs) if isinstance(inputs, tuple | list) else (inputs,)


def _inputs(who: str, inputs: Any) -> list[Tensor]:
    """The Tensors to check, fit for being checked."""
    checked = [x for x in _as_tuple(inputs) if isinstance(x, Tensor) and x.requires_grad]
    if not checked:
        raise ValueError(
            f"{who}: none of the inputs requires a gradient, so there is nothing to check; "
            "call requires_grad_() on them"
        )
    for i, x in enumerate(checked):
        if x.dtype != dtypes.float64:
            raise ValueError(
                f"{who}: input {i} is {x.dtype}, too coarse for finite differences; make it float64, with .double()"
            )
        if (0 in x.array.strides and x.array.size > 1) or not getattr(x.array.flags, "writeable", True):
            raise ValueError(
                f"{who}: input {i} (shape {x.shape}) is an expanded view, whose elements share memory and "
                "can't be changed one at a time; pass x.clone().detach().requires_grad_()"
            )
    return checked


def _differentiable(outputs: Any) -> list[Tensor]:
    found = [y for y in _as_tuple(outputs) if isinstance(y, Tensor) and y.requires_grad]
    if not found:
        raise ValueError(
            "gradcheck: no output of the function requires a gradient; it is constant in its inputs, "
            "or it went through .detach(), .numpy() or no_grad on the way"
        )
    return found


def _cotangent(rng: np.random.Generator, y: np.ndarray) -> np.ndarray:
    """Of random sign and a size in [0.5, 1.5): no element counts for nothing."""
    return np.asarray(rng.uniform(0.5, 1.5, y.shape) * rng.choice([-1.0, 1.0], y.shape))


class _Check:
    """One comparison of gradients with finite differences."""

    def __init__(
        self,
        who: str,
        eps: float,
        atol: float,
        rtol: float,
        nondet_tol: float,
        fast_mode: bool,
        rng: np.random.Generator,
    ) -> None:
        self.who, self.eps, self.atol, self.rtol, self.nondet_tol = who, eps, atol, rtol, nondet_tol
        self.fast_mode, self.rng = fast_mode, rng
        self.names: list[str] | None = None

    def run(
        self,
        inputs: list[Tensor],
        values: Callable[[], Arrays],
        gradients: Callable[[list[Tensor]], list[Tensor | None]],
    ) -> None:
        """Compare `gradients` with differences of `values`, input by input. Raises GradcheckError."""
        names = self.names or [f"input {i}" for i in range(len(inputs))]
        originals = [x.array.copy() for x in inputs]

        def unchanged(when: str) -> None:
            for name, x, original in zip(names, inputs, originals, strict=True):
                if not np.array_equal(x.array, original, equal_nan=True):
                    raise GradcheckError(f"{self.who}: {name} (shape {x.shape}) was changed by the {when} pass")

        made = values()
        base = [np.array(to_numpy(y)) for y in made]
        unchanged("forward")
        for k, y in enumerate(base):
            if not np.isfinite(y).all():
                raise GradcheckError(f"{self.who}: output {k} of the function has a NaN or infinity at the point given")
        cotangents = [_cotangent(self.rng, y) for y in base]
        given = [wrap(beside(v.copy(), y)) for v, y in zip(cotangents, made, strict=True)]
        analytic = self._analytic(names, inputs, gradients, given)
        unchanged("backward")
        for k, (v, original) in enumerate(zip(given, cotangents, strict=True)):
            if not np.array_equal(to_numpy(v.array), original):
                raise GradcheckError(f"{self.who}: the cotangent of output {k} was changed by the backward pass")

        phi = _Phi(values, base, cotangents)
        for name, x, a in zip(names, inputs, analytic, strict=True):
            (self._along_a_direction if self.fast_mode else self._element_by_element)(name, x.array, a, phi)

    def _analytic(
        self, names: list[str], inputs: list[Tensor], gradients: Callable, cotangents: list[Tensor]
    ) -> Arrays:
        analytic = []
        with np.errstate(all="ignore"):  # what is not finite will be reported
            try:
                once, twice = gradients(cotangents), gradients(cotangents)
            except RuleError as error:
                raise GradcheckError(f"{self.who}: {error}") from error
        for name, x, g, again in zip(names, inputs, once, twice, strict=True):
            if g is not None and (g.shape != x.shape or g.dtype != x.dtype):
                raise GradcheckError(
                    f"{self.who}: the gradient with respect to {name} has shape {g.shape} and dtype "
                    f"{g.dtype}, the input has {x.shape} and {x.dtype}"
                )
            a = np.zeros(x.shape) if g is None else np.array(to_numpy(g.array))
            b = np.zeros(x.shape) if again is None else to_numpy(again.array)
            if not np.allclose(a, b, rtol=0, atol=self.nondet_tol, equal_nan=True):
                raise GradcheckError(
                    f"{self.who}: the gradient with respect to {name} is not deterministic: "
                    f"two identical runs differ by up to {np.abs(a - b).max():.3g} (nondet_tol={self.nondet_tol:g})"
                )
            analytic.append(a)
        return analytic

    def _element_by_element(self, name: str, x: np.ndarray, analytic: np.ndarray, phi: _Phi) -> None:
        numeric = np.empty(x.shape)
        kinks = np.empty(x.shape)  # second difference / 2h: how far off a kink can put the numeric slope
        noise = np.empty(x.shape)
        for place in np.ndindex(x.shape):
            at = _Element(x, place)
            numeric[place], kinks[place], noise[place] = phi.slope(at, self.eps)
        size = min(1.0, np.abs(numeric[np.isfinite(numeric)]).max(initial=0.0))
        tolerance = np.maximum(self.atol * size, noise) + self.rtol * np.abs(numeric)
        for place in np.ndindex(x.shape):
            where, at = f"{name} at element {list(place)}" if place else name, _Element(x, place)
            self._differentiable_at(where, at, numeric[place], kinks[place], tolerance[place], phi)
        wrong = ~(np.abs(analytic - numeric) <= tolerance)
        for place in map(tuple, np.argwhere(wrong)):
            tolerance[place] += phi.doubt(_Element(x, place), self.eps)
        wrong = ~(np.abs(analytic - numeric) <= tolerance)
        if wrong.any():
            gap = np.where(wrong, np.abs(analytic - numeric), -1.0)
            worst = np.unravel_index(np.argmax(np.where(np.isnan(gap), np.inf, gap)), x.shape)
            element = f"; the largest difference is at element {[int(i) for i in worst]}" if worst else ""
            raise GradcheckError(
                f"{self.who}: the gradient with respect to {name} (shape {x.shape}) is wrong in "
                f"{int(wrong.sum())} of {x.size} elements{element}: "
                f"analytic {analytic[worst]:.8g}, numeric {numeric[worst]:.8g}"
                f"{find_hint(analytic, numeric, tolerance)}"
            )

    def _along_a_direction(self, name: str, x: np.ndarray, analytic: np.ndarray, phi: _Phi) -> None:
        direction = self.rng.standard_normal(x.shape)
        direction /= max(float(np.sqrt((direction * direction).sum())), 1e-300)
        at = _Direction(x, direction)
        numeric, kink, noise = phi.slope(at, self.eps)
        tolerance = max(self.atol * min(1.0, abs(numeric)), noise) + self.rtol * abs(numeric)
        self._differentiable_at(f"{name} along a random direction", at, numeric, kink, tolerance, phi)
        slope = float((analytic * direction).sum())
        if not abs(slope - numeric) <= tolerance and not abs(slope - numeric) <= tolerance + phi.doubt(at, self.eps):
            raise GradcheckError(
                f"{self.who}: the gradient with respect to {name} (shape {x.shape}) is wrong: along a random "
                f"direction analytic {slope:.8g}, numeric {numeric:.8g}; "
                "fast_mode=False says in which elements"
            )

    def _differentiable_at(
        self, where: str, at: _Element | _Direction, numeric: Any, kink: Any, tolerance: Any, phi: _Phi
    ) -> None:
        if not np.isfinite(numeric):
            raise NotDifferentiableError(
                f"{self.who}: the function gives NaN or infinity within {self.eps:g} of {where}: "
                "the edge of its domain; check it at a point further inside"
            )
        if kink > tolerance and phi.bends(at, self.eps):
            raise NotDifferentiableError(
                f"{self.who}: the function is not differentiable at {where} (value {at.value}): "
                f"it has a kink or a jump within {self.eps:g} of it, where a finite difference means nothing; "
                "check it at another point"
            )


def find_hint(analytic: np.ndarray, numeric: np.ndarray, tolerance: np.ndarray) -> str:
    """What the mistake may be, where it has a simple form."""
    if not np.isfinite(analytic).all():
        return " (the analytic gradient is not finite)"
    if not analytic.any():
        return " (the analytic gradient is zero everywhere: was something detached on the way?)"
    ratio = float((analytic * numeric).sum() / max(float((numeric * numeric).sum()), 1e-300))
    if (np.abs(analytic - ratio * numeric) <= 10 * (1 + abs(ratio)) * tolerance).all() and analytic.size > 1:
        return f" (the analytic gradient is {ratio:.4g} times the numeric one everywhere)"
    square = analytic.ndim == 2 and analytic.shape[0] == analytic.shape[1]
    if square and (np.abs(analytic.T - numeric) <= 10 * tolerance).all():
        return " (the analytic gradient is the transpose of the numeric one)"
    return ""


class _Element:
    """Moves one element of an array."""

    def __init__(self, array: np.ndarray, place: tuple[int, ...]) -> None:
        self.array, self.place, self.original = array, place, float(array[place])
        self.size = abs(self.original)
        self.value = f"{self.original:.6g}"

    def move(self, step: float) -> float:
        """Go to the original plus `step`; returns the step that rounding made of it."""
        self.array[self.place] = self.original + step
        return float(self.array[self.place]) - self.original

    def back(self) -> None:
        """Go back to the original."""
        self.array[self.place] = self.original


class _Direction:
    """Moves a whole array along a direction."""

    def __init__(self, array: np.ndarray, direction: np.ndarray) -> None:
        self.array, self.direction, self.original = array, beside(direction, array), array.copy()
        self.size = float(np.abs(array).max()) if array.size else 0.0
        self.value = f"of shape {array.shape}"

    def move(self, step: float) -> float:
        """Go to the original plus `step` times the direction."""
        self.array[...] = self.original + step * self.direction
        return step

    def back(self) -> None:
        """Go back to the original."""
        self.array[...] = self.original


class _Phi:
    """φ = Σ ⟨cotangent, output⟩ as a function of how far an input is moved."""

    def __init__(self, values: Callable[[], Arrays], base: Arrays, cotangents: Arrays) -> None:
        self.values, self.base, self.cotangents = values, base, cotangents
        # The rounding error of φ: a few units in the last place of every output.
        size = sum(float(np.abs(v * y).sum()) for v, y in zip(cotangents, base, strict=True))
        self.rounding = 8 * _ULP * size

    def rise(self, at: _Element | _Direction, step: float) -> tuple[float, float]:
        """φ(step) − φ(0), and the step as rounded. Differences first: they lose less to rounding."""
        try:
            step = at.move(step)
            with np.errstate(all="ignore"):  # the step may leave the domain
                outputs = [np.array(to_numpy(y)) for y in self.values()]
        finally:
            at.back()
        with np.errstate(invalid="ignore"):
            pairs = zip(self.cotangents, outputs, self.base, strict=True)
            return sum(float((v * (y - y0)).sum()) for v, y, y0 in pairs), step

    def slope(self, at: _Element | _Direction, eps: float) -> tuple[float, float, float]:
        """The central difference, the second difference over 2h, and the error rounding may have caused."""
        h = eps * max(1.0, at.size)
        up, ahead = self.rise(at, h)
        down, behind = self.rise(at, -h)
        return (up - down) / (ahead - behind), abs(up + down) / (2 * h), self.rounding / h

    def doubt(self, at: _Element | _Direction, eps: float) -> float:
        """The error that rounding really causes in a slope: measured, because it may come from inside the function.

        Over steps a thousandth of h the function is a parabola and its third difference zero but for rounding.
        """
        h = eps * max(1.0, at.size)
        return float(np.abs(np.diff([self.rise(at, k * h / 1000)[0] for k in range(7)], 3)).max()) / h

    def bends(self, at: _Element | _Direction, eps: float) -> bool:
        """Whether the second difference fails to shrink as h²: by a factor of four when h is halved."""
        h = eps * max(1.0, at.size)
        rounding = self.rounding + 2 * h * self.doubt(at, eps)
        second = [abs(self.rise(at, s)[0] + self.rise(at, -s)[0]) for s in (h, h / 2, h / 4)]
        return any(
            not abs(fine - coarse / 4) <= 0.05 * coarse + 4 * rounding for coarse, fine in itertools.pairwise(second)
        )
