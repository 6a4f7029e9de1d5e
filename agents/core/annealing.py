"""What falls over training by plan: exploration, the optimizer's steps."""

from __future__ import annotations

from typing import Any

from .agent import Agent
from .schedules import decay_epsilon, decay_learning_rate, list_learning_rate, set_learning_rate


class AnnealedEpsilon(Agent):
    """ε-greedy agents: ε falls as the hyper-parameters epsilon_start, epsilon_end and epsilon_fraction say."""

    @property
    def epsilon(self) -> float:
        return decay_epsilon(self.hyperparameters, self.progress)

    def schedules(self) -> dict[str, float]:
        return {**super().schedules(), "epsilon": self.epsilon}


class AnnealedLearningRate(Agent):
    """Agents whose step size falls, if the hyper-parameter anneal_learning_rate says so, in a straight line from
    learning_rate to 0 at the end of training."""

    optimizer: Any

    @property
    def learning_rate(self) -> float:
        return decay_learning_rate(self.hyperparameters, self.progress)

    def anneal(self) -> None:
        """To be called before the optimizer's step."""
        set_learning_rate(self.optimizer, self.hyperparameters, self.progress)

    def schedules(self) -> dict[str, float]:
        return {**super().schedules(), **list_learning_rate(self.hyperparameters, self.progress)}
