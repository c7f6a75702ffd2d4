"""Each key and default of the training file, against values typed here from ML-Agents' own."""

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from trainers.config import (
    A2CSettings,
    BehavioralCloningSettings,
    BehaviorSettings,
    CheckpointSettings,
    CompletionCriteria,
    CuriositySettings,
    DQNSettings,
    EngineSettings,
    EnvSettings,
    ExtrinsicSettings,
    GAILSettings,
    MAPPOSettings,
    MemorySettings,
    NetworkSettings,
    POCASettings,
    PPOSettings,
    PQNSettings,
    RankSettings,
    RewardSignals,
    RNDSettings,
    RunSettings,
    SACSettings,
    SelfPlaySettings,
    TorchSettings,
)
from trainers.config.environment_parameters import (
    ConstantParameters,
    GaussianParameters,
    MultiRangeUniformParameters,
    UniformParameters,
)

ON_POLICY = {"batch_size": 1024, "buffer_size": 10240, "learning_rate": 3e-4, "beta": 5e-3, "lambd": 0.95}
CLIPPED = {
    **ON_POLICY,
    "num_epoch": 3,
    "epsilon": 0.2,
    "learning_rate_schedule": "linear",
    "beta_schedule": "linear",
    "epsilon_schedule": "linear",
}
OFF_POLICY = {
    "batch_size": 128,
    "buffer_size": 50000,
    "learning_rate": 3e-4,
    "learning_rate_schedule": "constant",
    "buffer_init_steps": 0,
    "tau": 0.005,
    "steps_per_update": 1.0,
    "reward_signal_steps_per_update": 1.0,
    "save_replay_buffer": False,
}
EXPLORATION = {
    "exploration_schedule": "linear",
    "exploration_initial_eps": 0.1,
    "exploration_final_eps": 0.05,
}
SIGNAL = {"gamma": 0.99, "strength": 1.0, "network_settings": NetworkSettings()}
LEARNED_SIGNAL = {**SIGNAL, "learning_rate": 3e-4, "encoding_size": None}

# Class, the keys it needs, and every other key of ML-Agents with its default. A2C and PQN have keys of these names.
DEFAULTS: list[tuple[type[BaseModel], dict[str, Any], dict[str, Any]]] = [
    (PPOSettings, {}, {**CLIPPED, "shared_critic": False}),
    (POCASettings, {}, CLIPPED),
    (MAPPOSettings, {}, CLIPPED),
    (
        A2CSettings,
        {},
        {
            **ON_POLICY,
            "num_epoch": 1,
            "shared_critic": False,
            "learning_rate_schedule": "linear",
            "beta_schedule": "linear",
        },
    ),
    (SACSettings, {}, {**OFF_POLICY, "init_entcoef": 1.0}),
    (DQNSettings, {}, {**OFF_POLICY, **EXPLORATION, "target_update_interval": 10000, "gamma": 0.99}),
    (
        PQNSettings,
        {},
        {
            **EXPLORATION,
            "batch_size": 128,
            "buffer_size": 4096,
            "learning_rate": 2.5e-4,
            "learning_rate_schedule": "linear",
            "lambd": 0.65,
            "num_epoch": 2,
        },
    ),
    (
        BehaviorSettings,
        {},
        {
            "trainer_type": "ppo",
            "hyperparameters": PPOSettings(),
            "network_settings": NetworkSettings(),
            "reward_signals": RewardSignals(extrinsic=ExtrinsicSettings()),
            "max_steps": 500000,
            "time_horizon": 64,
            "summary_freq": 50000,
            "keep_checkpoints": 5,
            "even_checkpoints": False,
            "checkpoint_interval": 500000,
            "init_path": None,
            "threaded": False,
            "behavioral_cloning": None,
            "self_play": None,
            "framework": None,
        },
    ),
    (
        NetworkSettings,
        {},
        {
            "normalize": False,
            "hidden_units": 128,
            "num_layers": 2,
            "vis_encode_type": "simple",
            "goal_conditioning_type": "hyper",
            "deterministic": False,
            "memory": None,
        },
    ),
    (MemorySettings, {}, {"sequence_length": 64, "memory_size": 128}),
    (ExtrinsicSettings, {}, SIGNAL),
    (CuriositySettings, {}, LEARNED_SIGNAL),
    (GAILSettings, {"demo_path": "a.demo"}, {**LEARNED_SIGNAL, "use_actions": False, "use_vail": False}),
    (RNDSettings, {}, {**LEARNED_SIGNAL, "learning_rate": 1e-4}),
    (
        BehavioralCloningSettings,
        {"demo_path": "a.demo"},
        {"steps": 0, "strength": 1.0, "samples_per_update": 0, "num_epoch": None, "batch_size": None},
    ),
    (
        SelfPlaySettings,
        {},
        {
            "save_steps": 20000,
            "team_change": 100000,
            "swap_steps": 2000,
            "window": 10,
            "play_against_latest_model_ratio": 0.5,
            "initial_elo": 1200.0,
        },
    ),
    (ConstantParameters, {}, {"seed": -1, "value": 0.0}),
    (UniformParameters, {}, {"seed": -1, "min_value": 0.0, "max_value": 1.0}),
    (GaussianParameters, {}, {"seed": -1, "mean": 1.0, "st_dev": 1.0}),
    (MultiRangeUniformParameters, {}, {"seed": -1, "intervals": ((0.0, 1.0),)}),
    (
        CompletionCriteria,
        {"behavior": "Walker"},
        {
            "measure": "reward",
            "min_lesson_length": 0,
            "signal_smoothing": True,
            "threshold": 0.0,
            "require_reset": False,
        },
    ),
    (
        EnvSettings,
        {},
        {
            "env_path": None,
            "env_args": None,
            "base_port": 5005,
            "num_envs": 1,
            "num_areas": 1,
            "timeout_wait": 60,
            "seed": -1,
            "max_lifetime_restarts": 10,
            "restarts_rate_limit_n": 1,
            "restarts_rate_limit_period_s": 60,
        },
    ),
    (
        EngineSettings,
        {},
        {
            "width": 84,
            "height": 84,
            "quality_level": 5,
            "time_scale": 20.0,
            "target_frame_rate": -1,
            "capture_frame_rate": 60,
            "no_graphics": False,
            "no_graphics_monitor": False,
        },
    ),
    (
        CheckpointSettings,
        {},
        {
            "run_id": None,
            "initialize_from": None,
            "load_model": False,
            "resume": False,
            "force": False,
            "train_model": False,
            "inference": False,
            "results_dir": "runs",
        },
    ),
    (TorchSettings, {}, {"device": None}),
    (RankSettings, {}, {}),
    (
        RunSettings,
        {},
        {
            "default_settings": None,
            "behaviors": {},
            "env_settings": EnvSettings(),
            "engine_settings": EngineSettings(),
            "environment_parameters": None,
            "checkpoint_settings": CheckpointSettings(),
            "torch_settings": TorchSettings(),
            "debug": False,
        },
    ),
]


@pytest.mark.parametrize(
    ("settings", "needed", "defaults"), DEFAULTS, ids=[row[0].__name__ for row in DEFAULTS]
)
def test_the_keys_of_mlagents_have_its_defaults_and_all_others_are_marked(
    settings: type[BaseModel], needed: dict[str, Any], defaults: dict[str, Any]
) -> None:
    """The defaults of the others stand in docs/configuration.md, which another test keeps current."""
    made = settings.model_validate(needed)
    assert {key: getattr(made, key) for key in defaults} == defaults
    marked = {
        key for key, field in settings.model_fields.items() if "extension" in (field.json_schema_extra or {})
    }
    assert marked == settings.model_fields.keys() - needed.keys() - defaults.keys()


@pytest.mark.parametrize("settings", [row[0] for row in DEFAULTS], ids=lambda settings: settings.__name__)
def test_every_key_is_described(settings: type[BaseModel]) -> None:
    assert all(field.description for field in settings.model_fields.values())


@pytest.mark.parametrize(
    ("trainer_type", "settings"),
    [
        ("ppo", PPOSettings),
        ("a2c", A2CSettings),
        ("dqn", DQNSettings),
        ("pqn", PQNSettings),
        ("sac", SACSettings),
        ("poca", POCASettings),
        ("mappo", MAPPOSettings),
    ],
)
def test_trainer_type_picks_the_hyperparameters(trainer_type: str, settings: type[BaseModel]) -> None:
    by_default = BehaviorSettings.model_validate({"trainer_type": trainer_type})
    given = BehaviorSettings.model_validate(
        {"trainer_type": trainer_type, "hyperparameters": {"batch_size": 64}}
    )
    assert type(by_default.hyperparameters) is type(given.hyperparameters) is settings
    assert given.hyperparameters.batch_size == 64


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError):
        BehaviorSettings().max_steps = 1
