"""Files that are no training files: what is said of one that cannot be read, or is empty."""

from collections.abc import Callable
from pathlib import Path

import pytest

from gym_adapters.errors import UserError
from trainers.compare.experiments import ExperimentFile
from trainers.config import load_settings
from trainers.config.loader import load_block
from trainers.config.migration import from_mlagents
from trainers.search.space import load_search

OLD = "Walker: {trainer: ppo, max_steps: 1000}\n"


def experiments(path: Path, _: Path) -> None:
    load_block(path, ExperimentFile, "a file of experiments (.yaml)")


KINDS: dict[str, tuple[Callable[[Path, Path], object], str, str]] = {
    "training": (lambda path, _: load_settings(path), "a training file (.yaml)", "behaviors"),
    "search": (lambda path, _: load_search(path), "the file of a search (.yaml)", "space"),
    "experiments": (experiments, "a file of experiments (.yaml)", "env and base and variants"),
    "curriculum": (
        lambda path, old: from_mlagents(old, [path]),
        "a curriculum of an earlier release",
        "parameters and thresholds",
    ),
    "samplers": (
        lambda path, old: from_mlagents(old, [], path),
        "a sampler file of an earlier release",
        "parameters",
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_is_told_what_it_should_be(kind: str, tmp_path: Path) -> None:
    read, name, keys = KINDS[kind]
    empty, old = tmp_path / "empty.yaml", tmp_path / "old.yaml"
    old.write_text(OLD)
    empty.write_text("# nothing\n")
    with pytest.raises(UserError, match="the file is empty; give") as found:
        read(empty, old)
    assert f"give {name}" in str(found.value)
    assert f"holds at least {keys}" in str(found.value)
    for path, what in ((tmp_path / "none.yaml", "no such file"), (tmp_path, "is a folder")):
        with pytest.raises(UserError, match=what) as found:
            read(path, old)
        assert f"give the path of {name}" in str(found.value)
