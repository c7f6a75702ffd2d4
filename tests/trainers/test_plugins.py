"""Packages that add something, really installed: `pip install --target` into a folder that a process then looks in."""

import csv
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import yaml
from command_tools import REPOSITORY
from plugin_sites import Site, good, installed, the_error

from bridge.onnx_check import check_file
from trainers import UserError, load_policy
from trainers.records.checkpoint import load_state

EXAMPLES = REPOSITORY / "docs" / "examples"

SAYS_WHAT_IT_SEES = """
import numpy as np
from scripted_env import make_spec
from task_envs import TaskEnv, one_hot
from trainers import load_policy, train

env = TaskEnv(
    make_spec((5,), branches=(5,)),
    lambda rng, age: ([one_hot(rng.integers(5, size=len(age)), 5)], None),
    lambda obs, action: obs[0].argmax(1) == action.discrete[:, 0],
)
hyper = {"batch_size": 128, "buffer_size": 512, "learning_rate": 0.005, "num_epoch": 4, "temperature": 0.5}
network = {"hidden_units": 32, "num_layers": 1}
behavior = {
    "trainer_type": "awr",
    "hyperparameters": hyper,
    "network_settings": network,
    "max_steps": 8000,
    "reward_signals": {"extrinsic": {"gamma": 0.5}},
}
outcome = train(env, {"behaviors": {"Task": behavior}, "env_settings": {"seed": 1}})["Task"]
observations = [np.eye(5, dtype=np.float32)]
print("says", load_policy(outcome.folder).act(observations).discrete[:, 0].tolist())
"""


@pytest.fixture(scope="module")
def examples(tmp_path_factory) -> Iterator[Site]:
    """Where the package of docs/examples is installed."""
    with installed(EXAMPLES, tmp_path_factory.mktemp("examples")) as site:
        yield site


@pytest.fixture(scope="module")
def trained(examples, tmp_path_factory) -> Path:
    """The run `treasure` of docs/examples/treasure.yaml, cut short. Not to be written to."""
    results = tmp_path_factory.mktemp("trained")
    few = ["--max-steps", 2048, "--set", "behaviors.*.summary_freq=1024", "--seed", 1]
    file = EXAMPLES / "treasure.yaml"
    good(examples.run("trainers", file, "--run-id", "treasure", "--results-dir", results, *few))
    return results / "treasure"


def saved(run_folder: Path) -> dict:
    return load_state(run_folder / "Treasure-v0" / "checkpoint.pt")


def test_a_file_trains_with_what_the_package_adds(trained):
    state, configuration = saved(trained), yaml.safe_load((trained / "configuration.yaml").read_text())
    behavior = configuration["behaviors"]["Treasure-v0"]
    assert (state["trainer_type"], behavior["hyperparameters"]["temperature"]) == ("awr", 0.5)
    assert behavior["reward_signals"]["novelty"]["hash_bits"] == 14
    assert state["behavior"]["reward_streams"] == 2
    assert int(state["reward_signals"]["novelty"]["counts"].sum()) == 2048
    with (trained / "Treasure-v0" / "progress.csv").open(newline="") as stream:
        last = list(csv.DictReader(stream))[-1]
    assert {"Policy/Novelty Value Estimate", "Policy/Extrinsic Value Estimate"} <= set(last)
    assert 0 < float(last["Policy/Novelty Reward"]) < 30 * 0.02, "the sum over an episode"
    assert float(last["Policy/Novelty Hashes"]) > 100
    assert check_file(trained / "Treasure-v0.onnx").refused == []
    lines = (trained / "Treasure-v0" / "summaries.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1024, 2048]


def test_it_is_resumed_with_its_counts_and_evaluated(examples, trained, tmp_path):
    run_folder = shutil.copytree(trained, tmp_path / "treasure")
    arguments = ["--resume", "--run-id", "treasure", "--results-dir", tmp_path, "--max-steps", 3072]
    good(examples.run("trainers", *arguments))
    assert int(saved(run_folder)["reward_signals"]["novelty"]["counts"].sum()) == 3072
    played = good(examples.run("trainers.evaluate", run_folder, "--trust", "--episodes", 4, "--json"))
    returns = json.loads(played)["returns"]
    assert len(returns) == 4
    assert set(returns) <= {0.0, 1.0}


def test_an_algorithm_of_ones_own_learns_on_any_base_env(examples, tmp_path):
    """One choice of five; the observation names the right one."""
    assert "says [0, 1, 2, 3, 4]" in good(examples.run("-c", SAYS_WHAT_IT_SEES, cwd=tmp_path))


def test_a_network_of_ones_own_learns_is_resumed_exported_and_played(examples, tmp_path):
    small = ["buffer_size=512", "batch_size=64"]
    keys = [word for key in small for word in ("--set", f"behaviors.*.hyperparameters.{key}")]
    keys += [
        "--set",
        "behaviors.*.trainer_type=residual",
        "--set",
        "behaviors.*.network_settings.hidden_units=8",
    ]
    where = ["--run-id", "net", "--results-dir", tmp_path]
    good(examples.run("trainers", "--env", "CartPole-v1", *where, *keys, "--max-steps", 600))
    path = tmp_path / "net" / "CartPole-v1" / "checkpoint.pt"
    block = "actor.blocks.0.1.weight"
    before = load_state(path)["Policy"][block]
    good(examples.run("trainers", "--resume", *where, "--max-steps", 1200))
    assert not torch.equal(load_state(path)["Policy"][block], before)
    assert check_file(tmp_path / "net" / "CartPole-v1.onnx").refused == []
    assert "episodes 2" in good(examples.run("trainers.evaluate", tmp_path / "net", "--episodes", 2))


def test_a_signal_learns_from_a_replay_buffer_too(examples, tmp_path):
    """One minibatch for every `reward_signal_steps_per_update` agent steps; 160 are there before the first update."""
    content = {
        "trainer_type": "dqn",
        "hyperparameters": {
            "batch_size": 10,
            "buffer_size": 1000,
            "buffer_init_steps": 160,
            "steps_per_update": 16,
            "reward_signal_steps_per_update": 32,
        },
        "network_settings": {"hidden_units": 8, "num_layers": 1, "vis_encode_type": "grid"},
        "reward_signals": {"extrinsic": {}, "novelty": {"hash_bits": 8}},
        "max_steps": 640,
    }
    file = tmp_path / "replay.yaml"
    file.write_text(yaml.safe_dump({"default_settings": content}))
    arguments = ["--env", "treasure_env:Treasure-v0", "--num-envs", 16, "--run-id", "replay"]
    good(examples.run("trainers", file, *arguments, "--results-dir", tmp_path, cwd=tmp_path))
    counts = saved(tmp_path / "replay")["reward_signals"]["novelty"]["counts"]
    assert int(counts.sum()) == 10 * (640 - 160) // 32
    with pytest.raises(
        UserError, match="vis_encode_type grid is not known; install the package that adds it"
    ):
        load_policy(tmp_path / "replay")


def test_a_signal_with_a_network_of_its_own_trains_alone_and_is_resumed(examples, tmp_path):
    keys = "{strength: 0.5, models: 2, network_settings: {hidden_units: 8}}"
    override = ["--set", f"default_settings.reward_signals={{disagreement: {keys}}}"]
    arguments = ["--env", "CartPole-v1", "--run-id", "alone", "--results-dir", tmp_path, *override]
    good(examples.run("trainers", *arguments, "--max-steps", 3000))
    path = tmp_path / "alone" / "CartPole-v1" / "checkpoint.pt"
    before = load_state(path)["reward_signals"]["disagreement"]
    good(
        examples.run(
            "trainers", "--resume", "--run-id", "alone", "--results-dir", tmp_path, "--max-steps", 6000
        )
    )
    after = load_state(path)["reward_signals"]["disagreement"]
    for name, tensor in after["network"].items():
        assert torch.equal(tensor, before["network"][name]) == name.startswith("body"), name
    (moments,) = after["optimizer"]["adam"]["state"].values()
    assert moments["step"] > before["optimizer"]["adam"]["state"][0]["step"]


def test_a_checkpoint_without_its_package_says_what_is_missing(trained):
    with pytest.raises(UserError, match="trainer_type awr is not known; install the package that adds it"):
        load_policy(trained)


def test_without_a_training_file_its_defaults_are_taken(examples, tmp_path):
    arguments = ["--env", "Pendulum-v1", "--set", "behaviors.*.trainer_type=awr", "--max-steps", 200]
    good(examples.run("trainers", *arguments, "--run-id", "short", "--results-dir", tmp_path))
    behavior = yaml.safe_load((tmp_path / "short" / "configuration.yaml").read_text())["default_settings"]
    assert (behavior["trainer_type"], behavior["hyperparameters"]["temperature"]) == ("awr", 1.0)


def test_its_keys_are_printed_and_stand_in_schema_and_reference(examples, tmp_path):
    schema, page = tmp_path / "schema.json", tmp_path / "page.md"
    file = EXAMPLES / "treasure.yaml"
    printed = good(
        examples.run("trainers.config", file, "--write-schema", schema, "--write-docs", page, cwd=tmp_path)
    )
    behavior = yaml.safe_load(printed)["behaviors"]["Treasure-v0"]
    assert behavior["hyperparameters"] | {"temperature": 0.5, "lambd": 0.95} == behavior["hyperparameters"]
    assert behavior["reward_signals"]["novelty"]["hash_bits"] == 14
    blocks = json.loads(schema.read_text())["$defs"]
    temperature = blocks["AWRSettings"]["properties"]["temperature"]
    assert temperature["description"].startswith("Advantage by which a decision weighs")
    assert (temperature["extension"], temperature["exclusiveMinimum"]) == (True, 0)
    bits = blocks["NoveltySettings"]["properties"]["hash_bits"]
    assert bits["description"].startswith("Observations are told apart")
    assert (bits["minimum"], bits["maximum"]) == (1, 24)
    assert "$defs" not in blocks["NoveltySettings"]
    assert "awr" in blocks["BehaviorSettings"]["properties"]["trainer_type"]["enum"]
    assert "grid" in blocks["NetworkSettings"]["properties"]["vis_encode_type"]["enum"]
    text = page.read_text(encoding="utf-8")
    assert "## hyperparameters of awr" in text
    assert "## reward_signals.novelty" in text
    assert "| `hash_bits` | whole number ≥ 1 and ≤ 24 | `16` |" in text


def test_for_mlagents_only_its_own_keys_are_printed(examples):
    printed = good(examples.run("trainers.config", EXAMPLES / "treasure.yaml", "--for-mlagents"))
    behavior = yaml.safe_load(printed)["behaviors"]["Treasure-v0"]
    assert "temperature" not in behavior["hyperparameters"]
    assert list(behavior["reward_signals"]) == ["extrinsic"]
    assert behavior["network_settings"]["vis_encode_type"] == "simple"


BAD_KEYS = [
    ("hyperparameters.temprature=1", "hyperparameters.temprature: unknown key; did you mean temperature?"),
    ("hyperparameters.temperature=0", "hyperparameters.temperature: expected a number > 0, got 0"),
    (
        "reward_signals.novelty.hash_bit=3",
        "reward_signals.novelty.hash_bit: unknown key; did you mean hash_bits?",
    ),
    ("reward_signals.novelti={}", "reward_signals.novelti: unknown key; did you mean novelty?"),
    (
        "reward_signals.novelty.network_settings={normalize: 3}",
        "reward_signals.novelty.network_settings.normalize: expected true or false, got 3",
    ),
    ("network_settings.vis_encode_type=gird", "'fully_connected' or 'grid', got 'gird'"),
    ("trainer_type=awl", "'pqn', 'awr' or 'residual', got 'awl'"),
]


@pytest.mark.parametrize(("override", "told"), BAD_KEYS, ids=[row[0] for row in BAD_KEYS])
def test_a_mistake_in_its_keys_is_one_line(examples, override, told):
    file = EXAMPLES / "treasure.yaml"
    done = examples.run("trainers.config", file, "--set", f"behaviors.Treasure-v0.{override}")
    assert told in the_error(done)
