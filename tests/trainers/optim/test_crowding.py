"""Threads give way to fewer beside other programs, and come back."""

import pytest
import torch
from scripted_env import make_spec

from trainers.config import load_settings
from trainers.optim import crowding
from trainers.optim.crowding import RETRY, Crowding
from trainers.optim.device import Choice, Compute
from trainers.optim.threads import Threads, torch_threads
from trainers.training import learners
from trainers.training.followers import Silence
from trainers.training.learners import Learners


class Machine:
    """A clock, and gradients that take a known time with each number of threads.

    Attributes:
        seconds: seconds of a gradient by the number of threads.
        awake: part of it in which the calling thread computes, by the number of threads.
    """

    def __init__(self):
        self.now = self.computed = 0.0
        self.seconds = {1: 0.01, 2: 0.006}
        self.awake = {1: 1.0, 2: 1.0}

    def perf_counter(self):
        return self.now

    monotonic = perf_counter

    def thread_time(self):
        return self.computed

    def backward(self):
        seconds = self.seconds[torch.get_num_threads()]
        self.now += seconds
        self.computed += seconds * self.awake[torch.get_num_threads()]


@pytest.fixture
def machine(monkeypatch):
    machine = Machine()
    monkeypatch.setattr(crowding, "time", machine)
    with torch_threads(2):
        yield machine


def train(machine, crowd, seconds):
    """Compute gradients for some seconds, and return the parts of them with one thread and the last number."""
    start, alone = machine.now, 0.0
    while machine.now - start < seconds:
        before, threads = machine.now, torch.get_num_threads()
        crowd.backward(machine)
        alone += (machine.now - before) * (threads == 1)
    return alone / (machine.now - start), torch.get_num_threads()


def test_threads_with_cores_of_their_own_are_kept(machine):
    assert train(machine, Crowding(), 60.0) == (0.0, 2)


def test_one_thread_is_taken_beside_a_busy_program_and_several_once_it_has_ended(machine):
    crowd = Crowding()
    machine.seconds[2], machine.awake[2] = 0.15, 0.5
    assert train(machine, crowd, 60.0)[0] > 0.9
    machine.seconds[2], machine.awake[2] = 0.006, 1.0
    assert train(machine, crowd, RETRY + 1.0)[1] == 2
    assert train(machine, crowd, 60.0) == (0.0, 2)
    machine.seconds[2], machine.awake[2] = 0.15, 0.5
    assert train(machine, crowd, 60.0)[0] > 0.9


def test_several_threads_that_sleep_but_are_faster_are_kept(machine):
    machine.awake[2] = 0.5  # such as cores of two speeds, where fast ones wait for slow ones
    alone, threads = train(machine, Crowding(), 60.0)
    assert alone < 0.05
    assert threads == 2


def test_the_number_is_halved_until_the_threads_have_cores(machine):
    torch.set_num_threads(4)
    crowd = Crowding()
    machine.seconds[4], machine.awake[4] = 0.1, 0.3
    assert train(machine, crowd, 5.0) == (0.0, 2)
    machine.seconds[2], machine.awake[2] = 0.05, 0.5
    assert train(machine, crowd, 5.0)[1] == 1
    machine.seconds |= {2: 0.006, 4: 0.004}
    machine.awake |= {2: 1.0, 4: 1.0}
    assert train(machine, crowd, RETRY + 1.0)[1] == 4


def test_one_thread_stays_one(machine):
    with torch_threads(1):
        assert train(machine, Crowding(), 60.0) == (1.0, 1)


@pytest.mark.parametrize(
    ("threads", "measured", "threaded", "watched"),
    [(2, True, False, True), (1, True, False, False), (2, False, False, False), (2, True, True, False)],
)
def test_a_measured_number_of_threads_may_fall_unless_the_run_is_threaded(
    monkeypatch, threads, measured, threaded, watched
):
    choice = Choice(Compute(torch.device("cpu"), threads), "", measured)
    monkeypatch.setattr(learners, "choose_compute", lambda *_: choice)
    behavior = {"trainer_type": "ppo", "threaded": threaded}
    settings = load_settings({"behaviors": {"Task": behavior}, "env_settings": {"seed": 0}})
    with Threads() as run_threads:
        learner = Learners(settings, run_threads, Silence()).make("Task", make_spec((3,), continuous=1), {})
    assert (learner.optimizer.crowding is not None) == watched


def test_gradients_are_those_of_autograd():
    weights = torch.arange(3.0, requires_grad=True)
    Crowding().backward(weights.square().sum())
    assert torch.equal(weights.grad, 2.0 * weights.detach())
