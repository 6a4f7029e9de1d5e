"""Recordings: greedy episodes as a moving picture, an animated WebP, which every browser shows.

Works for any environment that renders "rgb_array", and for pictures stacked to observations (Atari): there it shows
what the agent sees. The episodes are those that `evaluate` plays with the same seed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import gymnasium as gym
import numpy as np

from envs import Transition, UsageError
from envs.making import check_options, is_made, make_by_id

from ..core.evaluation import EVALUATION_SEED

if TYPE_CHECKING:
    from PIL.Image import Image

    from ..core.agent import Agent

# Pillow wants all frames at once, a third of a megabyte each at this size.
LONGEST_SIDE = 320  # pixels
MOST_FRAMES = 2_000
CAPTION_HEIGHT = 20
LAST_FRAME_SECONDS = 1.0
STACKED_FPS = 15  # Atari shows 60 frames a second, and an agent every fourth


class Frame(NamedTuple):
    image: Image
    episode: int  # from 1
    total_reward: float  # so far
    ended: bool


@dataclass(frozen=True)
class Recording:
    """Where it is, the return of every whole episode in it, and its number of frames."""

    path: Path
    returns: np.ndarray
    frames: int


class Film:
    """The frames of one episode after the other."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self._episode = self._step = 0
        self._total_reward = 0.0

    def first(self, picture: np.ndarray) -> None:
        """What a new episode begins with."""
        self._episode, self._step, self._total_reward = self._episode + 1, 0, 0.0
        self._add(picture, ended=False)

    def next(self, picture: np.ndarray, reward: float, ended: bool) -> None:
        self._step += 1
        self._total_reward += reward
        self._add(picture, ended)

    def see(self, transition: Transition, ended: bool) -> None:
        """Takes what the agent sees for a picture: the newest of the frames that an observation is stacked from."""
        for observation, reward, after in zip(
            transition.observation, transition.reward, transition.next_observation, strict=True
        ):
            if not self.frames or self.frames[-1].ended:
                self.first(observation[-1])
            self.next(after[-1], float(reward), ended)

    def _add(self, picture: np.ndarray, ended: bool) -> None:
        caption = f"episode {self._episode}   step {self._step}   return {self._total_reward:g}"
        self.frames.append(Frame(captioned(picture, caption), self._episode, self._total_reward, ended))


class Camera(gym.Wrapper):
    """Takes a picture after every reset and every step."""

    def __init__(self, env: gym.Env, film: Film) -> None:
        super().__init__(env)
        self.film = film

    def reset(self, **keywords: Any) -> tuple[Any, dict[str, Any]]:
        result = self.env.reset(**keywords)
        self.film.first(self._picture())
        return result

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        result = self.env.step(action)
        self.film.next(self._picture(), float(result[1]), bool(result[2] or result[3]))
        return result

    def _picture(self) -> np.ndarray:
        try:
            picture: Any = self.env.render()
        except gym.error.DependencyNotInstalled as problem:
            raise UsageError(f"rendering needs a package that is not installed: {problem}") from problem
        return np.asarray(picture)


def captioned(picture: np.ndarray, caption: str) -> Image:
    """`picture`, (height, width, 3) or grey (height, width) uint8, shrunk if it is large and enlarged if it is tiny,
    with a line of text under it."""
    from PIL import Image, ImageDraw

    image = Image.fromarray(picture)
    image.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    times = LONGEST_SIDE // max(image.size)
    image = image.resize((times * image.width, times * image.height), Image.Resampling.NEAREST)
    framed = Image.new("RGB", (image.width, image.height + CAPTION_HEIGHT), "lightgrey")
    framed.paste(image)
    ImageDraw.Draw(framed).text((4, image.height + 3), caption, fill="black")
    return framed


def record(agent: Agent, output: str | Path, episodes: int = 1, seed: int = EVALUATION_SEED) -> Recording:
    """Plays `episodes` greedy episodes and writes them to `output`, a name that ends in .webp. Stops in the middle
    of an episode when there are too many frames."""
    path = Path(output)
    if path.suffix.lower() != ".webp":
        raise UsageError(f"a recording is an animated WebP; {path} must end in .webp")
    if episodes < 1:
        raise UsageError(f"episodes must be at least 1, got {episodes}")
    film = Film()
    env: Any = with_pictures(agent)
    rendered = env.render_mode == "rgb_array"
    environments = agent.make_environments(lambda: Camera(env, film) if rendered else env)
    try:
        environments.reset(seed)
        finished = 0
        while finished < episodes and len(film.frames) < MOST_FRAMES:
            transition = environments.step(agent.predict_batch(environments.observation))
            if not rendered:
                film.see(transition, ended=bool(environments.finished))
            finished += len(environments.finished)
    finally:
        environments.close()
    # The environment starts its next episode as soon as one has ended.
    frames = [frame for frame in film.frames if frame.episode <= episodes]
    frame_time = 1000 / (env.metadata.get("render_fps", 30) if rendered else STACKED_FPS)
    path.parent.mkdir(parents=True, exist_ok=True)
    frames[0].image.save(
        path,
        save_all=True,
        append_images=[frame.image for frame in frames[1:]],
        duration=[round(frame_time + 1000 * LAST_FRAME_SECONDS * frame.ended) for frame in frames],
        loop=0,  # for ever
        lossless=True,  # rendered pictures are flat: so they are sharp, written fast, and not much larger
        method=0,
    )
    returns = np.array([frame.total_reward for frame in frames if frame.ended])
    return Recording(path, returns, len(frames))


def with_pictures(agent: Agent) -> gym.Env | gym.vector.VectorEnv:
    """Its environment, rendered or with pictures for observations; an error if it has none."""
    name = agent.environments.name
    if is_made(agent.env):
        raise UsageError(
            f"{name} is an instance, and nobody can make another one that renders; load the agent with what makes it: "
            f"load(path, env=...), an id, a class or a function"
        )
    make = partial(make_by_id, agent.env) if isinstance(agent.env, str) else agent.env
    plain = make(**agent.env_options)
    if getattr(plain, "render_mode", None) == "rgb_array":
        return plain
    modes = plain.metadata.get("render_modes", [])
    if "rgb_array" not in modes and sees_pictures(agent):
        return plain
    plain.close()
    if "rgb_array" not in modes:
        has = f"it has {', '.join(modes)}" if modes else "it has none"
        raise UsageError(f"{name} can't be recorded: that takes the render mode rgb_array, and {has}")
    options = {**agent.env_options, "render_mode": "rgb_array"}
    try:
        check_options(name, make, options)
    except UsageError as problem:
        raise UsageError(
            f"{name} can't be recorded: what makes it takes no render_mode; add that parameter, or make it with "
            f'render_mode="rgb_array"'
        ) from problem
    return make(**options)


def sees_pictures(agent: Agent) -> bool:
    """Whether what its observations are stacked from is a picture, grey or coloured."""
    space = agent.observation_space
    frame = space.shape[1:]
    is_picture = space.dtype == np.uint8 and (len(frame) == 2 or (len(frame) == 3 and frame[-1] == 3))
    return agent.environments.stacked_frames > 1 and is_picture
