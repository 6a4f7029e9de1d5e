"""How noisy is each estimate of one and the same policy's gradient?

    python benchmarks/variance.py [--batches N] [--seed N]

Two fixed softmax policies on the 3×4 GridWorld, γ = 0.9, whose gradient is known exactly (agents/policy_gradient/
exact_policy_gradient.py). Batches of 100 episodes are played once, by the policy and by the uniform random one, and
every estimator sees the same: the on-policy ones, each with a little less noise than the one before, and importance
sampling from random play. Writes benchmarks/results/variance.{md,json,png}.

The variance is the trace of the covariance matrix of a batch's estimate, times the number of its episodes: that of one
episode, where episodes are averaged. The bias is the length of the difference between the mean over all batches and the
exact gradient, as a part of the exact gradient's length; "by noise" is how long it would be expected to be if there
were none.

Per-decision weights gain little here, because most of the return, the apple, comes with an episode's last step: until
then all its actions are decided. With normalised weights a batch's estimate is biased, less the larger the batch.
"""

from __future__ import annotations

import sys
from pathlib import Path

# Beside this file lies agents.py, which would be taken for the package.
sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks.common import RESULTS, fair_start, table, write

fair_start()

import argparse
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np

import envs  # noqa: F401 registers the GridWorld
from agents.policy_gradient.exact_policy_gradient import average_value, average_value_gradient, softmax
from agents.policy_gradient.parts.importance import (
    effective_sample_size,
    ordinary,
    per_decision_log_weights,
    trajectory_log_weights,
    weighted,
)
from agents.policy_gradient.parts.rewards_to_go import rewards_to_go
from agents.policy_gradient.parts.sampling import Episodes, gradients, log_probabilities, play
from agents.tabular.parts.planning import evaluate_policy, uniform_policy
from envs.model import Model, model_of

ENV, GAMMA = "minigrad/GridWorld-v0", 0.9
BATCH = 100  # episodes in an estimate
FOR_THE_BASELINE = 5_000  # episodes from which the best constant is estimated, none of which is used again
POLICIES = {"10 updates from random": 10, "30 updates from random": 30}


class Problem(NamedTuple):
    """A policy whose gradient is to be estimated, and what an estimator may know about it."""

    model: Model
    policy: np.ndarray  # (states, actions)
    behaviour: np.ndarray  # (states, actions) the one that off-policy estimators see
    values: np.ndarray  # (states,) V_π
    constant: float  # the baseline with the least variance


Credit = Callable[[Problem, Episodes], np.ndarray]  # (N, T), without the γᵗ that all have


def discount(episodes: Episodes) -> np.ndarray:
    """γᵗ, (T,)."""
    return GAMMA ** np.arange(episodes.state.shape[1])


def to_go(reward: np.ndarray) -> np.ndarray:
    """G_t, (N, T), of rewards (N, T)."""
    return rewards_to_go(reward.T, GAMMA).T


def whole_return(problem: Problem, episodes: Episodes) -> np.ndarray:
    total = (discount(episodes) * episodes.reward).sum(1, keepdims=True)
    return total / discount(episodes)  # the theorem has R(τ) here, with no γᵗ


def td_error(problem: Problem, episodes: Episodes) -> np.ndarray:
    values = problem.values
    return episodes.reward + GAMMA * values[episodes.next_state] - values[episodes.state]


def importance_sampled(log_weights: Callable, normalise: Callable) -> Credit:
    def credit(problem: Problem, episodes: Episodes) -> np.ndarray:
        target, behaviour = (log_probabilities(p, episodes) for p in (problem.policy, problem.behaviour))
        return to_go(normalise(log_weights(target, behaviour)) * episodes.reward)

    return credit


ON_POLICY: dict[str, Credit] = {
    "whole return R": whole_return,
    "reward-to-go G": lambda problem, episodes: to_go(episodes.reward),
    "G - the best constant": lambda problem, episodes: to_go(episodes.reward) - problem.constant,
    "G - V(s), exact": lambda problem, episodes: to_go(episodes.reward) - problem.values[episodes.state],
    "TD error of the exact V": td_error,  # actor-critic's; where nothing is random it is A(s, a)
}
OFF_POLICY: dict[str, Credit] = {
    "trajectory weights": importance_sampled(trajectory_log_weights, ordinary),
    "per-decision weights": importance_sampled(per_decision_log_weights, ordinary),
    "trajectory weights, normalised": importance_sampled(trajectory_log_weights, weighted),
    "per-decision weights, normalised": importance_sampled(per_decision_log_weights, weighted),
}


def problem_after(updates: int, rng: np.random.Generator) -> Problem:
    """The policy after so many steps of the exact gradient of length 1, from the uniform one."""
    model = model_of(gym.make(ENV))
    logits = np.zeros(model.reward.shape)
    for _ in range(updates):
        logits += average_value_gradient(model, softmax(logits), GAMMA)
    policy = softmax(logits)
    episodes = play(model, policy, FOR_THE_BASELINE, rng)
    return Problem(
        model,
        policy,
        uniform_policy(model),
        evaluate_policy(model, policy, GAMMA),
        best_constant(policy, episodes),
    )


def best_constant(policy: np.ndarray, episodes: Episodes) -> float:
    """b* = E[A · B] / E[B · B], of each episode's A = Σ_t γᵗ G_t ∇ log π and B = Σ_t γᵗ ∇ log π: where the variance of
    A - b B is least."""
    a = gradients(policy, episodes, discount(episodes) * to_go(episodes.reward))
    b = gradients(policy, episodes, np.broadcast_to(discount(episodes), episodes.state.shape))
    return float((a * b).sum() / (b * b).sum())


def estimates_of(problem: Problem, batches: int, rng: np.random.Generator) -> tuple[dict[str, np.ndarray], dict]:
    """A batch's estimate of the gradient, (batches, states, actions), by estimator; and figures about the episodes."""
    found: dict[str, list[np.ndarray]] = {name: [] for name in (*ON_POLICY, *OFF_POLICY)}
    sizes, lengths = [], []
    for _ in range(batches):
        for policy, estimators in ((problem.policy, ON_POLICY), (problem.behaviour, OFF_POLICY)):
            episodes = play(problem.model, policy, BATCH, rng)
            for name, credit in estimators.items():
                each = gradients(problem.policy, episodes, discount(episodes) * credit(problem, episodes))
                found[name].append(each.mean(0))
            lengths.append(episodes.going_on.sum(1).mean())
        logs = (log_probabilities(p, episodes) for p in (problem.policy, problem.behaviour))
        sizes.append(effective_sample_size(trajectory_log_weights(*logs)[:, -1]))
    figures = {
        "value": average_value(problem.model, problem.policy, GAMMA),
        "constant_baseline": problem.constant,
        "mean_length": float(np.mean(lengths[::2])),
        "mean_length_of_the_behaviour": float(np.mean(lengths[1::2])),
        "median_effective_sample_size": float(np.median(sizes)),
    }
    return {name: np.array(each) for name, each in found.items()}, figures


def measured(estimates: np.ndarray, exact: np.ndarray) -> dict[str, float]:
    mean, scatter = estimates.mean(0), estimates.std(0, ddof=1)
    standard_error = scatter / np.sqrt(len(estimates))
    seen = standard_error > 0
    return {
        "variance": float((scatter**2).sum() * BATCH),
        "bias": float(np.linalg.norm(mean - exact) / np.linalg.norm(exact)),
        "bias_by_noise": float(np.linalg.norm(standard_error) / np.linalg.norm(exact)),
        "worst_component_in_standard_errors": float((np.abs(mean - exact)[seen] / standard_error[seen]).max()),
    }


def rows(results: dict[str, dict[str, float]]) -> Iterator[list[Any]]:
    reference = results["reward-to-go G"]["variance"]
    for name, one in results.items():
        yield [
            name,
            "itself" if name in ON_POLICY else "uniform",
            f"{one['variance']:.3g}",
            f"{one['variance'] / reference:.2f}",
            f"{100 * one['bias']:.1f} %",
            f"{100 * one['bias_by_noise']:.1f} %",
            f"{one['worst_component_in_standard_errors']:.1f}",
        ]


def draw(results: dict[str, dict[str, dict[str, float]]], figures: dict[str, dict[str, float]]) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, len(results), figsize=(12, 4.5), sharey=True, sharex=True)
    for axes, (name, by_estimator) in zip(panels, results.items(), strict=True):
        variances = [one["variance"] for one in by_estimator.values()]
        colours = ["tab:blue" if estimator in ON_POLICY else "tab:orange" for estimator in by_estimator]
        axes.barh(list(by_estimator), variances, color=colours)
        axes.set(xscale="log", xlabel="variance of one episode's estimate")
        axes.set_title(f"after {name}: V(start) = {figures[name]['value']:.2f}")
        axes.invert_yaxis() if axes is panels[0] else None
        axes.grid(axis="x", alpha=0.3)
    handles = [plt.Rectangle((0, 0), 1, 1, color=colour) for colour in ("tab:blue", "tab:orange")]
    panels[-1].legend(handles, ["episodes of the policy itself", "episodes of random play"], loc="center right")
    figure.suptitle("The same gradient, estimated in different ways: 3×4 GridWorld")
    figure.tight_layout()
    figure.savefig(RESULTS / "variance.png", dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--batches", type=int, default=2_000, help="of 100 episodes each")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    rng = np.random.default_rng(options.seed)
    header = [
        "credit of an action", "played by", "variance", "by reward-to-go's", "bias", "by noise",
        "worst component, standard errors",
    ]  # fmt: skip
    tables, results, about = [], {}, {}
    for name, updates in POLICIES.items():
        problem = problem_after(updates, rng)
        exact = average_value_gradient(problem.model, problem.policy, GAMMA)
        estimates, figures = estimates_of(problem, options.batches, rng)
        results[name] = {estimator: measured(each, exact) for estimator, each in estimates.items()}
        about[name] = figures
        tables += [
            f"## The policy after {name}",
            f"V(start) = {figures['value']:.4f} (the best is 0.6561); an episode takes {figures['mean_length']:.1f} "
            f"steps, of random play {figures['mean_length_of_the_behaviour']:.1f}. Of {BATCH} episodes of random play, "
            f"{figures['median_effective_sample_size']:.1f} are of use (effective sample size, median). The best "
            f"constant is {figures['constant_baseline']:.3f}.",
            table(header, list(rows(results[name]))),
        ]
    draw(results, about)
    title = f"Variance of policy-gradient estimates on {ENV}, {options.batches} batches of {BATCH} episodes"
    what = (__doc__ or "").partition("\n\n")[2].partition("\n\n")[2].strip()
    write("variance", title, [what, *tables, "![variances](variance.png)"], {"results": results, "policies": about})


if __name__ == "__main__":
    main()
