"""Off-policy Actor-Critic: a fixed behaviour policy b plays, and the target policy π and its value learn from single
steps of it.

    ρ_t = π(a_t | s_t; θ) / b(a_t | s_t)
    δ_t = r_t + γ V(s_{t+1}; w) - V(s_t; w)
    L(θ) = -mean( ρ_t δ_t log π(a_t | s_t; θ) ),    L(w) = mean( ρ_t δ_t² )

with ρ_t and δ_t constants in the first, and ρ_t and the target r_t + γ V(s_{t+1}) constants in the second. With b = π
it is Actor-Critic.

Bootstrapping shortens the weights, too: the off-policy policy gradient weighs an episode by a product of as many ratios
as it has steps; here one action was b's instead of π's, and one ratio puts that right. So V learns what π would bring
although π never plays, and the actor's loss has on average the gradient

    Σ_s d_b(s) Σ_a ∇π(a | s; θ) q_π(s, a)

d_b says how often b is in a state. The ratio of one action doesn't change that to how often π would be, and the
gradient of J(θ) = Σ_s d_b(s) v_π(s) has a second term, with ∇q_π, that is left out: in a table every state's policy
improves all the same, but where states share weights, b's states decide for which ones the policy is good. And V
bootstraps from what one network says about all states while another policy chooses which it sees: beyond tables nothing
guarantees that it converges.

Degris, White & Sutton, "Off-policy actor-critic", ICML (2012), section 2 and algorithm 1, with λ = 0 and with TD(0) in
place of their gradient-TD critic; Zhao, "Mathematical Foundations of Reinforcement Learning" (2025), section 10.3;
Imani, Graves & White, "An off-policy policy gradient theorem using emphatic weightings", NeurIPS (2018), on the term
that is left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

import minigrad as mg
import minigrad.optim as optim

from ..core.hyperparameters import Count
from ..memory.rollout import Steps
from ..networks.critics import explained_variance
from .actor_critic import ActorCritic, ActorCriticHyperparameters, adam_with_two_rates, td_errors
from .parts.behaviour import Behaviour, draw_actions, explore_uniformly, log_probability
from .parts.gradient_step import descend
from .parts.importance import effective_sample_size
from .parts.policy_losses import policy_gradient_loss, same_shape
from .parts.rollout_agent import RolloutAgent


@dataclass(frozen=True)
class OffPolicyActorCriticHyperparameters(ActorCriticHyperparameters):
    rollout_steps: Count = 1
    """Steps of each environment between updates."""
    updates: Count = 1
    """Updates from the same steps, each with new weights."""


def weighted_squared_error(value: mg.Tensor, target: mg.Tensor, weight: mg.Tensor) -> mg.Tensor:
    """mean(ρ (R - V)²) of (batch,) each."""
    same_shape("weighted_squared_error", value=value, target=target, weight=weight)
    return (weight * (value - target).square()).mean()


class OffPolicyActorCritic(RolloutAgent):
    """It explores uniformly; for another behaviour policy, define `behaviour` in a class of your own:

    class Cautious(OffPolicyActorCritic):
        def behaviour(self, observation):
            return np.tile([0.7, 0.1, 0.1, 0.1], (len(observation), 1))
    """

    name = "off-policy-actor-critic"
    Hyperparameters = OffPolicyActorCriticHyperparameters
    metric_names = (*ActorCritic.metric_names, "effective_sample_size")

    def make_optimizer(self) -> optim.Optimizer:
        h = self.hyperparameters
        return adam_with_two_rates(self.network, h.learning_rate, h.value_learning_rate)

    def behaviour(self, observation: np.ndarray) -> Behaviour:
        """b of (k, ...) observations; parts/behaviour.py says in which form."""
        return explore_uniformly(self.action_space, observation)

    def act(self, observation: np.ndarray) -> np.ndarray:
        behaviour = self.behaviour(observation)
        return draw_actions(self.action_space, behaviour, len(observation), self.random["exploration"])

    def learn_from(self, steps: Steps) -> None:
        """Several updates from the same steps, each with new weights ρ."""
        h, observation, action = self.hyperparameters, steps.observation[steps.valid], steps.action[steps.valid]
        log_behaviour = log_probability(self.action_space, self.behaviour(observation), action)  # it doesn't change
        for _ in range(h.updates):
            distribution, value = self.network(self.tensor(observation))  # value: (valid steps,)
            predicted = mg.to_numpy(value)
            delta = td_errors(steps, predicted, self.state_values(steps.next_observation[steps.valid]), h.gamma)
            target = predicted + delta

            log_prob = distribution.log_prob(self.tensor(action))
            log_weight = mg.to_numpy(log_prob).astype(np.float64) - log_behaviour
            weight = self.tensor(np.exp(log_weight).astype(log_prob.dtype))  # ρ
            policy_loss = policy_gradient_loss(log_prob, weight * self.tensor(delta), len(delta))
            value_loss = weighted_squared_error(value, self.tensor(target), weight)
            entropy = distribution.entropy().mean()
            norm = descend(policy_loss + value_loss, self.optimizer, self.weights, h.max_gradient_norm).item()

            losses = policy_loss.item(), value_loss.item(), entropy.item()
            effective = float(effective_sample_size(log_weight))
            self.metrics.add(*losses, explained_variance(predicted, target), norm, effective)
