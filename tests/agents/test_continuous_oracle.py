"""DDPG, TD3 and SAC beside Stable-Baselines3's: from the same weights, batch and noise, updates come to the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minigrad as mg
from agents import DDPG, SAC, TD3
from agents.memory.replay import Batch

pytestmark = pytest.mark.oracle

HIDDEN, COUNT, UPDATES = [16, 16], 32, 4
COMMON = dict(learning_rate=1e-3, batch_size=COUNT, gamma=0.9)


@pytest.fixture
def sb3() -> Any:
    pytest.importorskip("torch")
    return pytest.importorskip("stable_baselines3")


def make_batches() -> list[Batch]:
    rng = np.random.default_rng(0)
    numbers = lambda *shape: rng.uniform(-1, 1, (COUNT, *shape)).astype(np.float32)
    ends = lambda: (rng.random(COUNT) < 0.2).astype(np.float32)
    return [
        Batch(numbers(3), numbers(1), numbers(), numbers(3), np.float32(0.9) * (1 - ends()), np.arange(COUNT))
        for _ in range(UPDATES)
    ]


def feed(model: Any, batches: list[Batch]) -> None:
    """Stable-Baselines3's replay gives these."""
    import torch
    from stable_baselines3.common.buffers import ReplayBufferSamples

    left = iter(batches)

    def sample(*_: Any, **__: Any) -> Any:
        batch = next(left)
        column = lambda array: torch.from_numpy(array[:, None])
        done = (batch.discount == 0).astype(np.float32)
        fields = map(torch.from_numpy, (batch.observation, batch.action, batch.next_observation))
        return ReplayBufferSamples(*fields, column(done), column(batch.reward))

    model.replay_buffer.sample = sample
    from stable_baselines3.common.logger import configure

    model.set_logger(configure(None, []))


def linear_layers(module: Any) -> list[Any]:
    return [layer for layer in module.modules() if type(layer).__name__ == "Linear"]


def copy_weights(ours: Any, theirs: list[Any]) -> None:
    for mine, other in zip(linear_layers(ours), theirs, strict=True):
        mine.weight.data.copy_(mg.from_numpy(other.weight.detach().numpy()))
        mine.bias.data.copy_(mg.from_numpy(other.bias.detach().numpy()))


def assert_same_weights(ours: Any, theirs: list[Any]) -> None:
    for mine, other in zip(linear_layers(ours), theirs, strict=True):
        np.testing.assert_allclose(mine.weight.array, other.weight.detach().numpy(), rtol=2e-4, atol=2e-5)
        np.testing.assert_allclose(mine.bias.array, other.bias.detach().numpy(), rtol=2e-4, atol=2e-5)


def assert_same_losses(agent: Any, model: Any) -> None:
    """Of the last update."""
    ours, theirs = agent.metrics.take(), model.logger.name_to_value
    for name in ("critic_loss", "actor_loss"):
        if f"train/{name}" in theirs:
            assert ours[name] == pytest.approx(theirs[f"train/{name}"], rel=2e-4, abs=2e-5), name


@pytest.mark.parametrize("kind", [DDPG, TD3])
def test_deterministic_actors(kind: Any, sb3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    options = dict(policy_kwargs={"net_arch": HIDDEN}, tau=0.05, seed=0, device="cpu", buffer_size=1_000)
    model = getattr(sb3, kind.__name__)("MlpPolicy", "Pendulum-v1", **options, **COMMON)
    agent = kind("Pendulum-v1", seed=0, hidden=tuple(HIDDEN), target_rate=0.05, **COMMON)
    q = lambda critic: [layer for network in critic.q_networks for layer in linear_layers(network)]
    critics = agent.critic if kind is DDPG else agent.critics
    target_critics = (agent.target_critic if kind is DDPG else agent.target_critics).network
    pairs = [
        (agent.actor, lambda: linear_layers(model.actor.mu)),
        (agent.target_actor.network, lambda: linear_layers(model.actor_target.mu)),
        (critics, lambda: q(model.critic)),
        (target_critics, lambda: q(model.critic_target)),
    ]
    for ours, theirs in pairs:
        copy_weights(ours, theirs())

    noises = [np.random.default_rng(i).standard_normal((COUNT, 1)).astype(np.float32) for i in range(UPDATES)]
    left = iter(noises)
    monkeypatch.setattr(torch.Tensor, "normal_", lambda self, mean, std: self.copy_(std * torch.from_numpy(next(left))))
    batches = make_batches()
    feed(model, batches)
    target = agent.target
    for batch, noise in zip(batches, noises, strict=True):
        if kind is TD3:
            agent.target = lambda batch, _, noise=noise: target(batch, noise)
        agent.learn_from(batch)
        model.train(gradient_steps=1, batch_size=COUNT)
        assert_same_losses(agent, model)
    for ours, theirs in pairs:
        assert_same_weights(ours, theirs())


def test_sac(sb3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    options = dict(policy_kwargs={"net_arch": HIDDEN}, tau=0.05, seed=0, device="cpu", buffer_size=1_000)
    model = sb3.SAC("MlpPolicy", "Pendulum-v1", ent_coef="auto_0.7", **options, **COMMON)
    agent = SAC("Pendulum-v1", seed=0, hidden=tuple(HIDDEN), target_rate=0.05, alpha=0.7, **COMMON)
    learner = agent.learner
    q = lambda critic: [layer for network in critic.q_networks for layer in linear_layers(network)]

    def actor_layers() -> list[Any]:
        """The two heads as one layer."""
        mean, log_std = model.actor.mu, model.actor.log_std
        head = torch.nn.Linear(mean.in_features, 2)
        head.weight.data = torch.cat([mean.weight.data, log_std.weight.data])
        head.bias.data = torch.cat([mean.bias.data, log_std.bias.data])
        return [*linear_layers(model.actor.latent_pi), head]

    pairs = [
        (learner.actor, actor_layers),
        (learner.critics, lambda: q(model.critic)),
        (learner.target_critics.network, lambda: q(model.critic_target)),
    ]
    for ours, theirs in pairs:
        copy_weights(ours, theirs())

    rng = np.random.default_rng(1)
    epsilons = rng.standard_normal((UPDATES, 2, COUNT, 1)).astype(np.float32)
    left = iter(epsilons.reshape(-1, COUNT, 1))
    normal = torch.distributions.Normal
    monkeypatch.setattr(normal, "rsample", lambda self, *_: self.loc + self.scale * torch.from_numpy(next(left)))
    batches = make_batches()
    feed(model, batches)
    for batch, (at_actor, at_target) in zip(batches, epsilons, strict=True):
        drawn = iter([at_target, at_actor])  # there the actor draws first, here the target
        learner.draw_epsilon = lambda count, drawn=drawn: mg.from_numpy(next(drawn))
        agent.learn_from(batch)
        model.train(gradient_steps=1, batch_size=COUNT)
        assert_same_losses(agent, model)
        assert learner.log_alpha() == pytest.approx(model.log_ent_coef.exp().item(), rel=1e-5)
    for ours, theirs in pairs:
        assert_same_weights(ours, theirs())
