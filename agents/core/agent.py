"""What every agent is: something that acts, observes transitions and learns from them.

An algorithm defines its hyper-parameters, `build` (networks, optimizer, memory) and the contract that the
training loop (training.py) drives:

    act(observation)         an action for every environment
    observe(transition)      keep it: in a replay, or in a rollout
    update(new_steps)        learn, if there is enough to learn from

and `choose(observation, rng)`, its policy. Everything whose state must survive a crash is named in `parts`.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, ClassVar, Self

import gymnasium as gym
import numpy as np
from gymnasium import spaces

import minigrad as mg
from envs import Environments, Transition, UsageError, make_environments

from ..networks.own import match_own_networks, name_of
from ..presets import preset_for
from ..runs.checkpoint import Checkpoints, read
from ..runs.progress import Progress
from ..runs.run import Run
from .hyperparameters import Hyperparameters
from .metrics import Means
from .randomness import RandomTree
from .training import train


class Agent:
    """`DQN("CartPole-v1", seed=0).learn(50_000)`; then `predict`, `evaluate(agent)`, `save`.

    env                 an id, an environment, a vector environment, or a function that makes one
    seed                everything random follows from it
    num_envs            environments side by side
    device              where its networks are: "cpu", or "cuda" for large ones (docs/gpu.md)
    hyperparameters     as keywords; what is left out comes from the environment's preset (agents/presets.py)
    """

    name: ClassVar[str]
    Hyperparameters: ClassVar[type[Hyperparameters]]
    # The spaces it can learn in; `()` is any.
    observation_spaces: ClassVar[tuple[type[gym.Space], ...]] = ()
    action_spaces: ClassVar[tuple[type[gym.Space], ...]] = (spaces.Discrete,)
    metric_names: ClassVar[tuple[str, ...]] = ()
    # The networks that a user may give, as keywords: Modules, or functions of the observation and the action space.
    own_networks: ClassVar[tuple[str, ...]] = ()
    # Where the command line trains it if nobody says where.
    default_env: ClassVar[str] = "CartPole-v1"
    # The hyper-parameters that tell it from the algorithms that it shares them with.
    components: ClassVar[dict[str, Any]] = {}

    def __init__(
        self,
        env: Any,
        *,
        seed: int = 0,
        num_envs: int | None = None,
        device: Any = "cpu",
        **hyperparameters: Any,
    ) -> None:
        if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
            raise UsageError(f"seed must be a whole number from 0 up, got {seed!r}")
        try:
            self.device = mg.empty(0, device=device).device
        except RuntimeError as error:  # there is none: it says what is missing
            raise UsageError(str(error)) from None
        # On the CPU a tensor shares the array's memory, at no further cost.
        self.tensor = mg.from_numpy if self.device.type == "cpu" else lambda array: mg.from_numpy(array).to(self.device)
        given = {name: hyperparameters.pop(name, None) for name in self.own_networks}
        self.own = {name: network for name, network in given.items() if network is not None}
        preset = preset_for(type(self), env)
        self.hyperparameters: Any = self.Hyperparameters.of({**preset.hyperparameters, **hyperparameters})
        self.env, self.seed = env, seed
        self.environments = self.make_environments(env, preset.num_envs if num_envs is None else num_envs)
        self.num_envs = self.environments.num_envs
        self.observation_space: Any = self.environments.observation_space
        self.action_space: Any = self.environments.action_space
        for what, space, allowed in (
            ("observations", self.observation_space, self.observation_spaces),
            ("actions", self.action_space, self.action_spaces),
        ):
            if allowed and not isinstance(space, allowed):
                needed = " or ".join(kind.__name__ for kind in allowed)
                raise UsageError(
                    f"{self.name} needs {needed} {what}, but {self.environments.name} has {space}; "
                    f"`minigrad list` shows what each algorithm takes"
                )
        self.steps = self.total_steps = 0  # environment steps, over all environments
        self.episodes = 0
        self.metrics = Means(self.metric_names)
        self.random = RandomTree(seed)
        with self.random.engine():
            self.build()
        self.environments.reset(seed)

    # -- what an algorithm defines

    def make_environments(self, env: Any, num_envs: int = 1) -> Environments:
        """The environments it acts in, to train or to be evaluated. Overridden by agents that see them through a
        wrapper of their own."""
        return make_environments(env, num_envs)

    def build(self) -> None:
        """Makes the networks, the optimizer, the memory."""
        raise NotImplementedError

    def choose(self, observation: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
        """The policy: (k, ...) observations to (k,) or (k, ...) actions. What is random in it comes from
        `rng`; without one, the best actions known."""
        raise NotImplementedError

    def act(self, observation: np.ndarray) -> np.ndarray:
        """Actions to learn from, one for each environment. Overridden by agents that must remember how they
        chose."""
        return self.choose(observation, self.random["exploration"])

    def observe(self, transition: Transition) -> None:
        raise NotImplementedError

    def update(self, new_steps: int) -> None:
        """Called after every step of the environments, when `self.steps` has grown by `new_steps`, one for
        each."""
        raise NotImplementedError

    def training(self) -> AbstractContextManager:
        """What has to be there while the agent trains: A3C's other workers."""
        return nullcontext()

    def schedules(self) -> dict[str, float]:
        """What changes over training by plan, for metrics.csv."""
        return {}

    def parts(self) -> dict[str, Any]:
        """The objects with `state_dict` and `load_state_dict` that make up the agent."""
        raise NotImplementedError

    # -- what a user calls

    def learn(self, steps: int, *, run: str | Path | None = None, progress: bool | None = None) -> Self:
        """Trains for `steps` more environment steps. `run` is a new directory for metrics and checkpoints, with greedy
        evaluations in between; `progress` defaults to whether somebody is looking (stderr is a terminal).

        What changes over training (ε, an annealed step size) ends with these steps: ten calls of a tenth are not one
        of the whole."""
        import sys

        if not isinstance(steps, int | float) or not steps >= 1 or not float(steps).is_integer():
            raise UsageError(f"steps must be a whole number and at least 1, got {steps!r}")
        self.total_steps = self.steps + int(steps)  # of 1e5, too
        opened = Run.create(run, self.config()) if run is not None else None
        show = sys.stderr.isatty() if progress is None else progress
        shown = Progress(f"{self.name} {self.environments.name}", self.steps, self.total_steps) if show else None
        try:
            train(self, opened, shown)
        finally:
            if shown is not None:
                shown.close()
            if opened is not None:
                opened.close()
        return self

    def predict(self, observation: Any, deterministic: bool = True) -> Any:
        """The action for one observation, as the environment takes it; for a batch of them, an array of
        actions."""
        observation = np.asarray(observation, self.environments.observation_dtype)
        shape = self.observation_space.shape or ()
        if observation.shape == shape:
            action = self.predict_batch(observation[None], deterministic)[0]
        elif observation.shape[1:] == shape and observation.ndim == len(shape) + 1:
            action = self.predict_batch(observation, deterministic)
        else:
            raise ValueError(
                f"predict: the observation has shape {observation.shape}, but {self.environments.name} has "
                f"{shape}; give one observation, or a batch of them with one more dimension in front"
            )
        return self.environments.for_env(action)

    def predict_batch(self, observation: np.ndarray, deterministic: bool = True) -> np.ndarray:
        """As `predict`, for (k, ...) observations, with actions counted from 0."""
        # A generator of its own: looking at an agent must not change how it goes on learning.
        return self.choose(observation, None if deterministic else self.random["prediction"])

    def states_of(self, observation: np.ndarray) -> np.ndarray:
        """Discrete observations as states counted from 0."""
        return observation - self.observation_space.start

    @property
    def progress(self) -> float:
        """How much of the training is done, from 0 to 1; schedules depend on it."""
        # Several environments may step past the end, where a step size on its way to 0 would be negative.
        return min(1.0, self.steps / self.total_steps) if self.total_steps else 1.0

    # -- on disk

    def config(self) -> dict[str, Any]:
        """What it takes to make this agent again."""
        return {
            "algorithm": self.name,
            "env": self.env if isinstance(self.env, str) else self.environments.name,
            "seed": self.seed,
            "num_envs": self.num_envs,
            "device": self.device.type,
            "steps": self.total_steps,
            "hyperparameters": self.hyperparameters.plain(),
            **({"own": {name: name_of(network) for name, network in self.own.items()}} if self.own else {}),
        }

    def save(self, path: str | Path) -> None:
        """Saves everything, replay and random generators too, in the directory `path`."""
        Checkpoints(Path(path), keep=1).save(self.steps, {"agent": self.state_dict()})

    @classmethod
    def load(cls, path: str | Path, env: Any = None, best: bool = False, device: Any = "cpu", **own: Any) -> Self:
        """An agent from what `save` wrote, or from a run directory: its newest checkpoint, or the one that
        evaluated `best`. `env` is needed only where the agent was not trained on an id: it can't be found
        again otherwise. `device` need not be the one it was trained on. `own` are the user's own networks that it was
        trained with, `policy=...`."""
        path = Path(path)
        directory = path / "checkpoints" if (path / "checkpoints").is_dir() else path
        if not directory.is_dir():
            raise UsageError(f"{path} does not exist")
        _, tree, damaged = Checkpoints(directory).load_newest()
        if best:
            if not tree.get("best"):
                raise UsageError(f"{path} has no best checkpoint: nothing was evaluated in training; leave best out")
            tree = read(directory / tree["best"]["checkpoint"])
        if damaged:
            import warnings

            warnings.warn("; ".join(damaged) + "; the one before is used", stacklevel=2)
        config = tree["agent"]["config"]
        if config["algorithm"] != cls.name:
            raise UsageError(f"{path} holds a {config['algorithm']} agent, not {cls.name}")
        return cls.from_config({**config, "device": device}, env, tree["agent"], own)

    @classmethod
    def from_config(
        cls,
        config: dict[str, Any],
        env: Any = None,
        state: dict[str, Any] | None = None,
        own: Mapping[str, Any] | None = None,
    ) -> Self:
        """The agent that `config` describes, in `state` if one is given, with the user's own networks."""
        match_own_networks(cls.__name__, config.get("own", {}), cls.own_networks, own or {})
        env = config["env"] if env is None else env
        agent = cls(
            env,
            seed=config["seed"],
            num_envs=config["num_envs"],
            device=config.get("device", "cpu"),
            **config["hyperparameters"],
            **(own or {}),
        )
        agent.total_steps = config["steps"]
        if state is not None:
            agent.load_state_dict(state)
        return agent

    def state_dict(self) -> dict[str, Any]:
        return {
            "config": self.config(),
            "spaces": self._spaces(),
            "steps": self.steps,
            "episodes": self.episodes,
            "total_steps": self.total_steps,
            **{name: part.state_dict() for name, part in self._stateful().items()},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._check_environments(state)
        self.steps, self.episodes, self.total_steps = state["steps"], state["episodes"], state["total_steps"]
        for name, part in self._stateful().items():
            part.load_state_dict(state[name])

    def _spaces(self) -> list[str]:
        return [str(self.observation_space), str(self.action_space)]

    def _check_environments(self, state: dict[str, Any]) -> None:
        """Raises `UsageError` if the state is of an agent in other environments: its id alone says neither how one was
        made nor whether many were vectorised."""
        same_spaces = state.get("spaces", self._spaces()) == self._spaces()  # older checkpoints don't have them
        if not same_spaces or state["environments"].keys() != self.environments.state_dict().keys():
            raise UsageError(
                f"this agent was trained in another {self.environments.name} than its id makes; load it from Python, "
                f"{type(self).__name__}.load(path, env), with an environment made like the one it was trained in"
            )

    def _stateful(self) -> dict[str, Any]:
        return {
            "metrics": self.metrics,
            "random": self.random,
            "environments": self.environments,
            **self.parts(),
        }
