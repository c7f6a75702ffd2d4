"""Adapts Unity players to `mlagents_envs.base_env.BaseEnv`."""
