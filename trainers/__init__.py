"""PPO and A2C over `mlagents_envs.base_env`: the algorithms, the loop and the command line."""
