"""What the training file refuses, and the rules between keys."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.refusals import refused
from trainers.config import A2CSettings, BehaviorSettings, PPOSettings, load_settings


def behavior(**keys: Any) -> BehaviorSettings:
    return load_settings({"behaviors": {"Walker": keys}}).behavior("Walker")


def ppo(**keys: Any) -> PPOSettings:
    settings = behavior(trainer_type="ppo", hyperparameters=keys).hyperparameters
    assert isinstance(settings, PPOSettings)
    return settings


def walker(**keys: Any) -> dict[str, Any]:
    """Content of a training file with one behavior."""
    return {"behaviors": {"W": keys}}


def hyper(trainer_type: str, **keys: Any) -> dict[str, Any]:
    return walker(trainer_type=trainer_type, hyperparameters=keys)


# Content of a training file, and the end of the one line that refuses it.
REFUSED: list[tuple[dict[str, Any], str]] = [
    (
        {"rank_settings": {"timeout": 2**31}},  # more than torch.distributed can wait
        "rank_settings.timeout: expected a whole number >= 1 and <= 2147483647, got 2147483648",
    ),
    ({"behaviours": {}}, "behaviours: unknown key; did you mean behaviors?"),
    ({"zzz": 1}, "zzz: unknown key"),
    ({"behaviors": 3}, "behaviors: expected a map of keys and values, got 3"),
    ({"behaviors": {"W": None}}, "behaviors.W: expected a map of keys and values, got nothing"),
    (
        hyper("ppo", learning_rte=1),
        "behaviors.W.hyperparameters.learning_rte: unknown key; did you mean learning_rate?",
    ),
    (walker(max_steps="many"), "behaviors.W.max_steps: expected a whole number >= 1, got 'many'"),
    (walker(max_steps=0), "behaviors.W.max_steps: expected a whole number >= 1, got 0"),
    (walker(max_steps=1.5), "behaviors.W.max_steps: expected a whole number >= 1, got 1.5"),
    (walker(max_steps=True), "behaviors.W.max_steps: expected a whole number >= 1, got True"),
    (walker(threaded="yes please"), "threaded: expected true or false, got 'yes please'"),
    (walker(threaded=1), "behaviors.W.threaded: expected true or false, got 1"),
    (walker(init_path=["a"]), "behaviors.W.init_path: expected text, got ['a']"),
    (walker(trainer_type="pp"), "behaviors.W.trainer_type: expected 'ppo', 'sac', 'poca', 'mappo', 'a2c'"),
    (
        walker(hyperparameters={"beta": 1}),
        "behaviors.W: hyperparameters is given, so trainer_type is needed beside it",
    ),
    (walker(trainer_type="ppo", hyperparameters=A2CSettings()), "expected PPOSettings for trainer_type ppo"),
    (hyper("a2c", num_epoch=3), "hyperparameters: num_epoch must be 1 with trainer_type a2c, got 3"),
    (
        hyper("dqn", buffer_size=64),
        "hyperparameters: buffer_size (64) must not be less than batch_size (128)",
    ),
    (
        hyper("dqn", buffer_init_steps=60000),
        "hyperparameters: buffer_size (50000) must not be less than buffer_init_steps (60000)",
    ),
    (hyper("dqn", n_step=50000), "hyperparameters: n_step (50000) must be less than buffer_size (50000)"),
    (hyper("dqn", dueling_units=64), "hyperparameters: dueling_units needs dueling: true"),
    (
        hyper("dqn", exploration_final_eps=2),
        "hyperparameters.exploration_final_eps: expected a number >= 0 and <= 1, got 2",
    ),
    (
        walker(trainer_type="sac", network_settings={"final_log_std": -1.0}),
        "behaviors.W: network_settings.final_log_std needs trainer_type ppo, poca, mappo or a2c; sac has no use for it",
    ),
    (
        walker(
            trainer_type="sac", hyperparameters={"critic_batch_norm": True}, network_settings={"memory": {}}
        ),
        "behaviors.W: hyperparameters.critic_batch_norm works without network_settings.memory",
    ),
    (
        walker(network_settings={"dropout": 0.1}),
        "behaviors.W: network_settings.dropout needs trainer_type dqn",
    ),
    (
        walker(network_settings={"conv_channels": [8, 16, 16]}),
        "network_settings: conv_channels: vis_encode_type simple takes 2 numbers, got 3",
    ),
    (
        walker(network_settings={"vis_encode_type": "resnet", "conv_channels": [8]}),
        "network_settings: conv_channels works with vis_encode_type simple and nature_cnn",
    ),
    (hyper("a2c", clip_value_loss=True), "hyperparameters.clip_value_loss: unknown key"),
    (
        hyper("ppo", learning_rate_schedule="adaptive"),
        "learning_rate_schedule is adaptive: it needs target_kl, for example 0.01",
    ),
    (
        hyper("a2c", critic_num_epoch=2),
        "hyperparameters: critic_num_epoch 2 has no effect without natural_gradient_kl",
    ),
    (
        hyper("a2c", natural_gradient_kl=0.01, shared_critic=True),
        "hyperparameters: natural_gradient_kl needs shared_critic: false, so that the critic does not change the actor",
    ),
    (
        hyper("a2c", natural_gradient_kl=0.01, learning_rate_schedule="adaptive", target_kl=0.01),
        "natural_gradient_kl fixes the divergence itself: set learning_rate_schedule to linear or constant",
    ),
    (hyper("ppo", natural_gradient_kl=0.01), "behaviors.W.hyperparameters.natural_gradient_kl: unknown key"),
    (
        hyper("a2c", target_kl=0.01),
        "target_kl 0.01: with trainer_type a2c, which makes one pass, it needs learning_rate_schedule: adaptive",
    ),
    (
        hyper("a2c", learning_rate_schedule="adaptive"),
        "learning_rate_schedule is adaptive: it needs target_kl, for example 0.01",
    ),
    (
        walker(reward_signals={"extrinsic": {"gamma": 1.1}}),
        "behaviors.W.reward_signals.extrinsic.gamma: expected a number >= 0 and <= 1, got 1.1",
    ),
    (walker(reward_signals={}), "behaviors.W.reward_signals: needs at least one signal"),
    (walker(reward_signals={"gail": {}}), "behaviors.W.reward_signals.gail.demo_path: this key is needed"),
    (
        walker(network_settings={"memory": {"memory_size": 3}}),
        "behaviors.W.network_settings.memory.memory_size: expected an even number, got 3",
    ),
    (
        walker(network_settings={"memory": {"sequence_length": 2000}}),
        "behaviors.W: network_settings.memory.sequence_length (2000) must not exceed "
        "hyperparameters.batch_size (1024)",
    ),
    (
        walker(trainer_type="dqn", network_settings={"memory": {}}),
        "behaviors.W: network_settings.memory needs trainer_type ppo, sac, poca, mappo or a2c; dqn has no use for it",
    ),
    (
        walker(trainer_type="sac", network_settings={"memory": {}}, hyperparameters={"n_step": 3}),
        "behaviors.W: network_settings.memory needs hyperparameters.n_step 1",
    ),
    ({"wandb": ""}, "wandb: expected text that is not empty, got ''"),
    (
        {"env_settings": {"env_options": {"shape": object()}}},
        "env_settings.env_options: expected values that a YAML file can hold; Unable to serialize unknown type",
    ),
    (
        {"env_settings": {"num_envs": 2}},
        "env_settings: num_envs is 2: more than one environment needs env_path",
    ),
    *(
        (
            {block: {key: 3_000_000_000}},
            f"{block}.{key}: expected a whole number >= {least} and <= 2147483647, got 3000000000",
        )
        for block, key, least in (
            ("env_settings", "seed", -1),
            ("engine_settings", "quality_level", 0),
            ("engine_settings", "target_frame_rate", -1),
            ("engine_settings", "capture_frame_rate", 0),
        )
    ),
    (
        {"engine_settings": {"time_scale": 1e39}},
        "time_scale: expected a number > 0 and <= 3.4e+38, got 1e+39",
    ),
    (
        {"torch_settings": {"num_threads": 3_000_000_000}},
        "num_threads: expected a whole number up to 1,024, got 3000000000",
    ),
    (
        {"env_settings": {"timeout_wait": 10**400}},
        "timeout_wait: expected a whole number up to 1,000,000,000,000,000, got 10000000000000000000000",
    ),
    (
        {"env_settings": {"base_port": 70000}},
        "base_port: expected a whole number >= 1 and <= 65535, got 70000",
    ),
]


@pytest.mark.parametrize(("content", "message"), REFUSED, ids=[row[1][:40] for row in REFUSED])
def test_refused_in_one_line(content: dict[str, Any], message: str) -> None:
    assert message in refused(load_settings, content)


@pytest.mark.parametrize(
    ("given", "beta_schedule", "epsilon_schedule"),
    [
        ({}, "linear", "linear"),
        ({"learning_rate_schedule": "constant"}, "constant", "constant"),
        ({"learning_rate_schedule": "constant", "beta_schedule": "linear"}, "linear", "constant"),
        ({"beta_schedule": "constant"}, "constant", "linear"),
        ({"learning_rate_schedule": "adaptive", "target_kl": 0.01}, "linear", "linear"),
    ],
)
def test_schedules_follow_the_learning_rates(given: Any, beta_schedule: str, epsilon_schedule: str) -> None:
    settings = ppo(**given)
    assert (settings.beta_schedule, settings.epsilon_schedule) == (beta_schedule, epsilon_schedule)


@given(st.integers(1, 10**9))
def test_team_change_is_five_times_save_steps(save_steps: int) -> None:
    self_play = behavior(self_play={"save_steps": save_steps}).self_play
    assert self_play is not None
    assert self_play.team_change == 5 * save_steps


def test_reward_signal_updates_follow_the_policys() -> None:
    settings = behavior(trainer_type="sac", hyperparameters={"steps_per_update": 10}).hyperparameters
    assert settings.model_dump()["reward_signal_steps_per_update"] == 10


@given(st.integers(1, 10**9), st.integers(1, 100))
def test_even_checkpoints_divide_the_run(max_steps: int, keep: int) -> None:
    settings = behavior(
        max_steps=max_steps, keep_checkpoints=keep, even_checkpoints=True, checkpoint_interval=7
    )
    assert settings.checkpoint_interval == max(1, max_steps // keep)


def test_a_signal_list_without_extrinsic_has_none() -> None:
    signals = behavior(reward_signals={"rnd": {}}).reward_signals
    assert signals.extrinsic is None
    assert signals.rnd is not None


def test_encoding_size_is_hidden_units_unless_a_network_is_given() -> None:
    old = behavior(reward_signals={"curiosity": {"encoding_size": 64}}).reward_signals.curiosity
    both = behavior(
        reward_signals={"curiosity": {"encoding_size": 64, "network_settings": {}}}
    ).reward_signals.curiosity
    assert old is not None
    assert both is not None
    assert (old.network_settings.hidden_units, both.network_settings.hidden_units) == (64, 128)


def test_resume_wins_over_initialize_from() -> None:
    both = load_settings({"checkpoint_settings": {"resume": True, "initialize_from": "old"}})
    assert both.checkpoint_settings.initialize_from is None


def test_numbers_name_runs_too() -> None:
    assert load_settings("checkpoint_settings:\n  run_id: 12\n").checkpoint_settings.run_id == "12"


def test_hyperparameters_of_a_class_name_the_trainer() -> None:
    assert BehaviorSettings(hyperparameters=A2CSettings()).trainer_type == "a2c"
