"""Replay buffers of the wrong numbers, types and shapes: resumed."""

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from damage_tools import copied, refusal, resume
from scripted_env import make_spec

from tests.faults.fault import Fault
from trainers.experience.replay import Replay
from trainers.experience.replay_file import load_replay, save_replay
from trainers.experience.store import NO_ROW, StepResult
from trainers.networks.policy_network import ActionSample

NAME = "Task/last_replay_buffer.npz"
Arrays = dict[str, Any]
Edit = Callable[[Arrays], Arrays]


def _at(name: str, value: Any, place: int = 5) -> Edit:
    """Change one number of an array."""

    def edit(arrays: Arrays) -> Arrays:
        changed = arrays[name].copy()
        changed[place] = value
        return {**arrays, name: changed}

    return edit


def _as(name: str, change: Callable[[np.ndarray], Any]) -> Edit:
    return lambda arrays: {**arrays, name: change(arrays[name])}


def _without(name: str) -> Edit:
    return lambda arrays: {key: value for key, value in arrays.items() if key != name}


COLUMNS = (
    "continuous",
    "discrete",
    "reward",
    "group_reward",
    "next_row",
    "ending",
    "settled",
    "forbidden",
    "rows",
)
EDITS: dict[str, Edit] = {
    "no array": lambda _: {},
    "another array": lambda _: {"weights": np.zeros(3)},
    **{f"without {name}": _without(name) for name in COLUMNS},
    **{f"{name} is short": _as(name, lambda array: array[:-1]) for name in COLUMNS},
    **{
        f"{name} is flat": _as(name, lambda array: array.ravel()[0])
        for name in COLUMNS
        if name != "continuous"
    },
    **{f"{name} is wide": _as(name, lambda array: np.stack([array, array], -1)) for name in COLUMNS},
    **{f"{name} is text": _as(name, lambda array: np.full(array.shape, "1")) for name in COLUMNS},
    "discrete is fractions": _as("discrete", lambda array: array + 0.5),
    "reward is whole": _as("reward", lambda array: array.astype(np.int64)),
    "reward is double": _as("reward", lambda array: array.astype(np.float64)),
    "settled is numbers": _as("settled", lambda array: array * 2),
    "next_row is small": _as("next_row", lambda array: array.astype(np.int8)),
    "rows is fractions": _as("rows", lambda array: array.astype(np.float32)),
    "action is 3 of 3": _at("discrete", 3),
    "action is -1": _at("discrete", -1),
    "action is 2^62": _at("discrete", 2**62),
    "reward is NaN": _at("reward", np.nan),
    "reward is infinite": _at("reward", np.inf),
    "group reward is NaN": _at("group_reward", np.nan),
    "next row is beyond the end": _as("next_row", lambda array: np.where(array >= 0, array + 10**6, array)),
    "next row is before the start": _as("next_row", lambda array: np.where(array >= 0, -7, array)),
    "next row is the row": lambda arrays: {**arrays, "next_row": arrays["rows"]},
    "next row is older": _as("next_row", lambda array: np.where(array >= 0, array - 40, array)),
    "ending is 9": _at("ending", 9),
    "ending is -1": _at("ending", -1),
    "rows have a gap": _as("rows", lambda array: array + (np.arange(len(array)) > 5)),
    "rows are turned": _as("rows", lambda array: array[::-1]),
    "rows are negative": _as("rows", lambda array: array - 10**6),
    "rows are at the limit": _as("rows", lambda array: array + (2**63 - 1 - int(array[-1]))),
    "no rows": lambda arrays: {name: array[:0] for name, array in arrays.items()},
    "observation is NaN": _at("observation0.values", np.nan),
    "observation is bytes": _as("observation0.values", lambda array: array.astype(np.uint8)),
    "observation is half": _as("observation0.values", lambda array: array.astype(np.float16)),
    "observation is complex": _as("observation0.values", lambda array: array.astype(np.complex64)),
    "observation is longer": _as("observation0.values", lambda array: np.concatenate([array, array], 1)),
    "observation is short": _as("observation0.values", lambda array: array[:-1]),
    "without the observation": _without("observation0.values"),
}
IMAGES: dict[str, Edit] = {
    "image: channel beyond the end": _at("observation0.numbers", 10**6),
    "image: channel is -1": _at("observation0.numbers", -1),
    "image: floor above the channels": _at("observation0.floors", 10**9),
    "image: floor is negative": _at("observation0.floors", -(10**9)),
    "image: total is larger": _at("observation0.counts", 10**8, 1),
    "image: total is 0": _at("observation0.counts", 0, 1),
    "image: total is negative": _at("observation0.counts", -3, 1),
    "image: floor is huge": _at("observation0.counts", 2**60, 0),
    "image: first chunk is 7": _at("observation0.counts", 7, 2),
    "image: first chunk is negative": _at("observation0.counts", -1, 2),
    "image: chunk of size 0": _at("observation0.counts", 0, 3),
    "image: counts are short": _as("observation0.counts", lambda array: array[:2]),
    "image: counts are fractions": _as("observation0.counts", lambda array: array + 0.5),
    "image: without chunks": _without("observation0.chunk00000"),
    "image: without numbers": _without("observation0.numbers"),
    "image: numbers are fractions": _as("observation0.numbers", lambda array: array + 0.5),
    "image: chunk of another size": _as("observation0.chunk00000", lambda array: array[:, :-1]),
    "image: chunk of another type": _as("observation0.chunk00000", lambda array: array.astype(np.float64)),
    "image: a second chunk": lambda arrays: {**arrays, "observation0.chunk00001": np.zeros((2, 2), np.uint8)},
}
FILES: dict[str, Callable[[bytes], bytes]] = {
    "an empty file": lambda content: b"",
    "half a file": lambda content: content[: len(content) // 2],
    "zeros": lambda content: bytes(len(content)),
    "a swapped file": lambda content: (Path(__file__)).read_bytes(),
    "a bit of a header": lambda content: content[:-30] + bytes([content[-30] ^ 8]) + content[-29:],
    "a bit of an array": lambda content: content[:600] + bytes([content[600] ^ 8]) + content[601:],
}
FEW = (
    "action is 3 of 3",
    "reward is NaN",
    "next row is the row",
    "image: channel beyond the end",
    "rows have a gap",
)


def _resumed(change: Callable[[Path], None], folder: Path) -> None:
    path = copied("dqn", folder) / NAME
    change(path)
    content = path.read_bytes()
    line = refusal(lambda: resume("dqn", folder), path.name, "delete it")
    assert line is not None
    assert path.read_bytes() == content


def _edit(edit: Edit, path: Path) -> None:
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    np.savez(path, **edit(arrays))


def _rewrite(edit: Callable[[bytes], bytes], path: Path) -> None:
    path.write_bytes(edit(path.read_bytes()))


def _images() -> Replay:
    """A buffer of stacked images: 40 rows of one agent, which has one episode."""
    replay, rng = Replay(make_spec((3, 4, 4), branches=(2,)), 60), np.random.default_rng(0)
    frames = rng.integers(0, 255, (44, 4, 4)).astype(np.uint8)
    before = None
    for number in range(40):
        row = replay.append([frames[None, number : number + 3]], previous=before)
        replay.decide(
            row, ActionSample(np.zeros((1, 0), np.float32), np.zeros((1, 1), np.int64), np.zeros((1, 0)))
        )
        if before is not None:
            zero = np.zeros(1, np.float32)
            replay.settle(StepResult(before, zero, zero, row, np.zeros(1, np.int8)))
        before = row
    assert NO_ROW == -1
    return replay


def _image(edit: Edit, folder: Path) -> None:
    save_replay(_images(), folder / "buffer.npz")
    _edit(edit, folder / "buffer.npz")
    line = refusal(
        lambda: load_replay(Replay(make_spec((3, 4, 4), branches=(2,)), 60), folder / "buffer.npz")
    )
    assert line is not None, "it was read"
    assert "buffer.npz" in line


def faults(whole: bool) -> Iterable[Fault]:
    """One for each way."""
    made = [
        *(Fault(name, partial(_resumed, partial(_edit, edit))) for name, edit in EDITS.items()),
        *(Fault(name, partial(_image, edit)) for name, edit in IMAGES.items()),
        *(Fault(name, partial(_resumed, partial(_rewrite, edit))) for name, edit in FILES.items()),
    ]
    yield from (fault for fault in made if whole or fault.name in FEW)
