"""Double DQN: DQN whose online network chooses the next action and whose target network judges it.

The maximum over noisy estimates is too high on average, E[max Q] >= max E[Q], and DQN's target takes that
maximum at every step. Choosing with one network and judging with the other removes most of it:

    y = r + γ Q(s', argmax_a Q(s', a; θ); θ⁻)

van Hasselt, Guez and Silver, "Deep Reinforcement Learning with Double Q-learning", AAAI (2016), equation 4.
"""

from __future__ import annotations

from .dqn import DQN


class DoubleDQN(DQN):
    name = "double-dqn"
    components = {"next_action": "online"}
