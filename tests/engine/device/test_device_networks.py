"""Networks, optimizers, files and distributions on a GPU, without one: on the double, with the CPU's numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from on_device import assert_same, moved, numbers, on_double, same_on_both, staying

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import distributions, nn, optim
from minigrad.core.tensor import Tensor

T = mg.tensor
here, there = mg.device("cpu"), mg.device("cuda", 0)


# -- networks ---------------------------------------------------------------------------------------------


def same_network(make: Any, *inputs: np.ndarray, loss: Any = lambda y: (y * y).mean()) -> None:
    """A network's output, the gradients of its parameters and its buffers, on both devices."""
    mg.manual_seed(7)
    ours = make()
    mg.manual_seed(7)
    theirs = make().to("cuda")
    assert all(p.device == there for p in [*theirs.parameters(), *theirs.buffers()])
    x = [T(a) for a in inputs]
    on_gpu = [moved(a) for a in x]
    expected = ours(*x)
    with staying(repr(theirs)):
        y = theirs(*on_gpu)
        if y.requires_grad:
            loss(y).backward()
    if expected.requires_grad:
        loss(expected).backward()
    assert_same(y, expected, repr(theirs))
    for (name, p), q in zip(theirs.named_parameters(), ours.parameters(), strict=True):
        assert_same(p.grad, q.grad, name)
    for (name, p), q in zip(theirs.named_buffers(), ours.buffers(), strict=True):
        assert_same(p, q, name)
    theirs.eval(), ours.eval()
    assert_same(theirs(*on_gpu), ours(*x), f"{theirs!r} in evaluation")


MODULES: dict[str, tuple] = {
    "Linear": (lambda: nn.Linear(4, 3), numbers(5, 4)),
    "Linear without bias": (lambda: nn.Linear(4, 3, bias=False), numbers(2, 5, 4)),
    "LayerNorm": (lambda: nn.LayerNorm(4), numbers(5, 4)),
    "Flatten": (lambda: nn.Sequential(nn.Flatten(), nn.Linear(12, 2)), numbers(5, 3, 4)),
    "activations": (
        lambda: nn.Sequential(
            nn.Linear(4, 4), nn.ReLU(), nn.Tanh(), nn.Sigmoid(), nn.ELU(), nn.Softplus(), nn.LeakyReLU()
        ),
        numbers(5, 4),
    ),
    "Softmax": (lambda: nn.Sequential(nn.Softmax(1), nn.LogSoftmax(1)), numbers(5, 4)),
    "Conv2d": (lambda: nn.Conv2d(2, 3, 3, stride=2, padding=1), numbers(2, 2, 6, 6)),
    "Conv2d, dilated": (lambda: nn.Conv2d(2, 4, 2, dilation=2, groups=2), numbers(2, 2, 6, 6)),
    "Conv1d": (lambda: nn.Conv1d(2, 3, 3), numbers(2, 2, 6)),
    "ConvTranspose2d": (lambda: nn.ConvTranspose2d(2, 3, 3, stride=2), numbers(2, 2, 4, 4)),
    "MaxPool2d": (lambda: nn.Sequential(nn.Conv2d(2, 2, 3), nn.MaxPool2d(2)), numbers(2, 2, 6, 6)),
    "AvgPool2d": (lambda: nn.Sequential(nn.Conv2d(2, 2, 3), nn.AvgPool2d(2)), numbers(2, 2, 6, 6)),
    "MaxPool1d": (lambda: nn.MaxPool1d(2), numbers(2, 2, 6)),
    "AdaptiveAvgPool2d": (lambda: nn.AdaptiveAvgPool2d(2), numbers(2, 2, 6, 6)),
    "BatchNorm1d": (lambda: nn.BatchNorm1d(4), numbers(5, 4)),
    "BatchNorm2d": (lambda: nn.BatchNorm2d(2), numbers(3, 2, 4, 4)),
    "Embedding": (lambda: nn.Embedding(5, 3, padding_idx=1), np.array([[0, 4], [1, 1]])),
    "CosineSimilarity": (lambda: nn.CosineSimilarity(), numbers(5, 4), numbers(5, 4, seed=1)),
    "Identity": (lambda: nn.Sequential(nn.Identity(), nn.Linear(4, 2)), numbers(5, 4)),
    "Unflatten": (lambda: nn.Sequential(nn.Linear(4, 6), nn.Unflatten(1, (2, 3))), numbers(5, 4)),
}
for _name, _kind in vars(nn.activations).items():
    if _name in nn.__all__ and _name not in MODULES and _kind is not nn.Module:
        MODULES[_name] = (lambda kind=_kind: nn.Sequential(nn.Linear(4, 4), kind()), numbers(5, 4))
LOSSES: dict[str, Any] = {
    "MSELoss": lambda x, y: (x, y),
    "L1Loss": lambda x, y: (x, y),
    "HuberLoss": lambda x, y: (x, y),
    "SmoothL1Loss": lambda x, y: (x, y),
    "CrossEntropyLoss": lambda x, y: (x, y.argmax(1)),
    "NLLLoss": lambda x, y: (F.log_softmax(x, 1), y.argmax(1)),
    "BCEWithLogitsLoss": lambda x, y: (x, y.sigmoid()),
    "BCELoss": lambda x, y: (x.sigmoid(), y.sigmoid()),
    "KLDivLoss": lambda x, y: (F.log_softmax(x, 1), F.softmax(y, 1)),
}


@on_double
@pytest.mark.parametrize("name", LOSSES)
def test_losses(name):
    for reduction in ("mean", "sum", "none"):
        loss = getattr(nn, name)(reduction=reduction)
        same_on_both(lambda x, y, loss=loss: loss(*LOSSES[name](x, y)), numbers(3, 4), numbers(3, 4, seed=1), what=name)


def test_no_module_is_left_out():
    """A new layer has to be run on the double, too: add it to MODULES or LOSSES."""
    elsewhere = {"Module", "Parameter", "ModuleDict", "ModuleList", "ParameterList", "Sequential", "Dropout"}
    assert {n for n in nn.__all__ if isinstance(getattr(nn, n), type)} <= {*LOSSES, *MODULES} | elsewhere
    assert {n for n in optim.__all__ if isinstance(getattr(optim, n), type)} <= {*OPTIMIZERS, "Optimizer"}
    known = {*DISTRIBUTIONS, "Distribution", "ParameterError"}
    assert {n for n in distributions.__all__ if isinstance(getattr(distributions, n), type)} <= known


@on_double
@pytest.mark.parametrize("name", MODULES)
def test_modules(name):
    make, *inputs = MODULES[name]
    same_network(make, *inputs)


@on_double
def test_moving_a_network_keeps_the_optimizer():
    net = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3))
    optimizer = optim.Adam(net.parameters(), lr=0.1)
    net.cuda()
    x = T(numbers(5, 4), device="cuda")
    for _ in range(2):
        optimizer.zero_grad()
        (net(x) ** 3).mean().backward()
        before = net[0].weight.tolist()
        optimizer.step()
        assert net[0].weight.tolist() != before
    assert {p.device for p in net.parameters()} == {there}
    net.cpu()
    assert (
        {p.device for p in [*net.parameters(), *net.buffers()]} == {p.grad.device for p in net.parameters()} == {here}
    )
    assert nn.Linear(2, 2, device="cuda").weight.device == there
    assert net.to(there).double()[0].weight.device == there


@on_double
def test_initialisation_draws_the_same_numbers_anywhere():
    for name in dir(nn.init):
        fill = getattr(nn.init, name)
        if not name.endswith("_") or name.startswith("_"):
            continue
        arguments = (2.0,) if name == "constant_" else ()
        mg.manual_seed(2)
        expected = fill(mg.empty(4, 3), *arguments)
        mg.manual_seed(2)
        assert_same(fill(mg.empty(4, 3, device="cuda"), *arguments), expected, name)


@on_double
def test_clipping_and_vectors():
    p = [T(numbers(3, 4), device="cuda", requires_grad=True), T(numbers(2), device="cuda", requires_grad=True)]
    q = [x.detach().cpu().requires_grad_() for x in p]
    for norm_type in (2.0, mg.inf, 1.0):
        for tensors in (p, q):
            for x in tensors:
                x.grad = x.detach() * 9
        assert_same(nn.utils.clip_grad_norm_(p, 0.5, norm_type), nn.utils.clip_grad_norm_(q, 0.5, norm_type), "norm")
        for a, b in zip(p, q, strict=True):
            assert_same(a.grad, b.grad, "clipped")
    nn.utils.clip_grad_value_(p, 0.01)
    vector = nn.utils.parameters_to_vector(p)
    assert_same(vector, nn.utils.parameters_to_vector(q), "vector")
    nn.utils.vector_to_parameters(vector.detach().cpu() * 2, p)
    assert_same(p[0], q[0] * 2, "from a vector")


# -- optimizers and files ---------------------------------------------------------------------------------

OPTIMIZERS: dict[str, Any] = {
    "SGD": lambda p: optim.SGD(p, lr=0.1),
    "SGD, momentum": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.1),
    "Adam": lambda p: optim.Adam(p, lr=0.1),
    "Adam, amsgrad": lambda p: optim.Adam(p, lr=0.1, amsgrad=True, weight_decay=0.1, maximize=True),
    "AdamW": lambda p: optim.AdamW(p, lr=0.1),
    "RMSprop": lambda p: optim.RMSprop(p, lr=0.1, centered=True, momentum=0.5),
    "Adagrad": lambda p: optim.Adagrad(p, lr=0.1),
    "RAdam": lambda p: optim.RAdam(p, lr=0.1),
}


def training(device: str, make: Any, steps: int = 8) -> tuple[nn.Module, Any]:
    """A small network after some steps, one of which leaves a parameter without a gradient."""
    mg.manual_seed(4)
    net = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 2)).to(device)
    optimizer = make(net.parameters())
    x, y = T(numbers(6, 4), device=device), T(numbers(6, 2, seed=1), device=device)
    with staying("training"):
        for step in range(steps):
            optimizer.zero_grad(set_to_none=step % 2 == 0)
            F.mse_loss(net(x), y).backward()
            if step == 3:
                net[0].bias.grad = None
            optimizer.step()
    return net, optimizer


@on_double
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers(name):
    make = OPTIMIZERS[name]
    (net, optimizer), (expected, reference) = training("cuda", make), training("cpu", make)
    for (what, p), q in zip(net.named_parameters(), expected.parameters(), strict=True):
        assert_same(p, q, what)
    saved = optimizer.state_dict()
    for i, state in reference.state_dict()["state"].items():
        for what, value in state.items():
            actual = saved["state"][i][what]
            assert actual.device == (here if what == "step" else there), what
            np.testing.assert_allclose(actual.cpu().numpy(), value.numpy(), rtol=1e-5, atol=1e-7, err_msg=what)
    # A state of either device continues on the other.
    for source, target in ((saved, training("cpu", make)), (reference.state_dict(), training("cuda", make))):
        target[1].load_state_dict(source)
        target[1].step()


@on_double
def test_parameters_on_a_gpu_are_one_piece_except_where_somebody_looks(monkeypatch):
    monkeypatch.setattr("minigrad.speed.flat.layout_allowed", True)
    net, watched = [nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 2)).cuda() for _ in range(2)]
    held, before = watched[0].bias.data, watched[0].bias.tolist()
    for module, pieces in ((net, 1), (net, 1), (net[2], 1), (watched, 3)):
        optimizer = optim.SGD(module.parameters(), lr=0.5)
        for p in module.parameters():
            p.grad = mg.ones_like(p).detach()
        optimizer.step()
        assert len(optimizer._flats[0][0]._pieces) == pieces
    np.testing.assert_allclose(held.tolist(), np.array(before) - 0.5, rtol=1e-6)
    assert watched[0].bias.tolist() == held.tolist()


@on_double
def test_one_optimizer_of_parameters_on_both_devices():
    p, q = mg.zeros(2, requires_grad=True), mg.zeros(3, device="cuda", requires_grad=True)
    optimizer = optim.SGD([p, q], lr=1.0, momentum=0.5)
    for expected in (-1, -2.5):
        p.grad, q.grad = mg.ones(2), mg.ones(3, device="cuda")
        optimizer.step()
        assert p.tolist() == [expected] * 2
        assert q.tolist() == [expected] * 3
    assert optimizer.state[q]["momentum_buffer"].device == there


@on_double
def test_weights_files(tmp_path):
    net, optimizer = training("cuda", OPTIMIZERS["Adam"])
    path = tmp_path / "state.safetensors"
    mg.save({"net": net.state_dict(), "optimizer": optimizer.state_dict()}, path)
    loaded = mg.load(path)
    assert {t.device for t in loaded["net"].values()} == {here}
    assert {t.device for t in mg.load(path, map_location="cuda")["net"].values()} == {there}
    for device in ("cuda", "cpu"):
        fresh, fresh_optimizer = training(device, OPTIMIZERS["Adam"], steps=1)
        fresh.load_state_dict(loaded["net"])
        fresh_optimizer.load_state_dict(loaded["optimizer"])
        for p, q in zip(fresh.parameters(), net.parameters(), strict=True):
            np.testing.assert_array_equal(p.detach().cpu().numpy(), q.detach().cpu().numpy())
    fresh.load_state_dict(net.state_dict())  # straight from the device
    net.load_state_dict(fresh.state_dict())


@on_double
def test_copies_and_other_processes():
    import copy
    import pickle

    net, optimizer = training("cuda", OPTIMIZERS["Adam"])
    twin = copy.deepcopy(net)
    assert twin[0].weight.device == there
    assert twin[0].weight.array is not net[0].weight.array
    x = pickle.loads(pickle.dumps(T([1.0, 2.0], device="cuda")))
    assert (x.device, x.tolist()) == (there, [1.0, 2.0])
    copy.deepcopy(optimizer)


# -- distributions ----------------------------------------------------------------------------------------

DISTRIBUTIONS: dict[str, Any] = {
    "Categorical": lambda x: distributions.Categorical(logits=x),
    "Categorical of probs": lambda x: distributions.Categorical(probs=F.softmax(x, 1)),
    "Bernoulli": lambda x: distributions.Bernoulli(logits=x),
    "Bernoulli of probs": lambda x: distributions.Bernoulli(probs=x.sigmoid()),
    "Normal": lambda x: distributions.Normal(x, x.exp()),
    "Normal, one scale": lambda x: distributions.Normal(x, 0.5),
    "Independent": lambda x: distributions.Independent(distributions.Normal(x, x.exp()), 1),
    "DiagonalNormal": lambda x: distributions.DiagonalNormal(x, x.exp()),
    "SquashedNormal": lambda x: distributions.SquashedNormal(x, x.exp()),
    "SquashedNormal, bounded": lambda x: distributions.SquashedNormal(x, x.exp(), -2.0, 3.0),
    "SquashedNormal, bounded by a tensor": lambda x: distributions.SquashedNormal(x, x.exp(), -2.0, mg.ones_like(x[0])),
}


def about(make: Any, logits: Tensor) -> list[Any]:
    """What a policy asks of a distribution."""
    mg.manual_seed(1)
    dist, other = make(logits), make(logits * 0.5)
    found = [dist.sample(), dist.sample((2,)), dist.log_prob(dist.sample()), dist.log_prob(dist.sample((3,)))]
    found += [dist.entropy(), dist.mode, dist.mean, dist.variance, distributions.kl_divergence(dist, other)]
    if dist.has_rsample:
        found += [dist.rsample(), dist.log_prob(dist.rsample()), *dist.rsample_and_log_prob()]
    if isinstance(dist, distributions.Normal):
        found += [dist.cdf(logits.detach()), dist.icdf(logits.detach().sigmoid())]
    return found


@on_double
@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_distributions(name):
    make, x = DISTRIBUTIONS[name], numbers(3, 4)
    c, g = T(x, requires_grad=True), T(x, device="cuda", requires_grad=True)
    expected, actual = about(make, c), about(make, g)
    for i, (e, a) in enumerate(zip(expected, actual, strict=True)):
        assert_same(a, e, f"{name}, {i}")
    sum(e.sum() for e in expected if e.requires_grad).backward()
    sum(a.sum() for a in actual if a.requires_grad).backward()
    assert_same(g.grad, c.grad, f"{name}, gradient")
    dist, value = make(g), actual[0].detach()
    with staying(name):  # to draw crosses, because the random numbers are the host's; to judge does not
        dist.log_prob(value)


# -- one update of DQN ------------------------------------------------------------------------------------


def dqn_update(device: str) -> list[Tensor]:
    """L = huber(Q(s, a), r + γ max Q⁻(s', ·)) on a batch, three times, with clipping, Adam and a target network."""
    mg.manual_seed(0)
    rng = np.random.default_rng(0)

    def network() -> nn.Module:
        return nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2)).to(device)

    net, target_net = network(), network().requires_grad_(False)
    target_net.load_state_dict(net.state_dict())
    optimizer = optim.Adam(net.parameters(), lr=1e-2)
    losses = []
    for _ in range(3):
        states, next_states = (mg.from_numpy(numbers(8, 4, seed=i)).to(device) for i in (1, 2))
        actions = T(rng.integers(0, 2, (8, 1)), device=device)
        rewards = T(rng.standard_normal((8, 1)), dtype=mg.float32, device=device)
        done = T(rng.random((8, 1)) < 0.3, device=device)
        with staying("an update"):
            with mg.no_grad():
                best = target_net(next_states).max(dim=1, keepdim=True)[0]
                target = rewards + 0.99 * (1 - done.float()) * best
            loss = F.smooth_l1_loss(net(states).gather(1, actions), target)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
        losses.append(loss)
        greedy = net(states[:1]).argmax(1).item()
        assert greedy in (0, 1)
    target_net.load_state_dict(net.state_dict())
    return [*losses, *net.parameters(), *target_net.parameters()]


@on_double
def test_an_update_of_dqn():
    assert_same(dqn_update("cuda"), dqn_update("cpu"), "DQN")
