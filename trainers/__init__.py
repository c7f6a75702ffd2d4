"""PPO and A2C over `mlagents_envs.base_env`: the algorithms, the loop and the command line."""

import os

# Threads that spin while they wait would slow down the environment and whatever runs beside it (a Unity Editor,
# say); torch reads this when it is imported. A value the user has set is kept.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from gym_adapters.errors import UserError
from trainers.api import train
from trainers.policy_file import LoadedPolicy, load_policy
from trainers.recorder import Outcome

__all__ = ["LoadedPolicy", "Outcome", "UserError", "load_policy", "train"]
