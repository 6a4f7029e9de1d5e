"""Components stand at the seams of an algorithm: any of them together, each with its settings, also a user's own."""

from __future__ import annotations

import copy
import itertools
import json
from dataclasses import fields
from typing import Any

import numpy as np
import pytest

import minigrad as mg
import minigrad.nn as nn
from agents import C51, DQN, DoubleDQN, NoisyDQN, Rainbow, cli
from agents.cli.train import parse_train_options
from agents.core.components import Seam
from agents.runs.saved import make_agent
from agents.value.dqn import DQNHyperparameters
from agents.value.parts.plain import ExpectedValue
from agents.value.parts.seams import LOSS, NEXT_ACTION, TARGET
from agents.value.parts.targets import Copied
from envs import UsageError
from tests.agents.conftest import assert_same_state

ENV = "minigrad/ProbeBoth-v0"
SEAMS = DQNHyperparameters.seams
EVERYTHING = [
    dict(zip([seam.name for seam in SEAMS], options, strict=True))
    for options in itertools.product(*(seam.options for seam in SEAMS))
]
SETTINGS = [
    (seam, option, field)
    for seam in SEAMS
    for option, (_, settings) in seam.options.items()
    for field in fields(settings)
]
SMALL = dict(num_envs=2, hidden=(5, 4), learning_starts=6, batch_size=4)


def pairs_of(choice: dict[str, str]) -> set[tuple]:
    return set(itertools.combinations(choice.items(), 2))


def cover_all_pairs() -> list[dict[str, str]]:
    """A few choices in which any two components of different seams stand together once."""
    left, found = set().union(*map(pairs_of, EVERYTHING)), []
    while left:
        found.append(max(EVERYTHING, key=lambda choice: len(pairs_of(choice) & left)))
        left -= pairs_of(found[-1])
    return found


def name_of(choice: dict[str, str]) -> str:
    return " ".join(f"{seam}={option}" for seam, option in choice.items())


def check_that_it_trains_and_goes_on(choice: dict[str, Any]) -> None:
    """It learns, says finite values, and one that takes over its state goes on the same."""
    agent = DQN(ENV, **SMALL, n_step=2, **choice).learn(12)
    again = make_agent(DQN, agent.config(), state=copy.deepcopy(agent.state_dict()))
    assert_same_state(agent, again)
    assert_same_state(agent.learn(8), again.learn(8))
    values = agent.action_values(np.array([[-1.0], [1.0]], np.float32))
    assert values.shape == (2, 2)
    assert np.isfinite(values).all()
    assert agent.predict(np.array([1.0])) in (0, 1)
    assert agent.metrics.updates > 0


def test_there_are_as_many_components_as_documented() -> None:
    assert {seam.name: set(seam.options) for seam in SEAMS} == {
        "head": {"expected", "categorical", "quantile"},
        "network": {"plain", "dueling", "noisy", "noisy-dueling"},
        "next_action": {"target", "online"},
        "target": {"copied", "averaged", "soft"},
        "replay": {"uniform", "prioritized"},
        "loss": {"huber", "mse"},
    }


def test_any_two_components_go_together() -> None:
    for choice in cover_all_pairs():
        check_that_it_trains_and_goes_on(choice)


@pytest.mark.slow
@pytest.mark.parametrize("choice", EVERYTHING, ids=name_of)
def test_any_components_go_together(choice: dict[str, str]) -> None:
    check_that_it_trains_and_goes_on(choice)


# -- settings


def test_a_setting_is_there_where_its_component_is() -> None:
    assert len(SETTINGS) >= 12
    for seam, option, field in SETTINGS:
        assert field.name.startswith(f"{seam.name}_")
        assert getattr(DQNHyperparameters.of({seam.name: option}), field.name) == field.default
        usual = DQNHyperparameters.of({})
        why = usual.explain_missing(field.name, usual.chosen())
        assert hasattr(usual, field.name) == (why is None) == (field.name == "target_every")
        assert why is None or why.startswith(f"{field.name} is a setting of the {seam.name} ")


def test_the_names_of_old_stay() -> None:
    """On the way in, and when they are read."""
    names = dict(
        atoms=("head", "categorical", "head_atoms", 7),
        value_min=("head", "categorical", "head_value_min", -3.0),
        value_max=("head", "categorical", "head_value_max", 3.0),
        risk_from=("head", "categorical", "head_risk_from", 0.25),
        risk_to=("head", "quantile", "head_risk_to", 0.75),
        noise_sigma=("network", "noisy", "network_sigma", 0.125),
        priority_alpha=("replay", "prioritized", "replay_alpha", 0.25),
        priority_beta=("replay", "prioritized", "replay_beta", 0.75),
        target_every=("target", "copied", "target_every", 7),
    )
    for old, (seam, option, new, value) in names.items():
        h = DQNHyperparameters.of({seam: option, old: value})
        assert getattr(h, old) == getattr(h, new) == value
        options = parse_train_options(DQN, [f"--{seam}", option, f"--{old.replace('_', '-')}", str(value)])
        assert getattr(options.hyperparameters, new) == value
    with pytest.raises(UsageError, match="head_atoms is given twice: atoms and head_atoms"):
        DQNHyperparameters.of({"head": "categorical", "atoms": 3, "head_atoms": 4})


@pytest.mark.parametrize(
    ("given", "network"),
    [
        (dict(), "plain"),
        (dict(dueling=True), "dueling"),
        (dict(noisy=True), "noisy"),
        (dict(dueling=True, noisy=True), "noisy-dueling"),
        (dict(dueling=False, noisy=True), "noisy"),
        (dict(network="noisy-dueling"), "noisy-dueling"),
    ],
)
def test_switches_of_the_network(given: dict[str, Any], network: str) -> None:
    h = DQN(ENV, **given).hyperparameters
    assert h.network == network
    assert (h.dueling, h.noisy) == ("dueling" in network, "noisy" in network)
    words = [f"--{name}" if on is True else f"--no-{name}" for name, on in given.items() if name != "network"]
    words += ["--network", network] if "network" in given else []
    assert parse_train_options(DQN, words).hyperparameters.network == network


def test_a_switch_changes_what_the_variant_is_made_of() -> None:
    assert Rainbow(ENV).hyperparameters.network == "noisy-dueling"
    assert Rainbow(ENV, noisy=False).hyperparameters.network == "dueling"
    assert Rainbow(ENV, network="plain").hyperparameters.network == "plain"
    assert parse_train_options(Rainbow, ["--no-dueling"]).hyperparameters.network == "noisy"
    with pytest.raises(UsageError, match="network already says what noisy would"):
        DQN(ENV, network="noisy", noisy=True)
    with pytest.raises(UsageError, match="noisy must be True or False, got 1"):
        DQN(ENV, noisy=1)


def test_a_setting_of_a_component_that_is_not_chosen() -> None:
    message = "target_last is a setting of the target averaged, but the target is copied; choose the target averaged"
    with pytest.raises(UsageError, match=message):
        DQN(ENV, target_last=3)
    with pytest.raises(UsageError, match=message):
        parse_train_options(DQN, ["--target-last", "3"])
    with pytest.raises(UsageError, match=r"the target copied or averaged, but the target is soft"):
        DQN(ENV, target="soft", target_every=3)
    with pytest.raises(UsageError, match=r"head_atoms .* the head is expected"):
        DQN(ENV, atoms=3)


def test_a_presets_setting_of_a_component_that_is_not_chosen_is_left_out() -> None:
    """DQN's for CartPole has the bounds of returns, for the categorical head, and when to copy the target."""
    assert C51("CartPole-v1").hyperparameters.value_max == 50.0
    assert "head_value_max" not in DQN("CartPole-v1").hyperparameters.plain()
    h = DQN("CartPole-v1", target="soft").hyperparameters
    assert "target_every" not in h.plain()
    assert h.target_rate == 0.005
    with pytest.raises(UsageError, match="no hyper-parameter is called 'value_mix'"):
        DQNHyperparameters.of({}, {"value_mix": 1})


def test_a_config_of_before_there_were_components() -> None:
    """It has every setting there was, also of what was not chosen."""
    config = DQN(ENV, target_every=7).config()
    old = dict(dueling=False, noisy=True, noise_sigma=0.1, atoms=51, value_min=-10.0, risk_to=1.0, priority_alpha=0.5)
    before = {name: value for name, value in config["hyperparameters"].items() if name != "network"}
    h = make_agent(DQN, {**config, "hyperparameters": {**before, **old}}).hyperparameters
    assert (h.network, h.noise_sigma, h.target_every, h.head) == ("noisy", 0.1, 7, "expected")


# -- on the command line


def test_every_component_and_setting_is_an_option() -> None:
    for seam, option, field in SETTINGS:
        value = field.default // 2 + 1 if isinstance(field.default, int) else field.default / 2 + 0.125
        words = [f"--{seam.name.replace('_', '-')}={option}", f"--{field.name.replace('_', '-')}", str(value)]
        h = parse_train_options(DQN, words).hyperparameters
        assert getattr(h, seam.name) == option
        assert getattr(h, field.name) == value != field.default


@pytest.mark.parametrize("target", TARGET.options)
def test_help_shows_the_settings_of_what_is_chosen(target: str, capsys) -> None:
    with pytest.raises(SystemExit):
        cli.main(["train", "dqn", "--target", target, "--help"])
    said = capsys.readouterr().out
    assert "--target {copied,soft,averaged}" in said
    assert f"(default: {target})" in " ".join(said.split())
    mine = {field.name for field in fields(TARGET.options[target].settings)}
    for _, _, field in SETTINGS:
        if field.name.startswith("target_"):
            assert (f"--{field.name.replace('_', '-')} " in said) == (field.name in mine)


def test_an_unknown_component(capsys) -> None:
    assert cli.main(["train", "dqn", "--target", "avaraged"]) == 2
    assert "invalid choice 'avaraged'" in capsys.readouterr().err
    with pytest.raises(UsageError, match="target must be one of copied, soft, averaged, got 'avaraged'"):
        DQN(ENV, target="avaraged")


# -- a user's own


class Frozen(Copied):
    """A target that is never renewed."""

    def __init__(self) -> None:
        nn.Module.__init__(self)

    def follow(self, network: nn.Module, step: int) -> None:
        pass


class Doubled(ExpectedValue):
    """A head that believes twice what the network says."""

    def values(self, output: mg.Tensor) -> mg.Tensor:
        return output * 2


class Newest:
    """An order that always draws the newest row."""

    wants_errors = False

    def draw(self, batch_size, ring, progress):
        return np.full(batch_size, (ring.total - 1) % ring.capacity), None

    def added(self, rows):
        pass

    removed = added

    def feedback(self, rows, error):
        pass

    def state_dict(self):
        return {}

    def load_state_dict(self, state):
        pass


def first_action(head, network, target_output, next_observation):
    return np.zeros(len(next_observation), np.int64)


def absolute_loss(prediction, target, reduction="mean"):
    losses = (prediction - target).abs()
    return losses.mean() if reduction == "mean" else losses


def test_own_components() -> None:
    agent = DQN(ENV, **SMALL, target=Frozen(), next_action=first_action, replay=Newest(), loss=absolute_loss)
    start = [p.array.copy() for p in agent.target_network.parameters()]
    agent.learn(40)
    for before, now in zip(start, agent.target_network.parameters(), strict=True):
        np.testing.assert_array_equal(before, now.array)
    batch = agent.replay.sample(3)
    np.testing.assert_array_equal(batch.rows, [39] * 3)
    following = agent.target_network(mg.from_numpy(batch.next_observation)).array[:, 0]
    target = agent.target(batch.map(agent.tensor))
    np.testing.assert_allclose(target.array[:, 0], batch.reward + batch.discount * following, rtol=1e-6)
    prediction, target = mg.tensor([[1.0], [5.0]]), mg.tensor([[2.0], [2.0]])
    assert agent.loss(prediction, target, None).item() == 2.0
    head = DQN(ENV, head=Doubled(absolute_loss))
    observation = np.ones((1, 1), np.float32)
    np.testing.assert_allclose(
        head.action_values(observation), 2 * head.network(mg.from_numpy(observation)).detach().array
    )


class Discounted(Copied):
    """Made of the agent, as one that enters itself under a name."""

    def __init__(self, agent: DQN) -> None:
        nn.Module.__init__(self)
        self.every = round(10 * agent.hyperparameters.gamma)


def test_a_class_is_made_of_the_agent() -> None:
    assert DQN(ENV, target=Discounted, gamma=0.7).target_network.every == 7
    with pytest.raises(UsageError, match=r"target must be .*, which has no start\(\), follow\(\)"):
        DQN(ENV, target=type("Bare", (nn.Module,), {"__init__": lambda self, agent: nn.Module.__init__(self)}))


@pytest.mark.parametrize(
    ("seam", "own", "message"),
    [
        ("target", 5, r"target must be one of copied, soft, averaged, or an object with start, .*, got 5"),
        ("replay", Frozen(), r"replay must be .*, which has no draw\(\), added\(\)"),
        ("next_action", 3, "next_action must be one of target, online, or a function, got 3"),
        ("network", 3, r"network must be one of plain, .*, or a Module, or a function \(.*\) that makes one, got 3"),
        ("loss", "hubris", "loss must be one of huber, mse, got 'hubris'"),
    ],
)
def test_what_cannot_stand_at_a_seam(seam: str, own: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        DQN(ENV, **{seam: own})


def test_a_run_with_an_own_component_names_it_and_asks_for_it(tmp_path, capsys) -> None:
    agent = DQN(ENV, **SMALL, target=Frozen(), next_action=first_action).learn(40, run=tmp_path / "run")
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["hyperparameters"]["target"] == {"own": f"{__name__}:Frozen"}
    assert config["hyperparameters"]["next_action"] == {"own": f"{__name__}:first_action"}
    message = rf"trained with a target of its user's own, {__name__}:Frozen.*load\(path, target=\.\.\.\)"
    with pytest.raises(UsageError, match=message):
        DQN.load(tmp_path / "run", next_action=first_action)
    for command in (["resume"], ["evaluate"]):
        assert cli.main([*command, str(tmp_path / "run")]) == 2
        said = capsys.readouterr().err
        assert len(said.splitlines()) == 1
        assert "of its user's own" in said
    again = DQN.load(tmp_path / "run", target=Frozen(), next_action=first_action)
    assert_same_state(agent, again)
    assert_same_state(agent.learn(20), again.learn(20))


def test_a_component_enters_itself_under_a_name() -> None:
    """As one of a user's own file does, which docs/add-an-agent.md shows."""
    try:
        LOSS.option("absolute")(absolute_loss)
        assert DQN(ENV, loss="absolute").head.loss is absolute_loss
        assert parse_train_options(DQN, ["--loss", "absolute"]).hyperparameters.loss == "absolute"
    finally:
        del LOSS.options["absolute"]
    assert not {"absolute"} & set(LOSS.options)


def test_a_seam_gives_functions_as_they_are() -> None:
    assert DoubleDQN(ENV).next_action is NEXT_ACTION.options["online"].component
    seam = Seam("x")
    seam.option("made")(lambda agent: ("made of", agent))
    agent = type("Agent", (), {"hyperparameters": type("H", (), {"x": "made"})})
    assert seam.make(agent) == ("made of", agent)


# -- noise is that of the network in use


def count_drawn(network: nn.Module) -> int:
    return sum(hasattr(part, "noise") and part.noise.at_input is not None for part in network.modules())


@pytest.mark.parametrize("used", [False, True])
def test_noise_is_drawn_in_networks_that_were_replaced(used: bool) -> None:
    """Before anybody used the first ones, as by a subclass's `build`, or later."""
    agent = NoisyDQN(ENV, learning_starts=10)
    if used:
        agent.learn(20)
    target = Discounted(agent)
    target.start(agent.network, agent.make_network)
    agent.network, agent.target_network = agent.make_network(), target
    agent.learn(20)
    assert count_drawn(agent.network) == count_drawn(agent.target_network) == 2


def test_noise_is_drawn_in_every_network_of_an_averaged_target() -> None:
    agent = NoisyDQN(ENV, target="averaged", target_last=3, learning_starts=10).learn(20)
    assert len(agent.target_noise.layers) == 3 * 2
    drawn = [layer.noise.at_output.array.tobytes() for layer in agent.target_noise.layers]
    assert len(set(drawn)) == 6
