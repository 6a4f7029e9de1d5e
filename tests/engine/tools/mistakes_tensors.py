"""Mistakes with tensors and gradients: what is done, what it raises, and what the message must say.

test_mistakes.py makes them, with those of the other files that are called so.
"""

# ruff: noqa: E501  (a row stays on its line)

from __future__ import annotations

import copy
import math
import textwrap
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import minigrad as mg
import minigrad.nn as nn
import minigrad.nn.functional as F
import minigrad.optim as optim


class Mistake(NamedTuple):
    """One row: what is done, in words and in code, and what must come of it."""

    name: str
    code: str | Callable[[], Any]
    exception: type[Exception]
    fragments: list[str]  # what was given, what was expected, how to mend it

    def make(self) -> Any:
        """Make the mistake."""
        if callable(self.code):
            return self.code()
        names = {"mg": mg, "np": np, "math": math, "nn": nn, "F": F, "optim": optim, "copy": copy}
        exec(compile(textwrap.dedent(self.code).strip(), "<the user's script>", "exec"), names)
        return None


R, V, T, I, A = RuntimeError, ValueError, TypeError, IndexError, AttributeError
SHAPES = ["input has shape (64,) but target has shape (64, 1)", "reshape one of them", ".unsqueeze(1) or .squeeze(1)"]
LEAF = ["a leaf tensor that requires a gradient (shape (3,))", "while recording", "do it under no_grad()"]
NO_NUMBER = ["a tensor of shape (3,)", "only one-element tensors", ".tolist()"]


def same(name: str, code: str, exception: type[Exception], *fragments: str) -> Mistake:
    """A row."""
    return Mistake(name, code, exception, list(fragments))


# fmt: off
CATALOGUE: dict[str, list[Mistake]] = {
    "Making tensors": [
        same("ragged lists", "mg.tensor([[1.0, 2.0], [3.0]])", V, "rows of 1 and 2", "the same length", "pad them"),
        same("not a number", "mg.tensor([1.0, None])", T, "got None", "expected numbers", "convert it first"),
        same("an array of strings", 'mg.tensor(np.array(["left", "up"]))', T, "<U4", "tensors", "convert them to numbers"),
        same("tensors in a list", "mg.tensor([mg.ones(3), mg.ones(3)])", V, "shape (3,)", "only one element", "stack()"),
        same("a number too large", "mg.tensor([300], dtype=mg.uint8)", OverflowError, "300", "uint8", "a wider dtype"),
        same("an unknown dtype", 'mg.zeros(3, dtype="float33")', T, "'float33'", "not supported", "use one of bool, float32"),
        same("an unknown device", 'mg.zeros(3, device="tpu")', R, "'tpu'", "expected 'cpu'", "'cuda'"),
        same("neither dtype nor device", 'mg.ones(3).to("fast")', T, "'fast'", "neither a dtype nor a device", "minigrad.float32"),
        same("from_numpy of a list", "mg.from_numpy([1.0])", T, "got list", "numpy.ndarray", "use tensor()"),
        same("a size that is no int", "mg.zeros(2.5)", T, "got 2.5 of type float", "sizes must be ints", "ints"),
        same("a negative size", "mg.zeros(-1)", V, "(-1,)", "must not be negative", "sizes"),
        same("Tensor of two lists", "mg.Tensor([1.0], [2.0])", T, "got 2 arguments", "one array-like", "pass one (nested) list"),
        same("a step that leads away", "mg.arange(0, 5, -1)", V, "step -1", "from 0 to 5", "lead"),
        same("arange of nothing", "mg.arange()", T, "missing", "where to end", "arange(end)"),
        same("integers from randn", "mg.randn(3, dtype=mg.int64)", T, "got int64", "floating-point", "use randint"),
        same("an empty range", "mg.randint(5, 5, (2,))", V, "[5, 5)", "empty", "high must be above low"),
        same("an endless range", "mg.arange(0, float('inf'))", V, "arange: end is inf", "expected", "a finite number"),
        same("more numbers than there is memory", "mg.arange(0, 1e30)", V, "arange", "1e+30", "any memory"),
        same("a step that is cut to 0", "mg.arange(0, 3, 0.5, dtype=mg.int64)", V, "step 0.5", "int64", "another dtype"),
        same("a word to count to", "mg.arange('a')", T, "arange: end is 'a'", "expected", "a number"),
        same("a fraction of steps", "mg.linspace(0, 3, 1.0)", T, "linspace: steps is 1.0", "an int", "how many numbers"),
        same("a vector to begin with", "mg.linspace(mg.ones(1), mg.ones(1), 1)", T, "linspace: start has shape (1,)", "a number", "0-d tensor"),
        same("a line without an end", "mg.linspace(0, float('nan'), 3)", V, "linspace", "nan", "expected finite numbers"),
        same("a negative identity", "mg.eye(-1)", V, "eye", "must not be negative", "-1"),
        same("a number that full can't hold", "mg.full((2,), 300, dtype=mg.uint8)", OverflowError, "full: 300", "uint8", "a wider dtype"),
        same("NaN as an integer", "mg.full((2,), float('nan'), dtype=mg.int64)", OverflowError, "nan", "int64", "a float"),
        same("full of a list", "mg.full((2,), [1, 2])", T, "fill_value is [1, 2]", "expected", "a number"),
        same("a fraction to draw below", "mg.randint(0, 2.5, (2,))", T, "randint: high is 2.5", "expected an int", "float"),
        same("integers beyond the dtype", "mg.randint(0, 300, (2,), dtype=mg.uint8)", OverflowError, "randint: 299", "uint8", "a wider dtype"),
        same("a negative permutation", "mg.randperm(-1)", V, "randperm", "must not be negative", "-1"),
        same("uniform bounds the wrong way round", "mg.ones(2).uniform_(3, -1)", R, "uniform_", "3 and -1", "the lower one first"),
        same("a negative deviation", "mg.zeros(2).normal_(0, -1)", R, "normal_", "std=-1", "at least 0"),
        same("normal numbers in integers", "mg.zeros(2, dtype=mg.int64).normal_()", R, "normal_", "int64", ".float()"),
        same("a rate of 0", "mg.zeros(2).exponential_(0)", R, "exponential_", "lambd=0", "above 0"),
        same("probabilities of another shape", "mg.zeros(2).bernoulli_(mg.ones(3))", R, "bernoulli_", "(3,)", "broadcast"),
        same("nothing to draw from", "mg.zeros(2).random_(0)", V, "random_", "[0, 0)", "high must be above low"),
        same("numbers too large for a mask", "mg.zeros(2, dtype=mg.bool).random_(3)", OverflowError, "random_", "bool", "0 and 1"),
        same("a state that is a seed", "mg.set_rng_state(3)", T, "got int", "expected a state", "use manual_seed"),
        same("a stream that is NumPy's", "with mg.random.using(np.random.default_rng(0)): pass", T, "got Generator", "expected a minigrad.Generator", "using"),
        same("a seed that is no int", 'mg.manual_seed("42")', T, "got str ('42')", "expected an int", "an int"),
        same("an integer default dtype", "mg.set_default_dtype(mg.int64)", T, "got int64", "floating-point", "expected"),
        same("a method that is not there", "mg.ones(3).sorted_by_reward()", A, "'Tensor'", "no attribute", "'sorted_by_reward'"),
        same("a function that is not there", "mg.solve_reinforcement_learning()", A, "module 'minigrad'", "no attribute", "'solve"),
    ],
    "Arithmetic": [
        same("shapes that do not broadcast", "mg.ones(2, 3) + mg.ones(4)", R, "(2, 3) and (4,)", "equal or 1", "unsqueeze"),
        same("a string as a number", 'mg.ones(3) + "1"', T, "got str", "expected a Tensor or a number", "minigrad.tensor"),
        same("None as a number", "mg.ones(3) * None", T, "got NoneType", "expected a Tensor or a number", "minigrad.tensor"),
        same("compared with a string", 'mg.ones(3) < "a"', T, "got str", "expected a Tensor or a number", "minigrad.tensor"),
        same("1 - mask", "1 - mg.tensor([True, False])", R, "bool tensors", "not defined", "use ~mask"),
        same("an integer to a negative power", "mg.tensor([1, 2]) ** -1", R, "integers", "negative power", ".float()"),
        same("an integer divided by zero", "mg.tensor([5]) // 0", ZeroDivisionError, "an integer was divided by 0", "keep the divisor away from 0", ".float()"),
        same("the remainder of a division by zero", "7 % mg.tensor([2, 0])", ZeroDivisionError, "remainder (%)", "divided by 0", ".float()"),
        same("a number that frames can't hold", "mg.zeros(2, dtype=mg.uint8).masked_fill(mg.tensor([True, False]), 300)", R, "300 does not fit into uint8", "holds 0 to 255", ".long() or .float()"),
        same("an infinite integer", "mg.tensor([5]).masked_fill(mg.tensor([True]), -math.inf)", R, "masked_fill: int64 cannot hold -inf", "convert the tensor first", ".float()"),
        same("close to a number", "mg.isclose(mg.ones(1), 2)", T, "other must be a Tensor", "got int", "as_tensor"),
        same("the larger of two numbers", "mg.max(2, 3)", T, "max: input must be a Tensor", "got int", "as_tensor"),
        same("a bound for a number", "mg.clamp_max(2, mg.ones(1))", T, "input must be a Tensor", "got int", "as_tensor"),
        same("xlogy of two numbers", "mg.xlogy(2, 3)", T, "input must be a Tensor", "got int", "as_tensor"),
        same("a negative tolerance", "mg.allclose(mg.ones(1), mg.ones(1), atol=-1)", R, "atol=-1", "tolerances", "at least 0"),
        same("the sign of a bool", "mg.tensor([True]).sign()", R, "bool", "not defined", ".float()"),
        same("a bound that is no number", 'mg.ones(3).clamp(max="1")', R, "clamp", "not defined", "numbers"),
        same("clamp without bounds", "mg.ones(3).clamp()", R, "neither bound", "expected min, max or both", "clamp(min=0)"),
        same("where of a list", "mg.where([True], mg.ones(1), 0)", T, "got list", "bool Tensor", "as_tensor"),
        same("where of integers", "mg.where(mg.tensor([1, 0]), 1.0, 0.0)", R, "int64", "bool tensor", "compare it, e.g. x > 0"),
        same("an integer mask", "mg.ones(2).masked_fill(mg.tensor([1, 0]), 0.0)", R, "int64", "bool tensor", ".bool()"),
        same("a mask for masked_select", "mg.ones(2).masked_select(mg.tensor([1, 0]))", R, "int64", "bool tensor", ".bool()"),
    ],
    "Matrix products": [
        same("shapes that do not match", "mg.ones(2, 3) @ mg.ones(2, 3)", R, "(2, 3) and (2, 3)", "must be", "transpose"),
        same("two dtypes", "mg.ones(2, 3) @ mg.ones(3, 2).double()", R, "float64", "needs one dtype", ".double()"),
        same("a matrix times a number", "mg.ones(2, 3) @ 2.0", T, "float", "needs two tensors", "use *"),
        same("a wrong number of features", "nn.Linear(4, 2)(mg.ones(5, 3))", R, "(5, 3)", "takes 4 features", "in_features=3"),
        same("float64 into a float32 layer", "nn.Linear(4, 2)(mg.ones(5, 4).double())", R, "float64", "one dtype", ".float()"),
        same("integers into a layer", "nn.Linear(4, 2)(mg.ones(5, 4).long())", R, "int64", "one dtype", ".float()"),
        same("a bias that does not fit", "F.linear(mg.ones(5, 3), mg.ones(2, 3), mg.ones(3))", R, "(3,)", "2 features", "expected (2,)"),
        same("a weight that is no matrix", "F.linear(mg.ones(5, 3), mg.ones(3))", R, "(3,)", "(out_features, in_features)", "unsqueeze(0)"),
    ],
    "Dimensions and shapes": [
        same("a dimension too many", "mg.ones(2, 3).sum(2)", I, "dimension 2", "[-2, 1]", "counting from 0"),
        same("a dimension twice", "mg.ones(2, 3).sum((0, 0))", V, "(0, 0)", "twice", "name each once"),
        same("a fractional dimension", "mg.ones(2, 3).sum(0.5)", T, "got float", "an int", "tuple of ints"),
        same("dim and axis", "mg.ones(2, 3).sum(0, axis=1)", T, "dim=0 and axis=1", "mean the same", "give one"),
        same("max over two dimensions", "mg.ones(2, 3).max((0, 1))", T, "(0, 1)", "one int", "use amax"),
        same("the largest of nothing", "mg.ones(0).max()", R, "(0,)", "at least one", "check numel()"),
        same("two dimensions without a tuple", "mg.ones(2, 3).sum(0, 1)", T, "keepdim is 1", "True or False", "go in a tuple"),
        same("the mean as an integer", "mg.ones(2).mean(dtype=mg.int64)", R, "mean: dtype=int64", "cannot hold a fraction", "give a float dtype"),
        same("the mean of integers", "mg.tensor([1, 2]).mean()", R, "int64", "floating-point", ".float()"),
        same("a reshape that does not fit", "mg.ones(2, 3).reshape(4)", R, "(4,)", "6 elements", "must multiply to that"),
        same("two unknown sizes", "mg.ones(2, 3).reshape(-1, -1)", R, "(-1, -1)", "(2, 3)", "at most one may be -1"),
        same("a view across a transpose", "mg.ones(2, 3).t().view(-1)", R, "(3, 2)", "without copying", "use .reshape"),
        same("expand of a size above 1", "mg.ones(2, 3).expand(4, 3)", R, "(2, 3)", "only dimensions of size 1", "use repeat"),
        same("a dimension permuted twice", "mg.ones(2, 3).permute(0, 0)", V, "(0, 0)", "twice", "name each once"),
        same("pieces that do not add up", "mg.ones(2, 3).split([1, 3], 1)", R, "[1, 3]", "sum to 3", "the size of dimension 1"),
        same("pieces of size 0", "mg.ones(2, 3).split(0)", R, "got 0", "must be positive", "size of a piece"),
        same("a part of a number", "mg.tensor(1.0).narrow(0, 0, 1)", R, "narrow", "a 0-d tensor", "reshape it to (1,)"),
        same("pieces of a number", "mg.tensor(1.0).split(1)", R, "split", "a 0-d tensor", "reshape it to (1,)"),
        same("the slices of a number", "mg.tensor(1.0).unbind(0)", I, "unbind", "a 0-d tensor", ".item()"),
        same("a slice of a number", "mg.tensor(1.0).select(0, 0)", I, "select", "a 0-d tensor", ".item()"),
        same("a number rolled", "mg.tensor(1.0).roll(0, 0)", I, "roll", "a 0-d tensor", "dimension 0"),
        same("two shifts for one dimension", "mg.arange(4).roll((2, 1), 0)", R, "2 shifts (2, 1)", "1 dims 0", "one shift for each dimension"),
        same("a bool as a place", "mg.ones(3, 3).narrow(0, mg.tensor(True), 2)", T, "start must be an int", "a tensor of bool", "0-d integer tensor"),
        same("a diagonal of one dimension", "mg.ones(3, 3).diagonal(0, 1, 1)", R, "dim1=1 and dim2=1", "the same dimension", "give two"),
        same("no chunks", "mg.ones(2, 3).chunk(0)", R, "got 0", "must be positive", "number of chunks"),
        same("too few repeats", "mg.ones(2, 3).repeat(2)", R, "got 1", "(2, 3)", "give one per dimension"),
        same("narrow beyond the end", "mg.ones(2, 3).narrow(1, 2, 5)", R, "2 to 7", "3 elements", "expected a part"),
        same("t of a stack of matrices", "mg.ones(2, 3, 4).t()", R, "(2, 3, 4)", "at most 2 dimensions", "use transpose"),
        same("flatten backwards", "mg.ones(2, 3).flatten(1, 0)", R, "start_dim=1", "end_dim=0", "comes after"),
        same("cat of nothing", "mg.cat([])", R, "an empty list", "at least one tensor", "check that something was collected"),
        same("stack of nothing", "mg.stack([])", R, "an empty list", "at least one tensor", "check that something was collected"),
        same("cat of shapes that differ", "mg.cat([mg.ones(2, 3), mg.ones(2, 4)])", R, "(2, 4)", "must agree", "dimension but 0"),
        same("stack of shapes that differ", "mg.stack([mg.ones(2), mg.ones(3)])", R, "(3,)", "the same shape", "pad them"),
        same("stack of numbers", "mg.stack([1.0, 2.0])", T, "item 0 is a float", "a list of tensors", "tensor()"),
        same("stack of a tensor", "mg.stack(mg.ones(3))", T, "got one Tensor", "a list or tuple", "stack([a, b, ...])"),
        same("cat of 0-d tensors", "mg.cat([mg.ones(()), mg.ones(())])", R, "0-d tensors", "cannot be concatenated", "use stack"),
        same("the size of a missing dimension", "mg.ones(3).size(5)", I, "dimension 5", "(3,)", "see .ndim"),
    ],
    "Picking elements": [
        same("an action that is not there", "mg.ones(4, 2).gather(1, mg.full((4, 1), 2))", I, "index 2", "size 2", "expected 0 to 1"),
        same("a negative action", "mg.ones(4, 2).gather(1, mg.full((4, 1), -1))", I, "index -1", "size 2", "expected 0 to 1"),
        same("actions without a column", "mg.ones(4, 2).gather(1, mg.zeros(4).long())", R, "(4,)", "same number", "unsqueeze(1)"),
        same("actions that are floats", "mg.ones(4, 2).gather(1, mg.zeros(4, 1))", R, "float32", "integer tensor", ".long()"),
        same("actions in a list", "mg.ones(4, 2).gather(1, [[0]])", T, "got list", "integer tensor", "tensor()"),
        same("more actions than rows", "mg.ones(4, 2).gather(1, mg.zeros(5, 1).long())", R, "(5, 1)", "not be longer", "only in dimension 1"),
        same("gather along a missing dimension", "mg.ones(4, 2).gather(3, mg.tensor([[0]]))", I, "dim=3", "2-d", "count from 0"),
        same("index_select out of range", "mg.ones(4).index_select(0, mg.tensor([4]))", I, "index 4", "size 4", "expected 0 to 3"),
        same("scatter_add of two dtypes", "mg.ones(4).scatter_add(0, mg.tensor([0]), mg.ones(1).double())", R, "float64", "float32", ".to()"),
        same("an index out of range", "mg.ones(3)[5]", I, "index 5", "size 3", "shape (3,)"),
        same("a fractional index", "mg.ones(3)[1.5]", T, "1.5 of type float", "index", "use ints, slices"),
        same("a float tensor as index", "mg.ones(3)[mg.tensor([0.0])]", I, "float32", "integer or bool", ".long()"),
        same("too many indices", "mg.ones(3)[0, 0]", I, "2 were indexed", "shape (3,)", "1-dimensional"),
        same("a mask that is too short", "mg.ones(3)[mg.tensor([True, False])]", I, "is 2", "is 3", "shape (3,)"),
        same("rows and columns that do not pair", "mg.ones(2, 3)[[0, 1], [0, 1, 2]]", I, "(3,)", "(2,)", "shape (2, 3)"),
        same("a value that does not fit", "x = mg.zeros(3); x[:2] = mg.ones(3)", R, "(3,)", "(2,)", "broadcasts to it"),
        same("an assignment out of range", "x = mg.zeros(3); x[7] = 1.0", I, "index 7", "size 3", "shape (3,)"),
        same("a class too many", "F.one_hot(mg.tensor([0, 3]), 3)", I, "index 3", "size 3", "expected 0 to 2"),
        same("one_hot of floats", "F.one_hot(mg.tensor([0.0]), 3)", R, "float32", "integer tensor", ".long()"),
        same("a negative weight", "mg.multinomial(mg.tensor([0.5, -0.5]), 1)", R, "negative", "weights >= 0", "softmax"),
        same("more draws than choices", "mg.multinomial(mg.ones(3), 5)", R, "5 different", "cannot draw", "replacement=True"),
        same("a probability above 1", "mg.bernoulli(mg.tensor([1.5]))", R, "1.5", "between 0 and 1", "sigmoid"),
    ],
    "Losses": [
        *(
            same(f"(64,) against (64, 1) in {name}", f"F.{name}(mg.ones(64), mg.ones(64, 1))", R, name + ":", *SHAPES)
            for name in ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "binary_cross_entropy_with_logits")
        ),
        *(
            same(f"(64,) against (64, 1) in nn.{name}", f"nn.{name}()(mg.ones(64), mg.ones(64, 1))", R, *SHAPES)
            for name in ("MSELoss", "L1Loss", "SmoothL1Loss", "HuberLoss", "BCEWithLogitsLoss")
        ),
        same("a number as target", "F.mse_loss(mg.ones(3), 1.0)", T, "got float", "must be a Tensor", "as_tensor"),
        same("an unknown reduction", 'F.mse_loss(mg.ones(3), mg.ones(3), reduction="avg")', V, "'avg'", "expected 'mean'", "'none'"),
        same("a negative delta", "F.huber_loss(mg.ones(3), mg.ones(3), delta=-1.0)", V, "got -1.0", "must be positive", "delta"),
        same("classes in a column", "F.cross_entropy(mg.ones(64, 3), mg.zeros(64, 1).long())", R, "(64, 1)", "(64,)", "squeeze(1)"),
        same("classes that are floats", "F.cross_entropy(mg.ones(64, 3), mg.zeros(64))", R, "float32", "an integer dtype", ".long()"),
        same("a class too many", "F.cross_entropy(mg.ones(2, 3), mg.tensor([0, 3]))", I, "target 3", "expected 0 to 2", "ignore_index"),
        same("a negative class", "F.cross_entropy(mg.ones(2, 3), mg.tensor([0, -1]))", I, "target -1", "expected 0 to 2", "ignore_index"),
        same(
            "a weight per sample",
            "F.cross_entropy(mg.ones(64, 3), mg.zeros(64).long(), weight=mg.ones(64))",
            R,
            "weight has shape (64,)",
            "one factor per class, so (3,)",
            'use reduction="none" and multiply',
        ),
        same("nll_loss of floats", "F.nll_loss(mg.ones(4, 3), mg.zeros(4))", R, "float32", "integer classes", ".long()"),
        same("softmax along a missing dimension", "mg.ones(4, 3).softmax(2)", I, "dimension 2", "[-2, 1]", "counting from 0"),
    ],
    "Gradients": [
        same("a gradient for integers", "mg.tensor([1, 2], requires_grad=True)", R, "int64", "floating-point", ".float()"),
        same("backward from a vector", "(mg.ones(3, requires_grad=True) * 2).backward()", R, "(3,)", "one element", ".sum()"),
        same("backward of a constant", "mg.ones(3).sum().backward()", R, "shape ()", "does not require a gradient", "requires_grad_()"),
        same(
            "backward through a detached loss",
            "(mg.ones(3, requires_grad=True) * 2).sum().detach().backward()",
            R,
            "does not require a gradient",
            "detach()",
            "requires_grad_()",
        ),
        same(
            "backward twice",
            """
            x = mg.ones(3, requires_grad=True)
            loss = (x * x).sum()
            loss.backward()
            loss.backward()
            """,
            R,
            "at 'multiply'",
            "freed by an earlier backward",
            "retain_graph=True",
        ),
        same(
            "backward after the optimizer's step",
            """
            layer, head = nn.Linear(2, 2), nn.Linear(2, 1)
            optimizer = optim.SGD(head.parameters(), lr=0.1)
            loss = head(layer(mg.ones(4, 2))).sum()
            loss.backward(retain_graph=True)
            optimizer.step()
            loss.backward()
            """,
            R,
            "input 'weight' of shape (1, 2)",
            "as it was in the forward pass",
            "call backward before the change",
        ),
        same(
            "a result changed in place before backward",
            """
            x = mg.ones(3, requires_grad=True)
            y = x.exp()
            loss = (y * y).sum()
            y.mul_(2)
            loss.backward()
            """,
            R,
            "of shape (3,)",
            "changed in place since",
            "compute from a .clone()",
        ),
        same("a leaf changed in place", "mg.ones(3, requires_grad=True).add_(1)", R, *LEAF),
        same("an element of a leaf changed", "x = mg.ones(3, requires_grad=True); x[0] = 2.0", R, *LEAF),
        same("a parameter updated while recording", "p = mg.ones(3, requires_grad=True); p -= 0.1 * p", R, *LEAF),
        same(
            "a recorded view changed",
            "y = mg.ones(3, requires_grad=True) * 2; y[:2].add_(1)",
            R,
            "shape (2,)",
            "is a view",
            "base[index] = value",
        ),
        same(
            "an old view used after a change",
            "y = mg.ones(3, requires_grad=True) * 2; view = y[:2]; y[0] = 5.0; view.sum()",
            R,
            "shape (2,)",
            "taken before its base was changed",
            "take the view again",
        ),
        same("a gradient of another shape", "(mg.ones(3, requires_grad=True) * 2).backward(mg.ones(4))", R, "(4,)", "(3,)", "the same"),
        same(
            "grad of a constant",
            "mg.autograd.grad(mg.ones(3, requires_grad=True).sum(), mg.ones(3))",
            R,
            "input 0 (shape (3,))",
            "does not require a gradient",
            "requires_grad_()",
        ),
        same(
            "grad of what does not take part",
            "mg.autograd.grad(mg.ones(3, requires_grad=True).sum(), mg.ones(2, requires_grad=True))",
            R,
            "input 0 (shape (2,))",
            "do not depend",
            "allow_unused=True",
        ),
        same(
            "one cotangent for two outputs",
            "x = mg.ones(3, requires_grad=True); mg.autograd.grad([x.sum(), x.mean()], x, [mg.ones(())])",
            R,
            "2 tensors but 1 gradients",
            "one for each",
            "give",
        ),
        same("backward into no leaves", "mg.ones((), requires_grad=True).backward(inputs=[])", R, "is empty", "every leaf", "leave it out"),
        same("retain_grad of a constant", "mg.ones(3).retain_grad()", R, "this tensor", "does not require", "requires_grad_()"),
        same("a hook on a constant", "mg.ones(3).register_hook(print)", R, "this tensor", "does not require", "requires_grad_()"),
        same(
            "a hook that changes the shape",
            "x = mg.ones(3, requires_grad=True); x.register_hook(lambda g: g.sum()); x.sum().backward()",
            R,
            "it returned shape ()",
            "of shape (3,)",
            "return None or a Tensor",
        ),
        same("an array as .grad", "mg.ones(3).grad = np.ones(3)", T, "got ndarray", "expected a Tensor", "as_tensor"),
        same("a .grad of another shape", "mg.ones(3).grad = mg.ones(4)", R, "(4,)", "(3,)", "must be the same"),
        same("an array as .data", "mg.ones(3).data = np.ones(3)", T, "got ndarray", "expected a Tensor", "as_tensor"),
        same(
            "a result told not to require a gradient",
            "(mg.ones(3, requires_grad=True) * 2).requires_grad_(False)",
            R,
            "made by 'multiply'",
            "on leaves only",
            "use .detach()",
        ),
        same("a copy of a result", "copy.deepcopy(mg.ones(3, requires_grad=True) * 2)", R, "made by 'multiply'", "only leaves", ".clone()"),
    ],
    "In place": [
        same("a result too large", "mg.ones(3).add_(mg.ones(2, 3))", R, "(2, 3)", "(3,)", "only the argument can be broadcast"),
        same("a fraction into integers", "mg.tensor([1, 2]).add_(0.5)", R, "float32", "int64", ".float()"),
        same("integers divided in place", "n = mg.tensor([1, 2]); n /= 2", R, "float32", "int64", ".float()"),
        same("a place of expanded memory", "mg.zeros(1).expand(3)[0] = 1.0", R, "made by expand", "share one number", ".clone()"),
        same("an array that is read-only", "a = np.ones(2, np.float32); a.flags.writeable = False; mg.from_numpy(a).add_(1)", R, "add_", "a NumPy array that is read-only", ".clone()"),
        same("a frame's number too large", "mg.zeros(2, dtype=mg.uint8)[0] = 300", R, "300 does not fit into uint8", "0 to 255", ".long() or .float()"),
        same("fill_ with several values", "mg.ones(3).fill_(mg.ones(3))", R, "(3,)", "a number or a 0-d tensor", "use copy_"),
    ],
    "Leaving the engine": [
        same("numpy() of a recorded tensor", "mg.ones(3, requires_grad=True).numpy()", R, "requires a gradient", "array", ".detach().numpy()"),
        same("an array of a recorded tensor", "np.array(mg.ones(3, requires_grad=True))", R, "requires a gradient", "array", ".detach()"),
        same(
            "a NumPy function without a derivative",
            "np.linalg.norm(mg.ones(3, requires_grad=True))",
            R,
            "numpy.norm",
            "has no derivative here",
            "use a minigrad function, or .detach()",
        ),
        same("item() of many", "mg.ones(3).item()", R, "shape (3,)", "one-element", ".tolist()"),
        same("the truth of many", "if mg.ones(3) > 0: pass", R, *NO_NUMBER),
        same("float() of many", "float(mg.ones(3))", R, *NO_NUMBER),
        same("a float tensor as a range", "range(mg.tensor(2.0))", T, "float32", "integer tensor of one element", "int(x)"),
        same("the length of a number", "len(mg.tensor(1.0))", T, "0-d tensor", "a single value", ".item()"),
        same("a loop over a number", "for value in mg.tensor(1.0): pass", T, "0-d tensor", "a single value", ".item()"),
    ],
    "Found by anomaly detection": [
        same(
            "the logarithm of zero",
            """
            x = mg.zeros(3, requires_grad=True)
            with mg.autograd.detect_anomaly():
                loss = x.log().sum()
            """,
            R,
            "'log' at <the user's script>:3",
            "has a NaN or infinity although its inputs are finite",
            "clamp(min=1e-8)",
        ),
        same(
            "the slope of the square root at zero",
            """
            x = mg.zeros(3, requires_grad=True)
            with mg.autograd.detect_anomaly():
                loss = x.sqrt().sum()
                loss.backward()
            """,
            R,
            "'sqrt' at <the user's script>:3",
            "from a finite cotangent",
            "(x + 1e-12).sqrt()",
        ),
        same(
            "NaN from the branch that where did not choose",
            """
            x = mg.tensor([0.0, 1.0], requires_grad=True)
            with mg.autograd.detect_anomaly():
                y = mg.where(x > 0, x.sqrt(), 0.0)
                y.sum().backward()
            """,
            R,
            "'sqrt' at <the user's script>:3",
            "a cotangent of 0 met an infinite slope, as in a branch that `where` did not choose",
            "where(mask, f(where(mask, x, 1)), 0)",
        ),
    ],
}
# fmt: on
