"""A network of the user's own, in the place of the one that an agent would make."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np

import minigrad as mg
import minigrad.nn as nn
from envs import UsageError

# What agents call them.
OWN_NETWORKS = ("network", "policy", "value")


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
    shapes: Sequence[tuple[int, ...]],
    meaning: str,
    tensor: Callable[[np.ndarray], mg.Tensor],
) -> None:
    """Raises `UsageError` unless the network turns one observation into an output of one of `shapes`, without the
    batch. The first of them stands in the message, and `meaning` says what its numbers are. `tensor` makes a Tensor of
    an array."""
    refuse_output(*try_once(network, name, observation_space, tensor), name, shapes, meaning)


def try_once(network: nn.Module, name: str, observation_space: gym.Space, tensor: Any) -> tuple[np.ndarray, Any]:
    """One observation, with a batch's axis in front, and what the network makes of it. Raises `UsageError` where it
    can't take it."""
    example = copy.deepcopy(observation_space)
    example.seed(0)
    observation = np.asarray(example.sample())[None]
    if observation.dtype == np.float64:
        observation = observation.astype(np.float32)  # as environments hand them on
    training = network.training
    network.eval()  # or a layer of statistics would count the example
    try:
        with mg.no_grad():
            return observation, network(tensor(observation))
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        raise UsageError(f"{name}: it can't take observations of shape {observation.shape}: {error}") from error
    finally:
        network.train(training)


def refuse_output(
    observation: np.ndarray, output: Any, name: str, shapes: Sequence[tuple[int, ...]], meaning: str
) -> None:
    """Raises `UsageError` unless `output` is a Tensor of one of `shapes`, with a batch's axis in front."""
    found = tuple(output.shape) if isinstance(output, mg.Tensor) else None
    if found not in [(1, *shape) for shape in shapes]:
        came = f"an output of shape {found}" if found is not None else f"{output!r}, which is no Tensor"
        raise UsageError(
            f"{name}: from observations of shape {observation.shape} came {came}, but {(1, *shapes[0])} was expected: "
            f"{meaning}"
        )


def match_own_networks(agent: str, saved: Mapping[str, str], names: Sequence[str], given: Mapping[str, Any]) -> None:
    """Raises `UsageError` unless the user's own networks among `names` that are `given` are those that an agent was
    `saved` with, by name. `agent` is its class."""
    for name in names:
        if name in saved and given.get(name) is None:
            raise UsageError(
                f"this agent was trained with a {name} of its user's own, {saved[name]}, and nothing is imported "
                f"because a file names it; give it again: {agent}.load(path, {name}=...)"
            )
        if name not in saved and given.get(name) is not None:
            raise UsageError(f"this agent was trained with the {name} that {agent} makes; leave {name} out")


def check_names(agent: str, names: Sequence[str], given: Collection[str], known: Collection[str]) -> None:
    """Raises `UsageError` where one of the `given` keywords is what another agent calls a network of the user's own.
    `names` are what this one calls its own, `known` its other keywords."""
    wrong = [name for name in OWN_NETWORKS if name in given and name not in known]
    if wrong:
        takes = [*names, *(["network"] if "network" in known else [])]
        words = " and ".join(f"{name}=..." for name in takes)
        hint = f"it takes {words}" if words else "it takes no network of your own"
        raise UsageError(f"{agent} has no {wrong[0]}=...; {hint}")
