"""What every agent is: something that acts, observes transitions and learns from them.

An algorithm defines its hyper-parameters, `build` (networks, optimizer, memory) and the contract that the
training loop (training.py) drives:

    act(observation)         an action for every environment
    observe(transition)      keep it: in a replay, or in a rollout
    update(new_steps)        learn, if there is enough to learn from

and `choose(observation, rng)`, its policy. Everything whose state must survive a crash is named in `parts`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import gymnasium as gym
import numpy as np
from gymnasium import spaces

import minigrad as mg
from envs import Environments, Transition, UsageError, make_environments
from envs.checking import shown
from envs.errors import whole_number
from envs.making import is_made, list_wrappers, make_first, plain_options

from ..networks.own import check_names
from ..presets import preset_for
from .callbacks import Callback, make_callbacks
from .capturing import check_capture
from .hyperparameters import Hyperparameters, names_of
from .metrics import Means
from .names import qualified_name
from .process import is_watched
from .randomness import RandomTree
from .training import train
from .whereabouts import Whereabouts

if TYPE_CHECKING:
    from ..memory.recorded import DataFile
    from ..runs.run import Run


class Agent:
    """`DQN("CartPole-v1", seed=0).learn(50_000)`; then `predict`, `evaluate(agent)`, `save`.

    env                 an id, a class or a function that makes an environment, an environment, or a vector environment
    env_options         what the id, the class or the function takes: {"is_slippery": False}
    seed                everything random follows from it
    num_envs            environments side by side
    data                a file of recorded steps to learn from, which `collect` writes (agents/memory/recorded.py)
    device              where its networks are: "cpu", or "cuda" for large ones (docs/gpu.md)
    capture             whether updates are recorded once and replayed, with the same result: True, False, or "auto",
                        where nothing of your own runs in them (capturing.py)
    hyperparameters     as keywords; what is left out comes from the environment's preset (agents/presets/)
    """

    name: ClassVar[str]
    Hyperparameters: ClassVar[type[Hyperparameters]]
    # The spaces it can learn in; `()` is any.
    observation_spaces: ClassVar[tuple[type[gym.Space], ...]] = ()
    action_spaces: ClassVar[tuple[type[gym.Space], ...]] = (spaces.Discrete,)
    metric_names: ClassVar[tuple[str, ...]] = ()
    # The networks that a user may give, as keywords: Modules, or functions of the observation and the action space.
    own_networks: ClassVar[tuple[str, ...]] = ()
    # Whether it can learn from recorded steps, `data=FILE`, and whether it learns from nothing else.
    takes_data: ClassVar[bool] = False
    needs_data: ClassVar[bool] = False
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
        env_options: Mapping[str, Any] | None = None,
        data: str | Path | dict[str, str] | None = None,
        capture: bool | str = "auto",
        **hyperparameters: Any,
    ) -> None:
        seed = whole_number("seed", seed, least=0)
        self.capture = check_capture(capture)
        try:
            self.device = mg.empty(0, device=device).device
        except RuntimeError as error:  # there is none: it says what is missing
            raise UsageError(str(error)) from None
        # On the CPU a tensor shares the array's memory, at no further cost.
        self.tensor = mg.from_numpy if self.device.type == "cpu" else lambda array: mg.from_numpy(array).to(self.device)
        given = {name: hyperparameters.pop(name, None) for name in self.own_networks}
        check_names(self.name, self.own_networks, hyperparameters, names_of(self.Hyperparameters))
        self.own = {name: network for name, network in given.items() if network is not None}
        self.env, self.seed = env, seed
        if data is not None and not self.takes_data:
            raise UsageError(f"{self.name} learns from its own steps alone; leave data out, or take bc or dqn")
        if data is None and self.needs_data:
            raise UsageError(
                f"{self.name} learns from recorded steps; give data=FILE (--data FILE), which `minigrad collect RUN` "
                f"writes"
            )
        self.data: DataFile | None = None
        if data is not None:
            from ..memory.recorded import DataFile

            self.data = DataFile(data)
        # A function's environment shows only when it is made what it is, and so which preset it has.
        self.env_options = plain_options(env_options or {})
        first, source = make_first(env, self.env_options)
        self.preset = preset_for(type(self), first)
        self.hyperparameters: Any = self.Hyperparameters.of(hyperparameters, self.preset.hyperparameters)
        number = self.preset.num_envs if num_envs is None else whole_number("num_envs", num_envs)
        self.environments = self.make_environments(source, number)
        self.num_envs = self.environments.num_envs
        if self.data is not None and self.data.is_new:
            self.data.read().for_agent(self.environments)  # what doesn't fit is said before a run is made
        self.observation_space: Any = self.environments.observation_space
        self.action_space: Any = self.environments.action_space
        for what, space, allowed in (
            ("observations", self.observation_space, self.observation_spaces),
            ("actions", self.action_space, self.action_spaces),
        ):
            if allowed and not isinstance(space, allowed):
                needed = " or ".join(kind.__name__ for kind in allowed)
                raise UsageError(
                    f"{self.name} needs {needed} {what}, but {self.environments.name} has {shown(space)}; "
                    f"`minigrad list` shows what each algorithm takes"
                )
        self.steps = self.total_steps = 0  # environment steps, over all environments
        self.episodes = 0
        self.stopped: str | None = None  # why a callback ended the training
        if (reason := self.environments.why_not_again) is not None:
            warnings.warn(
                f"{self.environments.name} can't be made a second time ({reason}), so it trains without evaluations; "
                f"give an id, a class, or a function that makes it",
                stacklevel=2,
            )
        self.metrics = Means(self.metric_names)
        self.random = RandomTree(seed)
        with self.random.engine():
            self.build()
        try:
            self.environments.reset(seed)
        except UsageError:
            raise
        except Exception as problem:
            problem.add_note(f"The environment {self.environments.name} raised this in its first reset.")
            raise
        self.note_whereabouts()

    # -- what an algorithm defines

    def make_environments(self, env: Any, num_envs: int = 1) -> Environments:
        """The environments it acts in, to train or to be evaluated. Overridden by agents that see them through a
        wrapper of their own."""
        return make_environments(env, num_envs, self.env_options if env is self.env else None)

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

    def prepare(self) -> None:
        """Called before the first step of all: recorded steps are observed as the agent's own are."""
        if self.data is not None:
            for transition in self.data.read().for_agent(self.environments).transitions():
                self.observe(transition)

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

    def learn(
        self,
        steps: int,
        *,
        run: str | Path | None = None,
        progress: bool | None = None,
        callbacks: Sequence[Callback | Callable] | None = None,
    ) -> Self:
        """Trains for `steps` more environment steps. `run` is a new directory for metrics and checkpoints, with greedy
        evaluations in between; `progress` defaults to whether somebody is looking (stderr is a terminal). `callbacks`
        are called on the way, and may stop it (callbacks.py); left out, a run that is there goes on with its own.

        What changes over training (ε, an annealed step size) ends with these steps: ten calls of a tenth are not one
        of the whole."""
        whole = int(steps) if isinstance(steps, float) and steps % 1 == 0 else steps  # 1e5 is one, too
        total = self.steps + whole_number("steps", whole, least=1)
        if run is None:  # there is nothing to save, and Ctrl-C ends at once
            made = make_callbacks([] if callbacks is None else callbacks)
            self.total_steps = total
            self._train(None, progress, made, stop=lambda: False)
        else:
            from ..runs.opened import open_run  # what keeps a training on disk is a third of the agents' code

            with open_run(run, self, total, callbacks) as (opened, made, interrupted):
                self._train(opened, progress, made, interrupted)
        return self

    def _train(
        self, run: Run | None, progress: bool | None, callbacks: Sequence[Callback], stop: Callable[[], bool]
    ) -> None:
        """Up to `total_steps`. `progress` None is: if somebody looks."""
        self.stopped = None
        if self.whereabouts is not None:
            self.whereabouts.go_back(self.seed + self.steps)
        show, shown = is_watched() if progress is None else progress, None
        if show:
            from ..runs.progress import Progress

            shown = Progress(f"{self.name} {self.environments.name}", self.steps, self.total_steps)
        try:
            train(self, run, shown, stop, callbacks)
        finally:
            self.note_whereabouts()
            if shown is not None:
                shown.close()

    def stop(self, reason: str) -> None:
        """Ends the training when this step is done; for callbacks. `stopped` has the reason afterwards."""
        self.stopped = reason

    def predict(self, observation: Any, deterministic: bool = True) -> Any:
        """The action for one observation, as the environment takes it; for a batch of them, an array of
        actions."""
        observation = self.environments.from_env(observation)
        shape = self.observation_space.shape or ()
        if observation.shape == shape:
            action = self.predict_batch(observation[None], deterministic)[0]
        elif observation.shape[1:] == shape and observation.ndim == len(shape) + 1:
            action = self.predict_batch(observation, deterministic)
        else:
            raise UsageError(
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

    def describe_preset(self) -> str:
        """Which hyper-parameters are the environment's preset, in one line."""
        if not self.preset.source:
            return f"no preset of {self.name} for {self.environments.name}: the algorithm's defaults"
        values = ", ".join(f"{name} {value}" for name, value in self.preset_values().items())
        return f"preset of {self.preset.source}: {values or 'no hyper-parameters'}"

    def preset_values(self) -> dict[str, Any]:
        """The hyper-parameters that are the preset's, and not the user's."""
        given = self.preset.tuned
        return {name: value for name, value in given.items() if getattr(self.hyperparameters, name, None) == value}

    def __repr__(self) -> str:
        """`<DQN on CartPole-v1, seed 0, on cpu: 500 steps trained; hidden=(256,)>`, with the hyper-parameters that
        differ from the algorithm's defaults."""
        variant = preset_for(type(self), None).hyperparameters  # its components
        defaults = self.Hyperparameters.of({}, variant)
        values = self.hyperparameters.plain().items()
        changed = [f"{name}={value!r}" for name, value in values if value != getattr(defaults, name, None)]
        what = f"{type(self).__name__} on {self.environments.name}, seed {self.seed}, on {self.device.type}"
        more = "; " + ", ".join(changed) if changed else ""
        return f"<{what}: {self.steps:,} steps trained{more}>"

    # -- on disk

    def config(self) -> dict[str, Any]:
        """What it takes to make this agent again."""
        wrappers = [] if isinstance(self.env, str) else list_wrappers(self.environments)
        return {
            "algorithm": self.name,
            "class": qualified_name(type(self)),
            # The environment's own id, however it was named. A module's name stays: it has to be imported again.
            "env": self.env if isinstance(self.env, str) and ":" in self.env else self.environments.name,
            "env_options": self.env_options,
            **({"wrappers": wrappers} if wrappers else {}),
            "seed": self.seed,
            "num_envs": self.num_envs,
            **({"data": self.data.config()} if self.data is not None else {}),
            "device": self.device.type,
            **({} if self.capture == "auto" else {"capture": self.capture}),
            "steps": self.total_steps,
            "hyperparameters": self.hyperparameters.plain(),
            **({"own": {name: qualified_name(network) for name, network in self.own.items()}} if self.own else {}),
        }

    def save(self, path: str | Path) -> None:
        """Saves everything, replay and random generators too, in the directory `path`."""
        from ..runs.checkpoint import Checkpoints

        Checkpoints(Path(path), keep=1).save(self.steps, {"agent": self.state_dict()})

    @classmethod
    def load(cls, path: str | Path, env: Any = None, best: bool = False, device: Any = "cpu", **own: Any) -> Self:
        """An agent from what `save` wrote, or from a run directory: its newest checkpoint, or the one that
        evaluated `best`. `env` is needed only where the agent was not trained on an id: it can't be found
        again otherwise. `device` need not be the one it was trained on. `own` are the user's own components that it was
        trained with, `network=...`."""
        from ..runs.saved import load_agent

        return load_agent(cls, path, env, best, device, own)

    def state_dict(self) -> dict[str, Any]:
        return {
            "config": self.config(),
            "spaces": self._spaces(),
            "steps": self.steps,
            "stopped": self.stopped,
            "episodes": self.episodes,
            "total_steps": self.total_steps,
            **{name: part.state_dict() for name, part in self._stateful().items()},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._check_environments(state)
        self.steps, self.episodes, self.total_steps = state["steps"], state["episodes"], state["total_steps"]
        self.stopped = state.get("stopped")
        for name, part in self._stateful().items():
            part.load_state_dict(state[name])
        self.note_whereabouts()

    def note_whereabouts(self) -> None:
        """To be called where its training stops: others may play in an environment that the user has made."""
        self.whereabouts = Whereabouts(self.environments) if is_made(self.env) else None

    def _spaces(self) -> list[str]:
        return [str(self.observation_space), str(self.action_space)]

    def _check_environments(self, state: dict[str, Any]) -> None:
        """Raises `UsageError` if the state is of an agent in other environments: its id alone says neither how one was
        made nor whether many were vectorised."""
        same_spaces = state.get("spaces", self._spaces()) == self._spaces()  # older checkpoints don't have them
        if not same_spaces or state["environments"].keys() != self.environments.state_dict().keys():
            spaces_of_both = state.get("spaces", ["unknown spaces"] * 2), self._spaces()
            before, now = ([" ".join(space.split()) for space in each] for each in spaces_of_both)  # on one line
            alike = "; the spaces are the same, but one of them is a vector environment" if same_spaces else ""
            raise UsageError(
                f"this agent was trained in {state['config']['env']} with observations {before[0]} and actions "
                f"{before[1]}, but {self.environments.name} has observations {now[0]} and actions {now[1]}{alike}; "
                f"give an environment like the one it was trained in, {type(self).__name__}.load(path, env)"
            )

    def _stateful(self) -> dict[str, Any]:
        return {
            "metrics": self.metrics,
            "random": self.random,
            "environments": self.environments,
            **self.parts(),
        }
