"""A KeyboardInterrupt that does not come from this program's own handler of Ctrl-C costs nothing either."""

import signal
import sys
from concurrent.futures import Future
from pathlib import Path

import numpy as np
import pytest
from run_tools import Stopwatch, options

from trainers import load_policy, train
from trainers.algorithms.threaded import ThreadedUpdates
from trainers.training.chronicle import SAVED
from trainers.training.cli import main

ENVIRONMENT = """
import gymnasium, numpy, os, signal

class Task(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(-1.0, 1.0, (2,), numpy.float32)
    action_space = gymnasium.spaces.Discrete(2)
    steps = 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        signal.signal(signal.SIGINT, signal.default_int_handler)  # as simulators do that handle Ctrl-C themselves
        return numpy.zeros(2, numpy.float32), {}

    def step(self, action):
        self.steps += 1
        if self.steps == 300:
            os.kill(os.getpid(), signal.SIGINT)
        return numpy.zeros(2, numpy.float32), 1.0, self.steps % 10 == 0, False, {}

gymnasium.register("OwnHandler-v0", Task)
"""
FILE = """
default_settings:
  max_steps: 1000000
  checkpoint_interval: 1000000
  network_settings: {hidden_units: 8, num_layers: 1}
"""


class Interrupted(Stopwatch):
    """A task that raises KeyboardInterrupt at a step."""

    def pay(self, obs, action) -> np.ndarray:
        if self.steps == 100:
            raise KeyboardInterrupt
        return super().pay(obs, action)


@pytest.mark.parametrize("in_thread", [False, True])
def test_what_an_interrupted_environment_has_taught_is_saved(in_thread, tmp_path):
    with pytest.raises(KeyboardInterrupt) as caught:
        train(Interrupted().env(), options(tmp_path, behavior={"threaded": in_thread}))
    assert SAVED in caught.value.__notes__
    assert load_policy(tmp_path / "first").step == 100 * 16
    outcome = train(Stopwatch().env(), options(tmp_path, resume=True))["Task"]
    assert outcome.steps >= 3000


def test_the_command_says_that_the_run_is_saved(tmp_path, monkeypatch, capfd):
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    Path("own_handler.py").write_text(ENVIRONMENT)
    Path("file.yaml").write_text(FILE)
    before = signal.getsignal(signal.SIGINT)
    assert main(["file.yaml", "--env", "own_handler:OwnHandler-v0", "--run-id", "run"]) == 130
    assert signal.getsignal(signal.SIGINT) is before
    last = capfd.readouterr().err.strip().splitlines()[-1]
    assert last == "interrupted; what was learned until then is saved."
    assert load_policy("runs/run").step in (298, 299)


def test_an_interrupted_wait_for_a_thread_is_made_up_for(tmp_path, monkeypatch):
    """What is saved is the state after the update, and not one in the middle of it."""
    exception, waits = Future.exception, []

    def interrupted(future, timeout=None):
        if sys._getframe(1).f_code is ThreadedUpdates.wait.__code__:  # noqa: SLF001
            waits.append(future)
            if len(waits) == 3:
                raise KeyboardInterrupt
        return exception(future, timeout)

    monkeypatch.setattr(Future, "exception", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(Stopwatch().env(), options(tmp_path, behavior={"threaded": True}))
    assert waits[3] == waits[2], "it has waited again"
    assert load_policy(tmp_path / "first").step > 0
