"""Registers Unity with Gymnasium."""

import gymnasium

ENV_ID = "bridge/Unity-v0"


def register() -> None:
    """Register `bridge/Unity-v0`. A player takes its seed at its start, so that no `reset` repeats an episode."""
    if ENV_ID not in gymnasium.registry:
        gymnasium.register(
            ENV_ID,
            entry_point="bridge.single_env:make_single_env",
            vector_entry_point="bridge.vector_env:make_vector_env",
            nondeterministic=True,
        )
