"""The hyperparameters of each algorithm and their defaults, typed from ML-Agents' own."""

from typing import Any

from pydantic import BaseModel

from trainers.config import (
    A2CSettings,
    DQNSettings,
    MAPPOSettings,
    POCASettings,
    PPOSettings,
    PQNSettings,
    SACSettings,
)

ON_POLICY = {"batch_size": 1024, "buffer_size": 10240, "learning_rate": 3e-4, "beta": 5e-3, "lambd": 0.95}
CLIPPED = {"num_epoch": 3, "epsilon": 0.2, "beta_schedule": "linear", "epsilon_schedule": "linear"}
NOISE_EXTENSIONS = {"noise_correlation": 0.0, "noise_correlation_steps": None}
OPTIMIZER_EXTENSIONS = {
    **NOISE_EXTENSIONS,
    "max_grad_norm": None,
    "target_kl": None,
    "adam_epsilon": 1e-8,
    "value_coefficient": 0.5,
    "normalize_advantage": "buffer",
    "critic_learning_rate": None,
}
Q_EXTENSIONS = {
    "exploration_steps": None,
    "exploration_raise_interval": None,
    "exploration_raise_eps": 1.0,
    "exploration_raise_steps": 50000,
    "dueling": False,
    "dueling_units": None,
}
DQN_EXTENSIONS = {**Q_EXTENSIONS, "double": True, "n_step": 1, "adam_beta1": 0.9}
SAC_EXTENSIONS = {
    **NOISE_EXTENSIONS,
    "actor_interval": 1,
    "critic_batch_norm": False,
    "critic_range": None,
    "critic_bins": 101,
}

# Class, the keys it needs, and every other key with its default.
HYPERPARAMETERS: list[tuple[type[BaseModel], dict[str, Any], dict[str, Any]]] = [
    (
        PPOSettings,
        {},
        {
            **ON_POLICY,
            **CLIPPED,
            **OPTIMIZER_EXTENSIONS,
            "learning_rate_schedule": "linear",
            "shared_critic": False,
            "policy_ratio": "part",
            "clip_value_loss": False,
            "recompute_advantage": False,
        },
    ),
    *(
        (
            settings,
            {},
            {
                **ON_POLICY,
                **CLIPPED,
                **OPTIMIZER_EXTENSIONS,
                "learning_rate_schedule": "linear",
                "policy_ratio": "part",
            },
        )
        for settings in (POCASettings, MAPPOSettings)
    ),
    (
        A2CSettings,
        {},
        {
            **ON_POLICY,
            **OPTIMIZER_EXTENSIONS,
            "num_epoch": 1,
            "shared_critic": False,
            "learning_rate_schedule": "linear",
            "beta_schedule": "linear",
            "natural_gradient_kl": None,
            "critic_num_epoch": 1,
        },
    ),
    (
        SACSettings,
        {},
        {
            "batch_size": 128,
            "buffer_size": 50000,
            "learning_rate": 3e-4,
            "learning_rate_schedule": "constant",
            "buffer_init_steps": 0,
            "init_entcoef": 1.0,
            "tau": 0.005,
            "steps_per_update": 1.0,
            "reward_signal_steps_per_update": 1.0,
            "save_replay_buffer": False,
            "n_step": 1,
            "max_grad_norm": None,
            "adam_epsilon": 1e-8,
            "adam_beta1": 0.9,
            **SAC_EXTENSIONS,
        },
    ),
    (
        DQNSettings,
        {},
        {
            "batch_size": 128,
            "buffer_size": 50000,
            "learning_rate": 3e-4,
            "learning_rate_schedule": "constant",
            "buffer_init_steps": 0,
            "tau": 0.005,
            "steps_per_update": 1.0,
            "reward_signal_steps_per_update": 1.0,
            "save_replay_buffer": False,
            "target_update_interval": 10000,
            "gamma": 0.99,
            "exploration_schedule": "linear",
            "exploration_initial_eps": 0.1,
            "exploration_final_eps": 0.05,
            **DQN_EXTENSIONS,
            "max_grad_norm": None,
            "adam_epsilon": 1e-8,
        },
    ),
    (
        PQNSettings,
        {},
        {
            "batch_size": 128,
            "buffer_size": 4096,
            "learning_rate": 2.5e-4,
            "learning_rate_schedule": "linear",
            "lambd": 0.65,
            "num_epoch": 2,
            "exploration_schedule": "linear",
            "exploration_initial_eps": 0.1,
            "exploration_final_eps": 0.05,
            **Q_EXTENSIONS,
            "max_grad_norm": 10.0,
            "adam_epsilon": 1e-8,
        },
    ),
]
