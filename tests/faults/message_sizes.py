"""Sizes in a player's messages that no machine holds."""

import zlib
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bridge import wire
from bridge.decoding import BehaviorDecoder
from bridge.images import PNG_SIGNATURE, encode_png
from tests.faults.fault import Fault
from tests.faults.tools.memory import refused


def chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk of a PNG. Source: https://www.w3.org/TR/png-3/#5Chunk-layout."""
    return len(content).to_bytes(4, "big") + kind + content + zlib.crc32(kind + content).to_bytes(4, "big")


def png(width: int, height: int) -> bytes:
    """A grey PNG of one colour in a few bytes a row or fewer."""
    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([8, 0, 0, 0, 0])
    rows = zlib.compressobj(9)
    content = b"".join(rows.compress(bytes(width + 1)) for _ in range(min(height, 12_000))) + rows.flush()
    return PNG_SIGNATURE + chunk(b"IHDR", header) + chunk(b"IDAT", content) + chunk(b"IEND", b"")


IMAGES: dict[str, tuple[Callable[[], bytes], str]] = {
    "144 million pixels": (lambda: png(12_000, 12_000), "12000 x 12000 pixels, expected 8 x 8"),
    "2^31 wide": (lambda: png(8, 8).replace(b"\0\0\0\x08", b"\x7f\xff\xff\xff", 1), "2147483647 x 8 pixels"),
    "one pixel more": (lambda: png(9, 8), "9 x 8 pixels"),
    "many pictures": (lambda: encode_png(np.zeros((3, 8, 8), np.uint8)) * 1000, "more than 3 PNGs"),
    "no header": (lambda: PNG_SIGNATURE + chunk(b"IEND", b""), "without a header"),
    "none": (lambda: b"", "no PNG"),
}


def every() -> Iterator[Fault]:
    """All of them."""
    for name, (make, words) in IMAGES.items():
        yield Fault(f"png-{name}", partial(_image, make, words))
    most = 2**31 - 1
    for shapes in (
        [[most]],
        [[most] * 4],
        [[-1]],
        [[0]],
        [[8], [0, 3]],
        [[1] * 9],
        [[2**12] * 2] * 2,
        [[1]] * 2000,
    ):
        yield Fault(f"shapes-{str(shapes)[:40]}", partial(_shapes, shapes))
    actions: list[tuple[int, list[int]]] = [
        (most, []),
        (-1, []),
        (0, [most]),
        (0, [most] * 3),
        (0, [-1]),
        (0, [-most, most]),
        (0, [1] * 200_000),
    ]
    for continuous, branches in actions:
        yield Fault(f"actions-{continuous}-{str(branches)[:30]}", partial(_actions, continuous, branches))
    yield Fault("agents-with large images", _agents)


def player(
    shapes: list[list[int]], continuous: int = 1, branches: Iterable[int] = (), data: bytes = b""
) -> Any:
    """The decoder of a first message, and its agent."""
    parameters, info = wire.BrainParameters(), wire.AgentInfo(id=7)
    parameters.action_spec.num_continuous_actions = continuous
    parameters.action_spec.discrete_branch_sizes.extend(branches)
    parameters.action_spec.num_discrete_actions = len(parameters.action_spec.discrete_branch_sizes)
    for shape in shapes:
        info.observations.add(shape=shape, compressed_data=data, compression_type=wire.PNG if data else 0)
    return BehaviorDecoder("Walker", parameters, info), info


def _image(make: Callable[[], bytes], words: str, folder: Path) -> None:
    del folder
    decoder, info = player([[3, 8, 8]], data=encode_png(np.zeros((3, 8, 8), np.uint8)))
    info.observations[0].compressed_data = make()
    refused(lambda: decoder.decode([info]), "behavior Walker, agent 7: image observation 0", words)


def _shapes(shapes: list[list[int]], folder: Path) -> None:
    del folder
    refused(lambda: player(shapes), "behavior Walker: ", "expected", "observation")


def _actions(continuous: int, branches: list[int], folder: Path) -> None:
    del folder
    refused(lambda: player([[3]], continuous, branches), "behavior Walker: ")


def _agents(folder: Path) -> None:
    del folder
    decoder, info = player([[3, 2048, 2048]], data=encode_png(np.zeros((3, 8, 8), np.uint8)))
    refused(lambda: decoder.decode([info] * 10**6), "a message of 1,000,000 agents", "GiB of memory")


FEW = ("png-144 million pixels", "agents-with large images")


def faults(whole: bool) -> Iterable[Fault]:
    """See `tests.faults.fault`."""
    return [fault for fault in every() if whole or fault.name in FEW]
