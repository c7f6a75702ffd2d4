"""Adapts Gymnasium, PettingZoo and MiniGrid environments to `mlagents_envs.base_env.BaseEnv`."""

from gym_adapters.check import ContractError, check_env
from gym_adapters.errors import UserError
from gym_adapters.make import behavior_name, env_kind, make_env
from gym_adapters.vector_env import VectorEnvAdapter

__all__ = [
    "ContractError",
    "UserError",
    "VectorEnvAdapter",
    "behavior_name",
    "check_env",
    "env_kind",
    "make_env",
]
