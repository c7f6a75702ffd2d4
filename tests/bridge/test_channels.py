"""Side channels: the engine's settings arrive, the caller's own channels go both ways."""

import uuid
from pathlib import Path

import pytest
from ledger import Bookkeeper, read_side_channel
from mlagents_envs.side_channel import IncomingMessage, OutgoingMessage
from processes import PLAYER, free_port, running
from scripted_player import ECHO

from bridge.channels import EngineConfig, EngineConfigurationChannel, SideChannel, SideChannels
from bridge.unity_env import PlayerOptions, UnityEnv
from gym_adapters import UserError


class Words(SideChannel):
    """Sends words and keeps those that come back."""

    def __init__(self, channel_id: uuid.UUID = ECHO) -> None:
        super().__init__(channel_id)
        self.heard: list[str] = []

    def say(self, word: str) -> None:
        message = OutgoingMessage()
        message.write_string(word)
        self.queue_message_to_send(message)

    def on_message_received(self, msg: IncomingMessage) -> None:
        self.heard.append(msg.read_string())


def test_engine_settings_and_custom_channels(tmp_path: Path) -> None:
    port, ledger, words = free_port(), tmp_path / "ledger", Words()
    config = EngineConfig(100, 90, 1, 3.0, 50, 60)
    with running(PLAYER, "ledger", "--mlagents-port", port, "--ledger", ledger):
        env = UnityEnv(PlayerOptions(port=port, timeout=20, engine=config), [words])
        words.say("first")
        words.say("second")
        env.reset()
        bookkeeper = Bookkeeper(env)
        bookkeeper.run(3)
        words.say("third")
        env.step()
        bookkeeper.run(2)
        env.close()
    assert words.heard == ["first", "second", "third"]
    engine = EngineConfigurationChannel()
    engine.set_configuration(config)
    assert read_side_channel(ledger, engine) == engine.message_queue


def test_unknown_channels_are_named_once(caplog: pytest.LogCaptureFixture) -> None:
    sender, receiver = Words(), Words(uuid.UUID(int=5))
    channels = SideChannels([receiver])
    for _ in range(2):
        sender.say("hello")
        channels.take_in(SideChannels([sender]).outgoing())
    assert caplog.text.count(str(ECHO)) == 1
    assert receiver.heard == []
    with pytest.raises(UserError, match="check its own side channels"):
        channels.take_in(b"short")
    with pytest.raises(UserError, match="same id"):
        SideChannels([Words(), Words()])
