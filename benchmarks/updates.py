"""How fast are whole updates of actor-critic algorithms? PPO's and SAC's, as users write them.

    python benchmarks/updates.py

The same lines run on minigrad and on PyTorch, whichever is given as `lib`: PPO (Schulman et al. 2017) on minibatches
of 64, SAC (Haarnoja et al. 2018) on a batch of 256 with networks of 256×256. They take turns in one process, on
one thread; the ratios are what counts. The smoothing of target networks, a part of SAC's update, is measured too.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.common import fair_start, ratio, side_by_side, table, write

fair_start()

import math
from collections.abc import Callable
from itertools import chain, pairwise
from statistics import median
from typing import Any

import numpy as np

import minigrad as mg

try:
    import torch

    torch.set_num_threads(1)
except ImportError:
    torch = None  # type: ignore[assignment]

PPO_GOAL, SAC_GOAL = 0.35, 0.7  # times PyTorch
Step = Callable[[], Any]


def mlp(lib: Any, sizes: tuple[int, ...], activation: str, last: bool = False) -> Any:
    """Linear layers with an activation between them, and after the last if asked."""
    layers: list[Any] = []
    for i, o in pairwise(sizes):
        layers += [lib.nn.Linear(i, o), getattr(lib.nn, activation)()]
    return lib.nn.Sequential(*(layers if last else layers[:-1]))


def arrays(lib: Any, **shapes: tuple[int, ...]) -> dict[str, Any]:
    """Random tensors, the same for both libraries."""
    rng = np.random.default_rng(0)
    return {name: lib.from_numpy(rng.standard_normal(s).astype(np.float32)) for name, s in shapes.items()}


# -- PPO ----------------------------------------------------------------------------------------------------------


def categorical(lib: Any, out: Any, log_std: Any, taken: Any) -> tuple[Any, Any]:
    """The actions' log-probabilities and the policy's entropy, for each state."""
    policy = lib.distributions.Categorical(logits=out)
    return policy.log_prob(taken), policy.entropy()


def written_out(lib: Any, out: Any, log_std: Any, taken: Any) -> tuple[Any, Any]:
    """The same without the class and its checks."""
    log_p = lib.nn.functional.log_softmax(out, -1)
    return log_p.gather(1, taken.unsqueeze(1)).squeeze(1), -(log_p.exp() * log_p).sum(-1)


def normal(lib: Any, out: Any, log_std: Any, taken: Any) -> tuple[Any, Any]:
    """The same for actions of several dimensions."""
    policy = lib.distributions.Independent(lib.distributions.Normal(out, log_std.exp()), 1)
    return policy.log_prob(taken), policy.entropy()


def ppo_update(lib: Any, judge: Callable[..., tuple[Any, Any]], shared: bool = False, size: int = 64) -> Step:
    """One minibatch: the clipped objective, the value loss and the entropy bonus (eq. 9), gradient clipping and Adam.

    judge: one of the three above. shared: one body of 2×64 with two heads, or a network each.
    """
    continuous = judge is normal
    observations, actions = (17, 6) if continuous else (4, 2)

    class Agent(lib.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            if shared:
                self.body = mlp(lib, (observations, 64, 64), "Tanh", last=True)
                self.actor, self.critic = lib.nn.Linear(64, actions), lib.nn.Linear(64, 1)
            else:
                self.actor = mlp(lib, (observations, 64, 64, actions), "Tanh")
                self.critic = mlp(lib, (observations, 64, 64, 1), "Tanh")
            self.log_std = lib.nn.Parameter(lib.zeros(actions)) if continuous else None

        def forward(self, x: Any) -> tuple[Any, Any]:
            features = self.body(x) if shared else x
            return self.actor(features), self.critic(features).squeeze(-1)

    agent = Agent()
    optimizer = lib.optim.Adam(agent.parameters(), lr=3e-4, eps=1e-5)
    batch = arrays(lib, states=(size, observations), returns=(size,), advantages=(size,), actions=(size, 6))
    states, returns, advantages = batch["states"], batch["returns"], batch["advantages"]
    taken = batch["actions"] if continuous else (batch["actions"][:, 0] > 0).long()
    with lib.no_grad():
        old_log_prob = judge(lib, agent(states)[0], agent.log_std, taken)[0] + 0.1 * batch["actions"][:, 1]

    def update() -> Any:
        out, values = agent(states)
        log_prob, entropy = judge(lib, out, agent.log_std, taken)
        ratio = (log_prob - old_log_prob).exp()
        normalized = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
        policy_loss = -lib.min(normalized * ratio, normalized * ratio.clamp(0.8, 1.2)).mean()
        value_loss = ((values - returns) ** 2).mean()
        loss = policy_loss + 0.5 * value_loss - 0.01 * entropy.mean()
        optimizer.zero_grad()
        loss.backward()
        lib.nn.utils.clip_grad_norm_(agent.parameters(), 0.5)
        optimizer.step()
        return loss

    return update


# -- SAC ----------------------------------------------------------------------------------------------------------


def sac_update(lib: Any, size: int = 256, observations: int = 17, actions: int = 6) -> Step:
    """Two critics, the squashed normal policy, the temperature and the two target critics (algorithm 1)."""
    F = lib.nn.functional

    class Actor(lib.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = mlp(lib, (observations, 256, 256), "ReLU", last=True)
            self.mean, self.log_std = lib.nn.Linear(256, actions), lib.nn.Linear(256, actions)

        def forward(self, x: Any) -> tuple[Any, Any]:
            features = self.body(x)
            log_std = self.log_std(features).clamp(-20, 2)
            before = lib.distributions.Normal(self.mean(features), log_std.exp())
            u = before.rsample()
            squeezed = 2 * (math.log(2) - u - F.softplus(-2 * u))  # log(1 - tanh² u)
            return u.tanh(), (before.log_prob(u) - squeezed).sum(1, keepdim=True)

    class Critic(lib.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = mlp(lib, (observations + actions, 256, 256, 1), "ReLU")

        def forward(self, x: Any, a: Any) -> Any:
            return self.net(lib.cat([x, a], 1))

    actor, q1, q2, target1, target2 = Actor(), Critic(), Critic(), Critic(), Critic()
    target1.load_state_dict(q1.state_dict())
    target2.load_state_dict(q2.state_dict())
    log_alpha = lib.zeros(1, requires_grad=True)
    critic_optimizer = lib.optim.Adam(chain(q1.parameters(), q2.parameters()), lr=3e-4)
    actor_optimizer = lib.optim.Adam(actor.parameters(), lr=3e-4)
    alpha_optimizer = lib.optim.Adam([log_alpha], lr=3e-4)
    batch = arrays(lib, x=(size, observations), a=(size, actions), r=(size, 1), next_x=(size, observations))
    x, a, r, next_x = batch.values()
    done = (r > 1).float()

    def update() -> Any:
        with lib.no_grad():
            next_a, next_log_prob = actor(next_x)
            alpha = log_alpha.exp()
            next_q = lib.min(target1(next_x, next_a), target2(next_x, next_a)) - alpha * next_log_prob
            td_target = r + 0.99 * (1 - done) * next_q
        critic_loss = F.mse_loss(q1(x, a), td_target) + F.mse_loss(q2(x, a), td_target)
        critic_optimizer.zero_grad()
        critic_loss.backward()
        critic_optimizer.step()

        new_a, log_prob = actor(x)
        actor_loss = (alpha * log_prob - lib.min(q1(x, new_a), q2(x, new_a))).mean()
        actor_optimizer.zero_grad()
        actor_loss.backward()
        actor_optimizer.step()

        alpha_loss = -(log_alpha.exp() * (log_prob.detach() - actions)).mean()
        alpha_optimizer.zero_grad()
        alpha_loss.backward()
        alpha_optimizer.step()

        smooth(q1, target1)
        smooth(q2, target2)
        return critic_loss

    return update


def smooth(online: Any, target: Any, tau: float = 0.005) -> None:
    """target ← (1 - τ) target + τ online (eq. 14 of Lillicrap et al. 2016)."""
    for p, q in zip(online.parameters(), target.parameters(), strict=True):
        q.data.mul_(1 - tau).add_(tau * p.data)


def lerp(online: Any, target: Any, tau: float = 0.005) -> None:
    """The same in one call per parameter."""
    for p, q in zip(online.parameters(), target.parameters(), strict=True):
        q.data.lerp_(p.data, tau)


def smoothing(lib: Any, how: Callable[..., None]) -> Step:
    """The smoothing of one target critic alone."""
    online, target = (mlp(lib, (23, 256, 256, 1), "ReLU") for _ in range(2))
    return lambda: how(online, target)


UPDATES: dict[str, tuple[Callable[[Any], Step], float | None]] = {
    "PPO, 64: 4→2×64→2, a network each": (lambda lib: ppo_update(lib, categorical), PPO_GOAL),
    "PPO, 64: 4→2×64→2, shared body": (lambda lib: ppo_update(lib, categorical, shared=True), PPO_GOAL),
    "PPO, 64: the same, log_softmax and gather": (lambda lib: ppo_update(lib, written_out, shared=True), PPO_GOAL),
    "PPO, 64: 17→2×64→6, normal policy": (lambda lib: ppo_update(lib, normal), PPO_GOAL),
    "SAC, 256: 17→256×256→6": (sac_update, SAC_GOAL),
    "target 23→256×256→1: mul_, add_": (lambda lib: smoothing(lib, smooth), None),
    "target 23→256×256→1: lerp_": (lambda lib: smoothing(lib, lerp), None),
}


def main() -> None:
    """Measure everything and write results/updates.md and .json."""
    rows, data = [], {}
    for name, (make, goal) in UPDATES.items():
        contestants = {"minigrad": make(mg)} | ({"torch": make(torch)} if torch is not None else {})
        times = side_by_side(contestants, rounds=31, seconds=0.03)
        us = {k: round(median(v) * 1e6, 1) for k, v in times.items()}
        data[name] = {"microseconds": us}
        cells: list[Any] = [name, us["minigrad"]]
        if torch is not None:
            r = ratio(times, "minigrad", "torch")
            data[name]["ratio"] = round(r, 3)
            cells += [us["torch"], f"**{r:.2f}**" + (f" (≤ {goal})" if goal else "")]
        rows.append(cells)
    header = ["update", "minigrad µs"] + (["PyTorch µs", "ratio (goal)"] if torch is not None else [])
    write("updates", "Speed of whole updates", [table(header, rows)], {"updates": data})


if __name__ == "__main__":
    main()
