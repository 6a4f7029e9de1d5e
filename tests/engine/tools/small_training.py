"""Small networks, and what trains them: for the tests of optimizers."""

from __future__ import annotations

import numpy as np

import minigrad as mg
import minigrad.nn as nn

RNG = np.random.default_rng(0)


def values(tensor):
    return tensor.detach().numpy().copy()


def leaves(*shapes, dtype=np.float32):
    return [mg.tensor(RNG.standard_normal(s).astype(dtype), requires_grad=True) for s in shapes]


def set_gradients(parameters, *, skip=()):
    for i, p in enumerate(parameters):
        p.grad = None if i in skip else mg.tensor(RNG.standard_normal(p.shape).astype(p.dtype))


def network():
    mg.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))


def train(net, optimizer, steps, seed=0):
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        x = mg.tensor(rng.standard_normal((16, 4)).astype(np.float32))
        loss = (net(x) - x[:, :2]).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return loss.item()
