"""What a player's first messages must not hold, and what the user is told."""

import re
import struct
from pathlib import Path
from typing import Any

import pytest
from messages import NAME, Message, agent, behavior, hello, opening, step, vector
from speaker import Speaker

from bridge import wire
from bridge.channels import EngineConfigurationChannel, SideChannels, StatsSideChannel
from bridge.decoding import BehaviorDecoder
from bridge.errors import PlayerLostError
from bridge.process import PlayerProcess
from gym_adapters import UserError


def declared(**fields: Any) -> Any:
    parameters = behavior()
    for name, value in fields.items():
        setattr(parameters.action_spec, name, value)
    return parameters


@pytest.mark.parametrize(
    ("parameters", "info", "words"),
    [
        (
            behavior(),
            wire.AgentInfo(id=1),
            "its agents have no sensor; in the Behavior Parameters component of its agents, set Vector Observation > "
            "Space Size above 0",
        ),
        (
            behavior(continuous=0),
            agent(),
            "its agents have no action; set Actions > Continuous Actions or Discrete Branches above 0 in the Behavior "
            "Parameters component",
        ),
        (behavior(branches=(3, 0)), agent(), "branch 1 has size 0; set Actions > Branch 1 Size above 0"),
        (behavior(continuous=-1), agent(), "-1 continuous actions"),
        (declared(num_discrete_actions=2), agent(), "2 discrete branches with 0 sizes"),
        (behavior(), agent(1, vector(observation_type=7)), "observation 0 (body) has the unknown observation type 7"),
        (behavior(), agent(1, vector(compression_type=7)), "observation 0 (body) has the unknown compression type 7"),
        (behavior(), agent(1, vector([])), "observation 0 has the shape (0)"),
    ],
)  # fmt: skip
def test_behaviors_that_cannot_be_trained(parameters: Any, info: Any, words: str) -> None:
    with pytest.raises(UserError, match=rf"behavior Walker: {re.escape(words)}"):
        BehaviorDecoder(NAME, parameters, info)


def test_more_or_fewer_numbers_than_the_shape() -> None:
    proto = vector()
    proto.shape[:] = [3]
    with pytest.raises(
        UserError, match=r"observation 0 \(body\) of shape \(3,\) holds 2 numbers; .* 3 numbers"
    ):
        BehaviorDecoder(NAME, behavior(), agent(1, proto))


def test_names_that_no_inspector_can_show() -> None:
    for name in ("\x1b[31mred", "a\nb", "a" * 10_000):
        with pytest.raises(
            UserError, match="a Behavior Name has at most 255 letters, all printable"
        ) as raised:
            BehaviorDecoder(name, behavior(), agent())
        assert len(str(raised.value)) < 300


@pytest.mark.parametrize(
    ("agents", "words"),
    [
        ([agent(1), agent(2), agent(1)], "agent 1 asks twice in one message"),
        ([agent(2), agent(1, done=True), agent(1, done=True)], "agent 1 ends twice in one message"),
        ([agent(3, group_id=-1)], "agent 3: group id -1; groups count from 1, and 0 is none"),
    ],
)
def test_agents_that_cannot_be_told_apart(agents: list[Any], words: str) -> None:
    decoder = BehaviorDecoder(NAME, behavior(), agent())
    with pytest.raises(UserError, match=words):
        decoder.decode(agents)


def test_an_agent_may_ask_and_end_in_one_message() -> None:
    decisions, terminals = BehaviorDecoder(NAME, behavior(), agent()).decode([agent(1), agent(1, done=True)])
    assert (decisions.agent_id.tolist(), terminals.agent_id.tolist()) == ([1], [1])


def test_every_agent_must_have_the_shape_of_the_first() -> None:
    flat, tall = vector([1, 2, 3]), vector([1, 2, 3])
    flat.shape[:], tall.shape[:] = [1, 3], [3, 1]
    decoder = BehaviorDecoder(NAME, behavior(), agent(1, flat))
    with pytest.raises(
        UserError, match=r"agent 2: observation 0 is of shape \(3, 1\) now, of shape \(1, 3\) before"
    ):
        decoder.decode([agent(1, flat), agent(2, tall)])


def test_a_mask_holds_true_and_false_only() -> None:
    decoder = BehaviorDecoder(NAME, behavior(branches=(3,)), agent())
    mask = decoder.decode([agent(1, action_mask=b"\x00\x02\x7f")])[0].action_mask
    assert mask[0].view("uint8").tolist() == [[0, 1, 1]]


@pytest.mark.parametrize(
    "content",
    [
        struct.pack("<i", 40) + b"Jump",
        struct.pack("<i", 4) + b"\xff\xfe\xfd\xfc",
        struct.pack("<i", 4) + b"Jump" + struct.pack("<fi", 1.0, 9),
        b"\x01\x02",
    ],
)
def test_statistics_that_are_damaged(content: bytes) -> None:
    channels, stats = SideChannels([StatsSideChannel()]), StatsSideChannel()
    with pytest.raises(
        UserError, match=rf"side channel {stats.channel_id} \(StatsSideChannel\) cannot read a message"
    ):
        channels.take_in(wire.pack_side_channels([(stats.channel_id, content)]))


def test_a_channel_that_only_the_trainer_may_write_on() -> None:
    engine = EngineConfigurationChannel()
    with pytest.raises(UserError, match=r"\(EngineConfigurationChannel\) cannot read a message"):
        SideChannels([engine]).take_in(wire.pack_side_channels([(engine.channel_id, b"abcd")]))


@pytest.mark.parametrize(
    ("last", "words"),
    [
        (b"\xff\xff\xff", "the Unity Editor sent something that is not an ML-Agents message"),
        (b"", "the Unity Editor sent an unknown status 0"),
        (hello(), "the Unity Editor sent a second introduction"),
    ],
)
def test_what_a_player_sends_in_mid_run_that_is_no_message(last: Message | bytes, words: str) -> None:
    """Nothing limits the wait for its next message, so it must end at once."""
    with Speaker([*opening(), last]) as env:
        env.reset()
        with pytest.raises(PlayerLostError, match=words):
            env.step()


def test_agents_of_a_behavior_that_was_not_declared() -> None:
    with Speaker([*opening(), step(name="Other")]) as env:
        env.reset()
        with pytest.raises(UserError, match="behavior Other: the player did not declare"):
            env.step()


def test_texts_of_the_introduction_are_cut_and_plain() -> None:
    with pytest.raises(UserError) as raised, Speaker([hello("9" * 5000, "\x1b[31mred"), *opening()[1:]]):
        pass
    assert str(raised.value).isprintable()
    assert len(str(raised.value)) < 300


def test_the_end_of_a_log_is_short_and_plain(tmp_path: Path) -> None:
    program, log = tmp_path / "Player.x86_64", tmp_path / "Player-0.log"
    program.write_text("#!/bin/sh\nexit 3\n")
    program.chmod(0o755)
    process = PlayerProcess(program, [], log)
    assert process.wait(30)
    log.write_bytes(
        b"\x1b]0;title\x07\x1b[31mold\n" * 200_000
        + b"\xff\xfe\x1b[2J"
        + b"x" * 5000
        + "\n\u202eend\x07".encode()
    )
    first, *lines = process.obituary().split("\n")
    assert first == f"exited with code 3; the end of {log}:"
    assert len(lines) == 20
    assert all(line.isprintable() and len(line) <= 4 + 200 for line in lines)
    assert lines[-2:] == ["    \ufffd\ufffd" + "x" * 197 + "…", "    \\u202eend\\x07"]
    assert lines[0] == "    old"
