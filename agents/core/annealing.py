"""What falls over training by plan: exploration, the optimizer's steps."""

from __future__ import annotations

from typing import Any

from .agent import Agent
from .schedules import linear


class AnnealedEpsilon(Agent):
    """ε-greedy agents: ε falls as the hyper-parameters epsilon_start, epsilon_end and epsilon_fraction say."""

    @property
    def epsilon(self) -> float:
        h = self.hyperparameters
        return linear(h.epsilon_start, h.epsilon_end, h.epsilon_fraction, self.progress)

    def schedules(self) -> dict[str, float]:
        return {**super().schedules(), "epsilon": self.epsilon}


class AnnealedLearningRate(Agent):
    """Agents whose step size falls, if the hyper-parameter anneal_learning_rate says so, in a straight line from
    learning_rate to 0 at the end of training."""

    optimizer: Any

    @property
    def learning_rate(self) -> float:
        h = self.hyperparameters
        return h.learning_rate * (1 - self.progress) if h.anneal_learning_rate else h.learning_rate

    def anneal(self) -> None:
        """To be called before the optimizer's step."""
        if self.hyperparameters.anneal_learning_rate:
            self.optimizer.param_groups[0]["lr"] = self.learning_rate

    def schedules(self) -> dict[str, float]:
        falls = {"learning_rate": self.learning_rate} if self.hyperparameters.anneal_learning_rate else {}
        return {**super().schedules(), **falls}
