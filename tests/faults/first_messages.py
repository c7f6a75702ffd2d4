"""A player's first messages."""

import dataclasses
import struct
import uuid
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from bridge import wire
from bridge.images import encode_png
from gym_adapters import UserError
from tests.faults.fault import Fault

# isort: split
from messages import NAME, Message, agent, behavior, hello, opening, step, vector
from speaker import MAX_STEPS, train_on

from bridge.channels import EngineConfigurationChannel, EnvironmentParametersChannel, StatsSideChannel

SURVIVED = ""
"""The training goes on to its end."""
LONGEST = 700
"""The most letters of a refusal."""

STATS, ENGINE, PARAMETERS = (
    channel().channel_id
    for channel in (StatsSideChannel, EngineConfigurationChannel, EnvironmentParametersChannel)
)
NASTY = "\x1b[31mred\x1b]0;title\x07\u202e\x00\n\r\x9b1m"


@dataclasses.dataclass(frozen=True)
class Odd:
    """Messages that a player should not send first.

    Attributes:
        name: what is odd.
        messages: what the player sends; it repeats the last message.
        says: words of the one line that refuses it, or `SURVIVED`.
        timeout: seconds after which a player that is not heard of is given up.
    """

    name: str
    messages: list[Message | bytes]
    says: str
    timeout: float = 3.0

    def attempt(self, folder: Path) -> None:
        """Train on the messages."""
        said = self._train(folder)
        assert said.isprintable(), f"not one line of printable text: {said!r}"
        assert len(said) <= LONGEST, f"{len(said)} letters: {said!r}"
        assert self.says in said if self.says else not said, f"said {said!r}, not {self.says!r}"

    def _train(self, folder: Path) -> str:
        """Return why the training ended early, or nothing."""
        with warnings.catch_warnings(), mock.patch("trainers.records.plots.draw_plots"):
            warnings.simplefilter("error")
            try:
                outcomes = train_on(self.messages, folder, self.timeout)
            except UserError as error:
                return str(error)
        finished = outcomes and all(outcome.steps >= MAX_STEPS for outcome in outcomes.values())
        return "" if finished else "it was stopped"


def faults(whole: bool) -> Iterable[Fault]:
    """Every odd message, or one of each kind."""
    kinds: list[Callable[[], Iterator[Odd]]] = [
        introductions, wrong_turns, declarations, agents, observations, images, action_masks, numbers,
        side_channels, statistics, later_messages,
    ]  # fmt: skip
    for kind in kinds:
        for number, odd in enumerate(kind()):
            if whole or number == 0:
                yield Fault(f"{kind.__name__}-{odd.name}", odd.attempt)


def odd_opening(name: str, says: str, /, *infos: Any, **fields: Any) -> Odd:
    """The usual introduction, then agents of one behavior."""
    return Odd(name, opening(*infos, **fields), says)


def edited(message: Message, edit: Callable[[Any], object]) -> Message:
    """A message after a change of its output."""
    edit(message.unity_output)
    return message


def introductions() -> Iterator[Odd]:
    """Versions and texts of the introduction."""
    rest = opening()[1:]
    for version in ("2.0.0", "0.15.0", "abc", "-1.5.0", ".5.0", " ", NASTY, "9" * 5000, "١.5.0"):
        yield Odd(f"version {version[:8]!a}", [hello(version), *rest], "communicator API")
    for version in ("1", "1.0.0", "1.99.99", "1.5.0-preview", f"1.{NASTY}"):
        yield Odd(f"version {version[:8]!a}", [hello(version), *rest], SURVIVED)
    for package in ("", NASTY, "x" * 5000):
        yield Odd(f"package {package[:8]!a}", [hello(package=package), *rest], SURVIVED)
    bare = wire.message()
    bare.unity_output.rl_initialization_output.communication_version = wire.API_VERSION
    yield Odd("no capabilities", [bare, *rest], SURVIVED)
    yield Odd("no version", [hello(""), *rest], "did not connect", 0.5)
    yield Odd("not introduced", rest, "did not connect", 0.5)
    yield Odd("quits at once", [wire.message(wire.QUIT)], "did not connect", 0.5)
    yield Odd("nothing but zero bytes", [b""], "did not connect", 0.5)
    yield Odd("garbage", [b"\xff" * 50], "did not connect", 0.5)
    yield Odd("declares in the introduction", [
        edited(hello(), lambda output: output.rl_initialization_output.brain_parameters.append(behavior())),
        wire.message(), step(declared=[behavior()]),
    ], SURVIVED)  # fmt: skip


def wrong_turns() -> Iterator[Odd]:
    """Messages of the wrong kind, at the wrong time or with a wrong status."""
    introduction, empty, first = opening()
    yield Odd("introduced twice", [introduction, empty, first, introduction], "a second introduction")
    yield Odd("introduced twice at once", [introduction, introduction], "a second introduction")
    for status in (0, 1, 201, 404, 500, -1, 2**31 - 1):
        wrong = wire.message(status)
        yield Odd(f"status {status}", [introduction, empty, first, wrong], f"unknown status {status}")
        yield Odd(f"status {status} second", [introduction, wrong], f"unknown status {status}")
    for junk in (b"\xff" * 50, b"\x00", first.SerializeToString()[:-3], b"GET / HTTP/1.1\r\n"):
        yield Odd(f"bytes {junk[:4]!a}", [introduction, empty, first, junk], "not an ML-Agents message")
    yield Odd("no bytes", [introduction, empty, first, b""], "unknown status 0")
    yield Odd("quits second", [introduction, wire.message(wire.QUIT)], "stopped")
    yield Odd("quits third", [introduction, empty, wire.message(wire.QUIT)], "stopped")
    yield Odd("quits in mid-run", [introduction, empty, first, wire.message(wire.QUIT)], "stopped")
    yield Odd("agents second", [introduction, first, first], SURVIVED)
    answer = wire.message()
    answer.unity_input.rl_input.agent_actions[NAME].value.add(continuous_actions=b"1234")
    yield Odd("actions in place of agents", [introduction, empty, first, answer, first], SURVIVED)
    yield Odd("empty messages", [introduction, *[empty] * 5, first], SURVIVED)
    both = step()
    both.unity_input.rl_input.command = wire.RESET
    yield Odd("input and output", [introduction, empty, first, both], SURVIVED)


def declarations() -> Iterator[Odd]:
    """Behaviors whose actions or names are odd."""
    yield odd_opening("no action", "behavior Walker: its agents have no action", continuous=0)
    for branches in ((0,), (3, 0), (0, 3), (-1,), (2, -(2**31))):
        yield odd_opening(f"branches {branches}", "behavior Walker: branch", continuous=0, branches=branches)
    yield odd_opening("branches beside continuous", "behavior Walker: branch 1", branches=(2, 0))
    yield odd_opening("branch of one choice", SURVIVED, continuous=0, branches=(1,))
    yield odd_opening("continuous -1", "behavior Walker: ", continuous=-1)
    short = behavior(branches=(2, 2))
    short.action_spec.num_discrete_actions = 3
    for name, parameters, says in (
        ("sizes of fewer branches", short, "behavior Walker: 3 discrete"),
        ("undeclared", behavior("Other"), "behavior Walker: "),
        ("not training", behavior(is_training=False), SURVIVED),
        (
            "old package",
            wire.BrainParameters(brain_name=NAME, vector_action_size_deprecated=[2]),
            "older than 2.0",
        ),
    ):
        yield Odd(name, [hello(), wire.message(), step(declared=[parameters])], says)
    yield Odd("nothing declared", [hello(), wire.message(), step()], "behavior Walker: ")
    yield Odd("declared twice", [hello(), wire.message(), step(declared=[behavior(), behavior()])], SURVIVED)
    yield Odd("declared twice, differently", [
        hello(), wire.message(), step(declared=[behavior(), behavior()]), step(declared=[behavior(continuous=2)])
    ], "actions are 2 continuous")  # fmt: skip
    yield Odd("declared without agents", [
        hello(), wire.message(), step(declared=[behavior("Never", 0), behavior()])
    ], SURVIVED)  # fmt: skip
    for text in ("", "?team=0", "..", "../../x", "/tmp/x", "a" * 255, "[bold]x", "Größe", "a\\b", "CON"):
        yield odd_opening(f"named {text[:8]!a}", SURVIVED, name=text)
    for text in (NASTY, "\u202eevil", "a\x00b", "a\nb", "\x1b[2J", "a" * 10000):
        yield odd_opening(f"named {text[:8]!a}", "a Behavior Name has at most", name=text)


def agents() -> Iterator[Odd]:
    """Agents whose ids, groups and flags are odd."""
    yield odd_opening("same id twice", "agent 1 asks twice", agent(1), agent(2), agent(1))
    yield odd_opening("ends twice", "agent 1 ends twice", agent(2), agent(1, done=True), agent(1, done=True))
    yield odd_opening("asks and ends", SURVIVED, agent(1), agent(1, done=True), agent(2))
    yield odd_opening("ends and asks", SURVIVED, agent(1, done=True), agent(1), agent(2))
    yield odd_opening("ends before it asked", SURVIVED, agent(5, done=True), agent(1))
    yield Odd("only ends", [*opening(agent(5, done=True)), step()], SURVIVED)
    for number in (-1, -(2**31), 2**31 - 1, 0):
        yield odd_opening(f"id {number}", SURVIVED, agent(number))
    for group in (-1, -(2**31)):
        yield odd_opening(f"group {group}", f"agent 1: group id {group}", agent(1, group_id=group))
    yield odd_opening("largest group", SURVIVED, agent(1, group_id=2**31 - 1))
    yield odd_opening("interrupted, not done", SURVIVED, agent(1, max_step_reached=True))
    yield Odd("no agents at first", [*opening()[:2], wire.message(), opening()[2]], SURVIVED)
    nobody = opening()[2]
    nobody.unity_output.rl_output.agentInfos[NAME].Clear()
    yield Odd("behavior without agents", [*opening()[:2], nobody, step()], SURVIVED)


def observations() -> Iterator[Odd]:
    """Observations that are not what they are declared to be."""
    none = wire.AgentInfo(id=1)
    yield odd_opening("no sensor", "behavior Walker: its agents have no sensor", none)
    yield odd_opening(
        "first agent without sensor", "behavior Walker: its agents have no sensor", none, agent(2)
    )
    yield odd_opening(
        "second agent without sensor", "agent 2: 0 observations", agent(1), wire.AgentInfo(id=2)
    )
    yield odd_opening(
        "second agent with two", "agent 2: 2 observations", agent(1), agent(2, vector(), vector())
    )
    for shape in ((), (0,), (3, 0), (1, 1, 1, 2), (1, 2)):
        yield odd_opening(f"shape {shape}", "behavior Walker: ", agent(1, shaped(shape)))
    for shape, count in (((3,), 2), ((3,), 0), ((2,), 3), ((2, 2, 2), 7)):
        says = f"holds {count} numbers"
        yield odd_opening(f"{count} numbers as {shape}", says, agent(1, shaped(shape, count)))
    for size in (1, 7, 9):
        broken = vector()
        broken.float_data.data = bytes(size)
        yield odd_opening(f"{size} bytes", "bytes", agent(1, broken))
    yield odd_opening("no data", "holds 0 numbers", agent(1, dataless()))
    for kind in (2, 99, -1):
        yield odd_opening(f"type {kind}", f"observation type {kind}", agent(1, vector(observation_type=kind)))
        yield odd_opening(
            f"compression {kind}", f"compression type {kind}", agent(1, vector(compression_type=kind))
        )
    for properties in ([99], [-1], [1, 1, 1], [2], [2**31 - 1]):
        yield odd_opening(
            f"properties {properties}", SURVIVED, agent(1, vector(dimension_properties=properties))
        )
    yield odd_opening("variable vector", "behavior Walker: ", agent(1, vector(dimension_properties=[4])))
    yield odd_opening("goal", SURVIVED, agent(1, vector(observation_type=1)))
    yield odd_opening("another shape of one size", "agent 2: observation 0 is of shape", *(
        agent(number, shaped(shape, properties=[4, 1])) for number, shape in ((1, (2, 3)), (2, (3, 2)))
    ))  # fmt: skip
    yield odd_opening("two of one name", SURVIVED, agent(1, vector(), vector([1, 2, 3])))
    for text in ("", NASTY, "n" * 10000):
        named = vector([np.nan])
        named.name = text
        yield odd_opening(f"named {text[:8]!a}", "observation 0", agent(1, named))


def images() -> Iterator[Odd]:
    """Compressed observations."""
    png = encode_png(np.zeros((3, 20, 20), np.uint8))
    other = encode_png(np.zeros((3, 20, 24), np.uint8))
    yield odd_opening("another size", "observation 0", agent(1, image(other)))
    yield odd_opening("fine", SURVIVED, agent(1, image(png)))
    cases = {
        "no bytes": b"", "junk": b"junk", "half": png[:40], "cut": png[:-5], "twice, different": png + other,
        "JPEG": b"\xff\xd8\xff\xe0" + bytes(50), "signature only": png[:8],
        "wrong checksum": png[:20] + b"\xff" + png[21:],
        "no data chunk": png[:33] + png[-12:], "huge chunk": png[:8] + b"\xff\xff\xff\xffIHDR" + png[16:],
        "zeros inside": png[:50] + bytes(len(png) - 50),
    }  # fmt: skip
    for name, data in cases.items():
        yield odd_opening(name, "observation 0", agent(1, image(data)))
    for mapping in ([0], [0, 1, 2, 3], [0, 0, 9], [-1, -1, -1], [2**31 - 1, 0, 1]):
        mapped = image(png)
        mapped.compressed_channel_mapping.extend(mapping)
        yield odd_opening(f"mapping {mapping}", "observation 0", agent(1, mapped))
    vector_png = vector(compression_type=1)
    vector_png.compressed_data = png
    yield odd_opening("PNG as vector", "observation 0", agent(1, vector_png))
    yield odd_opening("numbers after a PNG", "agent 2", agent(1, image(png)), agent(2, shaped((3, 20, 20))))
    yield odd_opening("PNG after numbers", "agent 2", agent(1, shaped((3, 20, 20))), agent(2, image(png)))


def action_masks() -> Iterator[Odd]:
    """Masks of the wrong length or content."""
    for mask in (b"\0", b"\0" * 4, b"\0" * 6, b"\1" * 1000):
        says = f"an action mask of {len(mask)}"
        yield odd_opening(f"{len(mask)} long", says, agent(1, action_mask=mask), branches=(3, 2))
    yield odd_opening("all forbidden", "agent 1", agent(1, action_mask=b"\1\1"), branches=(2,))
    yield odd_opening("one branch forbidden", "agent 1", agent(1, action_mask=b"\0\0\1\1"), branches=(2, 2))
    yield odd_opening("values beyond 1", "agent 1", agent(1, action_mask=b"\x02\x7f"), branches=(2,))
    yield odd_opening("without branches", SURVIVED, agent(1, action_mask=b"\1\1"))
    yield odd_opening("at the end", SURVIVED, agent(2), agent(1, done=True, action_mask=b"\1"), branches=(2,))


def numbers() -> Iterator[Odd]:
    """Rewards and observations that are not finite, or very large."""
    for value in (np.nan, np.inf, -np.inf):
        yield odd_opening(
            f"observation {value}", f"agent 3: observation 0 (body) is {value}", agent(3, vector([0, value]))
        )
        yield odd_opening(f"reward {value}", f"agent 3: reward is {value}", agent(3, reward=value))
        yield odd_opening(
            f"group reward {value}", f"agent 3: group reward is {value}", agent(3, group_reward=value)
        )
        last = agent(3, vector([0, value]), done=True)
        yield odd_opening(
            f"last observation {value}", f"agent 3: observation 0 (body) is {value}", agent(1), last
        )
    for value in (1e-45, 1e10):
        yield odd_opening(f"observation {value}", SURVIVED, agent(1, vector([value, value])))
        yield odd_opening(f"reward {value}", SURVIVED, agent(1, reward=value))


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


def shaped(shape: tuple[int, ...], count: int | None = None, properties: Iterable[int] = ()) -> Any:
    """An observation of zeros, `count` of them or as many as its shape needs."""
    proto = vector(np.zeros(int(np.prod(shape)) if count is None else count), dimension_properties=properties)
    proto.shape[:] = shape
    return proto


def dataless() -> Any:
    """An observation that has a shape and nothing else."""
    return wire.AgentInfo().observations.add(shape=[2])


def image(data: bytes) -> Any:
    """A compressed observation of shape (3, 20, 20)."""
    return wire.AgentInfo().observations.add(
        shape=[3, 20, 20], dimension_properties=[1, 2, 2], compression_type=wire.PNG, compressed_data=data
    )
