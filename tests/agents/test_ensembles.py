"""An ensemble is its members, one beside the other."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
import minigrad.nn as nn
from agents.networks.ensembles import ensemble_body


@pytest.mark.parametrize("shared", [True, False])
def test_it_is_its_members(shared: bool) -> None:
    """Values and gradients, with the same rows for all members and with rows of their own."""
    rng = np.random.default_rng(0)
    ensemble = nn.Sequential(*ensemble_body(3, (4, 8, 2), nn.Tanh)).double()
    x = mg.from_numpy(rng.standard_normal((5, 4) if shared else (3, 5, 4)))
    weight = mg.from_numpy(rng.standard_normal((3, 5, 2)))
    out = ensemble(x)
    (out * weight).sum().backward()
    for m in range(3):
        member = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2), nn.Tanh()).double()
        for mine, whole in zip((member[0], member[2]), (ensemble[0], ensemble[2]), strict=True):
            mine.load_state_dict({"weight": whole.weight[m].T, "bias": whole.bias[m, 0]})
        own = member(x if shared else x[m])
        np.testing.assert_allclose(out[m].detach().numpy(), own.detach().numpy(), rtol=1e-12)
        (own * weight[m]).sum().backward()
        for mine, whole in zip((member[0], member[2]), (ensemble[0], ensemble[2]), strict=True):
            np.testing.assert_allclose(whole.weight.grad[m].numpy(), mine.weight.grad.numpy().T, rtol=1e-10)
            np.testing.assert_allclose(whole.bias.grad[m, 0].numpy(), mine.bias.grad.numpy(), rtol=1e-10)


def test_members_start_apart_and_as_a_layer_does() -> None:
    layer = ensemble_body(200, (16, 8))[0]
    weight = layer.weight.detach().numpy()
    assert weight.shape == (200, 16, 8)
    assert np.abs(weight).max() <= 1 / 4
    assert weight.std() == pytest.approx(1 / 4 / 3**0.5, rel=0.02)  # of a uniform distribution
    assert not np.allclose(weight[0], weight[1])
