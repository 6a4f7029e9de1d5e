"""C51's distribution: against its definition, and against returns whose distribution is known."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st

import minigrad as mg
from agents import C51
from agents.value.c51 import Categorical, project
from agents.value.parts.risk import quantile_weights
from envs import UsageError


def tent(reward: float, discount: float, probability: np.ndarray, atoms: np.ndarray) -> list[float]:
    """The paper's equation 7, one atom after the other."""
    step = (atoms[-1] - atoms[0]) / (len(atoms) - 1)
    m = []
    for z_i in atoms:
        total = 0.0
        for z_j, p in zip(atoms, probability, strict=True):
            moved = min(max(reward + discount * z_j, atoms[0]), atoms[-1])
            total += min(max(1 - abs(moved - z_i) / step, 0), 1) * p
        m.append(total)
    return m


@settings(max_examples=200, deadline=None)
@given(
    reward=st.floats(-20, 20) | st.integers(-20, 20).map(float),
    discount=st.floats(0, 1) | st.sampled_from([0.0, 0.5, 1.0]),
    size=st.integers(2, 11),
    seed=st.integers(0, 1000),
)
def test_projection_is_the_papers(reward: float, discount: float, size: int, seed: int) -> None:
    """Also where atoms fall exactly on the grid: there the form with floor and ceil loses their mass."""
    rng = np.random.default_rng(seed)
    probability = rng.dirichlet(np.ones(size), 3)
    atoms = np.linspace(-5, 5, size)
    m = project(np.full(3, reward), np.full(3, discount), probability, atoms)
    np.testing.assert_allclose(m, [tent(reward, discount, p, atoms) for p in probability], atol=1e-12)
    np.testing.assert_allclose(m.sum(axis=1), 1, atol=1e-12)


def test_whole_positions_keep_their_mass() -> None:
    """r = 1, γ = 1 on a grid of whole numbers: everything moves by one place, and piles up at the end."""
    atoms = np.arange(-2.0, 3.0)
    m = project(np.array([1.0]), np.array([1.0]), np.full((1, 5), 0.2), atoms)
    np.testing.assert_allclose(m, [[0, 0.2, 0.2, 0.2, 0.4]])


def test_terminated_puts_the_reward_on_all_atoms() -> None:
    """γ = 0: whatever came after, the return is r, here between the atoms 0 and 1."""
    m = project(np.array([0.25]), np.array([0.0]), np.array([[0.1, 0.2, 0.3, 0.4]]), np.arange(4.0))
    np.testing.assert_allclose(m, [[0.75, 0.25, 0, 0]])


def test_projection_keeps_the_mean() -> None:
    """As long as nothing is cut off at the grid's ends."""
    rng = np.random.default_rng(0)
    probability, atoms = rng.dirichlet(np.ones(21), 50), np.linspace(-10, 10, 21)
    reward, discount = rng.uniform(-1, 1, 50), rng.uniform(0, 0.9, 50)
    m = project(reward, discount, probability, atoms)
    np.testing.assert_allclose(m @ atoms, reward + discount * (probability @ atoms))


def constants(*values) -> list[mg.Tensor]:
    return [mg.from_numpy(np.asarray(value)) for value in values]


def test_of_action_and_loss_by_hand() -> None:
    head = Categorical(2, 0.0, 1.0)
    p = np.array([[[0.5, 0.5], [0.1, 0.9]], [[0.2, 0.8], [0.6, 0.4]]])
    output = mg.from_numpy(np.log(p).reshape(2, 4))
    np.testing.assert_allclose(head.values(output).array, p[:, :, 1])
    chosen = head.of_action(output, mg.tensor([[1], [0]]))
    np.testing.assert_allclose(chosen.exp().array, [[0.1, 0.9], [0.2, 0.8]])
    target = mg.tensor([[1.0, 0.0], [0.5, 0.5]], dtype=mg.float64)
    expected = [-np.log(0.1), -0.5 * (np.log(0.2) + np.log(0.8))]
    np.testing.assert_allclose(head.loss(chosen, target, "none").array[:, 0], expected)
    assert head.loss(chosen, target, "mean").item() == pytest.approx(np.mean(expected))
    # KL: the cross-entropy less the target's own entropy, 0 only where they agree.
    np.testing.assert_allclose(head.error(chosen, target), [expected[0], expected[1] - np.log(2)])
    np.testing.assert_allclose(head.error(chosen, chosen.exp()), 0, atol=1e-12)


def test_target_moves_the_next_actions_distribution() -> None:
    head = Categorical(3, 0.0, 2.0)
    p = np.array([[[0.2, 0.3, 0.5], [1.0, 1e-12, 1e-12]]])
    target = head.target(*constants([1.0], [0.5], np.log(p).reshape(1, 6), [0]))
    np.testing.assert_allclose(target, [[0, 0.2 + 0.15, 0.15 + 0.5]], atol=1e-9)


def test_a_terminated_row_takes_nothing_from_its_next_state() -> None:
    """Beside a row that goes on: all atoms of the first move to its reward, whatever the network says."""
    head = Categorical(3, 0.0, 2.0)
    p = np.array([[[0.2, 0.3, 0.5]], [[0.2, 0.3, 0.5]]])
    target = head.target(*constants([0.25, 0.0], [0.0, 1.0], np.log(p), [0, 0]))
    np.testing.assert_allclose(target, [[0.75, 0.25, 0], [0.2, 0.3, 0.5]], atol=1e-12)


def test_large_logits() -> None:
    """In float32, where e²⁰⁰ is infinite and the logarithm of a softmax that came out as 0 is not."""
    head = Categorical(3, 0.0, 2.0)
    logits = np.array([[[200.0, 0.0, -200.0]]], np.float32)
    np.testing.assert_allclose(head.probabilities(mg.from_numpy(logits)), [[[1, 0, 0]]], atol=1e-30)
    target = head.target(*constants(np.zeros(1, np.float32), np.ones(1, np.float32), logits, [0]))
    np.testing.assert_allclose(target, [[1, 0, 0]], atol=1e-30)
    output = mg.from_numpy(logits).requires_grad_()
    log_p = head.of_action(output, mg.tensor([[0]]))
    np.testing.assert_allclose(log_p.detach().array, [[0, -200, -400]])
    head.loss(log_p, mg.tensor([[0.25, 0.25, 0.5]]), "mean").backward()
    np.testing.assert_allclose(output.grad.array, [[[0.75, -0.25, -0.5]]])  # softmax - m


def test_the_loss_refuses_distributions_of_another_shape() -> None:
    head = Categorical(3, 0.0, 2.0)
    with pytest.raises(ValueError, match=r"\(4, 3\).*\(4, 1\)"):
        head.loss(mg.zeros(4, 3), mg.zeros(4, 1), "none")


# -- risk


@settings(max_examples=100, deadline=None)
@given(size=st.integers(1, 9), low=st.floats(0, 0.9), width=st.floats(0.05, 1), seed=st.integers(0, 1000))
def test_quantile_mean_is_the_integral_of_the_quantile_function(size, low, width, seed) -> None:
    high = min(1.0, low + width)
    rng = np.random.default_rng(seed)
    probability, atoms = rng.dirichlet(np.ones(size)), np.sort(rng.normal(size=size))
    levels = low + (high - low) * (np.arange(20_000) + 0.5) / 20_000
    quantiles = atoms[np.minimum(np.searchsorted(np.cumsum(probability), levels), size - 1)]
    weights = quantile_weights(probability, low, high)
    assert weights.sum() == pytest.approx(1)
    assert weights @ atoms == pytest.approx(quantiles.mean(), abs=2e-3)


class Gamble(gym.Env):
    """One step. Action 0 pays 0.5 for certain; action 1 pays -1 or 2.5, even chances, 0.75 on average."""

    observation_space = spaces.Box(-1, 1, (1,), np.float32)
    action_space = spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(1, np.float32), {}

    def step(self, action):
        reward = 0.5 if action == 0 else float(self.np_random.choice([-1.0, 2.5]))
        return np.zeros(1, np.float32), reward, True, False, {}


def test_risk_averse_and_risk_seeking() -> None:
    """The distribution is learned once; what to make of it is open until the action."""
    agent = C51(
        Gamble,
        seed=0,
        value_min=-2.0,
        value_max=4.0,
        atoms=31,
        hidden=(32,),
        learning_starts=100,
        learning_rate=5e-3,
        anneal_learning_rate=True,  # or the last rewards that were seen count most
        epsilon_end=1.0,
    ).learn(1_500)
    state = np.zeros((1, 1), np.float32)
    np.testing.assert_allclose(agent.action_values(state), [[0.5, 0.75]], atol=0.15)
    with mg.no_grad():
        p = agent.head.probabilities(agent.network(mg.from_numpy(state)))[0]
    near = lambda action, value: p[action][np.abs(agent.head.atoms - value) < 0.3].sum()
    assert near(0, 0.5) > 0.95
    assert near(1, -1.0) == pytest.approx(0.5, abs=0.15)
    assert near(1, 2.5) == pytest.approx(0.5, abs=0.15)
    assert agent.predict(np.zeros(1)) == 1
    agent.head.risk = (0.0, 0.25)
    assert agent.predict(np.zeros(1)) == 0
    agent.head.risk = (0.75, 1.0)
    assert agent.predict(np.zeros(1)) == 1


def test_risk_from_the_hyperparameters() -> None:
    assert C51(Gamble, risk_to=0.25).head.risk == (0.0, 0.25)
    with pytest.raises(UsageError, match=r"0 <= from < to <= 1, got from 0\.5 to 0\.25"):
        C51(Gamble, risk_from=0.5, risk_to=0.25)
    with pytest.raises(UsageError, match="larger value_max"):
        C51(Gamble, value_min=1.0, value_max=1.0)
