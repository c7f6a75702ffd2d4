"""Unity players on one side, `mlagents_envs.base_env.BaseEnv` on the other."""
