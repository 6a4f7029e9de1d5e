"""A network of the user's own, in the place of the one that an agent would make."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np

import minigrad as mg
import minigrad.nn as nn
from envs import UsageError


def make_own_network(
    given: nn.Module | Callable[[gym.Space, gym.Space], nn.Module],
    name: str,
    observation_space: gym.Space,
    action_space: gym.Space,
) -> nn.Module:
    """The network that `given` stands for: a function (observation_space, action_space) makes it; of a Module it is a
    copy, so that two agents, or an agent and its target, never share weights. `name` is the hyper-parameter's. Raises
    `UsageError` where a function returns something else."""
    if isinstance(given, nn.Module):
        return copy.deepcopy(given)
    try:
        network = given(observation_space, action_space)
    except TypeError as error:
        raise UsageError(
            f"{name}: the function was called with the observation space and the action space, and said: {error}"
        ) from error
    if not isinstance(network, nn.Module):
        raise UsageError(f"{name}: the function must return an nn.Module, got {network!r}")
    return network


def check_output(
    network: nn.Module,
    name: str,
    observation_space: gym.Space,
    shapes: list[tuple[int, ...]],
    meaning: str,
    tensor: Any,
) -> None:
    """Raises `UsageError` unless the network turns one observation into an output of one of `shapes`, without the
    batch; the first of them stands in the message, and `meaning` says what its numbers are. `tensor` makes a Tensor of an
    array."""
    example = copy.deepcopy(observation_space)
    example.seed(0)
    observation = np.asarray(example.sample())[None]
    if observation.dtype == np.float64:
        observation = observation.astype(np.float32)  # as environments hand them on
    training = network.training
    network.eval()  # or a layer of statistics would count the example
    try:
        with mg.no_grad():
            output = network(tensor(observation))
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        raise UsageError(f"{name}: it can't take observations of shape {observation.shape}: {error}") from error
    finally:
        network.train(training)
    found = tuple(output.shape) if isinstance(output, mg.Tensor) else None
    if found not in [(1, *shape) for shape in shapes]:
        came = f"an output of shape {found}" if found is not None else f"{output!r}, which is no Tensor"
        raise UsageError(
            f"{name}: from observations of shape {observation.shape} came {came}, but {(1, *shapes[0])} was expected: "
            f"{meaning}"
        )
