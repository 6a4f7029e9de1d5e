"""DQN with prioritised replay: what surprised it most is learned from most often.

    P(i) ∝ p_i^α,  p_i = |δ_i| + ε,    each loss weighted by  (N P(i))^-β / max w    (memory/prioritized.py)

Schaul et al., "Prioritized Experience Replay", ICLR (2016), equations 1 and 2, algorithm 1.
"""

from __future__ import annotations

from ..memory.prioritized import Prioritized as Prioritized  # it enters itself among the replays
from .dqn import DQN


class PrioritizedDQN(DQN):
    name = "prioritized-dqn"
    components = {"replay": "prioritized"}
