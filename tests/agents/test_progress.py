"""What is shown while an agent trains."""

from __future__ import annotations

from agents import DQN
from agents.runs import progress
from agents.runs.progress import Progress


def test_the_figures_are_beside_the_return_and_stay_until_there_are_newer_ones(capsys) -> None:
    shown = Progress("ppo CartPole-v1", 0, 1_000)
    shown.episode(20.0, {"entropy": 0.5, "approx_kl": None})
    shown.episode(40.0, {"entropy": None, "approx_kl": 0.0123456})
    shown.update(500, force=True)
    shown.episode(40.0, {"entropy": 0.25, "approx_kl": None})
    shown.update(1_000, force=True)
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("ppo CartPole-v1: 500/1,000 steps · return 30.0 · ")
    assert first.endswith(" · entropy 0.5 · approx_kl 0.0123")
    assert second.endswith(" · entropy 0.25 · approx_kl 0.0123")


def test_without_figures_there_is_no_empty_place_for_them(capsys) -> None:
    shown = Progress("value-iteration", 0, 10)
    shown.update(5, force=True)
    assert capsys.readouterr().err.rstrip().endswith("left")


def test_a_training_shows_its_agents_metrics(capsys, monkeypatch) -> None:
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.0)
    DQN("CartPole-v1", learning_starts=50).learn(200, progress=True)
    last = capsys.readouterr().err.splitlines()[-1]
    for name in DQN.metric_names:
        assert f" · {name} " in last
