"""Reinforcement-learning agents, driven by minigrad and nothing else.

from agents import DQN, evaluate

agent = DQN("CartPole-v1", seed=0).learn(50_000)
print(evaluate(agent, episodes=20))

An agent is registered here, by its import, and nowhere else. Each family is in the order in which one understands it;
`minigrad list` has the same order.
"""

from .core.agent import Agent as Agent
from .core.built_in_callbacks import Every as Every
from .core.built_in_callbacks import SaveEvery as SaveEvery
from .core.built_in_callbacks import StopAtReturn as StopAtReturn
from .core.built_in_callbacks import StopWithoutImprovement as StopWithoutImprovement
from .core.callbacks import Callback as Callback
from .core.evaluation import Evaluation as Evaluation
from .core.evaluation import evaluate as evaluate
from .core.training import train as train
from .memory.recorded import read_steps as read_steps
from .runs.collecting import collect as collect
from .runs.films import record as record
from .runs.loading import load as load
from .runs.plots import plot_runs as plot_runs

# Tables: a number for every state, or for every state and action.
from .tabular.policy_evaluation import PolicyEvaluation as PolicyEvaluation
from .tabular.policy_iteration import PolicyIteration as PolicyIteration
from .tabular.value_iteration import ValueIteration as ValueIteration
from .tabular.monte_carlo_prediction import MonteCarloPrediction as MonteCarloPrediction
from .tabular.td_prediction import TDPrediction as TDPrediction
from .tabular.n_step_td_prediction import NStepTDPrediction as NStepTDPrediction
from .tabular.monte_carlo import MonteCarlo as MonteCarlo
from .tabular.off_policy_monte_carlo import OffPolicyMonteCarlo as OffPolicyMonteCarlo
from .tabular.sarsa import Sarsa as Sarsa
from .tabular.expected_sarsa import ExpectedSarsa as ExpectedSarsa
from .tabular.n_step_sarsa import NStepSarsa as NStepSarsa
from .tabular.off_policy_sarsa import OffPolicySarsa as OffPolicySarsa
from .tabular.q_learning import QLearning as QLearning
from .tabular.dyna_q import DynaQ as DynaQ

# Networks that say what an action is worth.
from .value.neural_q_learning import NeuralQLearning as NeuralQLearning
from .value.dqn import DQN as DQN
from .value.double_dqn import DoubleDQN as DoubleDQN
from .value.averaged_dqn import AveragedDQN as AveragedDQN
from .value.dueling_dqn import DuelingDQN as DuelingDQN
from .value.prioritized_dqn import PrioritizedDQN as PrioritizedDQN
from .value.n_step_dqn import NStepDQN as NStepDQN
from .value.noisy_dqn import NoisyDQN as NoisyDQN
from .value.c51 import C51 as C51
from .value.qr_dqn import QRDQN as QRDQN
from .value.rainbow import Rainbow as Rainbow

# Policies with parameters of their own.
from .policy_gradient.exact_policy_gradient import ExactPolicyGradient as ExactPolicyGradient
from .policy_gradient.simple_policy_gradient import SimplePolicyGradient as SimplePolicyGradient
from .policy_gradient.reinforce import Reinforce as Reinforce
from .policy_gradient.reinforce_with_baseline import ReinforceWithBaseline as ReinforceWithBaseline
from .policy_gradient.off_policy_policy_gradient import OffPolicyPolicyGradient as OffPolicyPolicyGradient
from .policy_gradient.actor_critic import ActorCritic as ActorCritic
from .policy_gradient.off_policy_actor_critic import OffPolicyActorCritic as OffPolicyActorCritic
from .policy_gradient.a2c import A2C as A2C
from .policy_gradient.a3c import A3C as A3C
from .policy_gradient.trpo import TRPO as TRPO
from .policy_gradient.ppo_kl import PPOKL as PPOKL
from .policy_gradient.ppo import PPO as PPO

# Policies over continuous actions that learn from a replay.
from .continuous.ddpg import DDPG as DDPG
from .continuous.td3 import TD3 as TD3
from .continuous.sac import SAC as SAC
from .continuous.sac_discrete import SACDiscrete as SACDiscrete

# A model of the environment that is learned, to plan with or to generate steps.
from .model_based.pets import PETS as PETS
from .model_based.mbpo import MBPO as MBPO

# Policies that do as somebody did.
from .imitation.bc import BC as BC

from .registry import AGENTS as AGENTS
from .registry import register

register(vars())
