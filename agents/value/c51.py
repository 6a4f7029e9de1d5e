"""C51: DQN that learns the distribution of the return, on 51 atoms, and not only its mean.

    Z(s, a) = r + γ Z(s', a')  in distribution,    a' = argmax_a E[Z⁻(s', a)]    (categorical.py)

Bellemare, Dabney & Munos, "A Distributional Perspective on Reinforcement Learning", ICML (2017), algorithm 1.

Knowing the distribution, it can also go by a part of it: `risk_to=0.25` acts by the mean of the worst quarter of
returns (risk-averse), `risk_from=0.75` by that of the best.
"""

from __future__ import annotations

from .dqn import DQN


class C51(DQN):
    name = "c51"
    components = {"head": "categorical"}
