"""Dueling DQN: DQN whose last hidden layer splits into the state's value and the actions' advantages.

    Q(s, a) = V(s) + A(s, a) - 1/|A| Σ_a' A(s, a')    (dueling.py)

Wang et al., "Dueling Network Architectures for Deep Reinforcement Learning", ICML (2016), equation 9.
"""

from __future__ import annotations

from .dqn import DQN


class DuelingDQN(DQN):
    name = "dueling-dqn"
    components = {"dueling": True}
