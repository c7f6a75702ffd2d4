"""Adapts Unity players to `mlagents_envs.base_env.BaseEnv`, and that to Gymnasium and PettingZoo for other trainers.

Importing this package makes all of `mlagents_envs` importable, whose messages do not load under today's protobuf alone.
So `import bridge` comes before `from mlagents_envs.environment import UnityEnvironment`. It also registers the id
`bridge/Unity-v0` with Gymnasium.
"""

import importlib
from typing import TYPE_CHECKING, Any

from bridge import protobuf_compat, registration

if TYPE_CHECKING:
    from bridge.pettingzoo_env import UnityParallelEnv, parallel_env
    from bridge.single_env import UnitySingleEnv
    from bridge.vector_env import UnityVectorEnv

__all__ = ["UnityParallelEnv", "UnitySingleEnv", "UnityVectorEnv", "parallel_env"]

_MODULES = {
    "UnityParallelEnv": "bridge.pettingzoo_env",
    "UnitySingleEnv": "bridge.single_env",
    "UnityVectorEnv": "bridge.vector_env",
    "parallel_env": "bridge.pettingzoo_env",
}

protobuf_compat.install()
registration.register()


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name]), name)
