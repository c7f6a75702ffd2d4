"""Gymnasium environments that return the wrong thing, raise, or have odd spaces."""

import itertools
import os
import sys
import threading
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces

from tests.faults.fault import Fault
from tests.faults.tools.gymnasium_envs import (
    TREE,
    ZEROS,
    Panic,
    Small,
    looks,
    masked,
    raises_at,
    raising,
    refused,
    registered,
    replaced,
    trained,
    trains,
    tree,
)
from trainers import load_policy

OBSERVATION, REWARD, TERMINATED, TRUNCATED, INFO = range(5)
UNREADABLE = {
    "longer": (np.zeros(3, np.float32), "(3,)", "(2,)"),
    "shorter": (np.zeros(1, np.float32), "(1,)", "(2,)"),
    "empty": (np.zeros(0, np.float32), "(0,)", "(2,)"),
    "one number": (0.0, "(2,)"),
    "another rank": (np.zeros((1, 2), np.float32), "(1, 2)", "(2,)"),
    "none": (None, "None"),
    "text": ("ab", "'ab'"),
    "texts": (["1.0", "2.0"], "'1.0'"),
    "dictionary": ({"a": ZEROS}, "{'a'"),
    "ragged": ([[0.0], [0.0, 1.0]], "[0.0, 1.0]"),
    "complex": (np.zeros(2, np.complex64), "0.+0.j"),
    "objects": (np.array([None, object()]), "None"),
    "dates": (np.zeros(2, "datetime64[s]"), "1970"),
}
NOT_FINITE = {"nan": np.nan, "inf": np.inf, "beyond float32": 1e300}
REWARDS = {
    "array": (np.zeros(2), "array([0., 0.])"),
    "none": (None, "None"),
    "text": ("1.0", "'1.0'"),
    "complex": (1j, "1j"),
    "dictionary": ({"goal": 1.0}, "{'goal': 1.0}"),
}
FLAGS = {
    "none": (None, "None"),
    "text": ("False", "'False'"),
    "array": (np.array([True, False]), "array"),
    "half": (0.5, "0.5"),
}


def few() -> Iterator[Fault]:
    """The faults that `make test` tries."""
    for name, (value, *told) in itertools.islice(UNREADABLE.items(), 2):
        yield Fault(
            f"observation-{name}", partial(refused_with, replaced(OBSERVATION, value), "observation", *told)
        )
    yield Fault("reward-array", partial(refused_with, replaced(REWARD, np.zeros(2)), "reward"))
    yield Fault(
        "four-values", partial(refused_with, {"wrong": staticmethod(lambda r: tuple(r[:4]))}, "4 values")
    )
    yield Fault("mask-list", partial(trains_with, masked([1, 0, 1])))


def refused_with(parts: dict[str, Any], *arguments: Any, saved: bool = True) -> None:
    *told, folder = arguments
    refused(folder, parts, *told, saved=saved)


def trains_with(parts: dict[str, Any], folder: Path) -> None:
    trains(folder, parts)


def faults(whole: bool) -> Iterable[Fault]:
    """See `tests.faults.fault`."""
    if not whole:
        yield from few()
        return
    for name, (value, *told) in UNREADABLE.items():
        yield Fault(
            f"observation-{name}",
            partial(refused_with, replaced(OBSERVATION, value), "observation", *told),
        )
    for name, value in NOT_FINITE.items():
        wrong = np.array([0.0, value])
        yield Fault(f"observation-{name}", partial(refused_with, replaced(OBSERVATION, wrong), "observation"))
        yield Fault(f"reward-{name}", partial(refused_with, replaced(REWARD, value), "reward"))
    for name, (value, told) in REWARDS.items():
        yield Fault(f"reward-{name}", partial(refused_with, replaced(REWARD, value), "reward", told))
    for place, flag in ((TERMINATED, "terminated"), (TRUNCATED, "truncated")):
        for name, (value, told) in FLAGS.items():
            yield Fault(f"{flag}-{name}", partial(refused_with, replaced(place, value), flag, told))
    for name, value in {"none": None, "list": [], "text": "hit"}.items():
        yield Fault(f"info-{name}", partial(refused_with, replaced(INFO, value), "as info"))
    yield from numbers_of_values()
    yield from harmless()
    yield from exceptions()
    yield from of_spaces()


def numbers_of_values() -> Iterator[Fault]:
    for name, cut in {
        "four": lambda r: tuple(r[:4]),
        "six": lambda r: (*r, 0),
        "none": lambda r: None,
    }.items():
        yield Fault(
            f"step-{name}-values", partial(refused_with, {"wrong": staticmethod(cut)}, "step() returned")
        )
    only = {"reset": lambda self, seed=None, options=None: ZEROS}
    yield Fault("reset-observation-only", partial(refused_with, only, "reset() returned", saved=False))
    nothing = {"reset": lambda self, seed=None, options=None: None}
    yield Fault("reset-nothing", partial(refused_with, nothing, "reset() returned None", saved=False))


def harmless() -> Iterator[Fault]:
    for name, value in {
        "list": [0.0, 0.0],
        "integers": np.zeros(2, int),
        "float64": np.zeros(2),
        "objects": np.array([0.0, 1], object),
        "outside": np.full(2, 5.0),
        "bools": [True, False],
        "reversed": np.zeros(4, np.float32)[::-2],
    }.items():
        yield Fault(f"converted-{name}", partial(trains_with, {"look": lambda self, value=value: value}))
    for place, name, value in (
        (REWARD, "bool", True),
        (REWARD, "integer", 3),
        (REWARD, "array-of-one", np.ones(1)),
        (REWARD, "scalar", np.array(1.0)),
        (TERMINATED, "integer", 0),
        (TERMINATED, "array-of-one", np.array([False])),
        (TRUNCATED, "numpy", np.bool_(False)),
        (INFO, "odd-values", {"a": object(), 3: [1], "b": np.zeros(4)}),
    ):
        yield Fault(f"harmless-{place}-{name}", partial(trains_with, {**replaced(place, value), "late": 1}))
    yield Fault("list-of-five", partial(trains_with, {"wrong": staticmethod(list), "late": 1}))
    seedless = {"reset": lambda self, seed=None, options=None: (setattr(self, "age", 0), (ZEROS, {}))[1]}
    yield Fault("reset-ignores-seed", partial(trains_with, seedless))
    shapes = {
        "info": lambda self: {"seen": np.zeros(self.count % 4 + 1), "note": self.count if self.age else "new"}
    }
    yield Fault("info-changes-its-shape", partial(trains_with, shapes))


def exceptions() -> Iterator[Fault]:
    for error in (
        ValueError("no fuel"),
        MemoryError(),
        RecursionError("deep"),
        SystemExit(0),
        SystemExit("bye"),
        Panic("abort"),
    ):
        yield Fault(
            f"step-raises-{type(error).__name__}-{error.args}",
            partial(refused_with, raising(error), "the environment raised"),
        )
    yield Fault(
        "reset-raises", partial(refused_with, raises_at("reset", KeyError("map")), "KeyError", saved=False)
    )
    for error in (ValueError("no licence"), SystemExit(3), KeyError("asset")):
        parts = raises_at("__init__", error)
        yield Fault(
            f"init-raises-{type(error).__name__}", partial(refused_with, parts, "cannot be made", saved=False)
        )
    yield Fault("close-raises", partial(trains_with, raises_at("close", OSError("device is busy"))))
    yield Fault("close-exits", partial(trains_with, raises_at("close", SystemExit(1))))
    yield Fault("changes-folder", changes_folder)
    yield Fault("thread-raises", thread_raises)
    yield Fault("broken-module", broken_module)


def changes_folder(folder: Path) -> None:
    """A relative results folder stays where it was."""
    before = Path.cwd()
    (folder / "here").mkdir()
    (folder / "there").mkdir()

    def wrong(result: list[Any]) -> Any:
        os.chdir(folder / "there")
        return tuple(result)

    try:
        os.chdir(folder / "here")
        with registered(wrong=staticmethod(wrong), late=20) as env_id:
            status, heard = trained(env_id, Path("results"), steps=300)
    finally:
        os.chdir(before)
    assert status == 0, heard
    assert load_policy(folder / "here" / "results" / "r").step >= 300
    assert not list((folder / "there").iterdir())


def thread_raises(folder: Path) -> None:
    """An exception in a thread of the environment does not end the run."""
    hook, threading.excepthook = threading.excepthook, lambda arguments: None

    def wrong(result: list[Any]) -> Any:
        thread = threading.Thread(target=lambda: 1 / 0)
        thread.start()
        thread.join()
        return tuple(result)

    try:
        trains(folder, {"wrong": staticmethod(wrong), "late": 100})
    finally:
        threading.excepthook = hook


def broken_module(folder: Path) -> None:
    """A module that cannot be imported is named."""
    for name, text in {"syntax": "def (", "error": "1 / 0", "exit": "import sys; sys.exit(0)"}.items():
        (folder / f"broken_{name}.py").write_text(text)
        sys.path.insert(0, str(folder))
        try:
            status, heard = trained(f"broken_{name}:Any-v0", folder)
        finally:
            sys.path.remove(str(folder))
        assert status == 2, heard
        assert f"importing broken_{name}" in heard, heard
        assert len(heard.splitlines()) == 1, heard


def of_spaces() -> Iterator[Fault]:
    for name, space in {
        "text": spaces.Text(5), "sequence": spaces.Sequence(spaces.Discrete(2)),
        "graph": spaces.Graph(spaces.Box(0, 1, (2,)), None), "nested-text": spaces.Dict({"a": spaces.Text(5)}),
        "empty-dict": spaces.Dict({}), "no-numbers": spaces.Box(0, 1, (0,)),
    }.items():  # fmt: skip
        yield Fault(f"sees-{name}", partial(refused_with, looks(space, None), "space", saved=False))
    for name, space in {
        "text": spaces.Text(5), "dict": TREE, "grid": spaces.MultiDiscrete([[2, 2], [2, 2]]), "none": None,
    }.items():  # fmt: skip
        yield Fault(f"acts-{name}", partial(refused_with, {"action_space": space}, "", saved=False))
    yield Fault("no-space", partial(refused_with, {"observation_space": None}, "", saved=False))
    for name, value, told in (
        ("missing-key", {"a": ZEROS}, "'a', 'b'"),
        ("extra-key", tree(c=1), "'c'"),
        ("no-dictionary", ZEROS, "dictionary"),
        ("part", tree(a=np.zeros(3)), "'a'"),
        ("fraction", tree(b=0.5), "'b'"),
        ("below", tree(b=-1), "-1 is outside 0 to 2"),
        ("above", tree(b=3), "3 is outside 0 to 2"),
    ):
        yield Fault(f"tree-{name}", partial(refused_with, looks(TREE, value), told, saved=False))
    yield Fault("tree", partial(trains_with, looks(TREE, tree())))
    pair = spaces.Tuple([spaces.Discrete(2, start=3), spaces.MultiBinary(2)])
    yield Fault(
        "tuple-too-long", partial(refused_with, looks(pair, (3, [0, 1], 0)), "tuple of 2", saved=False)
    )
    yield Fault("tuple", partial(trains_with, looks(pair, (4, [0, 1]))))
    bytes_ = spaces.Box(0, 255, (3,), np.uint8)
    for name, value in {"fraction": [0.5, 0, 0], "negative": [-1, 0, 0], "large": [300, 0, 0]}.items():
        yield Fault(f"bytes-{name}", partial(refused_with, looks(bytes_, value), "uint8", saved=False))
    yield Fault("bytes-as-integers", partial(trains_with, looks(bytes_, [255, 0, 7])))
    shrunk = {
        "step": lambda self, action: (
            setattr(self, "action_space", spaces.Discrete(2)),
            Small.step(self, action),
        )[1]
    }
    yield Fault("action-space-changes", partial(trains_with, shrunk))
    branches = spaces.MultiDiscrete([3, 2])
    for name, mask, space in (
        ("list", [1, 0, 1], None), ("tuple", (1, 0, 1), None), ("integers", np.array([1, 0, 1]), None),
        ("bools", np.array([True, False, True]), None), ("branches", ([1, 0, 1], [1, 1]), branches),
        ("flat-branches", np.array([1, 0, 1, 1, 0]), branches), ("none", None, spaces.Discrete(1)),
        ("box", [1], spaces.Box(3, 4, (1,), np.float32)),
    ):  # fmt: skip
        yield Fault(f"mask-{name}", partial(trains_with, masked(mask, space)))
    for name, mask in {
        "short": [1, 0],
        "long": [1, 0, 1, 1],
        "text": "101",
        "logits": [0.0, -1e9, 0.0],
    }.items():
        yield Fault(f"mask-{name}", partial(refused_with, masked(mask), "action_mask", saved=False))
    yield Fault(
        "mask-of-nothing", partial(refused_with, masked([0, 0, 0]), "forbids every action", saved=False)
    )
