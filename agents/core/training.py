"""The training loop, the one that every agent that learns from experience runs in.

Act, step the environments, hand over the transitions, learn. On-policy agents collect their rollout in
`observe` and learn when it is full; off-policy ones fill their replay. What is recorded on the way (recorder.py) draws
no random number, so a run is the same with and without it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from envs import UsageError

from .callbacks import Callback, Callbacks
from .contract import Learner
from .divergence import divergence_named, refuse_divergence
from .hints import warn_without_update
from .process import keep_freed_memory, one_blas_thread

if TYPE_CHECKING:
    from ..runs.progress import Progress, Returns
    from ..runs.run import Run


def train(
    agent: Learner,
    run: Run | None = None,
    progress: Progress | Returns | None = None,
    stop: Callable[[], bool] = lambda: False,
    callbacks: Sequence[Callback] = (),
) -> bool:
    """Trains until `agent.steps` reaches `agent.total_steps` or a callback stops it (then returns True), or until
    `stop()` (then False). Raises `UsageError` where the agent has diverged."""
    environments = agent.environments
    listeners = Callbacks(agent, callbacks)
    hears_steps, hears_updates = bool(listeners.on_step), bool(listeners.on_update)
    recorder = None
    if run is not None:
        from ..runs.recorder import Recorder  # not read where nothing is kept

        recorder = Recorder(agent, run, listeners)
    due = recorder.due if recorder else agent.total_steps
    keep_freed_memory()
    with one_blas_thread(), agent.random.engine(), agent.training(), divergence_named(agent):
        if agent.steps == 0:
            agent.prepare()
        began = agent.metrics.mark()  # of the episode
        listeners.start(run.directory if run else None, recorder is not None and recorder.evaluates)
        while agent.steps < agent.total_steps and agent.stopped is None and not stop():
            action = agent.act(environments.observation)
            try:
                transition = environments.step(action)
            except UsageError:  # such as an action that is NaN: then there is nothing worth keeping
                raise
            except Exception as problem:
                if recorder is not None:
                    recorder.save_after(problem)
                raise
            new_steps = len(transition.env)
            agent.steps += new_steps
            if hears_updates:
                mark, updates = agent.metrics.mark(), agent.metrics.updates
            agent.observe(transition)  # here tables learn already
            agent.update(new_steps)
            if hears_updates and agent.metrics.updates > updates:
                listeners.update(agent.metrics.since(mark))

            for episode in environments.finished:
                agent.episodes += 1
                refuse_divergence(agent)
                if progress is not None or recorder is not None:
                    figures = agent.metrics.take()
                elif listeners.on_episode:  # who only looks takes nothing
                    figures, began = agent.metrics.since(began), agent.metrics.mark()
                else:
                    continue
                if progress is not None:
                    progress.episode(episode.total_reward, figures)
                if recorder is not None or listeners.on_episode:
                    row = {
                        "step": agent.steps,
                        "episode": agent.episodes,
                        "return": episode.total_reward,
                        "length": episode.length,
                        **agent.schedules(),
                        **figures,
                    }
                    if recorder is not None:
                        recorder.write_episode(row)
                    listeners.call(listeners.on_episode, **row)
            if hears_steps:
                listeners.step(transition)
            if progress is not None:
                progress.update(agent.steps)
            if agent.steps >= due and recorder is not None:
                refuse_divergence(agent)
                due = recorder.checkpoint()
        refuse_divergence(agent)  # of updates since the last episode's end
        finished = agent.steps >= agent.total_steps or agent.stopped is not None
        if recorder is not None:
            recorder.close(finished)
        listeners.end(finished)
        if finished:
            warn_without_update(agent)
    if progress is not None:
        progress.update(agent.steps, force=True)
    return finished
