"""The training loop, the one that every agent that learns from experience runs in.

Act, step the environments, hand over the transitions, learn. On-policy agents collect their rollout in
`observe` and learn when it is full; off-policy ones fill their replay. What is recorded on the way (recorder.py) draws
no random number, so a run is the same with and without it.
"""

from __future__ import annotations

from collections.abc import Callable

from ..runs.progress import Progress, Returns
from ..runs.recorder import Recorder
from ..runs.run import Run
from .contract import Learner
from .divergence import divergence_named, refuse_divergence
from .process import keep_freed_memory, one_blas_thread


def train(
    agent: Learner,
    run: Run | None = None,
    progress: Progress | Returns | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> bool:
    """Trains until `agent.steps` reaches `agent.total_steps` (then returns True) or `stop()` (then False). Raises
    `UsageError` where the agent has diverged."""
    environments = agent.environments
    recorder = Recorder(agent, run) if run is not None else None
    due = recorder.due if recorder else agent.total_steps
    keep_freed_memory()
    with one_blas_thread(), agent.random.engine(), agent.training(), divergence_named(agent):
        while agent.steps < agent.total_steps and not stop():
            transition = environments.step(agent.act(environments.observation))
            new_steps = len(transition.env)
            agent.steps += new_steps
            agent.observe(transition)
            agent.update(new_steps)

            if environments.finished:
                for episode in environments.finished:
                    agent.episodes += 1
                    refuse_divergence(agent)
                    if progress is None and recorder is None:
                        continue
                    figures = agent.metrics.take()
                    if progress is not None:
                        progress.episode(episode.total_reward, figures)
                    if recorder is not None:
                        recorder.episode(episode, figures)
            if progress is not None:
                progress.update(agent.steps)
            if agent.steps >= due and recorder is not None:
                refuse_divergence(agent)
                due = recorder.checkpoint()
        refuse_divergence(agent)  # of updates since the last episode's end
        finished = agent.steps >= agent.total_steps
        if recorder is not None and not finished:
            recorder.save()
    if progress is not None:
        progress.update(agent.steps, force=True)
    return finished
