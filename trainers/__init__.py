"""PPO, A2C and DQN over `mlagents_envs.base_env`: the algorithms, the loop and the command line.

From Python: `from trainers import train, load_policy`. Both are imported when first used, so that commands such as
`python -m trainers.config` start at once.
"""

import importlib
import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gym_adapters.errors import UserError
    from trainers.records.policy_file import LoadedPolicy, load_policy
    from trainers.training.api import train
    from trainers.training.recorder import Outcome

__all__ = ["LoadedPolicy", "Outcome", "UserError", "load_policy", "train"]

_HOMES = {
    "LoadedPolicy": "trainers.records.policy_file",
    "Outcome": "trainers.training.recorder",
    "UserError": "gym_adapters.errors",
    "load_policy": "trainers.records.policy_file",
    "train": "trainers.training.api",
}

# Threads that spin while they wait would slow down the environment and whatever runs beside it (a Unity Editor,
# say); torch reads this when it is imported. A value the user has set is kept.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def run_command(module: str, **options: Any) -> int:
    """Import the module of a command and call its `main`; Ctrl-C during the import ends with status 130, as later."""
    try:
        status: int = importlib.import_module(module).main(**options)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return 130
    return status


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
