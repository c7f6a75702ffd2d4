"""Gradient steps that are recorded and replayed: what they are given, and that they are the same steps."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from learner_tools import behavior_settings, drive, make_learner
from scripted_env import Behavior, ScriptedEnv, crowd, make_spec

from trainers.algorithms import learner as learner_module
from trainers.optim.captured import MOST_GRAPHS, WARM_UP, Captured

CONTINUOUS, DISCRETE = make_spec((4,), continuous=2), make_spec((4,), branches=(3,))
LEARNERS = {
    "sac": (CONTINUOUS, {"buffer_size": 200, "batch_size": 8, "steps_per_update": 5, "actor_interval": 3}),
    "dqn": (DISCRETE, {"buffer_size": 200, "batch_size": 8, "steps_per_update": 5}),
    "pqn": (DISCRETE, {"buffer_size": 40, "batch_size": 10}),
    "ppo": (CONTINUOUS, {"buffer_size": 40, "batch_size": 10, "num_epoch": 2}),
    "a2c": (CONTINUOUS, {"buffer_size": 40, "batch_size": 10}),
    "poca": (CONTINUOUS, {"buffer_size": 40, "batch_size": 10, "num_epoch": 2}),
    "mappo": (CONTINUOUS, {"buffer_size": 40, "batch_size": 10, "num_epoch": 2}),
}


class RecorderOnCpu:
    """Stands for a GPU's recorder: what it returns calls the function again, with the tensors it was recorded with."""

    device = torch.device("cpu")

    def __init__(self, fails: bool = False) -> None:
        self.warm, self.fails, self.recordings = False, fails, 0

    def record(self, function):
        """See `StepRecorder.record`."""
        if self.fails:
            raise RuntimeError("operation not permitted when stream is capturing")
        self.recordings += 1
        return function


@dataclass(frozen=True)
class Pair:
    """Something to compute with."""

    parts: list[np.ndarray]
    factor: torch.Tensor
    absent: np.ndarray | None = None


def total(pair: Pair) -> torch.Tensor:
    assert all(isinstance(part, torch.Tensor) for part in pair.parts)
    assert pair.absent is None
    return pair.factor * sum(part.sum() for part in pair.parts)


def test_a_recorded_function_computes_the_same_from_every_input():
    recorder = RecorderOnCpu()
    captured = Captured(total, recorder)
    results = []
    for call in range(3 * WARM_UP):
        pair = Pair([np.full(3, float(call)), np.ones((2, 2))], torch.tensor(2.0))
        results.append(captured(pair))
        assert recorder.recordings == (call >= WARM_UP)
    assert [result.item() for result in results] == [2.0 * (3 * call + 4) for call in range(3 * WARM_UP)]


def test_every_set_of_shapes_and_every_form_has_its_recording_up_to_a_limit():
    recorder = RecorderOnCpu()
    captured = Captured(lambda array: array.sum(), recorder)
    for _ in range(WARM_UP):
        captured(np.ones(1))
    for size in range(1, 2 * MOST_GRAPHS):
        assert captured(np.ones(size), form="some").item() == size
    assert recorder.recordings == MOST_GRAPHS


def test_what_was_recorded_is_recorded_anew_once_it_is_forgotten():
    recorder, factor = RecorderOnCpu(), 1.0
    captured = Captured(lambda array: array.sum() * factor, recorder)
    for _ in range(2 * WARM_UP):
        captured(np.ones(1))
    captured.forget()
    factor = 3.0
    assert [captured(np.ones(1)).item() for _ in range(2)] == [3.0, 3.0]
    assert recorder.recordings == 2


def test_what_cannot_be_recorded_is_computed_as_usual():
    captured = Captured(lambda array: array.sum(), RecorderOnCpu(fails=True))
    assert [captured(np.ones(call)).item() for call in range(8)] == list(range(8))


@pytest.mark.parametrize("name", LEARNERS)
def test_learners_that_record_their_steps_learn_the_same_bit_for_bit(name, monkeypatch):
    spec, hyper = LEARNERS[name]
    learned, recorder = [], RecorderOnCpu()
    for found in (None, recorder):
        monkeypatch.setattr(learner_module, "find_recorder", lambda *given, found=found: found)
        learner = make_learner(spec, behavior_settings(name, hyper, {"hidden_units": 16}), 0)
        learner.numpy_path = None  # which has no operations to record
        agents = crowd(5, 300, 8, interrupted=True)
        drive(
            ScriptedEnv({"Test": Behavior(spec, agents, bool(spec.action_spec.discrete_size))}), learner, 60
        )
        learned.append({**learner.policy.state_dict(), **learner.metrics.take_values()})
    assert recorder.recordings
    assert learned[0].keys() == learned[1].keys()
    for key, value in learned[0].items():
        assert torch.equal(torch.as_tensor(value), torch.as_tensor(learned[1][key])), key


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
@pytest.mark.parametrize("name", LEARNERS)
def test_a_gpu_learns_the_same_from_recorded_steps(name, caplog):
    caplog.set_level("INFO", "trainers.optim.captured")
    spec, hyper = LEARNERS[name]
    learned = []
    for recorded in (False, True):
        settings = behavior_settings(name, hyper, {"hidden_units": 16}, max_steps=2000)
        learner = make_learner(spec, settings, device="cuda", cuda_graphs=recorded)
        agents = crowd(5, 300, 8, interrupted=True)
        drive(
            ScriptedEnv({"Test": Behavior(spec, agents, bool(spec.action_spec.discrete_size))}), learner, 60
        )
        learned.append(learner.policy.state_dict())
    assert learner.recorder is not None
    assert learner.recorder.warm
    assert not caplog.messages  # that a step cannot be recorded
    for key, value in learned[0].items():
        torch.testing.assert_close(learned[1][key], value, msg=lambda text, key=key: f"{key}: {text}")


def test_no_recorder_is_looked_for_on_the_cpu():
    spec, hyper = LEARNERS["sac"]
    assert make_learner(spec, behavior_settings("sac", hyper), 0).recorder is None
