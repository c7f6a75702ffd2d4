"""Settings written back: what is written reads as equal, and mlagents-learn's copy holds only its own keys."""

import operator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from gym_adapters.limits import ENVIRONMENTS, UNITS
from trainers.config import RunSettings, dump_settings, load_settings
from trainers.config.schema import training_schema

BLOCKS = [training_schema(), *training_schema()["$defs"].values()]
EXTENSION_KEYS = {
    key
    for block in BLOCKS
    for key, field in block.get("properties", {}).items()
    if field.get("extension") or field.get("deprecated")
}

numbers = st.floats(1e-9, 1e9)
counts = st.integers(1, 10**9)
units = st.integers(1, UNITS)
networks = st.fixed_dictionaries(
    {},
    optional={
        "normalize": st.booleans(),
        "hidden_units": units,
        "activation": st.sampled_from(["swish", "tanh", "relu", "elu"]),
        "critic_hidden_units": st.none() | units,
    },
)
memories = st.fixed_dictionaries(
    {}, optional={"memory": st.none() | st.just({"memory_size": 64, "sequence_length": 1})}
)
signals = st.fixed_dictionaries(
    {"extrinsic": st.fixed_dictionaries({}, optional={"gamma": st.floats(0, 1), "strength": numbers})},
    optional={"rnd": st.just({}), "curiosity": st.none()},
)
hyperparameters = {
    "ppo": st.fixed_dictionaries(
        {},
        optional={
            "learning_rate": numbers,
            "learning_rate_schedule": st.sampled_from(["linear", "constant"]),
            "beta_schedule": st.sampled_from(["linear", "constant"]),
            "target_kl": st.none() | numbers,
        },
    ),
    "a2c": st.fixed_dictionaries({}, optional={"batch_size": counts, "max_grad_norm": st.none() | numbers}),
    "dqn": st.fixed_dictionaries({}, optional={"tau": st.floats(0, 1), "double": st.booleans()}),
    "sac": st.fixed_dictionaries({}, optional={"steps_per_update": numbers}),
    "poca": st.fixed_dictionaries({}, optional={"epsilon": numbers}),
}
REMEMBERING = ("ppo", "a2c", "poca", "sac")


def behaviors(remembering: tuple[str, ...]) -> st.SearchStrategy[dict[str, Any]]:
    """Behaviors, those of these types perhaps with memory."""
    return st.sampled_from(sorted(hyperparameters)).flatmap(
        lambda trainer_type: st.fixed_dictionaries(
            {"trainer_type": st.just(trainer_type)},
            optional={
                "hyperparameters": hyperparameters[trainer_type],
                "network_settings": st.builds(operator.or_, networks, memories)
                if trainer_type in remembering
                else networks,
                "reward_signals": signals,
                "max_steps": counts,
                "even_checkpoints": st.booleans(),
                "self_play": st.none() | st.fixed_dictionaries({}, optional={"save_steps": counts}),
                "init_path": st.none() | st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=60),
                "reward_clip": st.none() | numbers,
                "stop_at_reward": st.none() | numbers,
                "patience": st.none() | counts,
                "evaluation_episodes": st.integers(1, ENVIRONMENTS),
            },
        )
    )


values = numbers | st.sampled_from(
    [
        {"sampler_type": "uniform"},
        {"sampler_type": "multirangeuniform", "sampler_parameters": {"intervals": [[0, 1], [2, 3]]}},
    ]
)
files = st.fixed_dictionaries(
    {},
    optional={
        "default_settings": behaviors(()),  # other behaviors inherit it, and dqn takes no memory
        "behaviors": st.dictionaries(
            st.sampled_from(["Walker", "A.b-v5", "yes", "1e5"]), behaviors(REMEMBERING)
        ),
        "env_settings": st.fixed_dictionaries(
            {"env_path": st.sampled_from(["Walker2d-v5", "ALE/Assault-v5", "builds/walker.x86_64"])},
            optional={
                "num_envs": st.integers(1, ENVIRONMENTS),
                "env_options": st.just({"hard": [1, None]}),
                "env_args": st.just(["-a"]),
            },
        ),
        "environment_parameters": st.dictionaries(st.sampled_from(["mass", "wind.speed"]), values),
        "checkpoint_settings": st.fixed_dictionaries(
            {}, optional={"run_id": st.sampled_from(["a", "007", "null"])}
        ),
    },
)


@settings(max_examples=150, deadline=None)
@given(files)
def test_what_is_written_reads_as_equal(content: dict[str, Any]) -> None:
    made = load_settings(content)
    assert load_settings(dump_settings(made)) == made


@settings(max_examples=100, deadline=None)
@given(files)
def test_a_file_for_mlagents_has_only_its_keys_and_reads_as_the_same(content: dict[str, Any]) -> None:
    made = load_settings(content)
    text = dump_settings(made, for_mlagents=True)
    assert not EXTENSION_KEYS & set(keys_of(yaml.safe_load(text)))
    read = load_settings(text)
    assert load_settings(dump_settings(read, for_mlagents=True)) == read
    for name, behavior in made.behaviors.items():
        assert read.behavior(name).max_steps == behavior.max_steps
        assert read.behavior(name).hyperparameters.batch_size == behavior.hyperparameters.batch_size


def keys_of(tree: Any) -> list[str]:
    if isinstance(tree, dict):
        return [*tree, *(key for child in tree.values() for key in keys_of(child))]
    return [key for child in tree for key in keys_of(child)] if isinstance(tree, list) else []


def for_mlagents(content: dict[str, Any]) -> Any:
    return yaml.safe_load(dump_settings(load_settings(content), for_mlagents=True))


def test_an_adaptive_learning_rate_becomes_linear() -> None:
    hyper = {"learning_rate_schedule": "adaptive", "target_kl": 0.01}
    block = {"trainer_type": "ppo", "hyperparameters": hyper}
    tree = for_mlagents({"behaviors": {"W": block}, "default_settings": block})
    for written in (tree["behaviors"]["W"], tree["default_settings"]):
        assert written["hyperparameters"]["learning_rate_schedule"] == "linear"
        assert "target_kl" not in written["hyperparameters"]


@pytest.mark.parametrize(
    "env_path",
    [
        "Walker2d-v5",
        "ALE/Assault-v5",
        "my_package:Task-v0",
        "my_package:games/Chess",
        "mpe2/simple_spread_v3",
    ],
)
def test_an_environment_s_id_is_left_out(env_path: str) -> None:
    env = for_mlagents({"env_settings": {"env_path": env_path, "num_envs": 8}})["env_settings"]
    assert not {"env_path", "num_envs"} & set(env)


@pytest.mark.parametrize("env_path", ["builds/Walker.x86_64", "Walker.exe", "builds/Walker"])
def test_a_player_stays(env_path: str) -> None:
    env = for_mlagents({"env_settings": {"env_path": env_path, "num_envs": 8}})["env_settings"]
    assert (env["env_path"], env["num_envs"]) == (env_path, 8)


def test_a_player_whose_name_looks_like_an_id_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("Walker-v2").touch()
    assert (
        for_mlagents({"env_settings": {"env_path": "Walker-v2"}})["env_settings"]["env_path"] == "Walker-v2"
    )


def test_nulls_that_mlagents_has_no_meaning_for_are_left_out() -> None:
    tree = for_mlagents({"behaviors": {"W": {"reward_signals": {"extrinsic": {}, "rnd": None}}}})
    assert list(tree["behaviors"]["W"]["reward_signals"]) == ["extrinsic"]
    assert "run_id" not in tree["checkpoint_settings"]
    assert not {"default_settings", "environment_parameters"} & set(tree)


def test_a2c_stays_a2c() -> None:
    assert (
        for_mlagents({"behaviors": {"W": {"trainer_type": "a2c"}}})["behaviors"]["W"]["trainer_type"] == "a2c"
    )


def test_written_keys_keep_the_order_of_the_settings() -> None:
    assert list(yaml.safe_load(dump_settings(RunSettings()))) == list(RunSettings.model_fields)
