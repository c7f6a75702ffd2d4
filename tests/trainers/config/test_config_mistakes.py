"""How mistakes of a training file are told: all at once, with the place where a key belongs."""

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import Field

from gym_adapters.errors import UserError
from tests.refusals import refused
from trainers.config import PPOSettings, load_settings, plugins


def test_all_mistakes_of_a_file_are_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "walker.yaml"
    path.write_text(
        "behaviors: {W: {max_steps: 0, threaded: 3, trainer_type: ppo, hyperparameters: {bath_size: 3, epsilon: a}}}\n"
        "env_settings: {num_envs: 0, nothing_like_it: 1}\n"
    )
    first, *lines = refused(load_settings, path, ["debug=7"]).splitlines()
    assert first == "7 mistakes:"
    assert sorted(line.strip().removeprefix(f"{path}: ") for line in lines) == [
        "--set: debug: expected true or false, got 7",
        "behaviors.W.hyperparameters.bath_size: unknown key; did you mean batch_size?",
        "behaviors.W.hyperparameters.epsilon: expected a number > 0, got 'a'",
        "behaviors.W.max_steps: expected a whole number >= 1, got 0",
        "behaviors.W.threaded: expected true or false, got 3",
        "env_settings.nothing_like_it: unknown key",
        "env_settings.num_envs: expected a whole number >= 1, got 0",
    ]


def test_a_long_list_of_mistakes_is_cut() -> None:
    lines = refused(load_settings, {f"nothing_like_it_{number}": 1 for number in range(30)}).splitlines()
    assert (lines[0], len(lines), lines[-1]) == ("30 mistakes:", 22, "  and 10 more")


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("hyperparameters.x", "behaviors.*.hyperparameters.x"),
        ("hyperparameters.learning_rate", "behaviors.*.hyperparameters.learning_rate"),
        ("learning_rate", "behaviors.*.hyperparameters.learning_rate"),
        ("max_steps", "behaviors.*.max_steps"),
        ("hidden_units", "behaviors.*.network_settings.hidden_units"),
        ("gamma", "behaviors.*.reward_signals.extrinsic.gamma"),
        ("num_envs", "env_settings.num_envs"),
        ("resume", "checkpoint_settings.resume"),
        ("behaviors.W.hidden_units", "behaviors.W.network_settings.hidden_units"),
        ("behaviors.W.hyperparameters.normalize", "behaviors.W.network_settings.normalize"),
        ("behaviors.W.seed", "env_settings.seed"),
        ("default_settings.buffer_size", "default_settings.hyperparameters.buffer_size"),
    ],
)
def test_a_key_at_the_wrong_place_is_told_its_place(key: str, meant: str) -> None:
    assert (
        refused(load_settings, {"behaviors": {"W": {"trainer_type": "ppo"}}}, [f"{key}=1"])
        == f"--set: {key}: unknown key; did you mean {meant}?"
    )
    meant_in_a_file = "behaviors.*.hyperparameters" if key.startswith("hyperparameters") else meant
    with pytest.raises(UserError, match=re.escape(f"did you mean {meant_in_a_file}?")):
        load_settings(file_with(key))


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("behaviors.max_steps", "behaviors.*.max_steps"),
        ("behaviors.trainer_type", "behaviors.*.trainer_type"),
        ("behaviors.hyperparameters.learning_rate", "behaviors.*.hyperparameters.learning_rate"),
    ],
)
def test_a_behavior_without_its_name_is_told_where_the_name_stands(key: str, meant: str) -> None:
    for told in (
        refused(load_settings, {"behaviors": {"W": {}}}, [f"{key}=1"]),
        refused(load_settings, file_with(key)),
    ):
        assert f"; did you mean {meant}?" in told


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("learning_rate", "unknown key; did you mean behaviors.*.hyperparameters.learning_rate?"),
        ("lerning_rate", "unknown key"),
        ("hyperparameters.learning_rte", "unknown key; did you mean learning_rate?"),
        ("max_steps", "expected a whole number >= 1, got 0"),
        ("network_settings.memory.memory_size", "expected a whole number >= 1, got 0"),
    ],
)
def test_a_mistake_in_a_key_of_every_behavior_names_the_key_as_it_was_written(key: str, said: str) -> None:
    assert (
        refused(load_settings, {"default_settings": {"trainer_type": "ppo"}}, [f"behaviors.*.{key}=0"])
        == f"--set: behaviors.*.{key}: {said}"
    )


@pytest.mark.parametrize(
    ("file_type", "key", "wanted", "having"),
    [
        ("sac", "tau", "ppo", "sac or dqn"),
        ("ppo", "num_epoch", "sac", "ppo, poca, mappo, a2c, pqn or added"),
        ("added", "price", "ppo", "added"),
    ],
)
def test_a_key_of_other_algorithms_is_told_whose_it_is(
    file_type: str, key: str, wanted: str, having: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Added:
        settings_class = AddedSettings

    added = {plugins.TRAINER_TYPE: ["added"], plugins.REWARD_SIGNAL: []}
    monkeypatch.setattr(plugins, "names", lambda group, _: added[group])
    monkeypatch.setattr(plugins, "load", lambda *_: Added)
    content = {"behaviors": {"W": {"trainer_type": file_type, "hyperparameters": {key: 1}}}}
    load_settings(content)
    assert refused(load_settings, content, [f"behaviors.W.trainer_type={wanted}"]) == (
        f"settings: behaviors.W.hyperparameters.{key}: unknown key; trainer_type {having} has it; remove it, "
        "or change trainer_type"
    )


class AddedSettings(PPOSettings):
    """Hyperparameters of an algorithm that another package adds."""

    price: float = Field(default=1.0, description="A price.")


def file_with(key: str) -> dict[str, Any]:
    """A training file with nothing but this key."""
    content: Any = 1
    for part in reversed(key.split(".")):
        content = {part: content}
    if key.startswith("behaviors.W.hyperparameters"):
        content["behaviors"]["W"]["trainer_type"] = "ppo"
    return content


OLD_FILES = {
    "default": "default:\n  trainer: ppo\n  batch_size: 1024\nMyBrain:\n  max_steps: 1e5\n",
    "behaviors.A.use_recurrent": "behaviors:\n  A:\n    use_recurrent: false\n    max_steps: 1.0e5\n",
    "behaviors.A.trainer": "behaviors:\n  A:\n    trainer: ppo\n    batch_size: 10\n",
    "MyBrain.num_layers": "MyBrain:\n  num_layers: 2\n  hidden_units: 128\n",
    "curriculum": "behaviors: {A: {trainer_type: ppo}}\ncurriculum: {A: {measure: reward}}\n",
    "parameter_randomization": "behaviors: {A: {}}\nparameter_randomization: {resampling-interval: 5000}\n",
    "invalid YAML (line 1, column 12)": (
        "behaviors: !!python/object/apply:mlagents.trainers.settings.DefaultTrainerDict\n  dictitems: {}\n"
    ),
}


@pytest.mark.parametrize("place", OLD_FILES)
def test_files_of_earlier_releases_are_recognised(place: str, tmp_path: Path) -> None:
    path = tmp_path / "old.yaml"
    path.write_text(OLD_FILES[place])
    with pytest.raises(UserError, match="earlier ML-Agents release") as caught:
        load_settings(path)
    assert str(caught.value).startswith(f"{path}: {place}")
    assert "\n" not in str(caught.value)


def test_a_tilde_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(variable, str(tmp_path))
    settings = load_settings(
        {
            "behaviors": {"W": {"init_path": "~/old.pt"}},
            "checkpoint_settings": {"results_dir": "~/results"},
            "env_settings": {"env_path": "~/builds/walker"},
        }
    )
    found = (
        settings.checkpoint_settings.results_dir,
        settings.env_settings.env_path,
        settings.behavior("W").init_path,
    )
    assert [Path(str(path)) for path in found] == [
        tmp_path / name for name in ("results", "builds/walker", "old.pt")
    ]
    assert (
        load_settings({"env_settings": {"env_path": "~nobody-here/w"}}).env_settings.env_path
        == "~nobody-here/w"
    )


def test_problems_of_default_settings_are_told_once() -> None:
    assert (
        refused(load_settings, {"default_settings": {"max_steps": 0}, "behaviors": {"A": {}, "B": {}}})
        == "settings: default_settings.max_steps: expected a whole number >= 1, got 0"
    )


def test_all_keys_that_do_not_go_together_are_told_at_once() -> None:
    content = {
        "behaviors": {
            "W": {
                "trainer_type": "dqn",
                "network_settings": {"memory": {}},
                "behavioral_cloning": {"demo_path": "here.demo"},
                "self_play": {},
                "evaluation_freq": 1000,
            },
            "V": {
                "trainer_type": "sac",
                "hyperparameters": {"buffer_size": 64, "n_step": 64, "buffer_init_steps": 65},
            },
        }
    }
    first, *rest = refused(load_settings, content).splitlines()
    assert first == "6 mistakes:"
    for told, line in zip(
        [
            "W: evaluation_freq has no use with self_play",
            "W: network_settings.memory needs trainer_type",
            "W: behavioral_cloning needs trainer_type",
            "V.hyperparameters: buffer_size (64) must not be less than batch_size (128)",
            "V.hyperparameters: buffer_size (64) must not be less than buffer_init_steps (65)",
            "V.hyperparameters: n_step (64) must be less than buffer_size (64)",
        ],
        rest,
        strict=True,
    ):
        assert line.startswith(f"  settings: behaviors.{told}")
