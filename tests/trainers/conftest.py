"""Small networks on a shared machine: one thread, a folder of its own for every test, and finished runs to look at."""

import contextlib
import io
import os
import shutil
from pathlib import Path

import pytest
import torch
from command_tools import write_file
from run_tools import train_small

from trainers import Outcome
from trainers.optim import measured
from trainers.training.cli import main

torch.set_num_threads(1)
for variable in ("FORCE_COLOR", "TTY_COMPATIBLE"):  # they make rich take a pipe for a terminal
    os.environ.pop(variable, None)


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(measured, "user_cache_path", lambda *_, **__: tmp_path / "cache")


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory) -> tuple[Path, Outcome]:
    """A run of 3000 steps, and what it returned. Not to be written to."""
    results = tmp_path_factory.mktemp("results")
    return results / "first", train_small(results)


@pytest.fixture
def run_copy(finished_run, tmp_path) -> Path:
    """A copy of the finished run, to do anything to; its configuration.yaml still names the original's folder."""
    return Path(shutil.copytree(finished_run[0], tmp_path / "results" / "first"))


@pytest.fixture(scope="session")
def cartpole(tmp_path_factory) -> Path:
    """A results folder with the finished run `pole`. Not to be written to."""
    folder = tmp_path_factory.mktemp("cartpole")
    file = write_file(folder / "small.yaml")
    arguments = [file, "--env", "CartPole-v1", "--run-id", "pole", "--results-dir", folder, "--seed", 3]
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        assert main([str(argument) for argument in arguments], "ppo") == 0
    (folder / "output.txt").write_text(output.getvalue())
    return folder
