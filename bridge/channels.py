"""Side channels, which carry everything but observations, rewards and actions between trainer and player."""

import logging
import uuid
from collections.abc import Sequence

from bridge import wire  # must come first: it makes the modules below importable

# isort: split
from mlagents_envs.side_channel import IncomingMessage, SideChannel
from mlagents_envs.side_channel.engine_configuration_channel import EngineConfig, EngineConfigurationChannel
from mlagents_envs.side_channel.environment_parameters_channel import EnvironmentParametersChannel
from mlagents_envs.side_channel.stats_side_channel import (
    EnvironmentStats,
    StatsAggregationMethod,
    StatsSideChannel,
)

from gym_adapters.errors import UserError
from gym_adapters.text import one_line

__all__ = [
    "EngineConfig",
    "EngineConfigurationChannel",
    "EnvironmentParametersChannel",
    "EnvironmentStats",
    "SideChannel",
    "SideChannels",
    "StatsAggregationMethod",
    "StatsSideChannel",
]

logger = logging.getLogger(__name__)


class SideChannels:
    """The side channels of one player.

    Args:
        channels: Instances of `mlagents_envs.side_channel.SideChannel`, each with its own id.

    Raises:
        UserError: Two channels have the same id.
    """

    def __init__(self, channels: Sequence[SideChannel]) -> None:
        self._channels = {channel.channel_id: channel for channel in channels}
        if len(self._channels) < len(channels):
            raise UserError("two side channels have the same id; give each one of its own")
        self._strangers: set[uuid.UUID] = set()

    def outgoing(self) -> bytes:
        """Pack and return the messages that were queued since the last call."""
        messages = []
        for channel_id, channel in self._channels.items():
            queued, channel.message_queue = channel.message_queue, []
            messages += [(channel_id, bytes(content)) for content in queued]
        return wire.pack_side_channels(messages)

    def take_in(self, data: bytes) -> None:
        """Give the player's messages to their channels, and drop those of unknown channels.

        Raises:
            UserError: The data is damaged, or its channel cannot read it.
        """
        try:
            messages = wire.unpack_side_channels(data)
        except ValueError as error:
            raise UserError(f"the player sent {error}; check its own side channels") from error
        for channel_id, content in messages:
            channel = self._channels.get(channel_id)
            if channel is not None:
                self._deliver(channel, content)
            elif channel_id not in self._strangers:
                self._strangers.add(channel_id)
                logger.warning("the player sends on side channel %s, which nobody reads here", channel_id)

    @staticmethod
    def _deliver(channel: SideChannel, content: bytes) -> None:
        message = IncomingMessage(content)
        try:
            channel.on_message_received(message)
            if message.offset > len(content):
                raise ValueError("a text in it is cut off")
        except Exception as error:
            raise UserError(
                f"side channel {channel.channel_id} ({type(channel).__name__}) cannot read a message of {len(content)} "
                f"bytes ({type(error).__name__}: {one_line(str(error), 200)}); check what the player sends on it"
            ) from error
