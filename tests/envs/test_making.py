"""Environments from whatever describes them, and whether they can be made a second time."""

from __future__ import annotations

import pickle
import sys
import warnings
from functools import partial

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.classic_control import CartPoleEnv

from agents import DQN, QLearning, evaluate
from envs import Environments, UsageError, make_environments
from envs.making import import_module_of, make_by_id, parse_option
from tests.envs.odd import Half, Odd

MODULE = """
import gymnasium as gym
import {helper}
from tests.envs.odd import Odd

gym.register("{name}/Mine-v0", entry_point="{helper}:Mine")
gym.register("{name}/Mine-v3", entry_point="{helper}:Mine")
"""
HELPER = """
from tests.envs.odd import Odd

class Mine(Odd):
    def __init__(self, length=5, render_mode=None):
        super().__init__(length=length)
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A module's name; it registers environments, and lies in the working folder."""
    name, helper = f"module_{tmp_path.name}", f"helper_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(MODULE.format(name=name, helper=helper))
    (tmp_path / f"{helper}.py").write_text(HELPER)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    yield name
    for loaded in (name, helper):
        sys.modules.pop(loaded, None)
    for env_id in [env_id for env_id in gym.registry if env_id.startswith(name)]:
        del gym.registry[env_id]


def length_of(environments: Environments) -> int:
    """The steps of an episode."""
    environments.reset(0)
    while not environments.finished:
        environments.step(np.zeros(environments.num_envs, int))
    return environments.finished[0].length


# -- ids


def test_an_id_without_a_version_is_the_newest() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert make_environments("CartPole").name == "CartPole-v1"


def test_a_module_of_the_working_folder(module) -> None:
    path = list(sys.path)
    with pytest.raises(
        UsageError, match=rf"^{module}:{module}/Mine-v0: there is no module '{module}' on Python's path"
    ):
        make_environments(f"{module}:{module}/Mine-v0")
    import_module_of(f"{module}:{module}/Mine-v0", in_working_folder=True)
    assert sys.path == path
    assert length_of(make_environments(f"{module}:{module}/Mine-v0", 2)) == 5
    assert make_environments(f"{module}:{module}/Mine").name == f"{module}/Mine-v3"


def test_a_missing_module_is_named(module, tmp_path) -> None:
    with pytest.raises(UsageError, match=r"^nomod:My-v0: there is no module 'nomod' in .* or installed$") as raised:
        import_module_of("nomod:My-v0", in_working_folder=True)
    assert str(tmp_path) in str(raised.value)
    (tmp_path / f"{module}.py").write_text("import nomod")
    with pytest.raises(UsageError, match=f"{module} needs the module 'nomod', which is not installed"):
        import_module_of(f"{module}:My-v0", in_working_folder=True)


def test_a_module_without_that_id(module) -> None:
    import_module_of(f"{module}:{module}/Mime-v0", in_working_folder=True)
    with pytest.raises(UsageError, match=rf"^{module} is there, but registers no .*did you mean {module}/Mine-v0"):
        make_environments(f"{module}:{module}/Mime-v0")


# -- options


def test_options_reach_the_environment() -> None:
    slippery, firm = (make_environments("FrozenLake-v1", 1, {"is_slippery": value}) for value in (True, False))
    assert slippery.model().probability[0].max() < 0.7
    assert firm.model().probability[0].max() == 1.0
    assert length_of(make_environments("CartPole-v1", 1, {"max_episode_steps": 3})) == 3
    assert length_of(make_environments(Odd, 2, {"length": 7})) == 7
    assert length_of(make_environments(lambda length: Odd(length=length), 2, {"length": 7})) == 7
    assert length_of(make_environments(Odd, 1, {"length": 7}).another()) == 7


@pytest.mark.parametrize(
    ("env", "options", "message"),
    [
        ("FrozenLake-v1", {"slippery": 1}, "FrozenLake-v1 has no option 'slippery'; did you mean is_slippery"),
        ("FrozenLake-v1", {"x": 1}, "FrozenLake-v1 has no option 'x'; it has desc, map_name, is_slippery"),
        (Odd, {"size": 1}, "Odd has no option 'size'; it has space, actions"),
        (Half, {}, "Half: missing a required argument: 'env'; give it in env_options, or give a function"),
        (Odd(), {"length": 1}, "Odd is made already, so it takes no options"),
        (Odd, {"length": Odd}, "options are kept in the run's config.json"),
    ],
)
def test_options_that_are_not_there(env, options, message) -> None:
    with pytest.raises(UsageError, match=message):
        make_environments(env, 1, options)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("x=False", False),
        ("x=false", False),
        ("x=true", True),
        ("x=none", None),
        ("x=-1.5", -1.5),
        ("x=1e3", 1000.0),
        ("x=[1, 2]", [1, 2]),
        ("x='8'", "8"),
        ("x=8x8", "8x8"),
        ("x=a=b", "a=b"),
        ("x=", ""),
        ("x=import os", "import os"),
    ],
)
def test_an_option_as_it_is_typed(text, value) -> None:
    assert parse_option(text) == ("x", value)


def test_a_name_may_be_typed_with_dashes() -> None:
    assert parse_option("is-slippery=False") == ("is_slippery", False)
    for wrong in ("is_slippery", "=3", "a b=3"):
        with pytest.raises(UsageError, match=f"NAME=VALUE, such as is_slippery=False, got '{wrong}'"):
            parse_option(wrong)


def test_an_agents_options_come_back_with_it(tmp_path) -> None:
    options = {"is_slippery": False, "map_name": "8x8"}
    agent = QLearning("FrozenLake-v1", env_options={**options, "max_episode_steps": np.int64(9)}, num_envs=2)
    assert agent.config()["env_options"] == {**options, "max_episode_steps": 9}
    assert evaluate(agent, episodes=3).lengths.max() == 9
    agent.save(tmp_path / "agent")
    for loaded in (QLearning.load(tmp_path / "agent"), QLearning.load(tmp_path / "agent", "FrozenLake-v1")):
        assert loaded.env_options == agent.env_options
        assert loaded.observation_space.n == 64
        assert evaluate(loaded, episodes=3).lengths.max() == 9
    made = QLearning.load(tmp_path / "agent", gym.make("FrozenLake-v1", map_name="8x8"))
    assert made.env_options == {}


# -- a second time


def again(env) -> str | None:
    return make_environments(env).why_not_again


def test_what_can_be_made_again() -> None:
    for env in (
        "CartPole-v1",
        Odd,
        lambda: Odd(),
        partial(Odd, length=3),
        gym.make("CartPole-v1"),
        gym.wrappers.TimeLimit(gym.make("CartPole-v1"), 3),
        gym.make_vec("CartPole-v1", 2),
        lambda: gym.make_vec("CartPole-v1", 2),
    ):
        environments = make_environments(env)
        assert environments.can_be_made_again
        assert environments.another().observation_space == environments.observation_space


def test_what_can_not() -> None:
    assert "RecordConstructorArgs" in str(again(Half(gym.make("CartPole-v1"))))
    assert again(Odd()) == "it is an instance, and nothing says how it was made"
    one = gym.make("CartPole-v1")
    for same in (lambda: one, lambda: gym.wrappers.TimeLimit(one, 9)):
        assert again(same) == "the function that makes it returns the same environment each time"
    once = [Odd()]
    assert "IndexError" in str(again(lambda: once.pop()))


def test_one_that_is_another_when_it_is_made_again() -> None:
    """A wrapper that says how it was made, but forgets an argument."""

    class Narrow(gym.ObservationWrapper, gym.utils.RecordConstructorArgs):
        def __init__(self, env: gym.Env, n: int = 4) -> None:
            gym.utils.RecordConstructorArgs.__init__(self)
            super().__init__(env)
            self.observation_space = gym.spaces.Box(-1, 1, (n,))

        def observation(self, observation):
            return np.zeros(self.observation_space.shape, np.float32)

    sys.modules[__name__].Narrow = Narrow  # where its spec looks for it
    reason = again(Narrow(gym.make("CartPole-v1"), 2))
    assert reason is not None
    assert "its observation_space is Box(-1.0, 1.0, (4,), float32), and not Box(-1.0, 1.0, (2,), float32)" in reason


def test_the_trial_leaves_the_environment_alone() -> None:
    closed: list[Odd] = []

    class Closing(Odd):
        def close(self) -> None:
            closed.append(self)

    env = Closing()
    assert not make_environments(lambda: env).can_be_made_again
    assert closed == []
    made: list[Odd] = []
    environments = make_environments(lambda: made.append(Closing()) or made[-1])
    assert environments.can_be_made_again
    assert environments.can_be_made_again
    assert len(made) == 2  # one trial
    assert closed == [made[1]]


@pytest.mark.parametrize("make", [lambda: Half(gym.make("CartPole-v1")), Odd], ids=["wrapped", "own"])
def test_an_instance_that_cannot_be_made_again_trains_and_says_so(make, tmp_path) -> None:
    with pytest.warns(UserWarning, match=r"can't be made a second time \(.*\), so it trains without evaluations"):
        agent = DQN(make(), learning_starts=20, batch_size=8)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        agent.learn(300, run=tmp_path / "run")
    assert not [each for each in caught if "made a second time" in str(each.message) and "evaluat" in str(each.message)]
    assert (tmp_path / "run" / "checkpoints").is_dir()
    assert not (tmp_path / "run" / "evaluations.csv").exists()


def test_one_that_can_says_nothing(recwarn) -> None:
    DQN(gym.make("CartPole-v1"))
    DQN(Odd)
    assert len(recwarn) == 0


def test_copies_must_be_separate_and_alike() -> None:
    one = Odd()
    with pytest.raises(UsageError, match="Odd: the function returns the same environment each time"):
        make_environments(lambda: one, 2)
    lengths = iter([2, 3])
    unlike = lambda: Odd(gym.spaces.Box(-1, 1, (next(lengths),)))
    with pytest.raises(UsageError, match=r"Odd: environments side by side must be alike, .*\(3,\).*\(2,\)"):
        make_environments(unlike, 2)


def test_what_is_no_environment() -> None:
    class Duck:
        def reset(self): ...

        def step(self, action): ...

    with pytest.raises(UsageError, match=r"it returned .*Duck.*; derive its class from gymnasium\.Env"):
        make_environments(Duck)


def test_environments_can_be_pickled() -> None:
    for env in ("CartPole-v1", CartPoleEnv, partial(make_by_id, "CartPole-v1"), gym.make("CartPole-v1")):
        original = make_environments(env, 2)
        original.reset(3)
        copy = pickle.loads(pickle.dumps(original))
        for _ in range(30):
            for mine, other in zip(original.step(np.array([0, 1])), copy.step(np.array([0, 1])), strict=True):
                np.testing.assert_array_equal(mine, other)
        assert copy.another().name == original.name


def test_an_agent_goes_on_from_a_pickled_copy() -> None:
    agent = DQN("CartPole-v1", learning_starts=50, batch_size=8).learn(100)
    copy = pickle.loads(pickle.dumps(agent))
    for each in (agent, copy):
        each.learn(100)
    np.testing.assert_array_equal(agent.environments.observation, copy.environments.observation)
    for mine, other in zip(agent.network.parameters(), copy.network.parameters(), strict=True):
        np.testing.assert_array_equal(mine.detach().numpy(), other.detach().numpy())
