"""The dialect against PyTorch itself: the same line of code run by both, over many dtypes and shapes.

A program is a line of Python in which `T` is the module (minigrad or torch), `F` its nn.functional, and `x`, `y`, `i`
the inputs. Both must give the same structure, values, shapes and dtypes, the same gradients, leave the inputs in the
same state, and raise for the same inputs. Where we differ on purpose, DIFFERENCES says why.
"""

# ruff: noqa: E501  (a pattern and its reason stay together)

from __future__ import annotations

import itertools
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minigrad
import minigrad.nn.functional

pytestmark = pytest.mark.oracle

DTYPES = ("bool", "uint8", "int32", "int64", "float32", "float64")
SHAPES = ((), (4,), (2, 3), (2, 3, 4), (0,), (0, 3))

DIFFERENCES: dict[str, str] = {
    # What has no useful derivative is not recorded: backward then says so, instead of giving zeros silently.
    r"(sign|floor|ceil|round|floor_divide|rounding_mode|//).*requires_grad=False": "a step function is not recorded",
    # PyTorch's corners that nobody should rely on.
    r"\b(all|any)\(.*x=uint8.*dtype bool": "all and any give bool, for uint8 too",
    r"\.(all|any)\(dim=\(\)\).*shape": "dim=() means all dimensions, for all and any too",
    r"square\(.*x=bool.*int8|(pow|\*\*).*[xy]=(bool|True).*int8": "bool powers are NumPy's int8",
    r"sign\(.*x=bool.*raises": "a bool has no sign",
    r"[Ii]ntegers (to negative integer powers|cannot be raised to a negative power)": "an integer to a negative power raises also where it would be 0 or 1",
    r"lerp.*where PyTorch raises|lerp.*in PyTorch Runtime|lerp.*dtype": "lerp between integers is computed in floats",
    r"(add_?|sub_?)\(.*alpha.*(dtype|result is int64)": "alpha promotes a bool tensor",
    r"x=uint8.*y=-1.*|x=-1, y=uint8|raises OverflowError": "a number that the dtype cannot hold raises (compares, in NumPy)",
    r"derivative for aten::remainder": "the remainder has a derivative by its divisor too",
    r"(pow|\*\*).*y=bool.*bool tensor is not supported": "a bool exponent is no obstacle to the derivative",
    r"(= y|fill_\(y\)) \| x=(bool|uint8|int).*requires_grad": "an integer tensor never requires a gradient",
    r"copy_\(y\) \| x=float32\(\), y=float32\(1,\).*gives": "a value may have leading dimensions of size 1 more than the place",
    r"x\.to\(y\) \|.*y=(True|False|-?\d)": "to(number) is no conversion",
    r"to\('float32'\)|dtype='float32'": "a dtype may be named",
    r"str\(.*(dtype|float32)\)": "a dtype is NumPy's own",
    r"please report a bug to PyTorch": "PyTorch says so itself",
    r"F\.linear\(.*T\.ones\(3\)\).*weight has shape \(3,\)": "a weight is a matrix",
    r"1 \+ 2j": "there are no complex tensors",
    # Empty and 0-d tensors.
    r"T\.cat.*(x=\w+\(0,\)|y=\w+\(0,\))": "an empty vector in cat fits along any dimension, and gets no gradient",
    r"(gather|scatter_add).*i=int64\((0,|0, 3)\)": "an empty index must have the right number of dimensions too",
    r"(gather|scatter_add).*(x=\w+\(\)|i=int64\(\))": "a 0-d tensor is not taken for a 1-d one",
    r"roll.*x=\w+\(0,": "roll checks its dims on an empty tensor too",
    r"split\(0\) \| x=\w+\(0": "a piece of size 0 is refused for an empty tensor too",
    r"softmax.*x=(bool|uint8|int\d+)\(0.*dtype": "the softmax of integers is a float, for an empty tensor too",
    r"x\[y\.bool\(\)\].*y=\w+\(0": "an empty mask picks nothing from any tensor, as in NumPy",
    r"x\.mT \| x=\w+\(\)|x\.(permute|expand|repeat)\(\)": "no sizes are the sizes of a 0-d tensor",
    r"x\.view\(T\.int32\) \| x=\w+\(0": "an empty tensor can be viewed as any type",
    r"bernoulli\(\).*\(0": "bernoulli needs probabilities, of an empty tensor too",
    r"T\.randn_like\(x\).*\(0": "randn_like needs a floating dtype, for an empty tensor too",
    # Indexing.
    r"x\[\(x > 0\)\.numpy\(\)\].*x=\w+\(\)": "the truth value of a 0-d tensor is a 0-d mask, as in NumPy",
    r"x\[(\[\[0, 1\], \[1, 0\]\]|\[slice\(None\), 0\])\]": "a list is an array, never a tuple: PyTorch's legacy",
    r"x\[\.\.\., \.\.\.\]": "one ellipsis is enough",
    r"x\[False\] = ": "a value has to fit, even into no place",
    # Mistakes that PyTorch computes with a warning, or only refuses in backward.
    r"T\.where\(x, x, x\) \| x=uint8": "a condition is bool",
    r"multinomial.*cannot draw": "drawing what has weight 0 is refused, as PyTorch did before 2.13",
    r"scatter_add\(1, i, x\).*invalid gradient": "the gradient of a src that is larger than the index is right",
    r"(huber|l1)_loss.*dtype float|binary_cross.*dtype float64|huber_loss.*Found dtype": (
        "losses promote as arithmetic does, to a float"
    ),
}
"""Pattern of "program | inputs: what differs" -> why we differ there on purpose."""

STRICTER_THERE = {
    r"not implemented for|not supported for|only supports floating|Boolean inputs not supported|does not support bool"
    r"|two bool tensors is not supported|bool tensor is not supported|masks?, but got mask with dtype": (
        "PyTorch has no kernel for the dtype; ours computes in NumPy, which has one for every dtype"
    ),
    r"must be Tensor, not (bool|int|float)|got \((bool|int|float), Tensor": "a number may stand where a tensor is expected",
    r"expected target dtype to be Long|expected scalar type Long|Expected dtype int32/int64|type LongTensor": (
        "every integer dtype names classes and places"
    ),
    r"can't assign a (numpy|list)": "NumPy numbers and lists may be assigned",
    r"Index put requires the source and destination dtypes match|did not match|expected dtype .* for `(end|weight)`"
    r"|expected scalar type Double but found Float|argument alpha must not be": "the dtypes are promoted or converted",
    r"step must be greater than zero": "slices may run backwards, as in NumPy",
    r"Autograd not support dtype|Could not infer output dtype|could not infer output dtype": (
        "what cannot carry a gradient is computed without one"
    ),
    r"result type .* can't be cast": "a loss promotes its arguments to a floating dtype first",
    r"unsupported operation: some elements of the input tensor and the written-to tensor": (
        "a change in place computes its result before it writes"
    ),
}
"""Pattern of PyTorch's error -> why we give a result where PyTorch raises it."""

# -- inputs -----------------------------------------------------------------------------------------------


class Sample:
    """An input: an array with ties, zeros and negative numbers, or a Python number."""

    def __init__(self, value: Any, label: str = "") -> None:
        self.value = value
        self.label = label or (f"{value.dtype}{value.shape}" if isinstance(value, np.ndarray) else repr(value))

    def make(self, T: Any) -> tuple[Any, Any]:
        """(the leaf, the tensor that a program sees): the latter is not a leaf, so that it may be changed in place."""
        if not isinstance(self.value, np.ndarray):
            return None, self.value
        leaf = T.tensor(self.value.copy())
        if self.value.dtype.kind != "f":
            return leaf, leaf
        leaf.requires_grad_()
        return leaf, leaf.clone()


def sample(dtype: str, shape: tuple[int, ...], seed: int = 0) -> Sample:
    """Multiples of a half between -2 and 2.5, whole numbers or truth values, with repetitions."""
    rng = np.random.default_rng([seed, *shape])
    numbers = rng.integers(-4, 6, shape) / 2
    array = np.abs(numbers) if dtype == "uint8" else numbers
    array = numbers > 0 if dtype == "bool" else array
    return Sample(np.asarray(array).astype(dtype))


GRID = [sample(d, s) for d in DTYPES for s in SHAPES]
FLOATS = [s for s in GRID if s.value.dtype.kind == "f"]


def pairs() -> Iterator[tuple[Sample, Sample]]:
    """Every pair of dtypes in a few shapes, every pair of shapes in a few dtypes, and Python numbers on either side."""
    for a, b in itertools.product(DTYPES, DTYPES):
        for left, right in (((2, 3), (2, 3)), ((2, 3), ()), ((), (2, 3)), ((), ()), ((2, 1), (3,))):
            yield sample(a, left), sample(b, right, 1)
    for left, right in itertools.product((*SHAPES, (3,), (1,), (2, 1), (2,)), repeat=2):
        yield sample("float32", left), sample("float32", right, 1)
    for number, dtype, shape in itertools.product((True, 2, -1, 0, 1.5, 0.0), DTYPES, ((), (2, 3))):
        yield sample(dtype, shape), Sample(number)
        yield Sample(number), sample(dtype, shape)


PAIRS = list(pairs())

# -- running a program in both ----------------------------------------------------------------------------


class Outcome:
    """What a program did: what it returned, the gradients and the inputs afterwards, or what it raised."""

    def __init__(self, T: Any, F: Any, program: str, inputs: dict[str, Sample]) -> None:
        leaves, names = {}, {"T": T, "F": F, "np": np}
        for name, drawn in inputs.items():
            leaves[name], names[name] = drawn.make(T)
        self.error: Exception | None = None
        self.backward_error: Exception | None = None
        try:
            try:
                result = eval(compile(program, "<program>", "eval"), names)
            except SyntaxError:
                exec(compile(program, "<program>", "exec"), names)
                result = names.get("out", names["x"])
            self.result = plain(T, result)
        except Exception as error:
            self.error = error
            return
        self.inputs = {n: plain(T, names[n]) for n in inputs}
        try:
            self._backward(T, result)
        except Exception as error:
            self.backward_error = error
        self.grads = {n: None if x is None or x.grad is None else plain(T, x.grad) for n, x in leaves.items()}

    def _backward(self, T: Any, result: Any) -> None:
        total: Any = None
        for x in tensors(T, result):
            if x.requires_grad:
                weights = T.tensor(np.cos(np.arange(x.numel(), dtype=np.float64)).reshape(tuple(x.shape)))
                term = (x.to(weights.dtype) * weights).sum()
                total = term if total is None else total + term
        if total is not None:
            total.backward()


def tensors(T: Any, x: Any) -> Iterator[Any]:
    """All tensors in nested tuples and lists."""
    if isinstance(x, T.Tensor):
        yield x
    elif isinstance(x, tuple | list):
        for part in x:
            yield from tensors(T, part)


def plain(T: Any, x: Any) -> Any:
    """A result as comparable data: (dtype, shape, values, whether it requires a gradient) for tensors."""
    if isinstance(x, T.Tensor):
        values = np.array(x.detach().numpy())
        return ("tensor", str(x.dtype).removeprefix("torch."), tuple(x.shape), values, x.requires_grad)
    if isinstance(x, tuple | list):
        kind = "list" if isinstance(x, list) else "tuple"
        return (kind, len(x), *(plain(T, part) for part in x))
    if isinstance(x, np.ndarray):
        return ("array", str(x.dtype), x.shape, x, False)
    if isinstance(x, bool | int | float | str | type(None)):
        return (type(x).__name__, x)
    return str(x).removeprefix("torch.")


def difference(ours: Any, theirs: Any, single: bool = False) -> str:
    """The first difference between two results of `plain`, or nothing. single: float32 took part."""
    if isinstance(ours, tuple) and isinstance(theirs, tuple):
        if ours[0] != theirs[0]:
            return f"a {ours[0]} where PyTorch has a {theirs[0]}"
        if ours[0] in ("tensor", "array"):
            for what, a, b in zip(("dtype", "shape"), ours[1:3], theirs[1:3], strict=True):
                if a != b:
                    return f"{what} {a} where PyTorch has {b}"
            if ours[4] != theirs[4]:
                return f"requires_grad={ours[4]} where PyTorch has {theirs[4]}"
            exact = ours[3].dtype.kind != "f"
            tolerance = 0 if exact else 1e-10 if ours[1] == "float64" and not single else 2e-5
            if not np.allclose(ours[3], theirs[3], rtol=tolerance, atol=tolerance, equal_nan=True):
                return f"values {ours[3].tolist()} where PyTorch has {theirs[3].tolist()}"
            return ""
        if len(ours) != len(theirs):
            return f"{ours} where PyTorch has {theirs}"
        return next(filter(None, (difference(a, b, single) for a, b in zip(ours[1:], theirs[1:], strict=True))), "")
    if isinstance(ours, float) and isinstance(theirs, float):
        return "" if np.isclose(ours, theirs, rtol=1e-5, equal_nan=True) else f"{ours} where PyTorch has {theirs}"
    return "" if ours == theirs else f"{ours} where PyTorch has {theirs}"


def compare(program: str, inputs: dict[str, Sample]) -> str:
    """What differs when both run the program on the inputs, or nothing."""
    import torch
    import torch.nn.functional as torch_functional

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        ours = Outcome(minigrad, minigrad.nn.functional, program, inputs)
        theirs = Outcome(torch, torch_functional, program, inputs)
    if (ours.error is None) != (theirs.error is None):
        if ours.error is None:
            if any(re.search(pattern, str(theirs.error)) for pattern in STRICTER_THERE):
                return ""
            return f"gives {ours.result} where PyTorch raises {str(theirs.error).splitlines()[0]!r}"
        return f"raises {type(ours.error).__name__} {ours.error} where PyTorch gives {theirs.result}"
    if ours.error is not None:
        return ""
    single = "float()" in program or any(getattr(s.value, "dtype", None) == np.float32 for s in inputs.values())
    if found := difference(ours.result, theirs.result, single):
        return found
    for name in inputs:
        if found := difference(ours.inputs[name], theirs.inputs[name], single):
            return f"afterwards {name}: {found}"
    if (ours.backward_error is None) != (theirs.backward_error is None):
        return f"backward raises {ours.backward_error!r}, in PyTorch {theirs.backward_error!r}"
    for name in inputs:
        if found := difference(ours.grads[name], theirs.grads[name], single):
            return f"gradient of {name}: {found}"
    return ""


MET: set[str] = set()  # the patterns of DIFFERENCES that were needed
RAN: set[str] = set()


def check(program: str, cases: Any) -> None:
    """Run the program on every case and report all differences that are not meant."""
    pytest.importorskip("torch")
    RAN.add(program)
    found = []
    for inputs in cases:
        key = f"{program} | {', '.join(f'{n}={s.label}' for n, s in inputs.items())}"
        what = compare(program, inputs)
        if what:
            reasons = [p for p in DIFFERENCES if re.search(p, f"{key}: {what}", re.DOTALL)]
            MET.update(reasons)
            if not reasons:
                found.append(f"{key}: {what}")
    assert not found, f"{len(found)} differences\n" + "\n".join(found[:40])


# -- the programs -----------------------------------------------------------------------------------------

DIMS = ("", "0", "1", "-1", "2", "dim=0", "axis=0", "dim=-2", "0, True", "dim=1, keepdim=True", "axis=1, keepdims=True")
SEVERAL = ("(0, 1)", "dim=(0, -1)", "dim=(0, 0)", "dim=[0]", "dim=()", "dim=None", "dim=None, keepdim=True")
SPREAD = ("dim=0, unbiased=False", "False", "dim=(0, 1)", "correction=0")
NAMES = {
    "elementwise": "neg abs sqrt square exp expm1 log log1p tanh sigmoid relu sign floor ceil round isnan isinf isfinite "
    "logical_not negative absolute",
    "reduced_many": "sum mean amax amin all any",
    "reduced_one": "max min argmax argmin prod",
    "binary": "add sub mul div pow maximum minimum remainder floor_divide lt le gt ge eq ne logical_and logical_or "
    "subtract multiply divide true_divide",
}


def _read() -> dict[str, list[str]]:
    text = (Path(__file__).parents[1] / "tools" / "dialect_programs.txt").read_text()
    sections = [part.strip().splitlines() for part in text.split("\n== ")[1:]]
    return {lines[0]: lines[1:] for lines in sections}


PROGRAMS = _read()
PLAIN, KEYS = PROGRAMS["without inputs"], PROGRAMS["index, with an integer tensor i"]
VALUES = PROGRAMS["assigned value, with a tensor y"]
LOSSES, CLASSES = PROGRAMS["loss of x and y"], PROGRAMS["loss of logits x and classes y"]
ALONG = PROGRAMS["along a dimension, x with places i"]
UNARY = [
    *(f"T.{n}(x)" for n in NAMES["elementwise"].split()),
    *(f"x.{n}()" for n in NAMES["elementwise"].split()),
    *(f"x.{n}_()" for n in ["neg", "abs", "sqrt", "exp", "log", "tanh", "sigmoid", "relu", "zero"]),
    *(f"x.{n}({d})" for n in NAMES["reduced_many"].split() for d in DIMS + SEVERAL),
    *(f"x.{n}({d})" for n in NAMES["reduced_one"].split() for d in DIMS),
    *(
        f"T.{n}(x, {d})"
        for n in ["sum", "mean", "amax", "max", "min", "argmax", "prod", "all", "any"]
        for d in DIMS[1:6]
    ),
    *(f"x.{n}({d})" for n in ("var", "std") for d in (*DIMS, *SPREAD)),
    *PROGRAMS["of one tensor x"],
]
BINARY = [
    *(f"T.{n}(x, y)" for n in NAMES["binary"].split()),
    *(f"x {o} y" for o in ["+", "-", "*", "/", "//", "%", "**", "<", "<=", ">", ">=", "==", "!=", "&", "|", "^", "@"]),
    *PROGRAMS["of two, x and y"],
]


# -- the tests --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("program", PLAIN)
def test_without_inputs(program):
    check(program, [{}])


@pytest.mark.parametrize("program", UNARY)
def test_of_one_tensor(program):
    check(program, [{"x": s} for s in GRID])


@pytest.mark.parametrize("program", BINARY)
def test_of_two(program):
    check(program, [{"x": a, "y": b} for a, b in PAIRS])


INDICES = [Sample(np.array([0, 1])), Sample(np.array([1, 0], np.int32))]
INDEXED = [sample(d, s) for d in ("int64", "float32") for s in ((), (4,), (2, 3), (2, 3, 4), (0, 3))]


@pytest.mark.parametrize("key", KEYS)
def test_indexing(key):
    check(f"x[{key}]", [{"x": x, "i": i} for x in INDEXED for i in INDICES])


@pytest.mark.parametrize("key", KEYS)
def test_assignment(key):
    for value in VALUES:
        y = sample("float32", (2, 3), 1)
        check(f"x[{key}] = {value}", [{"x": x, "i": INDICES[0], "y": y} for x in INDEXED])


@pytest.mark.parametrize("program", LOSSES)
def test_losses(program):
    matching = [(sample(a, s), sample(b, s, 1)) for a in DTYPES for b in DTYPES for s in ((2, 3), (), (0, 3))]
    check(program, [{"x": x, "y": y} for x, y in matching])


SCORES = (((4, 3), (4,)), ((3,), ()), ((2, 3, 5), (2, 5)), ((4, 3), (4, 1)), ((4, 3), (3,)), ((0, 3), (0,)), ((), ()))
BATCHES = ([0, 1, 2, 3], [0, -1, 1, 2], [1, 1, 1, 1])


@pytest.mark.parametrize("program", CLASSES)
def test_losses_of_classes(program):
    rng = np.random.default_rng(3)
    cases = []
    for dtype in ("float32", "float64", "int64"):
        for (x, y), kind in itertools.product(SCORES, ("int64", "int32", "uint8", "bool")):
            cases.append({"x": sample(dtype, x), "y": Sample(np.asarray(rng.integers(0, 3, y)).astype(kind))})
        for shape in ((4, 3), (3,), (2, 3, 5), (0, 3)):
            cases.append({"x": sample(dtype, shape), "y": sample("float32", shape, 1)})
        cases += [{"x": sample(dtype, (4, 3)), "y": Sample(np.array(y))} for y in BATCHES]
    check(program, cases)


@pytest.mark.parametrize("program", ALONG)
def test_along_a_dimension(program):
    rng = np.random.default_rng(5)
    cases = []
    for dtype, shape in itertools.product(("int64", "float32", "float64"), SHAPES):
        for index in ((), (2,), (2, 3), (2, 1), (1, 5), (5, 1), (2, 3, 4), (0,), (0, 3), (1, 2, 2)):
            cases.append({"x": sample(dtype, shape), "i": Sample(rng.integers(0, 2, index))})
    check(program, cases)


def test_every_listed_difference_is_one():
    if len(RAN) < len({*PLAIN, *UNARY, *BINARY, *LOSSES, *CLASSES, *ALONG}):
        pytest.skip("not all programs ran in this process (pass -n 0 and no -k)")
    assert set(DIFFERENCES) - MET == set()
