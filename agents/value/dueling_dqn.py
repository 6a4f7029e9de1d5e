"""Dueling DQN: DQN whose last hidden layer splits into the state's value and the actions' advantages.

    Q(s, a) = V(s) + A(s, a) - 1/|A| Σ_a' A(s, a')    (networks/dueling.py)

Wang et al., "Dueling Network Architectures for Deep Reinforcement Learning", ICML (2016), equation 9.
"""

from __future__ import annotations

from typing import Any

import minigrad.nn as nn

from ..networks.bodies import body, mlp
from ..networks.dueling import Dueling
from .dqn import DQN
from .parts.plain import Linear
from .parts.seams import NETWORK


@NETWORK.option("dueling")
def dueling_network(agent: Any, linear: Linear = nn.Linear) -> nn.Module:
    """As many hidden layers as the plain network; the last one is two, one for each stream."""
    h = agent.hyperparameters
    layers, features = body(agent.observation_space, (), scale=h.scale_observations)
    *shared, streams = h.hidden or (features,)
    layers += mlp((features, *shared), linear)
    actions = int(agent.action_space.n)
    return nn.Sequential(
        *layers, Dueling(shared[-1] if shared else features, streams, actions, agent.head.numbers, linear)
    )


class DuelingDQN(DQN):
    name = "dueling-dqn"
    components = {"dueling": True}
