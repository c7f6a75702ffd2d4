"""Names that YAML reads as something else are the text that is written; numbers stay numbers."""

import math
from pathlib import Path

import pytest

from gym_adapters.errors import UserError
from trainers.config import dump_settings, load_settings

NUMBERS = ["007", "1.10", "1_000", "0x10", "12:30", "1e3", "1.0e+3", "0b11", "+5", ".5", ".inf", "-0", "010"]
DATES = ["2026-11-28", "2026-11-28 10:00:00"]
WORDS = ["on", "off", "yes", "no", "y", "True", "null", "~", "="]
NAMES = [*NUMBERS, *DATES, *WORDS, "<<x"]

LESSONS = """\
environment_parameters:
  {name}:
    curriculum:
      - {{name: {text}, value: 1.5, completion_criteria: {{behavior: {text}, threshold: 0.50}}}}
      - {{name: last, value: 1_000}}
"""


@pytest.mark.parametrize("name", NAMES)
def test_keys_are_the_text_that_is_written(name: str) -> None:
    text = f"behaviors:\n  {name}: {{max_steps: 5}}\n" + LESSONS.format(name=name, text="a")
    settings = load_settings(text)
    assert list(settings.behaviors) == list(settings.environment_parameters or {}) == [name]
    again = load_settings(dump_settings(settings))
    assert again == settings


@pytest.mark.parametrize("name", [name for name in NAMES if name != "="])
def test_a_key_is_found_by_an_override(name: str) -> None:
    settings = load_settings(f"behaviors:\n  {name}: {{}}\n", [f"behaviors.{name}.max_steps=1_000"])
    assert settings.behaviors[name].max_steps == 1000
    assert list(settings.behaviors) == [name]
    settings = load_settings("debug: true", [f"environment_parameters.{name}=0.25"])
    assert list(settings.environment_parameters or {}) == [name]


@pytest.mark.parametrize("text", [*NUMBERS, *DATES])
def test_text_is_the_text_that_is_written(text: str, tmp_path: Path) -> None:
    file = tmp_path / "1.10"
    file.write_text(
        f"checkpoint_settings: {{run_id: {text}, results_dir: {text}}}\n"
        f"env_settings: {{env_path: {text}, env_args: [--level, {text}]}}\nwandb: {text}\n"
        + LESSONS.format(name="p", text=text)
    )
    for settings in (
        load_settings(file),
        load_settings(dump_settings(load_settings(file))),
        load_settings(
            file, [f"checkpoint_settings.run_id={text}", f"env_settings.env_args=[--level, {text}]"]
        ),
    ):
        saved, env = settings.checkpoint_settings, settings.env_settings
        assert saved.run_id == saved.results_dir == env.env_path == text
        assert (env.env_args, settings.wandb) == (("--level", text), text)
        assert settings.environment_parameters is not None
        lesson = settings.environment_parameters["p"].curriculum[0]
        assert lesson.name == text
        assert lesson.completion_criteria is not None
        assert (lesson.completion_criteria.behavior, lesson.completion_criteria.threshold) == (text, 0.5)
    start = load_settings(f"checkpoint_settings: {{initialize_from: {text}}}").checkpoint_settings
    assert start.initialize_from == text


@pytest.mark.parametrize("word", ["on", "off", "yes", "no", "true"])
def test_a_flag_as_text_is_refused_in_one_line(word: str) -> None:
    with pytest.raises(UserError, match=r"checkpoint_settings\.run_id: expected text, .* put it in quotes$"):
        load_settings(f"checkpoint_settings: {{run_id: {word}}}")


def test_a_repeated_name_is_refused_however_it_is_quoted() -> None:
    with pytest.raises(UserError, match=r"the key 1\.10 is repeated"):
        load_settings('behaviors:\n  1.10: {}\n  "1.10": {}\n')


def test_merged_keys_are_text() -> None:
    settings = load_settings("environment_parameters:\n  <<: &a {1.10: 1, on: 2}\n  on: 3\n")
    assert set(settings.environment_parameters or {}) == {"1.10", "on"}


def test_numbers_are_numbers_of_pythons_own_kinds() -> None:
    settings = load_settings(
        "behaviors:\n  A:\n    trainer_type: ppo\n    max_steps: 1_000_000\n    summary_freq: 0x10\n"
        "    time_horizon: 1.0e+2\n"
        "    hyperparameters: {learning_rate: 3.0e-04, batch_size: 010}\n"
        "env_settings:\n  env_options: {speed: 1.10, level: 007, when: 2026-11-28, far: [.inf, {b: 0x10}]}\n"
    )
    one, options = settings.behaviors["A"], settings.env_settings.env_options
    found = (one.max_steps, one.summary_freq, one.time_horizon, one.hyperparameters.learning_rate)
    assert found == (1_000_000, 16, 100, 3e-4)
    assert one.hyperparameters.batch_size == 8
    assert options == {"speed": 1.1, "level": 7, "when": "2026-11-28", "far": [math.inf, {"b": 16}]}
    values = [*found, options["speed"], options["level"], options["far"][0], options["far"][1]["b"]]
    assert {type(value) for value in values} == {int, float}


def test_a_refusal_shows_the_number() -> None:
    with pytest.raises(UserError, match=r"expected a whole number up to .*, got 999999999999999999$"):
        load_settings("behaviors: {A: {max_steps: 999_999_999_999_999_999}}")
