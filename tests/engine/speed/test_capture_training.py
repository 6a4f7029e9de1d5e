"""Captured training: after a hundred steps weights, gradients, memories and generators are eager's, to the bit."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from capturing import bits

import minigrad as mg
import minigrad.nn as nn
import minigrad.nn.functional as F
from minigrad import distributions, optim
from minigrad.optim import lr_scheduler

STEPS = 100
Made = tuple[Callable, Callable[[int], tuple], list]


def draw_arguments(*shapes: Any) -> Callable[[int], tuple]:
    """The arguments of step i: normal numbers of each shape; (n, shape) stands for integers below n."""

    def draw(i: int) -> tuple:
        rng = np.random.default_rng(i)
        integers = lambda shape: len(shape) == 2 and isinstance(shape[1], tuple)
        arrays = [
            rng.integers(0, *shape) if integers(shape) else rng.standard_normal(shape).astype(np.float32)
            for shape in shapes
        ]
        return tuple(mg.from_numpy(a) for a in arrays)

    return draw


def dense(*sizes: int, activation: type[nn.Module] = nn.ReLU) -> nn.Sequential:
    layers: list[nn.Module] = []
    for n, m in pairwise(sizes):
        layers += [nn.Linear(n, m), activation()]
    return nn.Sequential(*layers[:-1])


def regression(*sizes: int, batch: int) -> Made:
    net = dense(*sizes)
    optimizer = optim.Adam(net.parameters())

    def step(x: Any, action: Any, y: Any) -> Any:
        loss = F.mse_loss(net(x).gather(1, action), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return step, draw_arguments((batch, sizes[0]), (sizes[-1], (batch, 1)), (batch, 1)), [net, optimizer]


def pictures() -> Made:
    net = nn.Sequential(nn.Conv2d(2, 4, 3, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(36, 3))
    optimizer = optim.RMSprop(net.parameters(), momentum=0.9)

    def step(x: Any, label: Any) -> Any:
        loss = F.cross_entropy(net(x), label)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return step, draw_arguments((5, 2, 8, 8), (3, (5,))), [net, optimizer]


def dqn() -> Made:
    net, target = dense(4, 32, 2), dense(4, 32, 2)
    target.load_state_dict(net.state_dict())
    optimizer = optim.Adam(net.parameters())

    def step(s: Any, a: Any, r: Any, s2: Any, discount: float) -> Any:
        with mg.no_grad():
            y = r + discount * target(s2).max(1, keepdim=True).values
        q = net(s).gather(1, a)
        loss = F.huber_loss(q, y)
        optimizer.zero_grad()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(net.parameters(), 0.5)
        optimizer.step()
        with mg.no_grad():
            for behind, ahead in zip(target.parameters(), net.parameters(), strict=True):
                behind.lerp_(ahead, 0.01)
        return {"loss": loss, "q": q.mean(), "norm": norm, "error": (y - q).abs().squeeze(1)}

    draw = draw_arguments((16, 4), (2, (16, 1)), (16, 1), (16, 4))
    return step, lambda i: (*draw(i), 0.9 + 0.001 * i), [net, target, optimizer]


def noisy_categorical() -> Made:
    """Rainbow's parts: noise in the weights, dueling streams, a distribution over values, weights of samples."""
    mean, noise = dense(4, 24), nn.Parameter(mg.full((24, 4), 0.1))
    value, advantage = nn.Linear(24, 11), nn.Linear(24, 22)
    parameters = [*mean.parameters(), noise, *value.parameters(), *advantage.parameters()]
    optimizer = optim.Adam(parameters, lr=1e-3, eps=1.5e-4)
    epsilon = mg.zeros(24, 4)

    def step(s: Any, a: Any, target: Any, weight: Any) -> Any:
        epsilon.normal_()
        h = (mean(s) + s @ (noise * epsilon).T).relu()
        v, adv = value(h).unsqueeze(1), advantage(h).reshape(-1, 2, 11)
        log_p = (v + adv - adv.mean(1, keepdim=True)).log_softmax(2)
        chosen = log_p[mg.arange(8), a]
        loss = -(target.softmax(1) * chosen).sum(1)
        optimizer.zero_grad()
        (loss * weight.abs()).mean().backward()
        nn.utils.clip_grad_value_(parameters, 0.2)
        optimizer.step()
        return loss

    return step, draw_arguments((8, 4), (2, (8,)), (8, 11), (8,)), [mean, value, advantage, optimizer, noise, epsilon]


def ppo(continuous: bool) -> Made:
    actor, critic = dense(4, 16, 2, activation=nn.Tanh), dense(4, 16, 1, activation=nn.Tanh)
    log_std = nn.Parameter(mg.zeros(2))
    parameters = [*actor.parameters(), *critic.parameters(), log_std]
    optimizer = optim.Adam([{"params": parameters[:-1]}, {"params": [log_std], "lr": 3e-4}])
    schedule = lr_scheduler.LinearLR(optimizer, 1.0, 0.1, 80)

    def step(s: Any, a: Any, advantage: Any, returns: Any, clip: float) -> Any:
        if continuous:
            policy = distributions.Independent(distributions.Normal(actor(s), log_std.exp()), 1)
        else:
            policy = distributions.Categorical(logits=actor(s))
        log_prob = policy.log_prob(a)
        ratio = (log_prob - log_prob.detach() * 0.9).exp()
        surrogate = mg.minimum(ratio * advantage, ratio.clamp(1 - clip, 1 + clip) * advantage)
        loss = -surrogate.mean() + 0.5 * F.mse_loss(critic(s).squeeze(1), returns) - 0.01 * policy.entropy().mean()
        optimizer.zero_grad()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(parameters, 0.5)
        optimizer.step()
        schedule.step()
        return loss, norm, ((ratio - 1).abs() > clip).float().mean()

    actions: Any = (32, 2) if continuous else (2, (32,))
    draw = draw_arguments((32, 4), actions, (32,), (32,))
    return step, lambda i: (*draw(i), 0.2 - 0.001 * i), [actor, critic, optimizer, log_std]


def sac() -> Made:
    actor, critics = dense(3, 16, 4), [dense(5, 16, 1) for _ in range(2)]
    targets = [dense(5, 16, 1) for _ in range(2)]
    log_alpha = nn.Parameter(mg.zeros(1))
    of_critics = [p for critic in critics for p in critic.parameters()]
    optimizers = [optim.Adam(p, lr=1e-3) for p in (of_critics, actor.parameters(), [log_alpha])]

    def act(s: Any) -> tuple:
        mean, log_std = actor(s).split(2, 1)
        return distributions.SquashedNormal(mean, log_std.clamp(-5, 2).exp()).rsample_and_log_prob()

    def step(s: Any, a: Any, r: Any, s2: Any) -> Any:
        alpha = log_alpha.detach().exp()
        with mg.no_grad():
            a2, log_prob = act(s2)
            least = mg.minimum(*[target(mg.cat([s2, a2], 1)) for target in targets])
            y = r + 0.99 * (least - alpha * log_prob.sum(1, keepdim=True))
        critic_loss = sum(F.mse_loss(critic(mg.cat([s, a], 1)), y) for critic in critics)
        optimizers[0].zero_grad()
        critic_loss.backward()
        optimizers[0].step()
        chosen, log_prob = act(s)
        log_prob = log_prob.sum(1, keepdim=True)
        q = mg.minimum(*[critic(mg.cat([s, chosen], 1)) for critic in critics])
        actor_loss = (alpha * log_prob - q).mean()
        optimizers[1].zero_grad()
        actor_loss.backward()
        optimizers[1].step()
        optimizers[2].zero_grad()
        (-log_alpha * (log_prob.detach() - 2).mean()).backward(mg.ones(1))
        optimizers[2].step()
        with mg.no_grad():
            for target, critic in zip(targets, critics, strict=True):
                for behind, ahead in zip(target.parameters(), critic.parameters(), strict=True):
                    behind.mul_(0.99).add_(ahead, alpha=0.01)
        return critic_loss, actor_loss, log_prob.mean()

    draw = draw_arguments((12, 3), (12, 2), (12, 1), (12, 3))
    return step, draw, [actor, *critics, *targets, log_alpha, *optimizers]


def td3() -> Made:
    actor, critic, target = dense(3, 16, 2), dense(5, 16, 1), dense(5, 16, 1)
    optimizers = [optim.Adam(critic.parameters()), optim.AdamW(actor.parameters(), amsgrad=True)]

    def step(s: Any, a: Any, r: Any, update_actor: bool) -> Any:
        with mg.no_grad():
            noise = mg.randn_like(a).mul(0.2).clamp(-0.5, 0.5)
            y = r + 0.9 * target(mg.cat([s, (actor(s).tanh() + noise).clamp(-1, 1)], 1))
        loss = F.smooth_l1_loss(critic(mg.cat([s, a], 1)), y)
        optimizers[0].zero_grad()
        loss.backward()
        optimizers[0].step()
        if update_actor:
            critic.requires_grad_(False)
            actor_loss = -critic(mg.cat([s, actor(s).tanh()], 1)).mean()
            critic.requires_grad_(True)
            optimizers[1].zero_grad()
            actor_loss.backward()
            optimizers[1].step()
            target.load_state_dict(critic.state_dict())
        return loss

    draw = draw_arguments((12, 3), (12, 2), (12, 1))
    return step, lambda i: (*draw(i), i % 2 == 1), [actor, critic, target, *optimizers]


def value_fit() -> Made:
    """TRPO's: several minibatches in one call, their rows chosen by a permutation."""
    critic = dense(4, 16, 1, activation=nn.Tanh)
    optimizer = optim.Adam(critic.parameters())

    def step(s: Any, returns: Any) -> Any:
        total = mg.zeros(())
        for rows in mg.randperm(32).split(8):
            loss = F.mse_loss(critic(s[rows]).squeeze(1), returns[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.detach()
        return total

    return step, draw_arguments((32, 4), (32,)), [critic, optimizer]


def dropped_and_normalised() -> Made:
    """Dropout, batch statistics, a layer norm, gradients that accumulate over three parts."""
    net = nn.Sequential(
        nn.Linear(4, 12), nn.BatchNorm1d(12), nn.ReLU(), nn.Dropout(0.3), nn.LayerNorm(12), nn.Linear(12, 2)
    )
    optimizer = optim.SGD(net.parameters(), lr=0.05, momentum=0.9, nesterov=True, weight_decay=1e-3)

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad(set_to_none=False)
        losses = []
        for part, wanted in zip(x.chunk(3), y.chunk(3), strict=True):
            loss = F.l1_loss(net(part), wanted) / 3
            loss.backward()
            losses.append(loss.detach())
        optimizer.step()
        return mg.stack(losses)

    return step, draw_arguments((12, 4), (12, 2)), [net, optimizer]


def drawn() -> Made:
    """A draw of every kind, from the engine's generator and from one of its own."""
    own = mg.Generator().manual_seed(5)
    weight = nn.Parameter(mg.ones(3))
    optimizer = optim.Adagrad([weight], lr=0.1)

    def step(x: Any) -> Any:
        logits = x * weight
        samples = [
            distributions.Categorical(logits=logits).sample((2,)),
            distributions.Bernoulli(logits=logits).sample(),
            distributions.Normal(logits, 1.5).sample(),
            distributions.SquashedNormal(logits, logits.sigmoid(), low=-2.0, high=2.0).sample(),
            mg.rand(4, generator=own),
            mg.randn(2, 2),
            mg.randint(0, 9, (5,), generator=own),
            mg.randperm(6),
            mg.rand_like(x),
            x.detach().clone().uniform_(-1, 1),
            x.detach().clone().exponential_(2.0),
            x.detach().clone().bernoulli_(0.4),
            x.detach().clone().random_(7),
            F.gumbel_softmax(logits.detach(), hard=True),
        ]
        loss = (logits * F.gumbel_softmax(logits, tau=0.7)).sum() + distributions.Normal(logits, 0.5).rsample().sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return [loss, *samples]

    return step, draw_arguments((4, 3)), [weight, optimizer, own]


TRAININGS: dict[str, Callable[[], Made]] = {
    "4-128-2": lambda: regression(4, 128, 2, batch=64),
    "4-128-128-2": lambda: regression(4, 128, 128, 2, batch=64),
    "17-256-256-6": lambda: regression(17, 256, 256, 6, batch=32),
    "pictures": pictures,
    "dqn": dqn,
    "noisy categorical": noisy_categorical,
    "ppo, categorical": lambda: ppo(False),
    "ppo, normal": lambda: ppo(True),
    "sac": sac,
    "td3": td3,
    "value fit": value_fit,
    "dropout and norms": dropped_and_normalised,
    "draws": drawn,
}


def read(things: list) -> Any:
    """Everything that a training changes."""
    found: list[Any] = [mg.random.get_state()]
    for x in things:
        if isinstance(x, nn.Module):
            found += [(bits(p), bits(p.grad)) for p in x.parameters()] + [bits(b) for b in x.buffers()]
        elif isinstance(x, optim.Optimizer):
            found += [bits(x.state_dict()["state"]), [group["lr"] for group in x.param_groups]]
        elif isinstance(x, mg.Generator):
            found.append(bits(x.get_state()))
        else:
            found.append((bits(x), bits(x.grad)))
    return found


def train(make: Callable[[], Made], wrapper: Callable[[Callable], Callable]) -> tuple[list, Any]:
    """The results of all steps as they were when they were returned, and as they are at the end; and the state."""
    mg.manual_seed(0)
    step, draw, things = make()
    step = wrapper(step)
    results, at_once, gradients, first = [], [], [], []
    for i in range(STEPS):
        results.append(step(*draw(i)))
        at_once.append(bits(results[-1]))
        if i == 0:
            gradients = [p.grad for x in things if isinstance(x, nn.Module) for p in x.parameters()]
            first = [bits(g) for g in gradients]
    assert [bits(r) for r in results] == at_once, "a later step has written into an earlier result"
    assert [bits(g) for g in gradients] == first, "a later step has written into the gradients of the first"
    return at_once, read(things)


@pytest.mark.parametrize("name", TRAININGS)
def test_a_hundred_steps(name):
    made: list[Any] = []

    def capture(step: Callable) -> Callable:
        made.append(mg.capture(step))
        return made[0]

    expected = train(TRAININGS[name], lambda step: step)
    found = train(TRAININGS[name], capture)
    (captured,) = made
    programs = [program for several in captured.programs.values() for program in several]
    for i, (one, other) in enumerate(zip(expected[0], found[0], strict=True)):
        assert one == other, f"step {i}\n{captured.source}"
    assert expected[1] == found[1], captured.source
    assert sum(program.runs for program in programs) >= STEPS - 2 * len(programs) - 2, captured
