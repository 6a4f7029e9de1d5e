"""How tensors are printed: as in PyTorch, whose printed examples these are but for the name of a dtype."""

import pytest

import minigrad as mg
import minigrad.nn.functional as F

T = mg.tensor
NAN, INF = float("nan"), float("inf")

TEXTS = [
    # the numbers of a tensor have as many decimals, unless all are whole
    (T([-0.7893, 0.65, -0.8751]), "tensor([-0.7893,  0.6500, -0.8751])"),
    (T([1.0, 2.5]), "tensor([1.0000, 2.5000])"),
    (
        T([[0.1, 1.2], [2.2, 3.1], [4.9, 5.2]]),
        "tensor([[0.1000, 1.2000],\n        [2.2000, 3.1000],\n        [4.9000, 5.2000]])",
    ),
    (T([10.0, -2.0]), "tensor([10., -2.])"),
    (T(3.14159), "tensor(3.1416)"),
    (T(2.0), "tensor(2.)"),
    (mg.zeros(2, 3), "tensor([[0., 0., 0.],\n        [0., 0., 0.]])"),
    (mg.zeros(2, 1, 2), "tensor([[[0., 0.]],\n\n        [[0., 0.]]])"),
    # sizes that differ by more than 1000, or are outside 1e-4 to 1e8
    (T([1e-10, 1.0, 1e10]), "tensor([1.0000e-10, 1.0000e+00, 1.0000e+10])"),
    (T([0.5, 500.0]), "tensor([  0.5000, 500.0000])"),
    (T([0.5, 501.0]), "tensor([5.0000e-01, 5.0100e+02])"),
    (T(1e-5), "tensor(1.0000e-05)"),
    (T(1e8), "tensor(100000000.)"),
    # NaN and infinity count for nothing in that
    (T([-INF, 0.0, 0.3466]), "tensor([  -inf, 0.0000, 0.3466])"),
    (T([NAN, 1.0]), "tensor([nan, 1.])"),
    (T([NAN, INF]), "tensor([nan, inf])"),
    # integers and bools
    (T(3), "tensor(3)"),
    (T([1, -20]), "tensor([  1, -20])"),
    (T([True, False]), "tensor([ True, False])"),
    # what the numbers do not show
    (T([1, 2], dtype=mg.int32), "tensor([1, 2], dtype=int32)"),
    (T([1.0], dtype=mg.float64), "tensor([1.], dtype=float64)"),
    (T([1.0], requires_grad=True), "tensor([1.], requires_grad=True)"),
    (T([]), "tensor([])"),
    (mg.zeros(2, 0), "tensor([], size=(2, 0))"),
    (mg.zeros(0, 3, dtype=mg.int64), "tensor([], size=(0, 3), dtype=int64)"),
    # many
    (mg.arange(2000), "tensor([   0,    1,    2,  ..., 1997, 1998, 1999])"),
    (
        mg.zeros(600, 2),
        "tensor([[0., 0.],\n        [0., 0.],\n        [0., 0.],\n        ...,\n"
        "        [0., 0.],\n        [0., 0.],\n        [0., 0.]])",
    ),
    (
        mg.arange(20.0),
        "tensor([ 0.,  1.,  2.,  3.,  4.,  5.,  6.,  7.,  8.,  9., 10., 11., 12., 13.,\n"
        "        14., 15., 16., 17., 18., 19.])",
    ),
    (
        T([0.25] * 10, requires_grad=True),
        "tensor([0.2500, 0.2500, 0.2500, 0.2500, 0.2500, 0.2500, 0.2500, 0.2500, 0.2500,\n"
        "        0.2500], requires_grad=True)",
    ),
    (
        T([0.25] * 9, requires_grad=True),
        "tensor([0.2500, 0.2500, 0.2500, 0.2500, 0.2500, 0.2500, 0.2500, 0.2500, 0.2500],\n       requires_grad=True)",
    ),
]


@pytest.mark.parametrize(("x", "text"), TEXTS, ids=[text.replace("\n", "") for _, text in TEXTS])
def test_a_tensor_prints_as_in_pytorch(x, text):
    assert repr(x) == text
    assert str(x) == text


def test_an_integer_tensor_without_elements_names_its_dtype():
    assert repr(mg.zeros(0, dtype=mg.int64)) == "tensor([], dtype=int64)"


def test_the_default_dtype_is_not_named():
    mg.set_default_dtype(mg.float64)
    try:
        assert repr(T([1.5])) == "tensor([1.5000])"
        assert repr(T([1.5], dtype=mg.float32)) == "tensor([1.5000], dtype=float32)"
    finally:
        mg.set_default_dtype(mg.float32)


def test_the_middle_of_many_numbers_does_not_widen_the_columns():
    x = mg.ones(2000)
    x[1000] = 1e7
    assert repr(x) == "tensor([1., 1., 1.,  ..., 1., 1., 1.])"


def test_a_recorded_tensor_prints_its_node():
    x = T([1.0], requires_grad=True)
    assert repr(x * 2) == "tensor([2.], grad_fn=<MultiplyBackward>)"
    assert "grad_fn=<LogSoftmaxBackward>" in repr(F.log_softmax(x, 0))
    assert f"{(x * 2)[0]:.3f}" == "2.000"
    assert f"{T(7)} {T(2.5):>6.1f}" == "7    2.5"


def test_print_options():
    x = T([1 / 3, 1e-6])
    try:
        mg.set_printoptions(precision=2)
        assert repr(x) == "tensor([3.33e-01, 1.00e-06])"
        mg.set_printoptions(precision=2, sci_mode=False)
        assert repr(x) == "tensor([0.33, 0.00])"
        mg.set_printoptions(sci_mode=True)
        assert repr(T([0.5])) == "tensor([5.00e-01])"
        mg.set_printoptions(profile="default", linewidth=25)
        assert repr(mg.arange(8)) == "tensor([0, 1, 2, 3, 4, 5,\n        6, 7])"
        mg.set_printoptions(threshold=4, edgeitems=1)
        assert repr(mg.arange(8)) == "tensor([0,  ..., 7])"
        mg.set_printoptions(profile="full")
        assert "..." not in repr(mg.zeros(5000))
        with pytest.raises(ValueError, match="'loud'; expected 'default', 'short' or 'full'"):
            mg.set_printoptions(profile="loud")
    finally:
        mg.set_printoptions(profile="default")
    assert repr(x) == "tensor([3.3333e-01, 1.0000e-06])"
