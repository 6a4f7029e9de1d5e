"""On a real GPU: every row's values and gradients, and one training of each kind of network.

    pytest -m gpu

Without a GPU these are skipped, and the summary says what is missing. What can be tested without one is in
test_device.py, test_device_library.py and test_device_networks.py.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from on_device import assert_same, derivatives, moved, on_device
from rows import DIFFERENTIABLE, cases

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import distributions, nn, optim
from minigrad.core.operation import TABLE
from minigrad.core.tensor import wrap
from minigrad.device import missing_gpu

pytestmark = pytest.mark.gpu
RTOL = 1e-9  # float64: a GPU adds up in another order, and its exp and tanh differ in the last place


@pytest.fixture(autouse=True)
def gpu() -> None:
    """Skips where there is none."""
    why_not = missing_gpu()
    if why_not:
        pytest.skip(f"no GPU to use: {why_not}")


# -- the table --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(TABLE))
def test_every_row_gives_the_cpus_numbers(name):
    for case in cases(name):
        there = on_device(case)
        assert_same(there.operation.apply(*there.arguments), np.asarray(case()), f"{case}, raw", RTOL)
        if case.leaves:
            made = derivatives(there)
            for what, expected in derivatives(case).items():
                assert_same(made[what], expected, f"{case}, {what}", RTOL)


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_gradients(name):
    for case in cases(name):
        if case.leaves:
            there = on_device(case)
            inputs = [wrap(x).requires_grad_() for x in there.leaves]
            assert mg.gradcheck(lambda *leaves, there=there: there(leaves), inputs, fast_mode=True)
            assert mg.gradgradcheck(lambda *leaves, there=there: there(leaves), inputs, fast_mode=True)


def test_an_index_out_of_range_raises():
    x = mg.zeros(3, 4, device="cuda")
    for pick in (lambda: x[[0, 3]], lambda: x.gather(1, mg.full((3, 1), 4, device="cuda"))):
        with pytest.raises(IndexError, match="out of bounds"):
            pick()


def test_cupy_refuses_the_hosts_arrays():
    """What the double refuses on purpose, CuPy refuses too: a test that passes on the one tells about the other."""
    x = moved(np.ones((3, 4)))
    n = np.ones((3, 4))
    refused = [
        lambda: np.asarray(x),
        lambda: x + n,
        lambda: n + x,
        lambda: x.__setitem__(..., n),
        lambda: np.concatenate([x, n]),
        lambda: np.maximum.reduce(x),
        lambda: x.max(initial=0.0),
        lambda: np.insert(x, 0, 0.0),
        lambda: x.flags.writeable,
    ]
    for refuse in refused:
        with pytest.raises((TypeError, ValueError, AttributeError, NotImplementedError)):
            refuse()


# -- trainings --------------------------------------------------------------------------------------------


def regression(net: nn.Module, x: Any, optimizer: Any, steps: int) -> list[float]:
    """Losses on a fixed random target."""
    y = mg.tensor(np.random.default_rng(1).standard_normal(net(x).shape).astype(np.float32), device=x.device)
    losses = []
    for _ in range(steps):
        loss = F.mse_loss(net(x), y)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 10.0)
        optimizer.step()
        losses.append(loss.item())
    return losses


def mlp(*sizes: int) -> list[nn.Module]:
    """Linear layers with a ReLU between them."""
    layers: list[nn.Module] = []
    for i, o in pairwise(sizes):
        layers += [nn.Linear(i, o), nn.ReLU()]
    return layers[:-1]


NETWORKS: dict[str, tuple] = {
    "linear": (lambda: nn.Sequential(*mlp(6, 64, 64, 2)), (32, 6)),
    "normalised": (lambda: nn.Sequential(nn.Linear(6, 64), nn.LayerNorm(64), nn.Tanh(), nn.Linear(64, 2)), (32, 6)),
    "batch-normalised": (
        lambda: nn.Sequential(nn.Linear(6, 64), nn.BatchNorm1d(64), nn.ELU(), nn.Linear(64, 2)),
        (32, 6),
    ),
    "convolutional": (
        lambda: nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(128, 2)
        ),
        (16, 3, 8, 8),
    ),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_trains_as_on_the_cpu(name):
    make, shape = NETWORKS[name]
    curves = {}
    for device in ("cpu", "cuda"):
        mg.manual_seed(0)
        net = make().to(device)
        x = mg.randn(*shape, device=device)
        curves[device] = regression(net, x, optim.Adam(net.parameters(), lr=1e-2), 60)
    assert curves["cuda"][-1] < 0.3 * curves["cuda"][0]
    np.testing.assert_allclose(curves["cuda"][:5], curves["cpu"][:5], rtol=1e-3)


def test_a_policy_trains():
    """REINFORCE on a bandit: of three actions the last one is rewarded."""
    mg.manual_seed(0)
    policy = nn.Linear(1, 3).to("cuda")
    optimizer = optim.RMSprop(policy.parameters(), lr=0.05)
    state = mg.ones(64, 1, device="cuda")
    for _ in range(60):
        dist = distributions.Categorical(logits=policy(state))
        actions = dist.sample()
        advantages = (actions == 2).float() - 1 / 3
        loss = -(dist.log_prob(actions) * advantages).mean() - 0.001 * dist.entropy().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert distributions.Categorical(logits=policy(state)).probs[0, 2].item() > 0.9


def test_a_continuous_policy_trains():
    """Reparametrised: the mean of a squashed normal goes where the action is best, to 0.5."""
    mg.manual_seed(0)
    policy = nn.Linear(1, 2).to("cuda")
    optimizer = optim.Adam(policy.parameters(), lr=0.02)
    state = mg.ones(64, 1, device="cuda")
    for _ in range(200):
        loc, log_scale = policy(state).chunk(2, 1)
        action, log_prob = distributions.SquashedNormal(loc, log_scale.exp()).rsample_and_log_prob()
        loss = ((action - 0.5) ** 2 + 0.001 * log_prob).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert abs(policy(state[:1])[0, 0].tanh().item() - 0.5) < 0.1


def test_weights_go_to_the_cpu_and_back(tmp_path):
    net = nn.Sequential(*mlp(6, 8, 2)).cuda()
    mg.save(net.state_dict(), tmp_path / "net.safetensors")
    twin = nn.Sequential(*mlp(6, 8, 2))
    twin.load_state_dict(mg.load(tmp_path / "net.safetensors"))
    x = mg.randn(5, 6)
    np.testing.assert_allclose(net(x.cuda()).detach().cpu().numpy(), twin(x).detach().numpy(), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(twin.cuda()(x.cuda()).tolist(), net(x.cuda()).tolist(), rtol=1e-6)
