"""n-step DQN: DQN whose target looks n rewards ahead before it bootstraps.

    y = Σ_{k<n} γᵏ r_{t+k} + γⁿ max_a' Q⁻(s_{t+n}, a')    (memory/n_step.py)

The rewards are those of the policy that collected them, which is not corrected for: with a small n that bias costs
less than the speed gains. Hessel et al., "Rainbow", AAAI (2018), section "Multi-step learning".
"""

from __future__ import annotations

from .dqn import DQN


class NStepDQN(DQN):
    name = "n-step-dqn"
    components = {"n_step": 3}
