"""Adapts Unity players to `mlagents_envs.base_env.BaseEnv`.

Importing this package makes all of `mlagents_envs` importable, whose messages do not load under today's protobuf alone.
So `import bridge` comes before `from mlagents_envs.environment import UnityEnvironment`.
"""

from bridge import protobuf_compat

protobuf_compat.install()
