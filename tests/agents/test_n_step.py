"""n-step transitions, against sums written out by hand and by brute force."""

from __future__ import annotations

import json

import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.core.n_step import NStep
from agents.core.replay import Replay, Uniform
from envs import Transition


def steps(env: list[int], number: list[int], reward: list[float], terminated=None, truncated=None) -> Transition:
    """One step of the environments `env`, in which observation n leads to observation n + 1."""
    flags = [False] * len(env)
    column = np.array(number, np.float32)[:, None]
    return Transition(
        column,
        np.array(number),
        np.array(reward, np.float64),
        np.array(terminated or flags),
        np.array(truncated or flags),
        column + 1,
        np.array(env),
    )


def collect(memory: NStep, stream: list[Transition]) -> list[tuple[int, float, float, int]]:
    """(first observation, discounted rewards, discount of what follows, observation after) of each."""
    found = []
    for step in stream:
        whole, discount = memory.add(step)
        for i in range(len(whole.env)):
            after = int(whole.next_observation[i, 0])
            found.append((int(whole.observation[i, 0]), whole.reward[i], discount[i], after))
    return found


@pytest.mark.parametrize(("terminated", "truncated"), [(True, False), (False, True), (True, True)])
def test_by_hand(terminated: bool, truncated: bool) -> None:
    """Rewards 1, 2, 4, 8 and an end, γ = 1/2, n = 3: the tail is flushed with the powers of γ that it has, and is
    worth nothing more only if the episode terminated."""
    rewards = [1.0, 2.0, 4.0, 8.0]
    stream = [
        steps([0], [n], [r], [terminated and n == 3], [truncated and n == 3]) for n, r in enumerate(rewards)
    ]
    goes_on = 0.0 if terminated else 1.0
    assert collect(NStep(3, 0.5, 1), stream) == [
        (0, 1 + 1 + 1, 0.125, 3),
        (1, 2 + 2 + 2, 0.125 * goes_on, 4),
        (2, 4 + 4, 0.25 * goes_on, 4),
        (3, 8, 0.5 * goes_on, 4),
    ]


@settings(max_examples=200, deadline=None)
@given(
    n=st.integers(1, 5),
    num_envs=st.integers(1, 3),
    ends=st.lists(st.sampled_from(["", "", "", "terminated", "truncated"]), min_size=1, max_size=40),
    missing=st.lists(st.booleans(), min_size=1, max_size=40),
    seed=st.integers(0, 1000),
)
def test_by_brute_force(n: int, num_envs: int, ends: list[str], missing: list[bool], seed: int) -> None:
    """Every environment's rewards, cut into episodes, summed anew for every start: never beyond an end, never from
    another environment. Some steps lack an environment, as after its reset under NEXT_STEP."""
    rng = np.random.default_rng(seed)
    gamma = 0.5
    memory, found, histories = NStep(n, gamma, num_envs), [], [[] for _ in range(num_envs)]
    next_number = [1_000 * e for e in range(num_envs)]
    for t, end in enumerate(ends):
        present = [e for e in range(num_envs) if not (missing[t % len(missing)] and e == t % num_envs)]
        if not present:
            continue
        reward = rng.integers(-8, 8, len(present)).astype(float)
        here = [end if e == t % num_envs else "" for e in present]
        numbers = [next_number[e] for e in present]
        for e, label, r, name in zip(present, here, reward, numbers, strict=True):
            histories[e].append((name, r, label))
            next_number[e] += 10 if label else 1  # the next episode's first observation isn't this one's last
        terminated, truncated = ([label == kind for label in here] for kind in ("terminated", "truncated"))
        found += collect(memory, [steps(present, numbers, list(reward), terminated, truncated)])
    expected = []
    for history in histories:
        for start, (name, _, _) in enumerate(history):
            total, power = 0.0, 1.0
            for k, (last, reward, label) in enumerate(history[start:]):
                total, power = total + power * reward, power * gamma
                if label or k == n - 1:
                    expected.append((name, total, 0.0 if label == "terminated" else power, last + 1))
                    break
    assert sorted(found) == sorted(expected)  # exact: integers and powers of a half


def test_one_step_is_the_plain_replay() -> None:
    space, action = spaces.Box(-1, 100, (1,), np.float32), spaces.Discrete(50)
    plain, one = (Replay(20, space, action, 0.9, Uniform(np.random.default_rng(0))) for _ in range(2))
    one.n_step = NStep(1, 0.9, 1)
    for n in range(30):
        step = steps([0], [n], [n], [n % 7 == 6])
        plain.add(step)
        one.add(step)
    for name, array in plain.ring.arrays.items():
        np.testing.assert_array_equal(array, one.ring.arrays[name])


def test_an_environment_that_starts_again_without_an_end() -> None:
    """As one does that can't be restored, when a run is resumed: what waits would lead into another episode. The other
    environment goes on."""
    memory = NStep(3, 0.5, 2)
    stream = [steps([0, 1], [t, 50 + t], [1.0, 1.0]) for t in range(2)]
    stream += [steps([0, 1], [20 + t, 52 + t], [4.0, 1.0]) for t in range(3)]
    from_1 = [(50 + t, 1.75, 0.125, 53 + t) for t in range(3)]
    assert collect(memory, stream) == [*from_1[:2], (20, 4 + 2 + 1, 0.125, 23), from_1[2]]


def test_what_waits_is_saved() -> None:
    memory, copy = NStep(3, 0.9, 2), NStep(3, 0.9, 2)
    stream = [steps([0, 1], [t, 50 + t], [t, -t], [t == 4, False]) for t in range(8)]
    collect(memory, stream[:4])
    state = memory.state_dict()
    assert json.dumps(state, default=lambda value: value.tolist())  # nothing but arrays and plain values
    copy.load_state_dict(state)
    assert collect(memory, stream[4:]) == collect(copy, stream[4:])
