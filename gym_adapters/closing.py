"""Closes vector environments, also those of which a process has died or hangs."""

from gymnasium.vector import AsyncVectorEnv, SyncVectorEnv, VectorEnv

from gym_adapters.errors import close_all

PATIENCE = 10.0
"""Seconds to wait for the processes of an `AsyncVectorEnv` that are still busy; then they are ended."""


def close_vector_env(env: VectorEnv) -> None:
    """Closes a vector environment, each of its environments even if another one fails to.

    After a process of an `AsyncVectorEnv` has died, Gymnasium would wait for ever for answers of the others that it has
    had already.
    """
    base = env.unwrapped
    if type(env) is SyncVectorEnv and not env.closed:
        close_all(env.envs)
    elif not isinstance(base, AsyncVectorEnv) or base.closed:
        env.close()
    else:
        try:
            is_whole = all(process.is_alive() for process in base.processes)
            env.close(timeout=PATIENCE, terminate=not is_whole)
        finally:
            for process in base.processes:
                process.terminate()
