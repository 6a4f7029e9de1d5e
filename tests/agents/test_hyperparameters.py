"""Hyper-parameters refuse what can't be right, with the limits stated once, in the field's type."""

from __future__ import annotations

from fnmatch import fnmatchcase

import gymnasium as gym
import numpy as np
import pytest

from agents import DQN, PPO, Agent, DoubleDQN, NoisyDQN, QLearning, Rainbow
from agents.core.schedules import linear
from agents.presets import Preset, all_presets, preset_for, presets_of
from agents.registry import AGENTS, agent_class
from agents.runs.tables import read_table
from agents.tabular.parts.table import move_estimate
from agents.value.dqn import DQNHyperparameters
from envs import UsageError


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("learning_rate", -1e-3, "learning_rate must be above 0, got -0.001"),
        ("learning_rate", 0, "learning_rate must be above 0, got 0"),
        ("learning_rate", float("nan"), "learning_rate must be above 0, got nan"),
        ("learning_rate", "fast", "learning_rate must be a number, got 'fast'"),
        ("gamma", 1.5, "gamma must be between 0 and 1, got 1.5"),
        ("batch_size", 0, "batch_size must be at least 1, got 0"),
        ("batch_size", 2.5, "batch_size must be a whole number, got 2.5"),
        ("batch_size", True, "batch_size must be a whole number, got True"),
        ("hidden", (64, 0), "every number in hidden must be at least 1, got 0"),
        ("hidden", 64, r"hidden must be a tuple, such as \(64, 64\), got 64"),
        ("dueling", "yes", "dueling must be True or False, got 'yes'"),
        ("noisy", 1, "noisy must be True or False, got 1"),
        ("value_min", float("nan"), "value_min must be finite, got nan"),
        ("value_max", float("inf"), "value_max must be finite, got inf"),
        ("value_max", "high", "value_max must be a number, got 'high'"),
        ("loss", "hubris", "loss must be one of huber, mse, got 'hubris'"),
    ],
)
def test_refused(name: str, value, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        DQNHyperparameters.of({"head": "categorical", name: value} if name.startswith("value") else {name: value})


def test_plain_values_come_back() -> None:
    h = DQNHyperparameters.of({"hidden": (32, 16), "loss": "mse"})
    assert DQNHyperparameters.of({**h.plain(), "hidden": [32, 16]}) == h
    assert DQNHyperparameters.of({**h.plain(), "hidden": np.array([32, 16])}).plain() == h.plain()


def test_presets_fit_their_algorithms() -> None:
    for (algorithm, _), preset in all_presets().items():
        AGENTS[algorithm].Hyperparameters.of({}, preset.hyperparameters)


def test_no_preset_hides_behind_one_for_a_larger_family() -> None:
    """Of several that fit the first counts, so "MinAtar/Asterix-*" has to stand before "MinAtar/*"."""
    seen: list[tuple[str, str]] = []
    for algorithm, pattern in all_presets():
        hidden_by = [before for name, before in seen if name == algorithm and fnmatchcase(pattern, before)]
        assert not hidden_by, f"{algorithm}: {pattern} is never reached, behind {hidden_by}"
        seen.append((algorithm, pattern))
    assert preset_for(Rainbow, "MinAtar/Asterix-v1") != preset_for(Rainbow, "MinAtar/Breakout-v1")


def test_a_variant_takes_its_parents_preset() -> None:
    parents = all_presets()["dqn", "CartPole-v1"]
    assert preset_for(DoubleDQN, "CartPole-v1").steps == parents.steps
    assert preset_for(DoubleDQN, "CartPole-v1").hyperparameters == {**parents.hyperparameters, "next_action": "online"}
    assert preset_for(DoubleDQN, "Nowhere-v0").hyperparameters == {"next_action": "online"}


def test_what_makes_a_variant_wins_over_its_parents_preset(monkeypatch) -> None:
    """Noisy DQN doesn't explore by ε, whatever DQN's preset says; a preset of its own may say so."""
    monkeypatch.setitem(presets_of("value"), ("dqn", "X-v0"), Preset(5, 1, {"epsilon_end": 0.1, "gamma": 0.5}))
    assert preset_for(NoisyDQN, "X-v0").hyperparameters == {**NoisyDQN.components, "gamma": 0.5}
    monkeypatch.setitem(presets_of("value"), ("noisy-dqn", "X-v0"), Preset(7, 1, {"epsilon_end": 0.2}))
    assert preset_for(NoisyDQN, "X-v0") == Preset(7, 1, {**NoisyDQN.components, "epsilon_end": 0.2})


def test_a_family_of_environments_shares_a_preset() -> None:
    for game in ("Asterix", "Breakout", "Freeway", "Seaquest", "SpaceInvaders"):
        assert preset_for(DoubleDQN, f"MinAtar/{game}-v1").hyperparameters["hidden"] == (128,)
    assert preset_for(DQN, "ALE/Pong-v5").hyperparameters["hidden"] == (512,)
    assert preset_for(DQN, "ALE/Pong-v4").hyperparameters == {}
    assert preset_for(DQN, lambda: None).hyperparameters == {}


def test_every_hyperparameter_is_documented(agent_type: type[Agent]) -> None:
    """Its docstring is the command line's help."""
    import dataclasses
    import inspect

    components = getattr(agent_type.Hyperparameters, "all_options", lambda: ())()
    kinds = {*agent_type.Hyperparameters.__mro__, *(kind for _, own in components for kind in own.__mro__)}
    for kind in kinds:
        if dataclasses.is_dataclass(kind) and not kind.__module__.startswith("agents.core."):
            lines = inspect.getsource(kind).splitlines()
            for name, hint in kind.__annotations__.items():
                if hint.startswith("ClassVar"):
                    continue
                at = next(i for i, line in enumerate(lines) if line.strip().startswith(f"{name}:"))
                assert lines[at + 1].strip().startswith('"""'), f"{kind.__name__}.{name}"


def test_linear() -> None:
    assert linear(1.0, 0.1, 0.5, 0.0) == 1.0
    assert linear(1.0, 0.1, 0.5, 0.25) == pytest.approx(0.55)
    assert linear(1.0, 0.1, 0.5, 0.5) == linear(1.0, 0.1, 0.5, 1.0) == 0.1
    assert linear(1.0, 0.1, 0.0, 0.0) == 0.1


def test_schedules_end_where_training_does() -> None:
    """Three environments take 102 steps when 100 are wanted. A step size that falls to 0 must not fall below."""
    rates = []
    agent = DQN("minigrad/ProbeBoth-v0", num_envs=3, learning_starts=0, anneal_learning_rate=True)
    step = agent.optimizer.step
    agent.optimizer.step = lambda: (rates.append(agent.optimizer.param_groups[0]["lr"]), step())  # type: ignore
    assert agent.learn(100).steps == 102
    assert agent.progress == 1
    assert rates[-1] == 0 < rates[-4]
    learner = QLearning("minigrad/GridWorld-v0", num_envs=3, step_size="linear").learn(100)
    before = learner.table.value.copy()
    move_estimate(learner, (0, 0), 5.0)
    np.testing.assert_array_equal(learner.table.value, before)


def test_unknown_algorithm() -> None:
    with pytest.raises(UsageError, match="unknown algorithm 'dqm'; did you mean dqn"):
        agent_class("dqm")
    with pytest.raises(UsageError, match=r"known: .*\bdqn\b"):
        agent_class("xyz")


def test_a_preset_for_an_environment_that_is_given_as_an_object() -> None:
    for env in (gym.make("CartPole-v1"), gym.make_vec("CartPole-v1", num_envs=2)):
        assert preset_for(DQN, env) == preset_for(DQN, "CartPole-v1")
        env.close()


def test_a_vector_environment_brings_its_own_number() -> None:
    """Whatever the preset says: PPO's for CartPole is 8."""
    env = gym.make_vec("CartPole-v1", num_envs=3)
    assert preset_for(PPO, "CartPole-v1").num_envs == 8
    assert PPO(env).num_envs == 3


def test_what_falls_by_plan_is_in_the_metrics(tmp_path) -> None:
    settings = dict(num_envs=1, rollout_steps=16, learning_rate=0.01)
    PPO("CartPole-v1", anneal_learning_rate=True, anneal_clip=True, **settings).learn(320, run=tmp_path / "falls")
    falls = read_table(tmp_path / "falls" / "metrics.csv")
    done = 1 - np.array(falls["step"], float) / 320
    np.testing.assert_allclose(np.array(falls["learning_rate"], float), 0.01 * done)
    np.testing.assert_allclose(np.array(falls["clip"], float), 0.2 * done)
    PPO("CartPole-v1", anneal_learning_rate=False, **settings).learn(320, run=tmp_path / "stays")
    assert "learning_rate" not in read_table(tmp_path / "stays" / "metrics.csv")


def test_a_replay_smaller_than_a_batch_is_refused() -> None:
    with pytest.raises(UsageError, match="replay_size must be at least batch_size, which is 128, got 10"):
        DQN("CartPole-v1", replay_size=10, batch_size=128)
