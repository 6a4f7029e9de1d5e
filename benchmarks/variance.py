"""How noisy is each estimate of the policy gradient, on the same policy?

    python benchmarks/variance.py [--episodes N] [--seed N]

A policy is trained on CartPole-v1 by REINFORCE with a learned baseline. At several moments it stands still and plays
episodes; every estimator makes a gradient of each one, whose variance (the trace of the covariance) is compared. The
baselines learn from other episodes of the same policy before. Writes benchmarks/results/variance.{md,json,png}.
"""

from __future__ import annotations

import sys
from pathlib import Path

# Beside this file lies agents.py, which would be taken for the package.
sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks.common import RESULTS, fair_start, table, write

fair_start()

import argparse

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from agents import Reinforce, ReinforceWithBaseline, SimplePolicyGradient
from agents.core.rollout import Trajectories, Trajectory
from agents.policy_gradient.returns import rewards_to_go

ENV = "CartPole-v1"
MOMENTS = (0, 50, 100, 200, 300, 400)  # episodes of training
FITS, PART = 1_000, 10  # steps of V(s) towards the returns, and the episodes of each

ESTIMATORS = {
    "whole return": lambda seed: SimplePolicyGradient(ENV, seed=seed),
    "reward-to-go": lambda seed: Reinforce(ENV, seed=seed),
    "constant baseline": lambda seed: ReinforceWithBaseline(ENV, seed=seed, baseline="constant", baseline_decay=0.0),
    "V(s) as baseline": lambda seed: ReinforceWithBaseline(ENV, seed=seed, value_learning_rate=0.01),
}


def play(agent: SimplePolicyGradient, episodes: int, seed: int) -> list[Trajectory]:
    """Whole episodes with the agent's policy, which stays as it is."""
    environments = agent.make_environments(ENV, 20)
    environments.reset(seed)
    rng, memory = np.random.default_rng(seed), Trajectories(20, episodes)
    while not memory.complete:
        memory.add(environments.step(agent.choose(environments.observation, rng)))
    environments.close()
    return memory.take()


def gradients(agent: SimplePolicyGradient, trajectories: list[Trajectory]) -> np.ndarray:
    """The estimate from each trajectory alone, (trajectories, parameters)."""
    found = []
    for one in trajectories:
        distribution = agent.policy(agent.tensor(one.observation))
        agent.optimizer.zero_grad()
        agent.loss(distribution, one.action, agent.credit([one]), 1).backward()
        found.append(np.concatenate([-weight.grad.array.ravel() for weight in agent.weights]))
    return np.array(found)


def variances(learner: ReinforceWithBaseline, episodes: int, seed: int) -> dict[str, tuple[float, float]]:
    """Of each estimator at the learner's policy: the variance of one episode's gradient, and the same divided by the
    squared length of the mean gradient, as the estimator with the least variance has it."""
    first, second = (play(learner, episodes, 1_000 * seed + 100 + part) for part in (0, 50))
    found = {}
    for name, make in ESTIMATORS.items():
        agent = make(seed)
        agent.policy.load_state_dict(learner.policy.state_dict())
        if isinstance(agent, ReinforceWithBaseline):
            baseline, gamma = agent.baseline, agent.hyperparameters.gamma
            constant, rng = agent.hyperparameters.baseline == "constant", np.random.default_rng(seed)
            for _ in range(1 if constant else FITS):
                part = first if constant else [first[i] for i in rng.choice(len(first), PART)]
                values = baseline.after(part)
                returns = [rewards_to_go(one.reward, gamma, v) for one, v in zip(part, values, strict=True)]
                baseline.learn_from(part, returns)
            baseline.learn_from = lambda trajectories, returns: None  # type: ignore[method-assign]
        each = gradients(agent, second)
        found[name] = float(each.var(0).sum()), float(np.square(each.mean(0)).sum())
    signal = min(found.values())[1]
    return {name: (variance, variance / signal) for name, (variance, _) in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--episodes", type=int, default=400, help="episodes that the variances are estimated from")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    learner = ReinforceWithBaseline(ENV, seed=options.seed)
    rows, data = [], {}
    for moment in MOMENTS:
        while learner.episodes < moment:
            learner.learn(1)
        found = variances(learner, options.episodes, options.seed)
        length = np.mean([len(one.reward) for one in play(learner, 100, 7)])
        rows.append([moment, f"{length:.0f}", *(f"{variance:.3g}" for variance, _ in found.values())])
        data[str(moment)] = {"length": float(length), **found}

    figure, axes = plt.subplots(figsize=(7, 4))
    for name in ESTIMATORS:
        axes.plot(MOMENTS, [data[str(moment)][name][0] for moment in MOMENTS], marker="o", label=name)
    axes.set_yscale("log")
    axes.set_xlabel("episodes that the policy was trained for")
    axes.set_ylabel("variance of one episode's gradient")
    axes.legend()
    figure.tight_layout()
    figure.savefig(RESULTS / "variance.png", dpi=120)
    header = ["trained for", "episode's length", *ESTIMATORS]
    title = f"Variance of one episode's policy gradient on {ENV}, the same policy in each row"
    write("variance", title, [table(header, rows)], data)


if __name__ == "__main__":
    main()
