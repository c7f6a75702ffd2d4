"""Statistics that a scene's StatsRecorder sends: which player's count."""

import struct

import pytest

from bridge.channels import StatsAggregationMethod
from bridge.unity_env import PlayerOptions, UnityEnv

# isort: split
from mlagents_envs.side_channel import IncomingMessage


@pytest.mark.parametrize("number", [0, 1, 5])
def test_the_most_recent_value_is_that_of_the_first_player(number: int) -> None:
    env = UnityEnv(PlayerOptions(port=0, worker_id=number), wait=False)
    try:
        for method in StatsAggregationMethod:
            name = method.name.encode()
            content = struct.pack("<i", len(name)) + name + struct.pack("<fi", 2.0, method.value)
            env.stats.on_message_received(IncomingMessage(content))
        counted = {name for name, pairs in env.take_stats().items() if pairs}
        assert counted == {method.name for method in StatsAggregationMethod} - (
            {"MOST_RECENT"} if number else set()
        )
        assert not env.take_stats()
    finally:
        env.close()
