"""A program for test_alone.py: with the core and the rows alone it trains a network of two layers.

It is not run from here but beside a copy of `core/`, `ops/` and the lowest layer. Without methods, functions with
defaults, optimizers and loss functions, a training is rows, operators, and `backward`.
"""

import sys

import numpy as np

from minigrad.core.backward import backward, grad
from minigrad.core.rules import add, matmul, multiply, sum_to, tanh
from minigrad.core.tensor import Tensor, wrap

rng = np.random.default_rng(0)
inputs = wrap(rng.standard_normal((32, 2)))
targets = wrap(np.sin(2 * inputs.array[:, :1]) * inputs.array[:, 1:])


def make_parameter(*shape: int) -> Tensor:
    parameter = wrap(rng.standard_normal(shape) / np.sqrt(shape[0]))
    parameter.requires_grad = True
    return parameter


parameters = [make_parameter(2, 16), make_parameter(16), make_parameter(16, 1), make_parameter(1)]


def measure_loss() -> Tensor:
    """The mean squared error, shape ()."""
    hidden_weight, hidden_bias, weight, bias = parameters
    hidden = tanh(add(matmul(inputs, hidden_weight), hidden_bias))
    error = hidden @ weight + bias - targets
    return sum_to(multiply(error, error), ()) / len(inputs.array)


def differentiate_numerically(parameter: Tensor, step: float = 1e-5) -> np.ndarray:
    """∂loss/∂parameter by central differences."""
    slopes = np.empty_like(parameter.array)
    for place in np.ndindex(*slopes.shape):
        value, losses = parameter.array[place], []
        for shift in (step, -step):
            parameter.array[place] = value + shift
            losses.append(measure_loss().array)
        parameter.array[place] = value
        slopes[place] = (losses[0] - losses[1]) / (2 * step)
    return slopes


def check_gradients() -> None:
    for parameter in parameters:
        parameter.grad = None
    backward(measure_loss())
    for parameter in parameters:
        np.testing.assert_allclose(parameter.grad.array, differentiate_numerically(parameter), rtol=1e-6, atol=1e-8)


check_gradients()
first = float(measure_loss().array)
for _ in range(500):
    for parameter in parameters:
        parameter.grad = None
    backward(measure_loss())
    for parameter in parameters:
        parameter.array -= 0.1 * parameter.grad.array
check_gradients()

# The second derivative of x³ at 2 is 12.
x = wrap(np.array(2.0))
x.requires_grad = True
slope = grad(x * x * x, [x], create_graph=True)[0]
curvature = grad(slope, [x])[0]
assert (slope.array, curvature.array) == (12, 12), (slope, curvature)

print(first, float(measure_loss().array))
for name, module in sorted(sys.modules.items()):
    if name.partition(".")[0] in ("minigrad", "agents", "envs"):
        print(name, module.__file__)
