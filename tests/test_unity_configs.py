"""The training files for Unity's example scenes, which mlagents-learn takes as they are."""

from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import yaml

from trainers.config import check_supported, dump_settings, load_settings

FOLDER = Path(str(resources.files("unity_configs"))) / "unity"
FILES = sorted(FOLDER.rglob("*.yaml"))
SCENES = {
    "3DBall",
    "3DBallHard",
    "Basic",
    "Crawler",
    "FoodCollector",
    "GridWorld",
    "DungeonEscape",
    "PushBlock",
    "PushBlockCollab",
    "Pyramids",
    "PyramidsRND",
    "SoccerTwos",
    "StrikersVsGoalie",
    "Walker",
    "WallJump",
    "Worm",
}
BEHAVIORS = {
    "StrikersVsGoalie": ["Goalie", "Striker"],
    "FoodCollector": ["GridFoodCollector"],
    "PyramidsRND": ["Pyramids"],
    "WallJump": ["BigWallJump", "SmallWallJump"],
    "Walker2d-v5-player": ["Walker2d-v5"],
    "simple_spread-player": ["simple_spread_v3"],
}


def assert_contained(part: Any, whole: Any, path: str = "") -> None:
    if not isinstance(part, dict):
        assert part == whole, path
        return
    for key, value in part.items():
        assert key in whole, f"{path}.{key} is an extension, or is not ML-Agents' name"
        assert_contained(value, whole[key], f"{path}.{key}")


def test_there_is_a_file_for_every_scene() -> None:
    assert {path.stem for path in FILES} >= SCENES


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(FOLDER).as_posix())
def test_both_trainers_take_the_file(path: Path) -> None:
    settings = load_settings(path)
    check_supported(settings)
    theirs = yaml.safe_load(dump_settings(settings, for_mlagents=True))
    assert_contained(yaml.safe_load(path.read_text(encoding="utf-8")), theirs)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(FOLDER).as_posix())
def test_the_behaviors_have_the_names_of_the_scene(path: Path) -> None:
    settings = load_settings(path)
    assert sorted(settings.behaviors) == BEHAVIORS.get(path.stem, [path.stem])
    assert settings.env_settings.env_path is None
    for behavior in settings.behaviors.values():
        parameters = behavior.hyperparameters
        assert parameters.buffer_size >= parameters.batch_size
