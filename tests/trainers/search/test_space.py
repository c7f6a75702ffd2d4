"""The file of a search: what it may say, and what is refused before anything starts."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from gym_adapters.errors import UserError
from tests.refusals import refused
from tests.trainers.search.search_tools import write_space
from trainers.search.space import Parameter, load_search

EXAMPLE = Path(__file__).parents[3] / "unity_configs" / "search" / "pendulum.yaml"
RATE = "behaviors.*.hyperparameters.learning_rate"


def written(folder: Path, **changes: object) -> Path:
    path = write_space(folder)
    content = {**yaml.safe_load(path.read_text()), **changes}
    path.write_text(yaml.safe_dump({key: value for key, value in content.items() if value is not None}))
    return path


def test_a_trial_has_the_values_and_everything_else_of_the_training_file():
    search = load_search(EXAMPLE)
    own = search.settings({RATE: "0.002", "behaviors.*.network_settings.hidden_units": "40"})
    behavior = own.behaviors["Pendulum-v1"]
    assert behavior.hyperparameters.learning_rate == 0.002
    assert behavior.network_settings.hidden_units == 40
    assert behavior.hyperparameters.lambd == search.base.behaviors["Pendulum-v1"].hyperparameters.lambd
    assert search.whole == {"behaviors.*.network_settings.hidden_units"}


def test_keys_of_the_file_replace_those_of_the_training_file_and_options_replace_both(tmp_path: Path):
    training = tmp_path / "training.yaml"
    training.write_text("behaviors: {A: {max_steps: 1000, summary_freq: 50}}\nenv_settings: {env_path: X-v0}")
    changed = {"behaviors": {"A": {"max_steps": 2000}}}
    path = written(tmp_path, training_file="training.yaml", settings=changed)
    search = load_search(path, "CartPole-v1", ["behaviors.A.time_horizon=7"])
    assert search.base.env_settings.env_path == "CartPole-v1"
    assert search.base.behaviors["A"].max_steps == 2000
    assert search.base.behaviors["A"].summary_freq == 50
    assert search.base.behaviors["A"].time_horizon == 7


def test_an_unknown_key_is_refused_with_a_suggestion(tmp_path: Path):
    path = written(tmp_path, space={"behaviors.*.hyperparameters.learning_rte": {"low": 1e-4, "high": 1e-3}})
    said = refused(load_search, path)
    assert said.startswith(f"{path}: space: behaviors.CartPole-v1.hyperparameters.learning_rte: unknown key")
    assert said.endswith("did you mean learning_rate?")


@pytest.mark.parametrize(
    ("key", "parameter", "said"),
    [
        (RATE, {"low": 0, "high": 1e-3}, "expected a number > 0, got 0"),
        (RATE, {"choices": [1e-3, "fast"]}, "expected a number > 0, got 'fast'"),
        (RATE, {"low": 1e-3, "high": 1e-4}, "expected low < high"),
        (RATE, {"low": -1, "high": 1, "log": True}, "log: true needs low > 0"),
        (RATE, {"low": 0.1, "high": 1, "log": True, "step": 0.1}, "either log: true or step"),
        (RATE, {"low": 0.1, "high": 0.2, "step": 1}, "expected step <= high - low"),
        (RATE, {"low": 0.1}, "expected low and high, or choices"),
        (RATE, {"low": 0.1, "high": 1, "choices": [1]}, "either choices, or low and high"),
        (RATE, {"low": 0.1, "high": 1, "stepp": 1}, "stepp: unknown key; did you mean step?"),
        ("behaviors.*.network_settings.num_layers", {"low": 1, "high": 3.5}, "expected a whole number"),
        ("behaviors.*.batch_sise", {"choices": [1]}, "unknown key"),
        ("max_steps", {"choices": [1]}, "unknown key; did you mean behaviors.*.max_steps?"),
        ("env_settings.seed", {"choices": [1, 2]}, "a search cannot vary this key"),
    ],
)
def test_a_wrong_parameter_is_refused(tmp_path: Path, key: str, parameter: dict, said: str):
    told = refused(load_search, written(tmp_path, space={key: parameter}))
    assert told.startswith(f"{tmp_path / 'space.yaml'}: space")
    assert said in told
    assert "\n" not in told


def test_a_step_of_a_whole_key_is_whole(tmp_path: Path):
    key = "behaviors.*.network_settings.hidden_units"
    path = written(tmp_path, space={key: {"low": 8, "high": 64, "step": 0.5}})
    assert refused(load_search, path) == f"{path}: space: {key}: expected a whole step, got 0.5"


def test_all_mistakes_are_told_at_once(tmp_path: Path):
    space = {"behaviors.*.max_stepz": {"choices": [1]}, "env_settings.seed": {"choices": [1]}}
    said = refused(load_search, written(tmp_path, space=space))
    assert said.startswith("2 mistakes:")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"space": None}, "space: this key is needed"),
        ({"settings": None}, "expected training_file or settings"),
        ({"seeds": [1, 1]}, "seeds: expected different seeds"),
        ({"measure": "last"}, "measure: expected 'final' or 'best', got 'last'"),
        ({"sampler": "grid"}, "sampler: expected"),
        ({"pruner": {"after": 0}}, "pruner.after: expected a whole number"),
        ({"prunner": {"after": 3}}, "prunner: unknown key; did you mean pruner?"),
        ({"training_file": "absent.yaml"}, "absent.yaml: no such file"),
        ({"settings": {"behaviors": {"A": {}}}}, "there is no environment to start; give --env"),
        (
            {"settings": {"behaviors": {"A": {}, "B": {}}, "env_settings": {"env_path": "X-v0"}}},
            "choose one of A, B",
        ),
    ],
)
def test_a_wrong_file_is_refused(tmp_path: Path, changes: dict, said: str):
    assert said in refused(load_search, written(tmp_path, **changes))


def test_a_value_that_fits_no_other_yet_is_no_mistake(tmp_path: Path):
    """`adaptive` needs a `target_kl`, which varies too."""
    hyper = "behaviors.*.hyperparameters"
    space = {
        f"{hyper}.learning_rate_schedule": {"choices": ["linear", "adaptive"]},
        f"{hyper}.target_kl": {"choices": [0.01]},
    }
    search = load_search(written(tmp_path, space=space))
    assert search.settings({f"{hyper}.learning_rate_schedule": "adaptive", f"{hyper}.target_kl": "0.01"})
    with pytest.raises(UserError, match="it needs target_kl"):
        search.settings({f"{hyper}.learning_rate_schedule": "adaptive"})


@given(
    st.lists(
        st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text()), min_size=1
    )
)
def test_choices_survive_as_yaml(choices: list):
    assert [yaml.safe_load(text) for text in Parameter(choices=choices).texts] == choices


def test_what_changes_the_value_of_a_trial_changes_the_identity(tmp_path: Path):
    search = load_search(written(tmp_path))
    for changes in ({"seeds": [0]}, {"measure": "best"}, {"space": {RATE: {"low": 1e-4, "high": 1e-3}}}):
        assert load_search(written(tmp_path, **changes)).identity() != search.identity()
    for changes in ({"sampler": "random"}, {"pruner": {"after": 2}}):
        assert load_search(written(tmp_path, **changes)).identity() == search.identity()
    assert (
        load_search(written(tmp_path), overrides=["behaviors.*.max_steps=7"]).identity() != search.identity()
    )
