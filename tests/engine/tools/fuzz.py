"""Random programs for minigrad and PyTorch: a seed makes a text of several lines that either library can run.

A program begins with leaves of mixed dtypes and shapes, goes on with lines drawn from TEMPLATES and from the lists of
test_dialect_oracle.py (with the program's own variables in place of `x`, `y` and `i`), so that views, changes in place,
broadcasting and mistakes meet, and mostly ends in a backward pass. `outcome` is what a program did: the line that
raised, if one did, and every variable's shape, dtype, values and gradient.
"""

from __future__ import annotations

import gzip
import json
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import test_dialect_oracle as grid
import test_names_oracle as names_grid

import minigrad
import minigrad.nn.functional

# -- what is drawn ----------------------------------------------------------------------------------------

TEMPLATES = {
    "arithmetic": """
        x + y|x - y|x * y|x / y|x * y + z|x ** 2|x.tanh() * y|T.where(x > y, x, y)|T.where(m, x, y)
        T.where(x > 0, x, n)|T.maximum(x, y)|T.minimum(x, n * y)|x.clamp(-1, n)|x.clamp(min=y)|x.abs()|x.exp()
        x.sigmoid()|(x * x + 1).sqrt()|(x.abs() + 0.5).log()|x / (1 + y * y)|x * n|n - x|n / x|x.masked_fill(m, n)
        x.relu()|-x|x.square()|x.float()|x.double()|x.to(T.int64)|x > y|x == y|x.lerp(y, 0.25)|T.addcmul(x, y, z)
        x.sin() + y.cos()|T.atan2(x, y)|x.float() + y|x.double() * y|x.pow(y)|x % y|x.detach() // y.detach()
        T.logaddexp(x, y)|x.log1p()|T.add(x, y, alpha=2)|F.softplus(x)|F.gelu(x)|F.silu(x)|F.elu(x)
        x.nan_to_num(0.5)|x.reciprocal()|x.rsqrt()|~m|m & (x > 0)|x.logical_and(y)|x.isclose(y)|x.expm1()|x.frac()
        T.fmod(x, y)|T.xlogy(x, y)|x.erf()""",
    "views": """
        x[0]|x[-1]|x[1:]|x[:, 0]|x[..., -1]|x[::2]|x[None]|x[..., None]|x[1]|x[:, 1:]|x.T|x.transpose(d, d)
        x.reshape(-1)|x.view(-1)|x.reshape(3, -1)|x.view(3, 2)|x.unsqueeze(d)|x.squeeze()|x.squeeze(d)
        x.expand(2, *x.shape)|x.detach()|x.flatten()|x.permute(1, 0)|x.narrow(d, 0, 1)|x.split(1)[0]|x.chunk(2, d)
        x.unbind(d)|x.expand_as(y)|x.diagonal().clone()|x.movedim(0, -1)|x.swapaxes(0, 1)|x.select(d, 0)
        x.unflatten(-1, (1, -1))|x.clone()|x.contiguous()|x.mT|x.data|x.view_as(y)|x[..., ::2]|x.T[0]
        x.unsqueeze(0)[0]|x[1:][0]|x.diag()|x.tril()|x.triu(1)|x.flip(d)|x.roll(1, d)|T.cat([x, y])
        T.cat([x, y], dim=d)|T.stack([x, y])|T.stack([x, y, x], dim=d)|x.repeat(2, 1)|T.hstack([x, y])
        T.vstack([x, y])|T.broadcast_to(x, (2, 3))|x.repeat_interleave(2, d)|x.tile(2)
        T.meshgrid(x, y, indexing='ij')""",
    "in place": """
        x.add_(y)|x.mul_(y)|x.sub_(n)|x.div_(y)|x.zero_()|x.fill_(n)|x.copy_(y)|x.clamp_(min=0)|x.exp_()|x.tanh_()
        x.sigmoid_()|x.relu_()|x.neg_()|x.abs_()|x.sqrt_()|x.pow_(2)|x.masked_fill_(m, n)|x.add_(y, alpha=2)|x += y
        x *= y|x -= n|x /= n|x *= n|x **= 2|x.lerp_(y, 0.5)|x.square_()|x.clamp_(-1, 1)|x.addcmul_(x, y)|x.mul_(x)
        x[0] = y|x[0] = n|x[1:] = y|x[..., -1] = y|x[:, 0] = n|x[x > 0] = n|x[m] = n|x[[0, -1]] = y|x[i] = y
        x[i] = n|x[0] += y|x[..., 0] *= n|x[1:] -= y|x[0].add_(y)|x[:, 0].mul_(n)|x.T.add_(y)|x.view(-1)[0] = n
        x.data.add_(y)|x.detach().mul_(n)|x.unsqueeze(0).add_(y)|x.requires_grad_()|x.detach_()
        with T.no_grad(): x.add_(y)|with T.no_grad(): x.mul_(n)|with T.no_grad(): x[0] = n|x.scatter_add_(d, i, y)
        x.scatter_(d, i, n)|x[...] = y|x.index_add_(0, i, y)|x.index_fill_(d, i, n)""",
    "reductions": """
        x.sum()|x.mean()|x.sum(d)|x.mean(d)|x.sum(d, keepdim=True)|x.amax(d)|x.amin(d)|x.max()|x.max(d)
        x.min(d).values|x.prod()|x.prod(d)|x.var(d)|x.std()|x.std(d, unbiased=False)|x.norm()|x.norm(dim=d)
        x.logsumexp(d)|x.softmax(d)|x.log_softmax(d)|x.cumsum(d)|x.argmax(d)|x.argmin()|x.any(d)|x.all()
        x.sum((0, 1))|x.mean(-1, keepdim=True)|x.max(d).indices|x.cumprod(d)|x.sum(dtype=T.float64)|x.amax((0, 1))
        x.logsumexp((0, 1))|x.count_nonzero()|x.var_mean(d)|x.sort(dim=d, stable=True)|x.trace()|x.argmax()""",
    "places": """
        x.gather(d, i)|x.index_select(d, i)|x[i]|x[i, 0]|x[:, i]|x[..., i]|x[m]|x[[0, -1, 0]]|x[x > 0]
        x.masked_select(m)|x.scatter_add(d, i, y)|x.scatter(d, i, y)|x.scatter(d, i, n)|x.index_add(d, i, y)
        x.take(i)|x[i][0]|x[[1, 0], i]|T.zeros(4).scatter_add(0, i, x)|T.zeros(4).index_add(0, i, x)
        x.gather(d, x.argmax(d, keepdim=True))|x[i].sum()|x.take_along_dim(i, d)|F.one_hot(i, 4)|x[i, i]|x[None, i]
        x.gather(-1, i.unsqueeze(-1))|F.one_hot(i) * x|x.index_fill(d, i, n)|T.bincount(i)|x[i > 0]|x[y > 0]
        x[y.long()]|x[i, ..., 0]""",
    "products": """
        x @ y|x @ y.T|x.T @ y|x.matmul(y)|x @ x.mT|T.dot(x, y)|T.outer(x, y)|T.mv(x, y)|T.mm(x, y)|T.bmm(x, y)
        F.linear(x, y)|F.linear(x, y, z)|T.einsum('ij,jk->ik', x, y)|T.einsum('...i,i', x, y)|T.einsum('ij->j', x)
        T.addmm(x, y, z)|x.float() @ y.float()|x.reshape(-1) @ y.reshape(-1)|x.unsqueeze(0) @ y""",
    "losses": """
        F.mse_loss(x, y)|F.l1_loss(x, y)|F.smooth_l1_loss(x, y)|F.huber_loss(x, y, reduction='sum')
        F.cross_entropy(x, i)|F.cross_entropy(x, y.softmax(-1))|F.nll_loss(x.log_softmax(-1), i)
        F.mse_loss(x, y, reduction='none')|F.binary_cross_entropy_with_logits(x, y.sigmoid())
        F.binary_cross_entropy(x.sigmoid(), y.sigmoid())|F.kl_div(x.log_softmax(-1), y.softmax(-1), reduction='sum')
        F.cross_entropy(x, i, reduction='none')|F.layer_norm(x, (3,))|F.normalize(x, dim=d)
        F.cosine_similarity(x, y, dim=d)|F.pad(x, (1, 0))|F.glu(x, d)|F.gaussian_nll_loss(x, y, z.square() + 1)
        F.mse_loss(x, y.detach())|F.cross_entropy(x[0], i[0])""",
    "made": """
        T.zeros_like(x)|T.ones_like(x)|T.full_like(x, n)|T.tensor(n)|T.arange(3)|T.ones(2, 3)|T.zeros(3)|T.eye(3)
        x.grad|T.linspace(0, 1, 3)|T.full((2, 1), n)|T.arange(6).reshape(2, 3)|T.tensor([n, n, n])|x.new_zeros(3)
        x.shape|T.tensor([n, 0, 1], dtype=T.float64)|T.arange(3.0, requires_grad=True)|x.requires_grad|x.is_leaf
        x.tolist()|x.is_contiguous()|x.type_as(y)|x.to(y.dtype)|x.bool()|T.tensor(x.tolist())
        T.ones(3, dtype=T.int32)|T.ones(2, 1, dtype=T.bool)|T.as_tensor(x)|x.detach().clone()""",
}
TEMPLATES = {kind: [t.strip() for t in re.split(r"[|\n]\s*", text.strip())] for kind, text in TEMPLATES.items()}
TEMPLATES |= {
    "of one": grid.UNARY,
    "of two": grid.BINARY,
    "indexed": [f"x[{key}]" for key in grid.KEYS],
    "assigned": [f"x[{key}] = {value}" for key in grid.KEYS for value in grid.VALUES],
    "losses of two": grid.LOSSES + grid.CLASSES,
    "along": grid.ALONG,
}
WEIGHTS = dict(zip(TEMPLATES, (10, 8, 9, 6, 4, 3, 2, 2, 5, 4, 2, 2, 1, 2), strict=True))

ENDINGS = """
    y.sum().backward()|(y * y).sum().backward()|(x.sum() + y.mean()).backward()|(x * y).sum().backward()|y.backward()
    y.backward(T.ones_like(y))|F.mse_loss(x, y).backward()|y.tanh().sum().backward()|(x.sum() * y.sum()).backward()
    y.exp().mean().backward()|y.sum().backward(retain_graph=True)|(x.square().sum() + (2 * y).sum()).backward()
    T.autograd.grad(y.sum(), x)|T.autograd.grad(y.square().sum(), x, allow_unused=True)|y.norm().backward()
    T.autograd.grad((y * y * y).sum(), x, create_graph=True)|(y[0] * n).sum().backward()|y.amax().backward()
    (y.reshape(-1) * T.arange(y.numel())).sum().backward()|(y.reshape(-1) * T.arange(y.numel())).sum().backward()"""
ENDINGS = [t.strip() for t in re.split(r"[|\n]\s*", ENDINGS.strip())]
AFTER = ["y.sum().backward()", "x.grad.zero_()", "x.grad", "x.grad = None", "x.grad += 1", "x.sum().backward()"]

NOT_DRAWN: dict[str, str] = {
    r"rand|bernoulli|multinomial|empty|dropout": "random, or whatever lies in memory",
    r"not_a_|mars|'a'|cuda|T\.int32\)$": "mistakes that need no random program",
    r"\[0, 5\]|\[5\]": "some places are written before PyTorch sees that others do not exist",
    r"^\+x$": "PyTorch's +x is x itself, ours a copy",
    r"\.numpy\(\)|np\.|as_tensor\(x\)": "NumPy's arrays have NumPy's rules (test_dialect_oracle.py)",
    r"copy_\((x|x\.T|x\.mT)\)": "copying a tensor onto its own transpose is undefined in PyTorch",
}
"""Pattern of a template -> why random programs do without it."""
TEMPLATES = {k: [t for t in ts if not any(re.search(p, t) for p in NOT_DRAWN)] for k, ts in TEMPLATES.items()}

DIFFERENCES: dict[str, str] = {
    r"is a view, and a recorded change of a view|is a view taken before": "a recorded change of a view is refused",
    r"index_add_?\(.*out of bounds": "negative places count from the end",
    r"unflatten.*x=\w+\(\)": "a 0-d tensor is not taken for a 1-d one",
    r"detach_\(\).*detach views": "a view may be detached in place",
    r"\[[^]]*[<>].*\(0.*shape of the mask": "an empty mask picks nothing from any tensor, as in NumPy",
    r"hstack.*\(0,\).*requires_grad": "an empty vector in cat gets no gradient",
    r"(/|div).*(inf.*-inf|-inf.*inf)": "the sign of a zero, of a remainder for one, is not specified",
    r"x\[i\.tolist\(\)\]": "a list is an array, never a tuple: PyTorch's legacy",
    r"copy_\(y\).*doesn't match the broadcast shape": "leading dimensions of size 1 may be more than the place has",
    r"softmax.*x=(bool|uint8|int\d+)\([^|]*\b0\b.*dtype": "the softmax of integers is a float, for an empty tensor too",
    r"add(cmul|cdiv)_\(.*values": "a change in place computes its result before it writes",
    r"x\[y\] .*y=bool\w*\(0.*shape of the mask": "an empty mask picks nothing from any tensor, as in NumPy",
    r"F\.linear.*weight has shape \(\d,\)": "a weight is a matrix",
    r"^x\[.*\] = x.*values": "a tensor assigned to a part of itself is read before it is written",
    r"index_add_?\(.*source tensor shape must match": "a 0-d source is one slice",
    r"(cross_entropy|nll_loss).*target must have shape \(\) ": "one sample has one class, not a batch of one",
    r"A view was created in no_grad mode": "PyTorch's list of views taken under no_grad may not be changed",
    r"a value of shape \(\) does not fit the place": "an expanded tensor cannot be written to",
    r"binary_cross_entropy.*should be between 0 and 1": "a NaN gives a NaN",
    r"requires_grad_\(\).*requires_grad=False": "a view taken before requires_grad_() is not recorded",
    r"(_loss|kl_div)\(.*reshape one of them": "a loss refuses what PyTorch broadcasts with a warning",
    r" = .*\| x=(bool|uint8|int)\w*\(.*requires_grad=False": "an integer tensor never requires a gradient",
}
"""Pattern of "line | operands: what differs" -> why, beyond the differences of single lines in the other two files."""

STEP = re.compile(r"sign|sgn|floor|ceil|round|trunc|//|divmod|fix")
"""What has no useful derivative is not recorded here (DIFFERENCES says so), so random programs detach before it."""

DTYPES = {"float32": 50, "float64": 17, "int64": 14, "bool": 10, "int32": 5, "uint8": 4}
SHAPES = [(), (1,), (3,), (3,), (2, 3), (2, 3), (2, 3), (3, 1), (1, 3), (3, 3), (2, 1, 3), (2, 2, 2), (0,), (0, 3)]
LARGEST = 16


class Generator:
    """One random program. minigrad runs along, so that most lines fit the shapes of their operands."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.lines: list[str] = []
        self.names: dict[str, Any] = namespace(minigrad)
        self.raised = False

    def pick(self, items: Any, weights: Any = None) -> Any:
        items = list(items)
        p = None if weights is None else np.array(list(weights)) / sum(weights)
        return items[self.rng.choice(len(items), p=p)]

    def program(self) -> str:
        for _ in range(self.rng.integers(2, 4)):
            self.line(self.leaf())
        self.line(f"i = {self.integers()}")
        for _ in range(self.rng.integers(2, 7)):
            self.step(lambda: self.pick(TEMPLATES[self.pick(TEMPLATES, WEIGHTS.values())]))
        if self.recorded() and self.rng.random() < 0.9:
            self.step(lambda: self.pick(ENDINGS), y=self.recorded)
            if self.rng.random() < 0.25:
                self.step(lambda: self.pick(AFTER), y=self.recorded)
        return "\n".join(self.lines)

    # What the lines are made of.

    def leaf(self) -> str:
        dtype, shape = self.pick(DTYPES, DTYPES.values()), self.pick(SHAPES)
        values = grid.sample(dtype, shape, int(self.rng.integers(1000))).value.tolist()
        options = "" if dtype in ("float32", "int64", "bool") and 0 not in shape else f", dtype=T.{dtype}"
        if dtype.startswith("float") and self.rng.random() < 0.75:
            options += ", requires_grad=True"
        literal = f"T.zeros({shape}{options})" if 0 in shape else f"T.tensor({values}{options})"
        return f"{self.fresh()} = {literal}"

    def integers(self) -> str:
        shape = self.pick([(), (2,), (2,), (3,), (1,), (2, 3), (2, 1), (2, 2)])
        return f"T.tensor({self.rng.integers(-1 if self.rng.random() < 0.1 else 0, 3, shape).tolist()})"

    def fresh(self) -> str:
        return next(n for n in "abcdefghjklopqrstuvw" if n not in self.names)

    def tensors(self) -> list[str]:
        return [n for n, x in self.names.items() if isinstance(x, minigrad.Tensor) and n != "i"]

    def recorded(self) -> list[str]:
        return [n for n in self.tensors() if self.names[n].requires_grad]

    def fill(self, template: str, y: Any = None) -> str:
        """The template with variables for x, y, z and m (a mask) and numbers for d (a dimension) and n."""
        tensors = self.tensors()
        recent = np.arange(1, len(tensors) + 1) + 1.0
        chosen = {k: self.pick(tensors, recent) for k in "xyz"}
        masks = [n for n in tensors if self.names[n].dtype == minigrad.bool]
        chosen["m"] = self.pick(masks) if masks and self.rng.random() < 0.7 else f"({chosen['y']} > 0)"
        if y is not None:
            chosen["y"] = self.pick(y())
            leaves = [n for n in self.recorded() if self.names[n].is_leaf]
            chosen["x"] = self.pick(leaves) if leaves and self.rng.random() < 0.7 else chosen["x"]
        if STEP.search(template) and "=" not in template:
            chosen |= {k: f"{chosen[k]}.detach()" for k in "xy" if self.names[chosen[k]].requires_grad}

        def value(match: re.Match) -> str:
            name = match[0]
            if name == "d":
                return str(self.pick((0, 1, -1, 2, -2), (8, 6, 8, 1, 2)))
            if name == "n":
                return str(self.pick((2, -1, 0.5, 1.5, 0, 3, -2.5, True), (4, 2, 4, 4, 2, 2, 2, 1)))
            return chosen[name]

        return re.sub(r"(?<![\w.'])(x|y|z|m|d|n)(?!\w|'|=[^=])|(?<![\w.'])x(?= [-+*/]?= )", value, template)

    # Drawing a line.

    def step(self, template: Any, y: Any = None) -> None:
        """Adds a line that fits, or now and then one that raises, which ends the program."""
        for _ in range(40):
            if self.raised or not self.tensors() or (y is not None and not y()):
                return
            text = self.fill(template(), y)
            if not is_statement(text):
                text = f"{self.fresh()} = {text}"
            if self.line(text):
                return

    def line(self, text: str) -> bool:
        """Adds the line if it can be kept: the others are taken back by running the program again."""
        program = "\n".join([*self.lines, text])
        names, error = run(program, minigrad)
        if error is not None and (self.rng.random() > 0.06 or error[0] != len(self.lines)):
            return False
        if not error and not self.keeps(names, text):
            return False
        self.lines.append(text)
        self.names, self.raised = names, error is not None
        return True

    def keeps(self, names: dict[str, Any], text: str) -> bool:
        """Whether the line's results are small, and the same wherever they are computed."""
        operands = [names[n] for n in re.findall(r"\b[a-w]\b", text) if n in names]
        arrays = [x for n in names if n not in "TF" for x in grid.tensors(minigrad, names[n])]
        if any(x.numel() > LARGEST for x in arrays) or "<" in repr([names.get(n) for n in set(names) - {"T", "F"}]):
            return False
        values = [x.detach().numpy() for x in arrays]
        finite = [v[np.isfinite(v)] for v in values if v.dtype.kind != "b"]
        if any(np.abs(v.astype(np.float64)).max(initial=0) > 1e4 for v in finite):
            return False  # differences of such numbers are noise in float32, and integers may overflow
        arrays = [x.detach().numpy() for x in operands for x in grid.tensors(minigrad, x)]
        integers = any(v.dtype.kind in "iu" for v in arrays)
        unsigned = any(v.dtype == np.uint8 for v in arrays)
        whole = not any(v.dtype.kind == "f" and not np.isfinite(v).all() for v in arrays)
        return (whole or not integers) and not (unsigned and any((v < 0).any() for v in arrays if v.dtype.kind != "b"))


def is_statement(text: str) -> bool:
    try:
        compile(text, "<line>", "eval")
    except SyntaxError:
        return True
    return text.endswith(("backward()", "_()", "graph=True)")) and "grad(" not in text


def program(seed: int) -> str:
    """The program of a seed, always the same one."""
    with quiet():
        return Generator(seed).program()


EXCUSES = {**grid.DIFFERENCES, **names_grid.DIFFERENCES, **DIFFERENCES}

# -- what a program does ----------------------------------------------------------------------------------


class quiet(warnings.catch_warnings):
    """No warnings of deprecated uses, nor of divisions by zero."""

    def __enter__(self) -> Any:
        super().__enter__()
        warnings.simplefilter("ignore")
        self._errors = np.errstate(all="ignore")
        self._errors.__enter__()

    def __exit__(self, *error: Any) -> None:
        self._errors.__exit__(*error)
        super().__exit__(*error)


def namespace(lib: Any) -> dict[str, Any]:
    return {"T": lib, "F": lib.nn.functional}


def run(program: str, lib: Any) -> tuple[dict[str, Any], tuple[int, str] | None]:
    """The variables afterwards, and (the index of the line that raised, the error), if one did."""
    names = namespace(lib)
    try:
        exec(compile(program, "<program>", "exec"), names)
    except Exception as error:
        trace = error.__traceback__
        while trace.tb_frame.f_code.co_filename != "<program>":
            trace = trace.tb_next
        text = (str(error).splitlines() or [""])[0]
        return _own(names), (trace.tb_lineno - 1, f"{type(error).__name__}: {text}"[:120])
    return _own(names), None


def _own(names: dict[str, Any]) -> dict[str, Any]:
    return {n: x for n, x in names.items() if not n.startswith("__")}


def outcome(program: str, lib: Any) -> dict[str, Any]:
    """{"raised": (line, error) or None, "names": {variable: its value}, "grads": {leaf: its gradient}}, all plain."""
    with quiet():
        names, raised = run(program, lib)
        del names["T"], names["F"]
        try:
            leaves = {n: x for n, x in names.items() if isinstance(x, lib.Tensor) and x.is_leaf and x.requires_grad}
        except RuntimeError as error:  # PyTorch has tensors that may not even be looked at
            return {"raised": (len(program.splitlines()), str(error)[:120]), "names": {}, "grads": {}}
        return {
            "raised": raised,
            "names": {n: grid.plain(lib, x) for n, x in names.items()},
            "grads": {n: grid.plain(lib, x.grad) for n, x in leaves.items()},
        }


def difference(ours: dict[str, Any], theirs: dict[str, Any]) -> str:
    """The first difference between two outcomes, or nothing."""
    a, b = ours["raised"], theirs["raised"]
    if (a and a[0]) != (b and b[0]) or (a is None) != (b is None):
        return f"{_raises(a)}, PyTorch {_raises(b)}"
    for what in ("names", "grads"):
        if set(ours[what]) != set(theirs[what]):
            return f"{what} of {sorted(ours[what])} where PyTorch has {sorted(theirs[what])}"
        for name in ours[what]:
            if found := grid.difference(ours[what][name], theirs[what][name], single=True):
                return f"{'' if what == 'names' else 'gradient of '}{name}: {found}"
    return ""


def _raises(error: tuple[int, str] | None) -> str:
    return f"raises in line {error[0] + 1} {error[1]!r}" if error else "does not raise"


def culprit(program: str, torch: Any) -> tuple[str, str]:
    """(the first line after which the two differ, with its operands and what differs; the pattern that excuses it)."""
    lines = program.splitlines()
    for k in range(1, len(lines) + 1):
        text = "\n".join(lines[:k])
        ours, theirs = outcome(text, minigrad), outcome(text, torch)
        if found := difference(ours, theirs):
            break
    else:
        return "", ""
    line, before = lines[k - 1], outcome("\n".join(lines[: k - 1]), torch)["names"]
    used = [n for n in dict.fromkeys(re.findall(r"\b[a-w]\b", line)) if n in before]
    line = re.sub(r"^[a-w] = ", "", line)
    letters = iter("xyzvw")
    labels = []
    for n in used:
        letter = "i" if n == "i" else next(letters)
        line = re.sub(rf"\b{n}\b", f"\0{letter}\0", line)
        kind = before[n]
        labels.append(f"{letter}={kind[1]}{kind[2]}" if kind[0] == "tensor" else f"{letter}={kind[-1]}")
    line = line.replace("\0", "")
    if "backward" in line or "grad" in line:
        line = " ; ".join(lines[:k])
    a, b = ours["raised"], theirs["raised"]
    if b and not a:
        found = f"gives {next(reversed(ours['names'].values()))} where PyTorch raises {b[1]!r}"
        for pattern in grid.STRICTER_THERE:
            if re.search(pattern, b[1]):
                return f"{line} | {', '.join(labels)}: {found}", pattern
    elif a and not b:
        found = f"raises {a[1]} where PyTorch gives {next(reversed(theirs['names'].values()))}"
    key = f"{line} | {', '.join(labels)}: {found}"
    if a and b and a[0] == b[0]:  # the line raises in both
        return key, "what PyTorch writes before it raises"
    excuses = (p for p in EXCUSES if re.search(p, key, re.DOTALL))
    return key, next(excuses, "")


def stable(program: str, theirs: dict, torch: Any) -> bool:
    """Whether PyTorch gives the same values, to the tolerance of the comparison, when it computes in float64."""
    wider = program.replace("T.float32", "T.float64").replace(".float()", ".double()")
    torch.set_default_dtype(torch.float64)
    try:
        exact = outcome(wider, torch)
    finally:
        torch.set_default_dtype(torch.float32)
    return not difference(as_float32(exact), as_float32(theirs))


# -- outcomes in a file -----------------------------------------------------------------------------------

FIXTURE = Path(__file__).parent / "fuzz_cases.json.gz"


def as_float32(x: Any) -> Any:
    """An outcome with float32 for every float dtype and no texts of errors."""
    if isinstance(x, dict):
        return {k: as_float32(v) for k, v in x.items()}
    if isinstance(x, tuple):
        return tuple(as_float32(v) for v in x)
    if isinstance(x, np.ndarray):
        return x.astype(np.float32) if x.dtype.kind == "f" else x
    return "float32" if x == "float64" else x


def write(cases: dict[str, dict]) -> None:
    """{program: outcome} as compressed JSON, one case a line, always the same bytes for the same cases."""
    lines = (json.dumps([p, o["raised"], _packed(o["names"]), _packed(o["grads"])]) for p, o in cases.items())
    with FIXTURE.open("wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as file:
        file.write("\n".join(lines).encode())


def read() -> list[tuple[str, dict]]:
    """The recorded (program, outcome)s."""
    with gzip.open(FIXTURE, "rt") as file:
        rows = [json.loads(line) for line in file]
    return [
        (p, {"raised": error, "names": _unpacked(names), "grads": _unpacked(grads)}) for p, error, names, grads in rows
    ]


def _packed(x: Any) -> Any:
    """`plain` data for JSON: an array is [kind, dtype, shape, its numbers to 7 digits as a text, requires_grad]."""
    if isinstance(x, dict):
        return {k: _packed(v) for k, v in x.items()}
    if isinstance(x, tuple) and x[0] in ("tensor", "array"):
        kind, dtype, shape, values, recorded = x
        numbers = values.ravel().tolist()
        text = " ".join(f"{v:.7g}" if values.dtype.kind == "f" else str(int(v)) for v in numbers)
        return [kind, dtype, shape, text, recorded]
    return [_packed(v) for v in x] if isinstance(x, tuple) else x


def _unpacked(x: Any) -> Any:
    if isinstance(x, dict):
        return {k: _unpacked(v) for k, v in x.items()}
    if isinstance(x, list) and x[0] in ("tensor", "array"):
        kind, dtype, shape, text, recorded = x
        whole = dtype.startswith(("int", "uint", "bool"))
        values = np.array([int(v) if whole else float(v) for v in text.split()], dtype=dtype)
        return (kind, dtype, tuple(shape), values.reshape(shape), recorded)
    return tuple(_unpacked(v) for v in x) if isinstance(x, list) else x


def described(outcome: dict[str, Any]) -> str:
    """An outcome for a message: what raised, and every value."""
    error = outcome["raised"]
    lines = [f"    {_raises(tuple(error)) if error else 'raises nothing'}"]
    for what in ("names", "grads"):
        for name, x in outcome[what].items():
            shown = _packed(x)
            label = name if what == "names" else f"{name}.grad"
            lines.append(f"    {label}: {' '.join(map(str, shown)) if isinstance(shown, list) else shown}")
    return "\n".join(lines)
