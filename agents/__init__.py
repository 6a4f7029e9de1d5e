"""Reinforcement-learning agents, driven by minigrad and nothing else.

from agents import DQN, evaluate

agent = DQN("CartPole-v1", seed=0).learn(50_000)
print(evaluate(agent, episodes=20))
"""

from .core.agent import Agent
from .core.evaluation import Evaluation, evaluate
from .registry import AGENTS
from .tabular.q_learning import QLearning
from .tabular.value_iteration import ValueIteration
from .value.double_dqn import DoubleDQN
from .value.dqn import DQN

__all__ = ["AGENTS", "DQN", "Agent", "DoubleDQN", "Evaluation", "QLearning", "ValueIteration", "evaluate"]
