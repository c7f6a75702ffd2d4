"""Vector environments with a process for each environment are closed even if one has died or hangs."""

import threading
import time
from collections.abc import Callable
from functools import partial

import gymnasium
import pytest
from gymnasium.vector import AsyncVectorEnv, AutoresetMode

from gym_adapters import VectorEnvAdapter, closing


class Slow(gymnasium.Env):
    """Takes very long for the steps of environment 1."""

    observation_space = gymnasium.spaces.Discrete(2)
    action_space = gymnasium.spaces.Discrete(2)

    def __init__(self, number: int, seconds: float) -> None:
        self._seconds = seconds if number == 1 else 0.0

    def reset(self, *, seed=None, options=None):
        return 0, {}

    def step(self, action):
        time.sleep(self._seconds)
        return 0, 0.0, False, False, {}


def adapter(seconds: float) -> VectorEnvAdapter:
    makers: list[Callable[[], gymnasium.Env]] = [partial(Slow, number, seconds) for number in range(3)]
    return VectorEnvAdapter(AsyncVectorEnv(makers, autoreset_mode=AutoresetMode.SAME_STEP), "slow")


def is_closed(env: VectorEnvAdapter) -> bool:
    """Close it, and return whether that came to an end, and that of its processes."""
    thread = threading.Thread(target=env.close, daemon=True)
    thread.start()
    thread.join(60)
    return not (thread.is_alive() or any(process.is_alive() for process in env.vector_env.processes))


@pytest.mark.filterwarnings("ignore:.*Calling `close` while waiting")
def test_a_process_that_died_in_a_step_is_not_waited_for() -> None:
    env = adapter(seconds=60.0)
    env.reset()
    process = env.vector_env.processes[1]
    threading.Timer(0.5, process.kill).start()
    with pytest.raises((EOFError, OSError)):
        env.step()
    process.join()
    assert is_closed(env)


@pytest.mark.filterwarnings("ignore:.*Calling `close` while waiting")
def test_a_step_that_does_not_end_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(closing, "PATIENCE", 0.5)
    env = adapter(seconds=600.0)
    env.reset()
    env.vector_env.step_async([0, 0, 0])
    assert is_closed(env)


def test_processes_that_wait_are_closed() -> None:
    env = adapter(seconds=0.0)
    env.reset()
    env.step()
    assert is_closed(env)
    assert all(process.exitcode == 0 for process in env.vector_env.processes), "by themselves"
