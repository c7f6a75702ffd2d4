"""The training files for Unity's example scenes, which mlagents-learn takes as they are."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from scenes import SCENES, scene_of
from unity_files import FILES, FOLDER, name_of

from trainers.config import dump_settings, load_settings

PUBLISHED = {
    "": "3DBall 3DBallHard 3DBall_randomize Basic Crawler FoodCollector GridWorld Hallway Match3 PushBlock Pyramids "
    "PyramidsRND Sorter_curriculum Visual3DBall VisualFoodCollector Walker WallJump WallJump_curriculum Worm "
    "DungeonEscape PushBlockCollab SoccerTwos StrikersVsGoalie",
    "sac": "3DBall 3DBallHard Basic Crawler FoodCollector GridWorld Hallway PushBlock Pyramids Walker WallJump Worm",
    "imitation": "Crawler FoodCollector Hallway PushBlock Pyramids",
    "mappo": "DungeonEscape PushBlockCollab SoccerTwos StrikersVsGoalie",
}
"""The files that ML-Agents publishes, by folder. Those for PPO and POCA have no folder of their own."""


def assert_contained(part: Any, whole: Any, path: str = "") -> None:
    if not isinstance(part, dict):
        assert part == whole, path
        return
    for key, value in part.items():
        assert key in whole, f"{path}.{key} is an extension, or is not ML-Agents' name"
        assert_contained(value, whole[key], f"{path}.{key}")


def test_there_is_a_file_for_every_scene_and_algorithm() -> None:
    for folder, names in PUBLISHED.items():
        assert {path.stem for path in (FOLDER / folder).glob("*.yaml")} >= set(names.split())


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_mlagents_takes_the_file_too(path: Path) -> None:
    settings, content = load_settings(path), yaml.safe_load(path.read_text(encoding="utf-8"))
    theirs = dump_settings(settings, for_mlagents=True)
    assert load_settings(theirs).environment_parameters == settings.environment_parameters
    content.pop("environment_parameters", None)  # which is written as a curriculum, whatever it was
    assert_contained(content, yaml.safe_load(theirs))


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_the_behaviors_have_the_names_of_the_scene(path: Path) -> None:
    settings = load_settings(path)
    names = {name.partition("?")[0] for name in SCENES[scene_of(path)].casts}
    assert names >= set(settings.behaviors)
    assert names == set(settings.behaviors) or settings.default_settings is not None
    assert settings.env_settings.env_path is None
    for behavior in settings.behaviors.values():
        parameters = behavior.hyperparameters
        assert parameters.buffer_size >= parameters.batch_size
