"""What training accepts and may still be a mistake, and files for another command."""

from pathlib import Path

import pytest
import yaml

from gym_adapters.errors import UserError
from trainers.config import load_settings
from trainers.config.__main__ import main
from trainers.config.doubts import check_trainer_type, doubts


def test_the_page_on_unity_names_nothing_that_is_not_there_yet() -> None:
    page = (Path(__file__).parents[3] / "docs" / "unity.md").read_text(encoding="utf-8")
    assert "| not yet |" not in page


def test_config_says_what_may_be_a_mistake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "file.yaml"
    lesson = {"name": "easy", "value": 1, "completion_criteria": {"behavior": "Wolker", "threshold": 1}}
    parameters = {"size": {"curriculum": [lesson, {"name": "hard", "value": 2}]}}
    content = {"behaviors": {"Walker": {}}, "environment_parameters": parameters}
    file.write_text(yaml.safe_dump(content))
    assert main([str(file)]) == 0
    said = capsys.readouterr()
    assert "Walker" in yaml.safe_load(said.out)["behaviors"]
    (line,) = said.err.splitlines()
    assert line.startswith(
        "warning: environment_parameters.size.curriculum: lesson easy waits for behavior Wolker"
    )
    assert line.endswith("did you mean Walker?")


def test_a_curriculum_of_a_behavior_that_only_the_scene_lists_is_accepted() -> None:
    lesson = {"name": "easy", "value": 1, "completion_criteria": {"behavior": "Other"}}
    parameters = {"size": {"curriculum": [lesson, {"name": "hard", "value": 2}]}}
    settings = load_settings({"behaviors": {"W": {}}, "environment_parameters": parameters})
    assert len(doubts(settings)) == 1
    assert doubts(load_settings({"default_settings": {}, "environment_parameters": parameters})) == []


@pytest.mark.parametrize("place", ["behaviors.W", "default_settings"])
def test_an_evaluation_after_the_end_is_doubted(place: str) -> None:
    block, _, name = place.partition(".")
    for steps, lines in ((500, 0), (501, 1)):
        behavior = {"max_steps": 500, "evaluation_freq": steps}
        found = doubts(load_settings({block: {name: behavior} if name else behavior}))
        assert len(found) == lines
    assert found[0].startswith(
        f"{place}.evaluation_freq is 501 and max_steps 500, so that nothing is evaluated"
    )


def test_episodes_of_evaluations_that_never_come_are_doubted() -> None:
    (line,) = doubts(load_settings({"behaviors": {"W": {"evaluation_episodes": 3}}}))
    assert line == "behaviors.W.evaluation_episodes is 3, but nothing is evaluated without evaluation_freq"


def test_a_command_for_one_trainer_refuses_a_file_for_another() -> None:
    settings = load_settings({"behaviors": {"W": {"trainer_type": "a2c"}}})
    check_trainer_type(settings, "a2c")
    with pytest.raises(UserError, match=r"behaviors\.W\.trainer_type is a2c, but this command trains ppo"):
        check_trainer_type(settings, "ppo")
