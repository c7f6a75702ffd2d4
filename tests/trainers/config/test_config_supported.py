"""What is read but cannot be trained yet is refused with its key."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from gym_adapters.errors import UserError
from trainers.config import check_supported, load_settings
from trainers.config.__main__ import main
from trainers.config.supported import doubts

REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"network_settings": {"memory": {}}}, "network_settings.memory is not supported yet"),
]


@pytest.mark.parametrize(("behavior", "message"), REFUSED, ids=[row[1][:30] for row in REFUSED])
def test_refused_with_the_path(behavior: dict[str, Any], message: str) -> None:
    for content, path in (
        ({"behaviors": {"Fine": {}, "W": behavior}}, "behaviors.W"),
        ({"default_settings": behavior, "behaviors": {"W": {}}}, "default_settings"),
    ):
        with pytest.raises(UserError) as caught:
            check_supported(load_settings(content))
        assert str(caught.value).startswith(f"settings: {path}.{message}")


def test_the_page_on_unity_lists_what_is_refused() -> None:
    page = (Path(__file__).parents[3] / "docs" / "unity.md").read_text(encoding="utf-8")
    missing = [line for line in page.splitlines() if line.startswith("|") and "| not yet |" in line]
    for behavior, message in REFUSED:
        key = message.split(" is not")[0].split(": ")[-1].split(".")[-1]
        assert any(f"`{key}`" in line for line in missing), behavior


def test_all_refused_keys_are_named_at_once_each_with_what_is_lost() -> None:
    content: dict[str, Any] = {
        "default_settings": {"network_settings": {"memory": {}}},
        "behaviors": {
            "Striker": {"network_settings": {"vis_encode_type": "match3"}, "trainer_type": "poca"},
            "Goalie": {},
        },
    }
    with pytest.raises(UserError) as caught:
        check_supported(load_settings(content))
    said = str(caught.value)
    assert "\n" not in said
    for words in (
        "default_settings.network_settings.memory",
        "the policy sees the present observation only",
        "behaviors.Striker.network_settings.vis_encode_type: match3",
    ):
        assert words in said
    assert said.count("memory is not supported") == 1, "what behaviors inherit is named once"


def test_config_says_what_training_would_refuse(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "file.yaml"
    lesson = {"name": "easy", "value": 1, "completion_criteria": {"behavior": "Wolker", "threshold": 1}}
    parameters = {"size": {"curriculum": [lesson, {"name": "hard", "value": 2}]}}
    content = {
        "behaviors": {"Walker": {"network_settings": {"memory": {}}}},
        "environment_parameters": parameters,
    }
    file.write_text(yaml.safe_dump(content))
    assert main([str(file)]) == 0
    said = capsys.readouterr()
    assert yaml.safe_load(said.out)["behaviors"]["Walker"]["network_settings"]["memory"]
    first, second = said.err.splitlines()
    assert first.startswith(
        "training would refuse: behaviors.Walker.network_settings.memory is not supported yet"
    )
    assert second.startswith(
        "warning: environment_parameters.size.curriculum: lesson easy waits for behavior Wolker"
    )
    assert second.endswith("did you mean Walker?")


def test_a_curriculum_of_a_behavior_that_only_the_scene_lists_is_accepted() -> None:
    lesson = {"name": "easy", "value": 1, "completion_criteria": {"behavior": "Other"}}
    parameters = {"size": {"curriculum": [lesson, {"name": "hard", "value": 2}]}}
    settings = load_settings({"behaviors": {"W": {}}, "environment_parameters": parameters})
    check_supported(settings)
    assert len(doubts(settings)) == 1
    assert doubts(load_settings({"default_settings": {}, "environment_parameters": parameters})) == []


@pytest.mark.parametrize(
    "behavior",
    [
        {"trainer_type": "ppo"},
        {"trainer_type": "a2c"},
        {"threaded": True},
        {"init_path": "old.pt"},
        {"framework": "pytorch"},
        {"network_settings": {"vis_encode_type": "resnet"}},
    ],
)
def test_accepted(behavior: dict[str, Any]) -> None:
    check_supported(load_settings({"default_settings": behavior}))


def test_a_command_for_one_trainer_refuses_a_file_for_another() -> None:
    settings = load_settings({"behaviors": {"W": {"trainer_type": "a2c"}}})
    check_supported(settings, "a2c")
    with pytest.raises(UserError, match=r"behaviors\.W\.trainer_type is a2c, but this command trains ppo"):
        check_supported(settings, "ppo")
