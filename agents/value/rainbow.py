"""Rainbow: the six improvements of DQN at once.

Double DQN (double_dqn.py), dueling streams (dueling.py), prioritised replay (core/prioritized.py), n-step returns
(core/n_step.py), a distribution of returns (categorical.py), noisy layers (noisy.py).

Hessel et al., "Rainbow: Combining Improvements in Deep Reinforcement Learning", AAAI (2018), section "The Integrated
Agent". `minigrad ablation` trains it beside DQN and DQN with each of the six alone.
"""

from __future__ import annotations

from .c51 import C51
from .double_dqn import DoubleDQN
from .dqn import DQN
from .dueling_dqn import DuelingDQN
from .n_step_dqn import NStepDQN
from .noisy_dqn import NoisyDQN
from .prioritized_dqn import PrioritizedDQN


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
