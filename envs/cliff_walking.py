"""CliffWalking: along the edge of a cliff to the goal (Sutton & Barto, "Reinforcement Learning", 2018, example 6.6).

Every step costs 1; a step over the edge costs 100 and leads back to the start. The shortest way, along the edge,
returns -13. Q-learning learns it; Sarsa, which explores while it walks, learns to keep away from the edge.
"""

from __future__ import annotations

from typing import Any

from .gridworld import GridWorld, GridWorldVector

FOUR_BY_TWELVE = """
............
............
............
SCCCCCCCCCCG
"""

REWARDS = {"step_reward": -1.0, "goal_reward": -1.0, "cliff_reward": -100.0}


class CliffWalking(GridWorld):
    """A `GridWorld` with this map and these rewards. Made by its id, an episode is cut off after 500 steps."""

    def __init__(self, map: str = FOUR_BY_TWELVE, **options: Any) -> None:
        super().__init__(map, **{**REWARDS, **options})


class CliffWalkingVector(GridWorldVector):
    """Many of them, stepped together."""

    def __init__(self, map: str = FOUR_BY_TWELVE, **options: Any) -> None:
        super().__init__(map, **{**REWARDS, **options})
