"""Recordings: the right episodes, every frame of them, readable by somebody else's decoder."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from PIL import Image, ImageSequence

from agents import DQN, cli, evaluate
from agents.core.evaluation import EVALUATION_SEED
from agents.runs import films as recording
from agents.runs.films import CAPTION_HEIGHT, LONGEST_SIDE, record
from envs import UsageError


class Counting(gym.Env):
    """Shows how many steps it has taken as a shade of grey; an episode has five, and the reward is 2 each.
    Every other one is cut off, not over."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 20}
    observation_space = gym.spaces.Box(-1, 1, (1,))
    action_space = gym.spaces.Discrete(2)

    def __init__(self, render_mode: str | None = None, height: int = 30, width: int = 40) -> None:
        self.render_mode, self.elapsed, self.shape = render_mode, 0, (height, width, 3)
        self.is_cut_off = True

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.elapsed, self.is_cut_off = 0, not self.is_cut_off
        return np.zeros(1, np.float32), {}

    def step(self, action):
        self.elapsed += 1
        ends = self.elapsed == 5
        return np.zeros(1, np.float32), 2.0, ends and not self.is_cut_off, ends and self.is_cut_off, {}

    def render(self):
        return np.full(self.shape, 40 * self.elapsed, np.uint8)


@pytest.fixture
def counting():
    gym.register("Counting-v0", entry_point=Counting)
    yield "Counting-v0"
    del gym.registry["Counting-v0"]


def test_every_frame_from_the_first_to_the_final_one(counting: str, tmp_path: Path) -> None:
    made = record(DQN(counting), tmp_path / "deep" / "x.webp", episodes=2)
    assert made.returns.tolist() == [10.0, 10.0]
    assert made.frames == 12
    with Image.open(made.path) as film:
        frames = [np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(film)]
        assert film.info["loop"] == 0
    assert [frame[10, 10].tolist() for frame in frames] == [[40 * i] * 3 for i in [*range(6), *range(6)]]
    assert frames[0].shape == (240 + CAPTION_HEIGHT, 320, 3)  # the tiny picture is enlarged
    captions = {frame[240:].tobytes() for frame in frames}
    assert len(captions) == 12  # each says where it is


def test_frames_last_as_long_as_the_environment_says(counting: str, tmp_path: Path) -> None:
    made = record(DQN(counting), tmp_path / "x.webp")
    durations = []
    with Image.open(made.path) as film:
        for i in range(film.n_frames):
            film.seek(i)
            film.load()
            durations.append(film.info["duration"])
    assert durations == [50] * 5 + [1050]


@pytest.mark.parametrize("env_id", ["CartPole-v1", "minigrad/Snake-v0"])
def test_the_episodes_are_those_of_an_evaluation(env_id: str, tmp_path: Path) -> None:
    agent = DQN(env_id, seed=1)
    expected = evaluate(agent, episodes=2, seed=5)
    made = record(agent, tmp_path / "x.webp", episodes=2, seed=5)
    assert made.returns.tolist() == expected.returns.tolist()
    assert made.frames == (expected.lengths + 1).sum()
    with Image.open(made.path) as film:
        assert film.n_frames == made.frames
        assert max(film.size) <= LONGEST_SIDE


@pytest.mark.parametrize(
    "make", [Counting, lambda render_mode=None: Counting(render_mode), lambda: Counting("rgb_array")]
)
def test_an_environment_of_ones_own(make, tmp_path: Path) -> None:
    """A class, and a function: it is made again, and renders."""
    assert record(DQN(make), tmp_path / "x.webp").frames == 6


def test_an_endless_episode_is_cut(counting: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(recording, "MOST_FRAMES", 4)
    made = record(DQN(counting), tmp_path / "x.webp")
    assert made.frames == 4
    assert made.returns.size == 0


def test_atari_shows_what_the_agent_sees(tmp_path: Path) -> None:
    pytest.importorskip("ale_py")
    agent = DQN("ALE/Pong-v5", replay_size=100, hidden=(8,))
    made = record(agent, tmp_path / "x.webp")
    expected = evaluate(agent, episodes=1)
    assert made.returns.tolist() == expected.returns.tolist()
    assert made.frames == expected.lengths[0] + 1
    game = agent.environments.another()
    game.reset(EVALUATION_SEED)
    pictures = [game.observation[0, -1]]
    for _ in range(20):
        pictures.append(game.step(agent.predict_batch(game.observation)).next_observation[0, -1])
    with Image.open(made.path) as film:
        assert film.n_frames == made.frames
        for frame, picture in zip(ImageSequence.Iterator(film), pictures, strict=False):
            shown = np.asarray(frame.convert("RGB"))[1:252:3, 1:252:3]  # 84 pixels three times as large
            assert (shown == picture[:, :, None]).all()


def test_each_episode_of_stacked_frames_begins_with_its_own_first_one(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setitem(gym.registry, "Stacked-v0", stacked(Shades))
    made = record(DQN("Stacked-v0", replay_size=100, hidden=(8,)), tmp_path / "x.webp", episodes=2)
    assert made.returns.tolist() == [6.0, 6.0]
    with Image.open(made.path) as film:
        shades = [frame.convert("RGB").getpixel((10, 10)) for frame in ImageSequence.Iterator(film)]
    assert shades == [(40 * i,) * 3 for i in (0, 1, 2, 3, 0, 1, 2, 3)]


def stacked(make) -> gym.envs.registration.EnvSpec:
    """Of what `make` makes, two frames an observation."""
    return gym.envs.registration.EnvSpec(
        "Stacked-v0", entry_point=lambda: gym.wrappers.FrameStackObservation(make(), 2)
    )


class Shades(gym.Env):
    """Pictures that get brighter for three steps, for its agent's eyes alone."""

    observation_space = gym.spaces.Box(0, 255, (40, 40), np.uint8)
    action_space = gym.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.elapsed = 0
        return self.picture(), {}

    def step(self, action):
        self.elapsed += 1
        return self.picture(), 2.0, self.elapsed == 3, False, {}

    def picture(self):
        return np.full((40, 40), 40 * self.elapsed, np.uint8)


def test_the_command(tmp_path: Path, capsys, monkeypatch) -> None:
    run = tmp_path / "run"
    env = "minigrad/Snake-v0"
    assert cli.main(["train", "dqn", "--env", env, "--steps", "50", "--run", str(run), "--quiet"]) == 0
    assert cli.main(["record", str(run)]) == 0
    assert f"{run}/episode.webp: " in capsys.readouterr().out
    assert Image.open(run / "episode.webp").is_animated
    other = tmp_path / "other.webp"
    assert cli.main(["record", str(run), "--best", "--episodes", "2", "--output", str(other)]) == 0
    said = capsys.readouterr().out
    assert said.count("return") == 2
    assert "cut" not in said
    assert other.exists()
    monkeypatch.setattr(recording, "MOST_FRAMES", 2)
    assert cli.main(["record", str(run)]) == 0
    assert "2 frames; cut there, after 0 of 1 episodes" in capsys.readouterr().out


def test_mistakes(tmp_path: Path, monkeypatch) -> None:
    probe = DQN("minigrad/ProbeBoth-v0")
    with pytest.raises(UsageError, match=r"ProbeBoth-v0 can't be recorded: .*rgb_array, and it has none"):
        record(probe, tmp_path / "x.webp")
    monkeypatch.setitem(gym.registry, "Stacked-v0", stacked(partial(gym.make, "minigrad/ProbeBoth-v0")))
    with pytest.raises(UsageError, match=r"Stacked-v0 can't be recorded"):
        record(DQN("Stacked-v0"), tmp_path / "x.webp")
    with pytest.raises(UsageError, match=r"x\.mp4 must end in \.webp"):
        record(probe, tmp_path / "x.mp4")
    with pytest.raises(UsageError, match="episodes must be at least 1, got 0"):
        record(probe, tmp_path / "x.webp", episodes=0)
    with pytest.raises(UsageError, match=r"CartPole-v1 is an instance, .*load\(path, env=\.\.\.\)"):
        record(DQN(gym.make("CartPole-v1")), tmp_path / "x.webp")
    with pytest.raises(UsageError, match="Counting can't be recorded: what makes it takes no render_mode"):
        record(DQN(lambda: Counting()), tmp_path / "x.webp")
    assert not list(tmp_path.iterdir())
