"""Reinforcement-learning agents, driven by minigrad and nothing else.

from agents import DQN, evaluate

agent = DQN("CartPole-v1", seed=0).learn(50_000)
print(evaluate(agent, episodes=20))
"""

from .core.agent import Agent
from .core.evaluation import Evaluation, evaluate
from .registry import AGENTS
from .tabular.policy_evaluation import PolicyEvaluation
from .tabular.policy_iteration import PolicyIteration
from .tabular.value_iteration import ValueIteration
from .value.double_dqn import DoubleDQN
from .value.dqn import DQN
from .value.neural_q_learning import NeuralQLearning

__all__ = [
    "AGENTS",
    "DQN",
    "Agent",
    "DoubleDQN",
    "Evaluation",
    "NeuralQLearning",
    "PolicyEvaluation",
    "PolicyIteration",
    "ValueIteration",
    "evaluate",
]
