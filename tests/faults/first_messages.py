"""A player's first messages."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from bridge import wire
from bridge.images import encode_png
from tests.faults.fault import Fault
from tests.faults.tools.odd_messages import NASTY, SURVIVED, Odd, faults_of, image, odd_opening, shaped

# isort: split
from messages import NAME, Message, agent, behavior, hello, opening, step, vector


def faults(whole: bool) -> Iterable[Fault]:
    """Every odd message, or one of each kind."""
    kinds = (
        introductions, wrong_turns, declarations, agents, observations, images, action_masks, numbers,
    )  # fmt: skip
    return faults_of(kinds, whole)


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
        yield odd_opening(f"named {text[:8]!a} ({len(text)})", "a Behavior Name has at most", name=text)


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


def dataless() -> Any:
    """An observation that has a shape and nothing else."""
    return wire.AgentInfo().observations.add(shape=[2])
