"""The names that reinforcement-learning scripts written for PyTorch use: each is there, with PyTorch's parameters.

torch_signatures.json holds the parameters as PyTorch has them (from torch.overrides and inspect; `make_signatures`).
"""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path
from typing import Any

import pytest

import minigrad
import minigrad.distributions
import minigrad.nn.functional
import minigrad.nn.utils
import minigrad.optim

FIXTURE = Path(__file__).parents[1] / "tools" / "torch_signatures.json"

NAMES = {
    "torch": """
        abs add addcdiv addcmul all allclose amax amin any arange argmax argmin argsort as_tensor atan atan2
        bernoulli bincount bmm broadcast_tensors broadcast_to cat ceil chunk clamp clamp_max clamp_min clone cos
        count_nonzero cumprod cumsum diag diagonal div dot einsum empty empty_like eq equal erf exp expm1 eye
        flatten flip floor fmod frac from_numpy full full_like gather ge gt hstack index_add index_copy index_select
        is_floating_point is_tensor isclose isfinite isinf isnan kthvalue le lerp linspace log log10 log1p log2
        log_softmax logaddexp logical_and logical_not logical_or logsumexp lt manual_seed masked_fill masked_scatter
        masked_select matmul max maximum mean median meshgrid min minimum mm movedim mul multinomial mv nan_to_num
        narrow ne neg nonzero norm normal numel ones ones_like outer permute pow prod rand rand_like randint
        randint_like randn randn_like randperm ravel reciprocal remainder repeat_interleave reshape roll round rsqrt
        scatter scatter_add searchsorted sigmoid sign sin softmax sort split sqrt square squeeze stack std sub sum
        swapaxes t take take_along_dim tan tanh tensor tile topk transpose tril triu trunc unbind unflatten unique
        unsqueeze var vstack where xlogy zeros zeros_like FloatTensor LongTensor DoubleTensor IntTensor BoolTensor
        Size Tensor Generator device dtype finfo iinfo no_grad enable_grad set_grad_enabled inference_mode
        is_grad_enabled set_printoptions get_num_threads set_num_threads set_default_dtype get_default_dtype save
        load float32 float64 int64 int32 uint8 float double long int bool pi inf nan cuda backends nn optim
        distributions autograd
    """,
    "F": """
        avg_pool2d batch_norm binary_cross_entropy binary_cross_entropy_with_logits conv1d conv2d cosine_similarity
        cross_entropy dropout elu embedding gaussian_nll_loss gelu gumbel_softmax hardtanh huber_loss kl_div l1_loss
        layer_norm leaky_relu linear log_softmax logsigmoid max_pool2d mish mse_loss nll_loss normalize one_hot pad
        poisson_nll_loss relu relu6 selu sigmoid silu smooth_l1_loss softmax softplus softsign tanh
    """,
    "Tensor": """
        add_ addcdiv_ addcmul_ argmax argsort backward bernoulli_ bool clamp_ clone contiguous copy_ cpu cuda
        cumprod data_ptr detach detach_ dim double element_size exponential_ expand expand_as fill_ flatten float
        gather index_add_ index_copy_ int item lerp_ long masked_fill masked_fill_ masked_scatter_ max mean mul_
        multinomial narrow nelement new_empty new_full new_ones new_tensor new_zeros nonzero normal_ numpy permute
        random_ register_hook repeat requires_grad_ reshape retain_grad scatter_ scatter_add_ select size sort
        squeeze std stride sub_ sum t to tolist topk transpose tril_ triu_ type type_as unbind uniform_ unique
        unsqueeze var view view_as zero_ grad grad_fn is_leaf is_cuda requires_grad data device dtype shape ndim T
        itemsize
    """,
}

# Parameters that are left out: where a result goes, memory layouts, what PyTorch itself deprecates, and corners.
LEFT_OUT = {
    *(
        "out",
        "names",
        "layout",
        "memory_format",
        "pin_memory",
        "size_average",
        "reduce",
        "sparse_grad",
        "out_dtype",
        "descending",
    ),
    *("_stacklevel", "pickle_module", "pickle_protocol", "_use_new_zipfile_serialization", "_disable_byteorder_record"),
}
# Weights of the elements, which PyTorch's losses got in 2025: multiply with reduction="none".
LEFT_OUT_OF = {"mse_loss": {"weight"}, "l1_loss": {"weight"}, "huber_loss": {"weight"}}
# torch.overrides names the parameters of these otherwise than PyTorch's documentation.
NOT_AS_DOCUMENTED = {
    "where",
    "xlogy",
    "dot",
    "set_default_dtype",
    "broadcast_to",
    "permute",
    "expand",
    "repeat",
    "random_",
    "swapaxes",
    "view",
}

MODULES = {"torch": minigrad, "F": minigrad.nn.functional, "Tensor": minigrad.Tensor}


def parameters(function: Any) -> list[str] | None:
    """The names of a function's parameters, or None if it takes any."""
    try:
        found = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return None
    if any(p.kind is p.VAR_KEYWORD for p in found):
        return None
    return [p.name for p in found]


def make_signatures() -> dict[str, dict[str, str]]:
    """PyTorch's parameters of the names above that are functions written down anywhere."""
    import torch
    from torch.overrides import get_testing_overrides

    known = get_testing_overrides()
    homes = {"torch": torch, "F": torch.nn.functional, "Tensor": torch.Tensor}
    signatures: dict[str, dict[str, str]] = {}
    for home, text in NAMES.items():
        signatures[home] = {}
        for name in text.split():
            function = getattr(homes[home], name)
            if not inspect.isroutine(function):
                continue
            found = parameters(function) if inspect.isfunction(function) else None
            if found is None and function in known:
                found = parameters(known[function])
            if found and not {"args", "kwargs"} & set(found) and name not in NOT_AS_DOCUMENTED:
                signatures[home][name] = ", ".join(found[1:] if home == "Tensor" else found)
    return signatures


SIGNATURES = json.loads(FIXTURE.read_text())

# -- the arguments as PyTorch's parser knows them, of every function and method that is here --------------

ARGUMENTS_FIXTURE = Path(__file__).parents[1] / "tools" / "torch_arguments.json"
HOMES = {"function": minigrad, "method": minigrad.Tensor}


def make_arguments() -> dict[str, list[str]]:
    """ "function add" -> its forms, such as "input other *alpha" (a star: by keyword only), from PyTorch's sources."""
    import torchgen

    text = (Path(torchgen.__file__).parent / "packaged/ATen/native/native_functions.yaml").read_text()
    found: dict[str, set[str]] = {}
    for entry in text.split("\n- func: ")[1:]:
        form = re.match(r"(\w+)(\.\w+)?\((.*)\) -> ", entry)
        if form is None or "Dimname" in form[3] or re.search(r"[ *](out|values|max|min|out_dtype)[,)!]", form[3] + ")"):
            continue
        by_keyword, words = False, []
        for part in re.sub(r"\[[^]]*\]", "", form[3]).split(", "):
            if part == "*":
                by_keyword = True
                continue
            word = part.split("=")[0].split()[-1] if part else ""
            if word and word not in LEFT_OUT - {"descending", "reduce"}:
                words.append("*" * by_keyword + {"self": "input"}.get(word, word))
        variants = re.search(r"variants: ([a-z, ]*[a-z])", entry)
        for variant in variants[1].split(", ") if variants else ["function"]:
            if callable(getattr(HOMES[variant], form[1], None)):
                found.setdefault(f"{variant} {form[1]}", set()).add(" ".join(words))
    return {name: sorted(forms) for name, forms in sorted(found.items())}


ARGUMENTS = json.loads(ARGUMENTS_FIXTURE.read_text()) if ARGUMENTS_FIXTURE.exists() else {}
NOT_BY_KEYWORD = {
    "from",  # a word of Python's: uniform_(from_=0)
    "path",  # einsum finds the order itself
    "tensors",  # einsum's operands, given one by one
    "implicit",  # for PyTorch's own use in expand
}
ACCEPTED = {  # forms that are answered, or left out, although the words or their places differ
    *("function max: input other", "function min: input other", "method max: input other", "method min: input other"),
    *(f"{home} {name}: input unbiased" for home in HOMES for name in ("std", "var", "std_mean", "var_mean")),
    *(f"{home} scatter: input dim index value" for home in HOMES),
    *(f"{home} scatter: input dim index value *reduce" for home in HOMES),
    *(f"{home} split: input split_size dim" for home in HOMES),
    "function repeat_interleave: repeats *output_size",
    *(f"function randint: high size{rest} *dtype *device" for rest in ("", " *generator")),
    *(f"function randint_like: input high{rest} *dtype *device" for rest in ("", " *generator")),
    *(f"function {name}: input *generator *dtype *device" for name in ("rand_like", "randn_like")),
    "function arange: end *dtype *device",
    "method random_: input to *generator",
    "method to: input other non_blocking copy",
    "method where: condition input other",
}


def lacking(function: Any, form: str) -> list[str]:
    """The arguments of a form of PyTorch's that this function does not take by that name or at that place."""
    signature = inspect.signature(function)
    ours = list(signature.parameters.values())
    if any(p.kind is p.VAR_KEYWORD for p in ours):
        return []
    wanted = form.split()
    names = [p.name for p in ours]
    several = next((i for i, p in enumerate(ours) if p.kind is p.VAR_POSITIONAL), len(ours))
    missing = []
    for i, word in enumerate(wanted):
        name = word.lstrip("*")
        if name in NOT_BY_KEYWORD or (i == 0 and name == "input"):
            continue
        if name not in names or not (word.startswith("*") or names.index(name) == i or i >= several):
            missing.append(word)
    return missing


@pytest.mark.parametrize("name", ARGUMENTS)
def test_every_function_and_method_takes_pytorchs_arguments(name):
    home, _, word = name.partition(" ")
    function = getattr(HOMES[home], word)
    operation = getattr(function, "operation", None)
    for form in ARGUMENTS[name]:
        if operation is not None:
            assert len(operation.inputs) == len(form.split()), f"{name}({form})"
        elif f"{name}: {form}" not in ACCEPTED:
            assert not lacking(function, form), f"{name}({form}) is {inspect.signature(function)} here"


@pytest.mark.parametrize(("home", "name"), [(home, name) for home, text in NAMES.items() for name in text.split()])
def test_the_name_is_there_with_pytorchs_parameters(home, name):
    ours = getattr(MODULES[home], name)
    expected = [p for p in SIGNATURES[home].get(name, "").split(", ") if p]
    operation = getattr(ours, "operation", None)
    if operation is not None:  # a row of the table: by position only, which is what makes its call cheap
        assert not expected or len(operation.inputs) == len([p for p in expected if p not in LEFT_OUT])
        return
    found = parameters(ours) if expected else None
    if expected and found is not None:
        missing = [p for p in expected if p not in found and p not in LEFT_OUT | LEFT_OUT_OF.get(name, set())]
        assert not missing, f"{home}.{name}({', '.join(found)}) lacks {missing}"


def test_a_name_that_is_not_there_raises():
    for module in (minigrad, minigrad.nn, minigrad.nn.functional, minigrad.optim, minigrad.distributions):
        with pytest.raises(AttributeError):
            _ = module.fft_of_something
    with pytest.raises(AttributeError):
        _ = minigrad.tensor([1.0]).to_sparse
    with pytest.raises(AttributeError, match="float16"):
        _ = minigrad.float16


@pytest.mark.oracle
def test_the_fixture_is_pytorchs():
    """Written anew with `python tests/engine/dialect/test_names.py`."""
    pytest.importorskip("torch")
    assert make_signatures() == SIGNATURES
    assert make_arguments() == ARGUMENTS


if __name__ == "__main__":
    FIXTURE.write_text(json.dumps(make_signatures(), indent=1, sort_keys=True) + "\n")
    ARGUMENTS_FIXTURE.write_text(json.dumps(make_arguments(), indent=1, sort_keys=True) + "\n")
