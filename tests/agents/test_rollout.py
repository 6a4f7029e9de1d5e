"""What on-policy agents collect: the same valid transitions whatever the environments are made of, and no loss when a
run stops in between."""

from __future__ import annotations

from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv

from agents import Agent, ExactPolicyGradient
from agents.memory.rollout import Rollout, Steps, Trajectories, joined, spread
from envs import Environments, Transition, make_environments
from envs.seeding import spawn_seeds
from tests.agents.conftest import arrays_of
from tests.agents.families import POLICY_GRADIENT


class Countdown(gym.Env):
    """An episode of 1 to 4 steps, as the environment draws it; short ones are cut off, long ones end. The observation
    is the episode's number and the step; the reward counts the actions."""

    observation_space = spaces.Box(-np.inf, np.inf, (2,), np.float32)
    action_space = spaces.Discrete(3)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.episode = 0 if seed is not None else self.episode + 1
        self.step_number, self.length = 0, int(self.np_random.integers(1, 5))
        return self.seen(), {}

    def step(self, action):
        self.step_number += 1
        ended = self.step_number == self.length
        return self.seen(), self.step_number + 10.0 * action, ended and self.length > 2, ended and self.length <= 2, {}

    def seen(self):
        return np.array([self.episode, self.step_number], np.float32)


def sync(mode: AutoresetMode) -> Environments:
    return make_environments(SyncVectorEnv([Countdown] * 3, autoreset_mode=mode))


def asynchronous(mode: AutoresetMode) -> Environments:
    return make_environments(AsyncVectorEnv([Countdown] * 3, autoreset_mode=mode))


KINDS = {
    "bare": lambda: make_environments(Countdown, 3),
    "sync-next": partial(sync, AutoresetMode.NEXT_STEP),
    "sync-same": partial(sync, AutoresetMode.SAME_STEP),
    "sync-disabled": partial(sync, AutoresetMode.DISABLED),
    "async-next": partial(asynchronous, AutoresetMode.NEXT_STEP),
    "async-same": partial(asynchronous, AutoresetMode.SAME_STEP),
}


def action_of(observation: np.ndarray) -> np.ndarray:
    """The same action for the same observation, at whichever moment it comes."""
    return (observation @ [3, 5]).astype(np.int64) % 3


def rollouts(kind: str, count: int, steps: int = 7) -> list[Steps]:
    environments = KINDS[kind]()
    environments.reset(0)
    rollout = Rollout(steps, 3, environments.observation_space, environments.action_space)
    taken = []
    while len(taken) < count:
        rollout.add(environments.step(action_of(environments.observation)))
        if rollout.full:
            taken.append(Steps(*(field.copy() for field in rollout.take())))
    environments.close()
    return taken


def transitions_of(taken: list[Steps], env: int) -> list[list]:
    """Environment `env`'s valid transitions, in order."""
    return [
        [np.asarray(field[t, env]).tolist() for field in steps[:-1]]
        for steps in taken
        for t in range(len(steps.valid))
        if steps.valid[t, env]
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_transitions_arrive(kind: str) -> None:
    expected, found = rollouts("bare", 4), rollouts(kind, 8)
    assert all(steps.valid.all() for steps in expected)
    for env in range(3):
        ours, theirs = transitions_of(expected, env), transitions_of(found, env)
        assert len(theirs) >= len(ours) == 28
        assert theirs[: len(ours)] == ours


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_place_follows_an_end(kind: str) -> None:
    """So a recursion over time has stopped before it. Only an environment that resets itself in a step of its own has
    any."""
    steps = Steps(*(np.concatenate(fields) for fields in zip(*rollouts(kind, 8), strict=True)))
    empty = ~steps.valid
    assert empty.any() == (kind in ("sync-next", "async-next"))
    ended = (steps.terminated | steps.truncated) & steps.valid
    assert ended[:-1][empty[1:]].all()
    # and what follows within an episode is where it led
    goes_on = steps.valid[1:] & steps.valid[:-1] & ~ended[:-1]
    assert goes_on.any()
    np.testing.assert_array_equal(steps.observation[1:][goes_on], steps.next_observation[:-1][goes_on])


@pytest.mark.parametrize("kind", KINDS)
def test_whole_episodes(kind: str) -> None:
    """The first two episodes of every environment, from the first step to the last, against the environment alone."""
    environments = KINDS[kind]()
    environments.reset(0)
    memory = Trajectories(3, 6)
    while not memory.complete:
        memory.add(environments.step(action_of(environments.observation)))
    environments.close()
    taken = memory.take()
    assert len(taken) == 6
    for env in range(3):
        alone = Countdown()
        observation, _ = alone.reset(seed=spawn_seeds(0, 3)[env])
        for trajectory in taken[2 * env : 2 * env + 2]:
            for at in range(len(trajectory.reward)):
                np.testing.assert_array_equal(trajectory.observation[at], observation)
                action = action_of(observation[None])[0]
                assert trajectory.action[at] == action
                observation, reward, terminated, truncated, _ = alone.step(action)
                assert trajectory.reward[at] == reward
                assert (terminated or truncated) == (at == len(trajectory.reward) - 1)
            assert trajectory.terminated == terminated
            np.testing.assert_array_equal(trajectory.final_observation, observation)
            observation, _ = alone.reset()
    observations, actions = joined(taken)
    assert len(observations) == len(actions) == sum(len(trajectory.reward) for trajectory in taken)


@pytest.mark.parametrize("kind", [kind for kind in POLICY_GRADIENT if kind is not ExactPolicyGradient])
def test_an_agent_learns_the_same_whatever_its_environments_are_made_of(kind: type[Agent]) -> None:
    """Bit for bit, where nothing is lost between an end and the next start; where a step is, in one process as in
    several."""
    few = {"rollout_steps": 8, "episodes": 4, "epochs": 2, "workers": 1, "hidden": (4,)}
    settings = {name: few[name] for name in few.keys() & kind.Hyperparameters.__dataclass_fields__.keys()}

    def learned(env: Any) -> dict[str, Any]:
        agent = kind(env, num_envs=3, seed=0, **settings).learn(60)
        agent.environments.close()
        assert agent.episodes >= 20
        return arrays_of({name: part.state_dict() for name, part in agent.parts().items()} | {"steps": agent.steps})

    def made_of(what: type[gym.vector.VectorEnv], mode: AutoresetMode) -> Any:
        return lambda: what([Countdown] * 3, autoreset_mode=mode)

    same, next_step = AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP
    for expected, found in (
        (Countdown, made_of(SyncVectorEnv, same)),
        (Countdown, made_of(AsyncVectorEnv, same)),
        (made_of(SyncVectorEnv, next_step), made_of(AsyncVectorEnv, next_step)),
    ):
        one, other = learned(expected), learned(found)
        assert one.keys() == other.keys()
        for place, value in one.items():
            np.testing.assert_array_equal(value, other[place], err_msg=place)


def step_of(number: int, *ends: tuple[int, bool]) -> Transition:
    """A step of environments, each with whether its episode ends; the observation says which step it was."""
    env = np.array([env for env, _ in ends])
    terminated = np.array([ended for _, ended in ends])
    observation = np.full((len(env), 1), number, np.float32)
    nothing = np.zeros(len(env), np.bool_)
    return Transition(observation, env, np.ones(len(env)), terminated, nothing, observation + 1, env)


def test_what_another_policy_began_is_left_out() -> None:
    memory = Trajectories(2, 2)
    memory.add(step_of(0, (0, True), (1, False)))
    memory.add(step_of(1, (0, False), (1, False)))  # environment 0 has played its share
    assert not memory.complete
    memory.add(step_of(2, (0, False), (1, True)))
    assert memory.complete
    assert [trajectory.observation[:, 0].tolist() for trajectory in memory.take()] == [[0], [0, 1, 2]]
    memory.add(step_of(3, (0, True), (1, False)))  # environment 0's episode began under the policy before
    memory.add(step_of(4, (0, False), (1, True)))
    assert not memory.complete
    memory.add(step_of(5, (0, True), (1, False)))
    assert [trajectory.observation[:, 0].tolist() for trajectory in memory.take()] == [[4, 5], [3, 4]]


@pytest.mark.parametrize(("episodes", "num_envs", "expected"), [(1, 1, 1), (3, 1, 3), (1, 4, 4), (8, 4, 8), (9, 4, 12)])
def test_every_environment_plays_its_share(episodes: int, num_envs: int, expected: int) -> None:
    environments = make_environments(Countdown, num_envs)
    environments.reset(0)
    memory = Trajectories(num_envs, episodes)
    while not memory.complete:
        memory.add(environments.step(action_of(environments.observation)))
    assert len(memory.take()) == expected


@pytest.mark.parametrize("kind", ["bare", "sync-next"])
def test_half_a_collection_survives(kind: str) -> None:
    """The state after every step, put into a new memory, gives what the old one gives."""

    def play(restore: bool) -> tuple[list, list]:
        environments = KINDS[kind]()
        environments.reset(0)
        make = lambda: (Rollout(4, 3, environments.observation_space, environments.action_space), Trajectories(3, 5))
        memories, taken = make(), ([], [])
        for _ in range(40):
            transition = environments.step(action_of(environments.observation))
            for memory in memories:
                memory.add(transition)
            if restore:
                states = [memory.state_dict() for memory in memories]
                memories = make()
                for memory, state in zip(memories, states, strict=True):
                    memory.load_state_dict(state)
            rollout, trajectories = memories
            if rollout.full:
                taken[0].append([field.tolist() for field in rollout.take()])
            if trajectories.complete:
                taken[1].append([[np.asarray(field).tolist() for field in each] for each in trajectories.take()])
        return taken

    expected, found = play(restore=False), play(restore=True)
    assert len(expected[0]) >= 7
    assert len(expected[1]) >= 2
    assert found == expected


def test_spread() -> None:
    valid = np.array([[True, False, True], [False, True, True]])
    assert spread(np.array([1, 2, 3, 4]), valid).tolist() == [[1, 0, 2], [0, 3, 4]]
    np.testing.assert_array_equal(spread(np.array([1, 2, 3, 4]), valid)[valid], [1, 2, 3, 4])
    with pytest.raises(TypeError, match="1-dimension"):
        spread(np.zeros((4, 1)), valid)
