"""Mistakes with modules and optimizers: what is done, what it raises, and what the message must say."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from mistakes_files import FILE_MISTAKES, net
from mistakes_layers import LAYER_MISTAKES
from mistakes_optim import OPTIM_MISTAKES

import minigrad as mg
import minigrad.nn as nn
import minigrad.optim as optim


def assign_tensor_over_parameter():
    layer = nn.Linear(2, 2)
    layer.weight = mg.zeros(2, 2)


def forget_init():
    class Net(nn.Module):
        def __init__(self):
            self.body = nn.Linear(2, 2)

    Net()


def assign_function_over_module():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.Linear(2, 2)

    module = Net()
    module.body = mg.tanh


def assign_number_over_buffer():
    module = nn.Identity()
    module.register_buffer("mean", mg.zeros(2))
    module.mean = 0.0


def load_state(**changes):
    """Load a state_dict of `net` in which some entries were changed (None: left out)."""
    module = net()
    state = dict(module.state_dict())
    for name, value in changes.items():
        name = name.replace("_", ".", 1)
        if value is None:
            del state[name]
        else:
            state[name] = value
    module.load_state_dict(state)


def consumed_generator():
    parameters = net().parameters()
    list(parameters)
    optim.Adam(parameters)


def optimizer_state_of_another_network():
    small, large = nn.Linear(2, 2), nn.Linear(3, 2)
    optimizer = optim.Adam(small.parameters())
    small(mg.ones(1, 2)).sum().backward()
    optimizer.step()
    optim.Adam(large.parameters()).load_state_dict(optimizer.state_dict())


def optimizer_state_of_another_kind():
    layer = nn.Linear(2, 2)
    optimizer = optim.Adam(layer.parameters())
    layer(mg.ones(1, 2)).sum().backward()
    optimizer.step()
    optim.SGD(layer.parameters(), momentum=0.9).load_state_dict(optimizer.state_dict())


def step_before_backward():
    layer = nn.Linear(2, 2)
    optimizer = optim.SGD(layer.parameters(), lr=0.1)
    hidden = layer(mg.ones(1, 2))
    first, second = hidden.sum(), layer(hidden).sum()
    first.backward(retain_graph=True)
    optimizer.step()
    second.backward()


def clip_not_finite():
    layer = nn.Linear(2, 2)
    layer.weight.grad = mg.full((2, 2), math.nan)
    nn.utils.clip_grad_norm_(layer.parameters(), 1.0, error_if_nonfinite=True)


MISTAKES: list[tuple[str, Callable[[], object], type[Exception], list[str]]] = [
    # -- modules
    (
        "a module without forward",
        lambda: nn.Module()(mg.ones(2)),
        NotImplementedError,
        ["Module", "'forward' is not defined", "def forward"],
    ),
    (
        "a forgotten super().__init__()",
        forget_init,
        AttributeError,
        ["Net.body: cannot assign a Module", "Module.__init__()", "begin", "super().__init__()"],
    ),
    (
        "a Tensor over a Parameter",
        assign_tensor_over_parameter,
        TypeError,
        ["Linear.weight is a Parameter", "got Tensor", "copy_"],
    ),
    (
        "a function over a module",
        assign_function_over_module,
        TypeError,
        ["Net.body is a Module", "got function", "name"],
    ),
    (
        "a number over a buffer",
        assign_number_over_buffer,
        TypeError,
        ["mean is a buffer", "got float", "minigrad.tensor"],
    ),
    (
        "a Parameter of a list",
        lambda: nn.Parameter([1.0, 2.0]),
        TypeError,
        ["expected a Tensor", "got list", "minigrad.tensor(data)"],
    ),
    (
        "an integer Parameter",
        lambda: nn.Parameter(mg.tensor([1, 2])),
        RuntimeError,
        ["floating-point", "int64", ".float()"],
    ),
    (
        "a buffer that is no Tensor",
        lambda: nn.Identity().register_buffer("x", np.zeros(2)),
        TypeError,
        ["'x' must be a Tensor", "got ndarray", "minigrad.tensor"],
    ),
    (
        "a buffer with a dot in its name",
        lambda: nn.Identity().register_buffer("a.b", mg.zeros(1)),
        KeyError,
        ["'a.b'", "dot", "choose"],
    ),
    (
        "a buffer called like a method",
        lambda: nn.Identity().register_buffer("train", mg.zeros(1)),
        KeyError,
        ["attribute 'train' already", "another name"],
    ),
    (
        "a parameter registered that is a Tensor",
        lambda: nn.Identity().register_parameter("w", mg.zeros(1)),
        TypeError,
        ["'w' must be an nn.Parameter", "got Tensor", "nn.Parameter"],
    ),
    (
        "a class instead of a module",
        lambda: nn.Sequential(nn.Linear(2, 2), nn.ReLU),
        TypeError,
        ["element '1'", "class ReLU", "ReLU()"],
    ),
    (
        "a function in Sequential",
        lambda: nn.Sequential(nn.Linear(2, 2), mg.tanh),
        TypeError,
        ["element '1' must be a Module", "tanh", "nn.ReLU()"],
    ),
    (
        "a list in Sequential",
        lambda: nn.Sequential([nn.Linear(2, 2), nn.ReLU()]),
        TypeError,
        ["element '0' is a list", "Sequential(*modules)"],
    ),
    ("an index beyond the layers", lambda: net()[3], IndexError, ["index 3", "3 modules"]),
    (
        "a ModuleList called",
        lambda: nn.ModuleList([nn.ReLU()])(mg.ones(1)),
        NotImplementedError,
        ["cannot be called", "Sequential"],
    ),
    ("a Linear layer of a negative size", lambda: nn.Linear(4, -1), ValueError, ["out_features", "-1", "at least 0"]),
    ("a Linear layer of a fractional size", lambda: nn.Linear(4 / 2, 2), ValueError, ["in_features", "2.0", "int"]),
    (
        "the wrong number of features",
        lambda: nn.Linear(4, 2)(mg.ones(1, 3)),
        RuntimeError,
        ["linear", "(1, 3)", "4 features"],
    ),
    (
        "a float64 input to float32 weights",
        lambda: nn.Linear(2, 2)(mg.ones(1, 2, dtype=mg.float64)),
        RuntimeError,
        ["float64", "float32", ".float()"],
    ),
    (
        "LayerNorm over another shape",
        lambda: nn.LayerNorm(4)(mg.ones(2, 3)),
        RuntimeError,
        ["(2, 3)", "normalized_shape=(4,)", "LayerNorm((3,))"],
    ),
    (
        "Flatten without a batch dimension",
        lambda: nn.Flatten()(mg.ones(3)),
        IndexError,
        ["start_dim=1", "(3,)", "unsqueeze(0)"],
    ),
    (
        "an unknown reduction",
        lambda: nn.MSELoss(reduction="average"),
        ValueError,
        ["MSELoss", "'average'", "'mean', 'sum' or 'none'"],
    ),
    ("train of a string", lambda: net().train("yes"), ValueError, ["True or False", "'yes'"]),
    # -- state_dicts
    (
        "a state_dict with missing, unexpected and misshapen keys",
        lambda: load_state(**{"0_weight": None, "extra": mg.ones(1), "2_bias": mg.ones(3)}),
        RuntimeError,
        ["missing keys: 0.weight", "unexpected keys: extra", "2.bias: shape (2,) here, (3,)", "strict=False"],
    ),
    (
        "an array in a state_dict",
        lambda: load_state(**{"2_bias": np.ones(2)}),
        RuntimeError,
        ["2.bias: expected a Tensor, got ndarray"],
    ),
    (
        "a module instead of its state_dict",
        lambda: net().load_state_dict(net()),
        TypeError,
        ["got Sequential", ".state_dict()"],
    ),
    (
        "a path instead of a state_dict",
        lambda: net().load_state_dict("weights.safetensors"),
        TypeError,
        ["got str", "minigrad.load"],
    ),
    # -- initialisation and clipping
    (
        "Xavier for a bias",
        lambda: nn.init.xavier_uniform_(mg.zeros(3)),
        ValueError,
        ["xavier_uniform_", "two dimensions", "(3,)", "zeros_"],
    ),
    ("orthogonal for a bias", lambda: nn.init.orthogonal_(mg.zeros(3)), ValueError, ["orthogonal_", "(3,)", "normal_"]),
    ("an unknown fan", lambda: nn.init.kaiming_normal_(mg.zeros(2, 2), mode="in"), ValueError, ["'in'", "'fan_in'"]),
    ("the gain of an unknown nonlinearity", lambda: nn.init.calculate_gain("gelu"), ValueError, ["'gelu'", "relu, "]),
    ("initialising a layer", lambda: nn.init.zeros_(nn.Linear(1, 1)), TypeError, ["got Linear", ".weight"]),
    (
        "initialising a result",
        lambda: nn.init.zeros_(mg.ones(2, requires_grad=True) * 2),
        RuntimeError,
        ["zeros_", "'multiply'", "leaf"],
    ),
    (
        "truncation bounds out of reach",
        lambda: nn.init.trunc_normal_(mg.zeros(2), std=0.01, a=1.0, b=2.0),
        ValueError,
        ["[1.0, 2.0]", "5 standard deviations", "widen"],
    ),
    (
        "clipping a module",
        lambda: nn.utils.clip_grad_norm_(net(), 1.0),
        TypeError,
        ["clip_grad_norm_", "got Linear", ".parameters()"],
    ),
    (
        "clipping at a negative norm",
        lambda: nn.utils.clip_grad_norm_(net().parameters(), -1.0),
        ValueError,
        ["clip_grad_norm_", "-1.0", "inf for no limit"],
    ),
    ("clipping gradients that are NaN", clip_not_finite, RuntimeError, ["norm", "nan", "detect_anomaly"]),
    (
        "a vector of the wrong length",
        lambda: nn.utils.vector_to_parameters(mg.ones(3), net().parameters()),
        ValueError,
        ["(3,)", "58 elements", "parameters_to_vector"],
    ),
    # -- optimizers
    ("no parameters", lambda: optim.Adam([]), ValueError, ["empty", "parameters"]),
    ("a generator that was used up", consumed_generator, ValueError, ["empty", "generator", "call it again"]),
    ("a module instead of its parameters", lambda: optim.Adam(net()), TypeError, ["got Sequential", ".parameters()"]),
    ("a list of modules", lambda: optim.SGD([nn.Linear(1, 1)]), TypeError, ["got Linear", ".parameters()"]),
    ("one Tensor", lambda: optim.SGD(mg.ones(2, requires_grad=True)), TypeError, ["got Tensor", "list"]),
    (
        "a tensor that is no leaf",
        lambda: optim.SGD([mg.ones(2, requires_grad=True) * 2]),
        ValueError,
        ["(2,)", "'multiply' made it", "requires_grad_()"],
    ),
    ("an integer tensor", lambda: optim.SGD([mg.tensor([1, 2])]), ValueError, ["int64", ".float()"]),
    ("a parameter twice", lambda: optim.SGD([*(p := list(net().parameters())), p[0]]), ValueError, ["(8, 4)", "twice"]),
    (
        "a negative learning rate",
        lambda: optim.Adam(net().parameters(), lr=-1e-3),
        ValueError,
        ["lr=-0.001", "at least 0"],
    ),
    (
        "a learning rate that is NaN",
        lambda: optim.SGD(net().parameters(), lr=math.nan),
        ValueError,
        ["lr=nan", "at least 0"],
    ),
    (
        "betas out of range",
        lambda: optim.Adam(net().parameters(), betas=(0.9, 1.0)),
        ValueError,
        ["betas=(0.9, 1.0)", "[0, 1)", "0.999"],
    ),
    (
        "Nesterov without momentum",
        lambda: optim.SGD(net().parameters(), nesterov=True),
        ValueError,
        ["nesterov=True with momentum=0", "above 0"],
    ),
    (
        "Nesterov with dampening",
        lambda: optim.SGD(net().parameters(), lr=0.1, momentum=0.9, dampening=0.5, nesterov=True),
        ValueError,
        ["nesterov=True", "dampening=0.5", "no dampening"],
    ),
    ("a group without params", lambda: optim.SGD([{"lr": 0.1}]), ValueError, ["'lr'", "'params'", "add it"]),
    (
        "a misspelt setting",
        lambda: optim.Adam([{"params": list(net().parameters()), "learning_rate": 0.1}]),
        ValueError,
        ["learning_rate", "'lr'"],
    ),
    (
        "the optimizer state of another network",
        optimizer_state_of_another_network,
        ValueError,
        ["exp_avg", "(2, 2)", "(2, 3)", "build the network"],
    ),
    (
        "the optimizer state of another kind",
        optimizer_state_of_another_kind,
        ValueError,
        ["SGD", "exp_avg", "momentum_buffer", "same kind"],
    ),
    (
        "weights instead of an optimizer state",
        lambda: optim.Adam(net().parameters()).load_state_dict(net().state_dict()),
        ValueError,
        ["'param_groups'", "0.weight", "optimizer.state_dict()"],
    ),
    (
        "a step between forward and backward",
        step_before_backward,
        RuntimeError,
        ["changed in place", "optimizer step", "backward"],
    ),
    *LAYER_MISTAKES,
    *OPTIM_MISTAKES,
    *FILE_MISTAKES,
]
