"""The Unity Editor's part, played by a process."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from processes import free_port, running

from bridge.unity_env import PlayerOptions, UnityEnv


@contextmanager
def editor(*arguments: object, **options: Any) -> Iterator[UnityEnv]:
    """An environment for which `python ARGUMENTS` is the Editor. It is closed first, then the process."""
    port = free_port()
    with running(*arguments, "--mlagents-port", port):
        env = UnityEnv(PlayerOptions(port=port, **{"timeout": 30, **options}))
        try:
            yield env
        finally:
            env.close()
