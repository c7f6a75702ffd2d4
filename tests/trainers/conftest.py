"""Small networks on a shared machine: one thread, and a folder of its own for every test."""

import os

import pytest
import torch

torch.set_num_threads(1)
for variable in ("FORCE_COLOR", "TTY_COMPATIBLE"):  # they make rich take a pipe for a terminal
    os.environ.pop(variable, None)


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
