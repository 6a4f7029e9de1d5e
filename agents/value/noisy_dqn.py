"""Noisy DQN: DQN that explores by learned noise in its weights, and not by ε.

    y = (μ_w + σ_w ⊙ ε_w) x + μ_b + σ_b ⊙ ε_b    (noisy.py)

Fortunato et al., "Noisy Networks for Exploration", ICLR (2018), section 3.
"""

from __future__ import annotations

from .dqn import DQN


class NoisyDQN(DQN):
    name = "noisy-dqn"
    components = {"noisy": True, "epsilon_start": 0.0, "epsilon_end": 0.0}
