"""A run that goes on where there is another device than the one it was computed on."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from learner_tools import assert_same
from run_tools import Stopwatch, options

from trainers import UserError, train
from trainers.config import TorchSettings
from trainers.records.checkpoint import load_state, save_state
from trainers.training.resuming import generator_state, resumed_settings

NOWHERE = "cuda:99"
CUDA_STATE = torch.arange(16, dtype=torch.uint8)  # a seed and an offset of eight bytes each


@pytest.fixture
def from_cuda(run_copy) -> Path:
    """A run whose checkpoint and status are those of a machine with a hundred GPUs."""
    path = run_copy / "Task" / "checkpoint.pt"
    save_state(path, {**load_state(path), "generator": CUDA_STATE})
    status = run_copy / "run_logs" / "training_status.json"
    content = json.loads(status.read_text())
    content["Task"]["device"] = NOWHERE
    status.write_text(json.dumps(content))
    return run_copy


def resumed(run: Path, **torch_settings: str) -> dict:
    """The checkpoint after some more steps."""
    settings = options(run.parent, run.name, behavior={"max_steps": 3600}, resume=True)
    train(Stopwatch().env(), {**settings, "torch_settings": torch_settings})
    return load_state(run / "Task" / "checkpoint.pt")


def test_a_run_from_a_gpu_goes_on_without_one_and_says_so(from_cuda, capsys):
    assert resumed(from_cuda)["global_step"] >= 3600
    said = capsys.readouterr().out.splitlines()
    lines = [line for line in said if line.startswith("Task: ") and "device" in line]
    assert lines == [
        "Task: so far computed on cuda:99, which is not available here; the device is chosen anew",
        "Task: saved on another device; its random numbers go on from a seed made of the saved ones",
    ]
    status = json.loads((from_cuda / "run_logs" / "training_status.json").read_text())
    assert status["Task"]["device"] == "cpu"
    resumed(from_cuda)
    assert "device" not in capsys.readouterr().out, "the second time it is at home here"


def test_what_follows_is_the_same_each_time_and_depends_on_the_saved_state(from_cuda):
    same, other = (shutil.copytree(from_cuda, from_cuda.with_name(name)) for name in ("same", "other"))
    path = other / "Task" / "checkpoint.pt"
    save_state(path, {**load_state(path), "generator": CUDA_STATE + 1})
    after = resumed(from_cuda)
    assert_same(resumed(same)["Policy"], after["Policy"])
    with pytest.raises(AssertionError):
        assert_same(resumed(other)["Policy"], after["Policy"])


def test_a_generator_goes_on_from_a_state_of_its_own_kind():
    generator = torch.Generator().manual_seed(3)
    saved = generator.get_state()
    expected = torch.rand(4, generator=generator)
    generator.set_state(generator_state(saved, torch.Generator()))
    assert torch.equal(torch.rand(4, generator=generator), expected)


@pytest.mark.parametrize(
    ("wanted", "before", "expected", "told"),
    [
        (None, "cpu", "cpu", False),
        ("auto", "cpu", "cpu", False),
        ("auto", NOWHERE, "auto", True),
        (None, "no device at all", None, True),
        (None, None, None, False),
        ("cpu", NOWHERE, "cpu", False),
        (NOWHERE, "cpu", NOWHERE, False),
    ],
)
def test_the_device_of_before_is_taken_where_the_file_leaves_it_open(wanted, before, expected, told):
    status = {} if before is None else {"device": before}
    settings, line = resumed_settings(TorchSettings(device=wanted, num_threads=2), status)
    assert settings == TorchSettings(device=expected, num_threads=2)
    assert (f"computed on {before}" in line) == bool(line) == told


def test_a_device_that_is_asked_for_and_not_there_ends_the_resume(from_cuda):
    with pytest.raises(UserError, match=f"--torch-device {NOWHERE}: not available here"):
        resumed(from_cuda, device=NOWHERE)
