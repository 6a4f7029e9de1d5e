"""A3C: one worker is A2C, an update is algorithm S3's, and workers in processes learn together, fail and end together.

Trap: without a copy of its own a worker's rollout comes from several policies; with optimizer state or whole parameters
of its own it undoes what others have learned; with two BLAS threads a process, the workers wait for each other's cores.
"""

from __future__ import annotations

import multiprocessing
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from threadpoolctl import threadpool_info

from agents import A2C, A3C
from agents.memory.rollout import Steps
from agents.policy_gradient.a3c import seed_of
from agents.presets import preset_for
from agents.runs.saved import make_agent
from agents.runs.tables import read_table
from agents.runs.workers import PATIENCE
from envs import Episode, UsageError
from envs.probes import ProbeBoth
from tests.agents.conftest import Near

ENV = "minigrad/ProbeBoth-v0"


def flat(parameters) -> np.ndarray:
    return np.concatenate([p.array.ravel() for p in parameters])


def some_steps(agent, seed: int) -> Steps:
    """A rollout of one environment, as it might be."""
    rng, length = np.random.default_rng(seed), agent.hyperparameters.rollout_steps
    shape = (length, 1, *agent.observation_space.shape)
    ends = rng.random((2, length, 1)) < 0.1
    return Steps(
        rng.normal(size=shape).astype(np.float32),
        rng.integers(agent.action_space.n, size=(length, 1)),
        rng.normal(size=(length, 1)).astype(np.float32),
        ends[0],
        ends[1] & ~ends[0],
        rng.normal(size=shape).astype(np.float32),
        np.ones((length, 1), bool),
    )


def two_workers(**hyperparameters) -> tuple[A3C, A3C]:
    """In one process, so that their turns can be chosen."""
    common = dict(hidden=(8,), orthogonal=False, anneal_learning_rate=False, workers=2, **hyperparameters)
    first, second = (A3C("CartPole-v1", seed=seed, **common) for seed in (0, 1))
    second.share(first.shared, worker=1)
    second.pull()
    return first, second


# -- the update


def test_one_worker_is_a2c() -> None:
    """Bit for bit: θ, θ', g, episodes."""
    for env, num_envs in (("CartPole-v1", 1), ("Pendulum-v1", 2)):
        alone = A3C(env, seed=3, num_envs=num_envs, workers=1, anneal_learning_rate=True).learn(400)
        a2c = A2C(env, seed=3, num_envs=num_envs, anneal_learning_rate=True).learn(400)
        for parameters in (alone.weights, alone.local, alone.network.parameters()):
            np.testing.assert_array_equal(flat(parameters), flat(a2c.weights))
        squares = [state["square_avg"] for state in a2c.optimizer.state_dict()["state"].values()]
        np.testing.assert_array_equal(alone.shared.square_average, flat(squares))
        assert (alone.steps, alone.episodes) == (a2c.steps, a2c.episodes)


def test_a_gradient_of_the_own_copy_changes_what_is_shared() -> None:
    rate, alpha, epsilon = 0.01, 0.9, 1e-3
    first, second = two_workers(
        learning_rate=rate, rmsprop_alpha=alpha, rmsprop_epsilon=epsilon, max_gradient_norm=0.0, entropy_coefficient=0.1
    )
    observation = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    before, values = flat(first.local), first.state_values(observation)
    second.learn_from(some_steps(second, 0))
    theta, g = flat(first.weights), first.shared.square_average.copy()
    assert np.abs(theta - before).max() > 1e-2
    # The other's update is there, and this one's policy is what it was when its rollout began.
    np.testing.assert_array_equal(flat(first.local), before)
    np.testing.assert_array_equal(first.state_values(observation), values)

    steps = some_steps(first, 1)
    reference = A2C("CartPole-v1", hidden=(8,), num_envs=1, max_gradient_norm=0.0, entropy_coefficient=0.1)
    reference.network.load_state_dict(first.network.state_dict())
    reference.learn_from(steps)
    d = np.concatenate([p.grad.array.ravel() for p in reference.weights])  # dθ at θ'
    first.learn_from(steps)
    g = alpha * g + (1 - alpha) * d**2
    np.testing.assert_allclose(first.shared.square_average, g, rtol=1e-5, atol=1e-12)
    np.testing.assert_allclose(first.shared.parameters, theta - rate * d / (np.sqrt(g) + epsilon), rtol=1e-4, atol=1e-6)
    # And the next rollout is played with it, also with what the other has learned.
    np.testing.assert_array_equal(flat(first.network.parameters()), first.shared.parameters)
    assert not np.shares_memory(first.local[0].array, first.shared.parameters)


def test_an_update_every_t_max_steps() -> None:
    """All of them with the same policy, whatever the others do meanwhile."""
    first, second = two_workers(rollout_steps=4)
    for worker in (first, second):
        worker.total_steps = 100
        for step in range(1, 9):
            first.shared.parameters[:] += 0.01
            theta, local = first.shared.parameters.copy(), flat(worker.network.parameters())
            worker.observe(worker.environments.step(worker.act(worker.environments.observation)))
            worker.update(1)
            learns = step % 4 == 0
            assert (first.shared.parameters != theta).any() == learns
            assert (flat(worker.network.parameters()) != local).any() == learns
    assert list(first.shared.steps) == [8, 8]
    assert (first.steps, second.steps) == (8, 16)  # each counted when it last took a step


class OthersAtTheirEnd:
    def __init__(self, shared) -> None:
        self.shared = shared

    def finish(self) -> list[Episode]:
        self.shared.parameters[:] += 1
        self.shared.steps[1] += 7
        return [Episode(0, 2.5, 7)]


def test_the_end_waits_for_what_the_others_learn_last() -> None:
    agent, _ = two_workers(rollout_steps=50)
    agent.others, agent.total_steps = OthersAtTheirEnd(agent.shared), 1  # type: ignore[assignment]
    before = flat(agent.local)
    agent.update(1)
    np.testing.assert_array_equal(flat(agent.local), before + 1)
    assert agent.steps == 8
    assert agent.environments.finished == [Episode(0, 2.5, 7)]


class Drawn(gym.Env):
    """Episodes of one step, rewarded at random."""

    observation_space = spaces.Box(-1, 1, (1,), np.float32)
    action_space = spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(1, np.float32), {}

    def step(self, action):
        return np.zeros(1, np.float32), self.np_random.random(), True, False, {}


def test_no_two_workers_play_the_same_episodes() -> None:
    agent = A3C(Drawn, seed=0, workers=3)
    agent.total_steps = 20
    task, _ = agent.task()
    rewards = []
    for worker in (1, 2):
        agent.shared.steps[:] = [0, 0, 0]
        task(worker)(lambda episode: rewards.append(episode.total_reward))
    alone = A3C(Drawn, seed=0, workers=1)
    rewards += [alone.environments.step(np.array([0])).reward[0] for _ in range(20)]
    assert len(rewards) == len(set(rewards)) == 60
    assert seed_of(1, seed=0, steps=0) != seed_of(1, seed=0, steps=1_000)  # when training goes on


# -- saving and loading


def test_any_number_of_workers_goes_on_with_what_another_has_learned(tmp_path: Path) -> None:
    agent = A3C(ENV, seed=0, workers=1).learn(100)
    state = agent.state_dict()
    for workers in (1, 3):
        settings = {**agent.hyperparameters.plain(), "workers": workers}
        loaded = make_agent(A3C, {**agent.config(), "hyperparameters": settings}, state=state)
        np.testing.assert_array_equal(loaded.shared.parameters, agent.shared.parameters)
        np.testing.assert_array_equal(loaded.shared.square_average, agent.shared.square_average)
        assert loaded.shared.square_average.any()
        assert sum(loaded.shared.steps) == 100


# -- in processes


@pytest.fixture(autouse=True)
def _no_process_is_left() -> Iterator[None]:
    """However a training ended."""
    yield
    assert multiprocessing.active_children() == []


def shared_memory() -> set[str]:
    """The names that Python gives to what processes share, which outlives them unless it is freed."""
    return {path.name for path in Path("/dev/shm").glob("*") if path.name.startswith(("psm_", "pym-"))}


def in_a_worker() -> bool:
    return multiprocessing.parent_process() is not None


class OneThread(gym.Wrapper):
    """Fails in training if BLAS may use more than one thread."""

    def __init__(self) -> None:
        super().__init__(ProbeBoth())
        self.steps = 0

    def step(self, action):
        self.steps += 1
        if self.steps == 20:  # to ask takes a millisecond
            threads = [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]
            assert threads
            assert set(threads) == {1}, f"{threads} BLAS threads"
        return super().step(action)


def test_workers_learn_together(tmp_path: Path, monkeypatch) -> None:
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    preset = {**preset_for(A3C, ENV).hyperparameters, "workers": 2}
    agent = A3C(OneThread, seed=0, num_envs=2, **preset).learn(3_000, run=tmp_path / "run", progress=False)
    taken = list(agent.shared.steps)
    assert min(taken) >= 100
    assert 3_000 <= sum(taken) == agent.steps < 3_000 + 2 * 2
    table = read_table(tmp_path / "run" / "metrics.csv")
    # An episode is one step: those of both workers are there, counted once.
    assert agent.episodes == agent.steps == len(table["return"]) == max(table["episode"])
    np.testing.assert_array_equal(flat(agent.local), agent.shared.parameters)
    exact = ProbeBoth().action_values(0.5)
    states = np.array([[state] for state in exact], np.float32)
    np.testing.assert_allclose(agent.state_values(states), [max(values) for values in exact.values()], atol=0.1)
    assert (agent.predict(states) == [np.argmax(values) for values in exact.values()]).all()
    # What is saved is what was learned; and with one worker it can be gone on with exactly.
    loaded = A3C.load(tmp_path / "run", OneThread)
    np.testing.assert_array_equal(loaded.shared.parameters, agent.shared.parameters)
    assert loaded.steps == agent.steps


class Fails(Near):
    """Fails in a worker, after some steps."""

    how = ""
    steps = 0

    def step(self, action):
        self.steps += 1
        if in_a_worker() and self.steps == 20:
            self.fail()
        return super().step(action)

    def fail(self) -> None:
        raise ZeroDivisionError("the ball is gone")


class Dies(Fails):
    def fail(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


class CannotBeMade(Near):
    def __init__(self) -> None:
        super().__init__()
        if in_a_worker():
            raise UsageError("no display; set one")


@pytest.mark.parametrize(
    ("env", "error", "message"),
    [
        (Fails, ChildProcessError, r"worker 1 \(process \d+\) failed: ZeroDivisionError: the ball is gone \(in .*a3c"),
        (Dies, ChildProcessError, r"worker 1 \(process \d+\) was killed by SIGKILL"),
        pytest.param(CannotBeMade, UsageError, "^no display; set one$", marks=pytest.mark.slow),
    ],
)
def test_a_worker_that_fails_ends_the_training(env: type, error: type, message: str) -> None:
    agent = A3C(env, workers=2)
    with pytest.raises(error, match=message):
        agent.learn(10_000_000)


class Ended(Fails):
    def fail(self) -> None:
        os.kill(os.getpid(), signal.SIGTERM)


class Stopped(Fails):
    def fail(self) -> None:
        os.kill(os.getpid(), signal.SIGSTOP)


@pytest.mark.parametrize(
    ("env", "message"),
    [
        (Ended, r"worker 1 \(process \d+\) was ended by SIGTERM; the others go on"),
        (Stopped, r"worker 1 \(process \d+\) was silent for 0.5 s after the end, and was killed"),
    ],
)
def test_a_worker_that_is_ended_or_stopped_is_not_waited_for(env: type, message: str, monkeypatch) -> None:
    monkeypatch.setattr("agents.runs.workers.LONGEST_SILENCE", 0.5)
    with pytest.warns(UserWarning, match=message):
        agent = A3C(env, workers=2).learn(3_000)
    assert agent.steps >= 3_000
    assert agent.shared.steps[1] < 100
    assert processes_of(os.getpid()) == []


def test_more_workers_than_cores(monkeypatch) -> None:
    monkeypatch.setattr("agents.runs.workers.count_cores", lambda: 1)
    with pytest.warns(
        UserWarning, match=r"a3c: 2 workers share 1 cores and wait for each other; give at most 1 workers"
    ):
        A3C(Near, workers=2).learn(50)


def test_what_workers_cannot_be_given() -> None:
    with pytest.raises(UsageError, match=r"can't be sent to them .*no lambda\), or workers=1"):
        A3C(lambda: Near(), workers=2).learn(10)
    with pytest.raises(UsageError, match="need a Near each, and this one can't be made again"):
        A3C(Near(), workers=2).learn(10)
    A3C(Near(), workers=1).learn(10)
    for device in ("cuda", 0):
        with pytest.raises(UsageError, match="share the CPU's memory: leave device out, or take a2c"):
            A3C(ENV, device=device)


def registered_here() -> str:
    gym.register("tests/OnlyHere-v0", "gymnasium.envs.classic_control.cartpole:CartPoleEnv", max_episode_steps=50)
    return "tests/OnlyHere-v0"


@pytest.mark.slow
@pytest.mark.parametrize(
    "env",
    [
        lambda: "Pendulum-v1",
        lambda: "minigrad/SnakeImage-v0",
        registered_here,
        lambda: gym.make("CartPole-v1"),
        lambda: gym.make_vec("CartPole-v1", num_envs=3),
        lambda: gym.make_vec("CartPole-v1", num_envs=2, vectorization_mode="async"),
    ],
    ids=["continuous", "image", "registered", "instance", "vector", "processes"],
)
def test_workers_make_what_they_are_given(env, capfd) -> None:
    agent = A3C(env(), seed=0, workers=2).learn(300)
    assert min(agent.shared.steps) > 0
    agent.environments.close()
    said = capfd.readouterr()
    assert said.err == ""  # above all nothing of processes that lost their other end


def processes_of(parent: int) -> list[int]:
    """Its children that are workers."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            status, command = (path / "status").read_text(), (path / "cmdline").read_text()
        except OSError:  # gone in between
            continue
        if re.search(rf"^PPid:\s*{parent}$", status, re.M) and "spawn_main" in command:
            found.append(int(path.name))
    return found


def are_gone(processes: list[int], seconds: float = 10.0) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if not any(Path(f"/proc/{process}").exists() for process in processes):
            return True
        time.sleep(0.05)
    return False


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


@contextmanager
def started(*arguments: str) -> Iterator[subprocess.Popen]:
    """Python, in a process group of its own that heeds Ctrl-C, as a terminal has it. Nothing of it is left behind."""
    training = subprocess.Popen(
        [sys.executable, *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(), start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # what a shell's background job ignores
    )  # fmt: skip
    try:
        yield training
    finally:
        with suppress(ProcessLookupError):
            os.killpg(training.pid, signal.SIGKILL)
        training.communicate()


LOOKS_FOR_PROCESSES = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="looks for them in /proc")


@pytest.mark.slow
@LOOKS_FOR_PROCESSES
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_worker_of_a_run_is_left_behind(how: signal.Signals, tmp_path: Path) -> None:
    run, memory = tmp_path / "run", shared_memory()
    options = ["--env", ENV, "--workers", "3", "--checkpoint-every", "2000", "--run", str(run), "--quiet"]
    with started("-m", "agents.cli", "train", "a3c", "--steps", "100000000", *options) as training:
        until = time.monotonic() + 60
        while not list(run.glob("checkpoints/step-*")) and time.monotonic() < until:
            time.sleep(0.05)
        workers = processes_of(training.pid)
        assert len(workers) == 2
        (os.killpg if how is signal.SIGINT else os.kill)(training.pid, how)  # Ctrl-C goes to all
        said, errors = training.communicate(timeout=30)
        assert are_gone(workers)
    told = [line for line in errors.splitlines() if "workers share" not in line]  # of a machine with few cores
    assert told == []  # multiprocessing says there what it had to free itself
    assert shared_memory() <= memory
    if how is not signal.SIGKILL:
        assert training.returncode == 128 + how
        assert f"`minigrad resume {run}` goes on" in said
        stopped = int(re.search(r"at step ([\d,]+) of", said)[1].replace(",", ""))  # type: ignore[index]
        loaded = A3C.load(run)
        assert loaded.steps == stopped
        assert loaded.learn(500).steps >= stopped + 500


class Endless(Near):
    """An episode without an end, which has nothing to tell."""

    steps = 0

    def step(self, action):
        self.steps += 1
        if self.steps == 200 and not in_a_worker():
            print("going on", flush=True)
        return *super().step(action)[:2], False, False, {}


@pytest.mark.slow
@LOOKS_FOR_PROCESSES
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_no_worker_of_a_script_is_left_behind(how: signal.Signals) -> None:
    learn = "from tests.agents.test_a3c import *; A3C(Endless, workers=3).learn(10**9)"
    with started("-c", learn) as training:
        assert training.stdout is not None
        assert training.stdout.readline() == "going on\n"
        workers = processes_of(training.pid)
        assert len(workers) == 2
        (os.killpg if how is signal.SIGINT else os.kill)(training.pid, how)
        before = time.monotonic()
        _, errors = training.communicate(timeout=30)
        assert are_gone(workers)
        assert time.monotonic() - before < PATIENCE  # they heard, and needn't be killed
    assert errors.count("Traceback") == errors.count("KeyboardInterrupt") == (how is signal.SIGINT)


SCRIPT = """
import gymnasium as gym
from agents import A3C

agent = A3C({env}, workers=2).learn(200)
print("learned", agent.steps >= 200)
"""


@pytest.mark.slow
def test_a_plain_script_works_unless_workers_need_it(tmp_path: Path) -> None:
    """Python's own advice, `if __name__ == "__main__"`, is needed only for an environment that the script defines."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(env=f"{ENV!r}"))
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, env=environment(), timeout=60)
    assert (done.stdout, done.stderr) == ("learned True\n", "")
    own = SCRIPT.replace("agent =", f"def make():\n    return gym.make({ENV!r})\n\nagent =")
    script.write_text(own.format(env="make"))
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, env=environment(), timeout=60)
    assert done.returncode == 1
    assert "must train under `if __name__ == '__main__':`" in done.stderr.splitlines()[-1]
    assert "ended with exit code 1" in done.stderr.splitlines()[-1]
