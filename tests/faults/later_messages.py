"""A player's later messages, and what it sends on side channels."""

import struct
import uuid
from collections.abc import Iterable, Iterator

import numpy as np

from bridge import wire
from tests.faults.fault import Fault
from tests.faults.tools.odd_messages import NASTY, SURVIVED, Odd, faults_of, odd_opening

# isort: split
from messages import agent, behavior, opening, step, vector

from bridge.channels import EngineConfigurationChannel, EnvironmentParametersChannel, StatsSideChannel

STATS, ENGINE, PARAMETERS = (
    channel().channel_id
    for channel in (StatsSideChannel, EngineConfigurationChannel, EnvironmentParametersChannel)
)


def faults(whole: bool) -> Iterable[Fault]:
    """Every odd message, or one of each kind."""
    return faults_of((side_channels, statistics, later_messages), whole)


def side_channels() -> Iterator[Odd]:
    """Side-channel data that is damaged or of channels that nobody reads."""
    known, unknown = STATS.bytes_le, uuid.UUID(int=1).bytes_le
    for name, data in {
        "one byte": b"x", "half an id": known[:8], "no length": known, "half a length": known + b"\1\0",
        "negative length": known + struct.pack("<i", -1), "least length": known + struct.pack("<i", -(2**31)),
        "too long": known + struct.pack("<i", 100) + b"x", "largest": known + struct.pack("<i", 2**31 - 1),
        "one and a half": wire.pack_side_channels([(uuid.UUID(int=1), b"a")]) + known[:5],
        "text": b"hello, this is no side channel data", "half of unknown": unknown + struct.pack("<i", 4) + b"x",
    }.items():  # fmt: skip
        yield odd_opening(name, "side channel", side_channel=data)
    for name, channel in {"zero": uuid.UUID(int=0), "unknown": uuid.UUID(int=1)}.items():
        data = wire.pack_side_channels([(channel, bytes(range(256)))] * 3)
        yield odd_opening(f"{name} id", SURVIVED, side_channel=data)
    for name, channel in {"engine": ENGINE, "parameters": PARAMETERS}.items():
        data = wire.pack_side_channels([(channel, b"abcd")])
        yield odd_opening(f"{name} channel answered", "side channel", side_channel=data)
    empty = wire.pack_side_channels([(uuid.UUID(int=1), b"")])
    yield odd_opening("empty message", SURVIVED, side_channel=empty)


def statistics() -> Iterator[Odd]:
    """Messages of the channel of `StatsRecorder`."""
    text, value, method = struct.pack("<i", 4) + b"Jump", struct.pack("<f", 1.0), struct.pack("<i", 0)
    for name, content in {
        "cut number": text + value[:2], "cut method": text + value + b"\0", "cut text": struct.pack("<i", 40) + b"Jump",
        "negative text": struct.pack("<i", -5) + b"Jump", "longest text": struct.pack("<i", 2**31 - 1) + b"Jump",
        "not UTF-8": struct.pack("<i", 4) + b"\xff\xfe\xfd\xfc" + value + method, "short": b"\1\2",
        "method 4": text + value + struct.pack("<i", 4), "method -1": text + value + struct.pack("<i", -1),
    }.items():  # fmt: skip
        yield odd_opening(name, "side channel", side_channel=wire.pack_side_channels([(STATS, content)]))
    for name, content in {"text only": text, "empty": b"", "longer": text + value + method + b"more"}.items():
        yield odd_opening(name, SURVIVED, side_channel=wire.pack_side_channels([(STATS, content)]))
    for key in ("Jump", "", "step", "a/b", "../../x", NASTY, "k" * 3000, "Environment/Cumulative Reward"):
        for number, aggregation in ((1.0, 0), (np.nan, 1), (np.inf, 0), (-3e38, 2), (1.0, 3)):
            encoded = key.encode()
            if not encoded.isascii():
                continue
            content = struct.pack("<i", len(encoded)) + encoded + struct.pack("<fi", number, aggregation)
            data = wire.pack_side_channels([(STATS, content)])
            yield odd_opening(f"{key[:8]!a} {number} {aggregation}", SURVIVED, side_channel=data)


def later_messages() -> Iterator[Odd]:
    """What changes after a good beginning."""
    good = [*opening(agent(1), agent(2)), step(agent(1), agent(2))]
    late = step(declared=[behavior("Late")])
    late.unity_output.rl_output.agentInfos["Late"].value.append(agent(9))
    for name, later, says in (
        ("fewer numbers", step(agent(1, vector([1]))), "agent 1: observation 0 is of shape (1,) now"),
        ("another sensor", step(agent(1, vector(), vector())), "agent 1: 2 observations now, 1 before"),
        ("no sensor", step(wire.AgentInfo(id=1)), "agent 1: 0 observations now, 1 before"),
        ("NaN", step(agent(1, vector([np.nan, 0]))), "agent 1: observation 0 (body) is nan"),
        ("same id twice", step(agent(1), agent(1)), "agent 1 asks twice"),
        ("undeclared behavior", step(name="Other"), "Other: "),
        ("other agents", step(agent(7), agent(8)), SURVIVED),
        ("late behavior", late, SURVIVED),
        (
            "late behavior without action",
            step(name="Late", declared=[behavior("Late", 0)]),
            "Late: its agents have no",
        ),
        ("declared again", step(declared=[behavior()]), SURVIVED),
        ("other actions", step(declared=[behavior(branches=(2,))]), "actions are 1 continuous"),
        ("side channel cut", step(side_channel=b"abc"), "side channel"),
    ):
        yield Odd(name, [*good, later], says)
