"""Every algorithm by its name. The command line, `minigrad list` and the agents' tests all go through this
table."""

from __future__ import annotations

from envs import UsageError
from envs.errors import did_you_mean

from .core.agent import Agent
from .policy_gradient.a2c import A2C
from .policy_gradient.a3c import A3C
from .policy_gradient.actor_critic import ActorCritic
from .policy_gradient.exact import ExactPolicyGradient
from .policy_gradient.off_policy_actor_critic import OffPolicyActorCritic
from .policy_gradient.off_policy_policy_gradient import OffPolicyPolicyGradient
from .policy_gradient.ppo import PPO
from .policy_gradient.ppo_kl import PPOKL
from .policy_gradient.reinforce import Reinforce
from .policy_gradient.reinforce_with_baseline import ReinforceWithBaseline
from .policy_gradient.simple_policy_gradient import SimplePolicyGradient
from .policy_gradient.trpo import TRPO
from .tabular.dyna_q import DynaQ
from .tabular.expected_sarsa import ExpectedSarsa
from .tabular.monte_carlo import MonteCarlo
from .tabular.monte_carlo_prediction import MonteCarloPrediction
from .tabular.n_step_sarsa import NStepSarsa
from .tabular.n_step_td_prediction import NStepTDPrediction
from .tabular.off_policy_monte_carlo import OffPolicyMonteCarlo
from .tabular.off_policy_sarsa import OffPolicySarsa
from .tabular.policy_evaluation import PolicyEvaluation
from .tabular.policy_iteration import PolicyIteration
from .tabular.q_learning import QLearning
from .tabular.sarsa import Sarsa
from .tabular.td_prediction import TDPrediction
from .tabular.value_iteration import ValueIteration
from .value.c51 import C51
from .value.double_dqn import DoubleDQN
from .value.dqn import DQN
from .value.dueling_dqn import DuelingDQN
from .value.n_step_dqn import NStepDQN
from .value.neural_q_learning import NeuralQLearning
from .value.noisy_dqn import NoisyDQN
from .value.prioritized_dqn import PrioritizedDQN
from .value.rainbow import Rainbow

# In the order in which one understands them.
TABULAR: tuple[type[Agent], ...] = (
    PolicyEvaluation,
    PolicyIteration,
    ValueIteration,
    MonteCarloPrediction,
    TDPrediction,
    NStepTDPrediction,
    MonteCarlo,
    OffPolicyMonteCarlo,
    Sarsa,
    ExpectedSarsa,
    NStepSarsa,
    OffPolicySarsa,
    QLearning,
    DynaQ,
)
VALUE: tuple[type[Agent], ...] = (
    NeuralQLearning,
    DQN,
    DoubleDQN,
    DuelingDQN,
    PrioritizedDQN,
    NStepDQN,
    NoisyDQN,
    C51,
    Rainbow,
)
POLICY_GRADIENT: tuple[type[Agent], ...] = (
    ExactPolicyGradient,
    SimplePolicyGradient,
    Reinforce,
    ReinforceWithBaseline,
    OffPolicyPolicyGradient,
    ActorCritic,
    OffPolicyActorCritic,
    A2C,
    A3C,
    TRPO,
    PPOKL,
    PPO,
)

AGENTS: dict[str, type[Agent]] = {agent.name: agent for agent in (*TABULAR, *VALUE, *POLICY_GRADIENT)}


def agent_class(name: str) -> type[Agent]:
    if name not in AGENTS:
        raise UsageError(
            f"unknown algorithm {name!r}{did_you_mean(name, AGENTS) or '; known: ' + ', '.join(AGENTS)}"
        )
    return AGENTS[name]
