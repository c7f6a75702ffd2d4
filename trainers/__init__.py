"""Trains agents in Unity ML-Agents, Gymnasium and PettingZoo environments, with PPO, SAC, POCA, MAPPO, A2C, DQN or PQN.

From Python: `from trainers import train, load_policy`. A name is imported when it is first used, so that commands such
as `python -m trainers.config` start quickly.
The protocol of Unity belongs in `bridge`, and adapters of Gymnasium and PettingZoo environments in `gym_adapters`.
"""

import importlib
import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gym_adapters.errors import UserError
    from trainers.records.policy_file import LoadedPolicy, load_policy
    from trainers.training.api import train
    from trainers.training.callbacks import Callback, Moment
    from trainers.training.outcome import Outcome

__all__ = ["Callback", "LoadedPolicy", "Moment", "Outcome", "UserError", "load_policy", "train"]

_MODULES = {
    "Callback": "trainers.training.callbacks",
    "LoadedPolicy": "trainers.records.policy_file",
    "Moment": "trainers.training.callbacks",
    "Outcome": "trainers.training.outcome",
    "UserError": "gym_adapters.errors",
    "load_policy": "trainers.records.policy_file",
    "train": "trainers.training.api",
}

# Idle threads of torch wait awake for a moment, which bridges the time between two operations of an update, and then
# sleep. If they slept at once, two threads would be slower than one; if they stayed awake for longer,
# they would slow down the environment and other programs such as the Unity Editor. Torch reads these variables when it
# is imported, the first with GNU's OpenMP, the second (in ms) with Intel's and LLVM's. Values of the user are kept.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "30000")
    os.environ.setdefault("KMP_BLOCKTIME", "1")


def run_command(module: str, name: str | None = None, /, **options: Any) -> int:
    """Import the module of a command and call its `main`; Ctrl-C during the import ends with status 130, as later.

    Args:
        module: the module.
        name: what the command's usage calls it, such as `bridge evaluate`; None if it was started as a module.
        options: the arguments of `main`.
    """
    try:
        with importlib.import_module("gym_adapters.commands").started_as(name):
            status: int = importlib.import_module(module).main(**options)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return 130
    return status


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name]), name)
