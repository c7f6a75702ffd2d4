"""`python -m trainers.config --from-mlagents`: training files of ML-Agents 0.5 to 1.x become today's."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from trainers import UserError
from trainers.config import load_settings
from trainers.config.__main__ import main
from trainers.config.migration import STEPS, from_mlagents

DEFAULT = """
default:
    trainer: ppo
    batch_size: 512
    beta: 5.0e-3
    buffer_size: 5120
    hidden_units: 96
    max_steps: 5.0e5
    memory_size: 64
    sequence_length: 32
    use_recurrent: false
    summary_freq: 3000
    reward_signals:
        extrinsic: {strength: 1.0, gamma: 0.98}
"""


def migrated(text: str, tmp_path: Path, **files: Any) -> tuple[dict[str, Any], list[str]]:
    """Today's content for an old file, which must be a valid training file, and the notes."""
    path = tmp_path / "old.yaml"
    path.write_text(text)
    new, notes = from_mlagents(path, **files)
    load_settings(new)
    assert [line.removeprefix("# ") for line in new.splitlines() if line.startswith("#")] == notes
    return yaml.safe_load(new), notes


def test_flat_keys_find_their_places_and_numbers_in_text_are_numbers(tmp_path):
    own = "{max_steps: 2e6, use_recurrent: true, num_layers: 3, time_horizon: 128}"
    content, notes = migrated(f"{DEFAULT}\nSeeker: {own}\n", tmp_path)
    hyper = {"batch_size": 512, "buffer_size": 5120, "beta": 0.005}
    signals = {"extrinsic": {"strength": 1.0, "gamma": 0.98}}
    assert content["behaviors"]["Seeker"] == {
        "trainer_type": "ppo",
        "hyperparameters": hyper,
        "network_settings": {
            "hidden_units": 96,
            "num_layers": 3,
            "memory": {"memory_size": 64, "sequence_length": 32},
        },
        "reward_signals": signals,
        "max_steps": 2_000_000,
        "time_horizon": 128,
        "summary_freq": 3000,
    }
    assert content["default_settings"] == {
        "trainer_type": "ppo",
        "hyperparameters": hyper,
        "network_settings": {"hidden_units": 96},
        "reward_signals": signals,
        "max_steps": 500_000,
        "summary_freq": 3000,
    }
    assert notes == [STEPS]


PLACES = {
    "batch_size": "hyperparameters",
    "beta": "hyperparameters",
    "num_epoch": "hyperparameters",
    "hidden_units": "network_settings",
    "num_layers": "network_settings",
    "max_steps": None,
    "time_horizon": None,
}
flat = st.fixed_dictionaries({}, optional={key: st.integers(1, 100) for key in PLACES})


@given(flat, flat)
def test_a_behaviors_own_keys_come_before_those_of_the_default(tmp_path_factory, default, own):
    old = {"default": {"trainer": "ppo", **default}, "Seeker": own}
    content, _ = migrated(json.dumps(old), tmp_path_factory.mktemp("old"))
    block = content["behaviors"]["Seeker"]
    found = {
        key: value
        for key, place in PLACES.items()
        if (value := (block if place is None else block.get(place, {})).get(key)) is not None
    }
    assert found == {**default, **own}


def test_a_block_of_a_behavior_replaces_that_of_the_default_as_then(tmp_path):
    own = "{reward_signals: {gail: {demo_path: a.demo, encoding_size: 64, strength: 0.1}}}"
    content, notes = migrated(f"{DEFAULT}\nSeeker: {own}\n", tmp_path)
    assert content["behaviors"]["Seeker"]["reward_signals"] == {
        "gail": {"demo_path": "a.demo", "strength": 0.1, "network_settings": {"hidden_units": 64}}
    }
    assert "reward_signals" not in content["default_settings"], "it is mixed into listed behaviors today"
    assert any(note.startswith("default.reward_signals: left out") for note in notes)


def test_sac_counts_steps_for_each_update(tmp_path):
    text = (
        "Seeker:\n  trainer: sac\n  train_interval: 4\n  num_update: 2\n  init_entcoef: 0.5\n  beta: 0.1\n"
        "  reward_signals: {reward_signal_num_update: 1, extrinsic: {gamma: 0.9}}\n"
    )
    content, notes = migrated(text, tmp_path)
    assert content["behaviors"]["Seeker"] == {
        "trainer_type": "sac",
        "hyperparameters": {
            "steps_per_update": 2.0,
            "reward_signal_steps_per_update": 4.0,
            "init_entcoef": 0.5,
        },
        "reward_signals": {"extrinsic": {"gamma": 0.9}},
    }
    assert notes == ["Seeker.beta: sac has no such key; left out (0.1)"]


def test_releases_without_reward_signals_and_with_pretraining(tmp_path):
    text = (
        "Seeker:\n  trainer: ppo\n  gamma: 0.9\n  use_curiosity: true\n  curiosity_strength: 0.02\n"
        "  curiosity_enc_size: 32\n  pretraining: {demo_path: a.demo, strength: 0.5, steps: 100}\n"
    )
    content, notes = migrated(text, tmp_path)
    assert content["behaviors"]["Seeker"]["reward_signals"] == {
        "extrinsic": {"gamma": 0.9},
        "curiosity": {"gamma": 0.9, "strength": 0.02, "network_settings": {"hidden_units": 32}},
    }
    assert content["behaviors"]["Seeker"]["behavioral_cloning"] == {
        "demo_path": "a.demo",
        "strength": 0.5,
        "steps": 100,
    }
    assert notes == []


def test_keys_that_reward_signals_replaced_are_told_where_they_stand_beside_it(tmp_path):
    text = (
        "default: {trainer: ppo, reward_signals: {extrinsic: {strength: 1.0, gamma: 0.99}}}\n"
        "Seeker: {use_curiosity: true, gamma: 0.9}\n"
    )
    content, notes = migrated(text, tmp_path)
    assert content["behaviors"]["Seeker"]["reward_signals"] == {"extrinsic": {"strength": 1.0, "gamma": 0.99}}
    assert notes == [
        "Seeker.use_curiosity: had no effect beside reward_signals; left out (True)",
        "Seeker.gamma: had no effect beside reward_signals; left out (0.9)",
    ]


def test_files_of_1_x_with_blocks_for_lessons_and_samplers(tmp_path):
    text = """
behaviors:
  Seeker: {trainer: ppo, batch_size: 64, max_steps: 5e5, self_play: {play_against_current_self_ratio: 0.4}}
curriculum:
  Seeker:
    measure: progress
    thresholds: [0.1, 0.4]
    min_lesson_length: 50
    parameters: {height: [1, 2, 3]}
parameter_randomization:
  resampling-interval: 500
  mass: {sampler-type: multirange_uniform, intervals: [[1, 2], [4, 5]]}
"""
    content, notes = migrated(text, tmp_path)
    assert content["behaviors"]["Seeker"]["self_play"] == {"play_against_latest_model_ratio": 0.4}
    height = content["environment_parameters"]["height"]["curriculum"]
    assert [lesson["value"] for lesson in height] == [1, 2, 3]
    criteria = {"behavior": "Seeker", "measure": "progress", "min_lesson_length": 50}
    assert [lesson.get("completion_criteria") for lesson in height] == [
        {**criteria, "threshold": 0.1},
        {**criteria, "threshold": 0.4},
        None,
    ]
    assert content["environment_parameters"]["mass"] == {
        "sampler_type": "multirangeuniform",
        "sampler_parameters": {"intervals": [[1, 2], [4, 5]]},
    }
    assert notes == ["resampling-interval: parameters are now drawn anew for each episode; left out (500)"]


def test_curriculum_and_sampler_files_of_that_time(tmp_path):
    lesson = {"measure": "reward", "thresholds": [0.5], "parameters": {"height": [1, 2]}}
    (tmp_path / "Seeker.json").write_text(json.dumps(lesson))
    (tmp_path / "all.yaml").write_text(yaml.safe_dump({"Hider": {**lesson, "parameters": {"width": [3, 4]}}}))
    (tmp_path / "sampler.yaml").write_text("mass: {sampler-type: uniform, min_value: 1, max_value: 2}\n")
    files = {
        "curricula": [tmp_path / "Seeker.json", tmp_path / "all.yaml"],
        "sampler_file": tmp_path / "sampler.yaml",
    }
    content, _ = migrated("Seeker: {trainer: ppo}\nHider: Seeker\n", tmp_path, **files)
    parameters = content["environment_parameters"]
    assert list(parameters) == ["height", "width", "mass"]
    assert parameters["height"]["curriculum"][0]["completion_criteria"]["behavior"] == "Seeker"
    assert parameters["width"]["curriculum"][0]["completion_criteria"]["behavior"] == "Hider"
    assert content["behaviors"]["Hider"] == content["behaviors"]["Seeker"] == {"trainer_type": "ppo"}


def test_a_key_cannot_write_lines_of_its_own_into_the_file(tmp_path):
    content, notes = migrated(json.dumps({"Seeker": {"trainer": "ppo", "x\nbehaviors: {}": 1}}), tmp_path)
    assert list(content["behaviors"]) == ["Seeker"]
    assert notes == [r"Seeker.x\nbehaviors: {}: ppo has no such key; left out (1)"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("behaviors: {A: {trainer_type: ppo}}", "A: has keys of today's files already"),
        ("debug: true", "debug: expected the keys of a behavior, got True"),
        ("behaviors: {}", "expected behaviors or a block default, got behaviors"),
        ("A: B\nB: A", "A: names A, which leads back to it"),
        ("A: {trainer: magic}", "A.trainer: expected ppo, sac"),
        ("A: {trainer: sac, num_update: 0}", "num_update: expected a number > 0, got 0"),
        ("A: {trainer: ppo, max_steps: never}", "behaviors.A.max_steps: expected a whole number"),
        ("A: {trainer: ppo, reward_signals: 3}", "A.reward_signals: expected a map of signals, got 3"),
        (
            "A: {trainer: ppo}\ncurriculum: {A: {thresholds: [1], parameters: {m: [1]}}}",
            "curriculum: A.parameters.m: expected one value more than there are thresholds ([1]), got [1]",
        ),
        (
            "A: {trainer: ppo}\nparameter_randomization: {m: {}}",
            "m: expected the key sampler-type, got no key",
        ),
    ],
)
def test_what_cannot_be_brought_up_to_date_is_one_line(tmp_path, capsys, text, told):
    path = tmp_path / "old.yaml"
    path.write_text(text)
    assert main(["--from-mlagents", str(path)]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(f"error: {path}")
    assert told in printed.err
    assert printed.err.count("\n") == 1


def test_the_command_prints_the_file_and_warns(tmp_path, capsys):
    path = tmp_path / "old.yaml"
    path.write_text("Seeker: {trainer: offline_bc, batches_per_epoch: 10}\n")
    assert main(["--from-mlagents", str(path)]) == 0
    printed = capsys.readouterr()
    assert load_settings(printed.out).behavior("Seeker").trainer_type == "ppo"
    warnings = printed.err.splitlines()
    assert [line.partition(": ")[0] for line in warnings] == ["warning"] * 2
    assert "trainers.clone" in warnings[0]


def test_an_old_file_that_is_trained_names_the_command(tmp_path):
    path = tmp_path / "old.yaml"
    path.write_text("Seeker: {trainer: ppo}\n")
    with pytest.raises(UserError, match=rf"trainers\.config --from-mlagents {path}$"):
        load_settings(path)


MERGED = """
default_settings: {max_steps: 9000}
behaviors:
  Seeker:
    trainer_type: ppo
    hyperparameters: {batch_size: 64, lambd: 0.9}
    network_settings: {memory: {sequence_length: 16}}
"""


def test_a_file_of_releases_3_to_6_keeps_its_behaviors_and_its_curricula_and_samplers_move(tmp_path):
    """Their behaviors have today's form already; curricula and samplers stand in blocks of their own."""
    curriculum = "{measure: progress, thresholds: [0.5], parameters: {wall: [1, 2]}}"
    draws = "{resampling-interval: 9, mass: {sampler-type: uniform, min_value: 1, max_value: 2}}"
    blocks = f"curriculum: {{Seeker: {curriculum}}}\nparameter_randomization: {draws}\n"
    content, notes = migrated(f"{MERGED}{blocks}", tmp_path)
    kept = {key: content[key] for key in ("default_settings", "behaviors")}
    assert load_settings(kept).behavior_blocks == load_settings(MERGED).behavior_blocks
    parameters = content["environment_parameters"]
    ends = [lesson.get("completion_criteria") for lesson in parameters["wall"]["curriculum"]]
    assert ends == [{"measure": "progress", "behavior": "Seeker", "threshold": 0.5}, None]
    assert parameters["mass"] == {
        "sampler_type": "uniform",
        "sampler_parameters": {"min_value": 1, "max_value": 2},
    }
    (note,) = notes
    assert note.startswith("resampling-interval: ")
    (tmp_path / "draws.yaml").write_text(draws)
    apart, _ = migrated(MERGED, tmp_path, sampler_file=tmp_path / "draws.yaml")
    assert apart["environment_parameters"] == {"mass": parameters["mass"]}


def test_what_training_sends_to_the_migration_is_migrated(tmp_path):
    path = tmp_path / "old.yaml"
    path.write_text(f"{MERGED}curriculum: {{Seeker: {{thresholds: [], parameters: {{wall: [1]}}}}}}\n")
    with pytest.raises(UserError, match=r"To bring it up to date: .*--from-mlagents"):
        load_settings(path)
    load_settings(from_mlagents(path)[0])
