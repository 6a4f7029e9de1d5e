"""Rainbow: the six improvements of DQN at once.

Double DQN (double_dqn.py), dueling streams (dueling_dqn.py), prioritised replay (prioritized_dqn.py), n-step returns
(n_step_dqn.py), a distribution of returns (c51.py), noisy layers (noisy_dqn.py).

Hessel et al., "Rainbow: Combining Improvements in Deep Reinforcement Learning", AAAI (2018), section "The Integrated
Agent". `minigrad ablation` trains it beside DQN and DQN with each of the six alone.
"""

from __future__ import annotations

from typing import Any

import minigrad.nn as nn

from .c51 import C51
from .double_dqn import DoubleDQN
from .dqn import DQN
from .dueling_dqn import DuelingDQN, dueling_network
from .n_step_dqn import NStepDQN
from .noisy_dqn import NoisyDQN, NoisySettings, noisy_layers
from .parts.seams import NETWORK
from .prioritized_dqn import PrioritizedDQN


@NETWORK.option("noisy-dueling", NoisySettings)
def noisy_dueling_network(agent: Any) -> nn.Module:
    return dueling_network(agent, noisy_layers(agent))


class Rainbow(DQN):
    name = "rainbow"
    components = {
        **DoubleDQN.components,
        **DuelingDQN.components,
        **PrioritizedDQN.components,
        **NStepDQN.components,
        **C51.components,
        **NoisyDQN.components,
    }
