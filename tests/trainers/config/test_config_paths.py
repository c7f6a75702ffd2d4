"""Paths that no system can open."""

import pytest

from gym_adapters.errors import UserError
from trainers.config import load_settings

KEYS = ("checkpoint_settings.results_dir", "checkpoint_settings.initialize_from", "env_settings.env_path")


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("path", ["a\0b", "a\udcffb", "x" * 256, "ä" * 128, "y/" * 2001])
def test_a_path_that_no_system_can_open_is_refused(key, path):
    block, name = key.split(".")
    with pytest.raises(UserError, match="expected a path of") as caught:
        load_settings({block: {name: path}})
    assert key in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("path", ["", "runs", "../a b/ü", "C:\\runs\\a", "x" * 255, "y/" * 1999])
def test_every_other_path_is_taken(path):
    assert (
        load_settings({"checkpoint_settings": {"results_dir": path}}).checkpoint_settings.results_dir == path
    )


def test_a_training_file_of_such_a_name_is_refused():
    with pytest.raises(UserError, match="cannot be the path of a file"):
        load_settings("a\0b")
