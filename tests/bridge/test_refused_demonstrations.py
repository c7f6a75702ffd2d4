"""Bad demonstration files, and those of another behavior, are refused in one line."""

import struct
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from demo_tools import make_run, make_spec, moment, parameters, record
from mlagents_envs.communicator_objects.demonstration_meta_pb2 import DemonstrationMetaProto

from bridge import wire
from bridge.demonstrations import (
    Demonstrations,
    load_demonstrations,
    main,
    write_demonstrations,
)
from gym_adapters.errors import UserError

BAD = {
    "holds no decision": lambda path: record(path, [moment(0, continuous=[0.0])]),
    "counts 0 steps": lambda path: record(path, [moment(0, continuous=[0.0])] * 2, steps=0),
    "step 3 is cut off": lambda path: record(path, [moment(0, continuous=[0.0])] * 2, steps=3),
    "0 continuous and 1 discrete": lambda path: record(path, [moment(0, discrete_actions=[1])] * 2),
    "not finite": lambda path: record(path, [moment(0, continuous=[np.nan])] * 2),
    "observation 0": lambda path: record(path, [moment(np.inf, continuous=[0.0])] * 2),
    "discrete action 3": lambda path: record(
        path, [moment(0, discrete_actions=[3])] * 2, parameters(0, (3,))
    ),
    "discrete action 0.5": lambda path: record(
        path, [moment(0, vector_actions_deprecated=[0.5])] * 2, parameters(0, (3,))
    ),
    "no action": lambda path: record(path, [moment(0)] * 2, wire.BrainParameters(brain_name="None")),
    "no .demo file": lambda path: path.write_bytes(
        b"PK\x03\x04 this is something else, and long enough for it"
    ),
    "or a damaged one": lambda path: path.write_bytes(b""),
}


@pytest.mark.parametrize("words", BAD)
def test_a_bad_file_is_one_line(tmp_path: Path, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "bad.demo"
    BAD[words](path)
    assert main([str(path)]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {path}: ")
    assert words in error
    assert error.count("\n") == 1


def test_a_version_of_the_future_is_refused(tmp_path: Path) -> None:
    path = record(tmp_path / "a.demo", [moment(0, continuous=[0.0]), moment(1, done=True)])
    content = path.read_bytes()
    header = DemonstrationMetaProto(api_version=2, number_steps=2).SerializeToString()
    path.write_bytes((bytes([len(header)]) + header).ljust(33, b"\0") + content[33:])
    with pytest.raises(UserError, match="version is 2, expected 0 or 1"):
        load_demonstrations(path)


def test_every_cut_and_every_wrong_byte_is_one_error_or_a_readable_file(tmp_path: Path) -> None:
    spec = make_spec([(2,)], 1, (2,))
    path = tmp_path / "whole.demo"
    run = make_run(np.random.default_rng(0), spec, 2)
    write_demonstrations(path, Demonstrations("test", "Walker", spec, (run,)))
    content, damaged = path.read_bytes(), tmp_path / "damaged.demo"
    for length in range(len(content)):
        damaged.write_bytes(content[:length])
        with pytest.raises(UserError, match="damaged"):
            load_demonstrations(damaged)
    for place in range(0, len(content)):
        damaged.write_bytes(content[:place] + struct.pack("B", content[place] ^ 0xFF) + content[place + 1 :])
        with suppress(UserError):  # any other exception fails
            load_demonstrations(damaged)


def test_a_missing_path_and_a_folder_without_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file or folder"):
        load_demonstrations(tmp_path / "missing.demo")
    with pytest.raises(UserError, match=r"holds no \.demo file"):
        load_demonstrations(tmp_path)


def test_files_of_different_behaviors_in_a_folder_are_refused(tmp_path: Path) -> None:
    record(tmp_path / "a.demo", [moment(0, continuous=[0.0]), moment(1, done=True)])
    record(tmp_path / "b.demo", [moment(0, discrete_actions=[0]), moment(1, done=True)], parameters(0, (2,)))
    with pytest.raises(UserError, match=r"b\.demo: .*branches \(2,\).*a\.demo has 1 continuous"):
        load_demonstrations(tmp_path)


@pytest.mark.parametrize(
    ("shapes", "continuous", "branches", "words"),
    [
        ([(1,)], 2, (), r"recorded with 1 continuous .* behavior Ball has 2 continuous"),
        (
            [(1,)],
            1,
            (3,),
            r"branches \(\), behavior Ball has 1 continuous actions and discrete branches \(3,\)",
        ),
        ([(1,), (2,)], 1, (), r"recorded with 1 observations \[\(1,\)\], behavior Ball has 2"),
        ([(4,)], 1, (), r"observation 0 was recorded with shape \(1,\), behavior Ball has \(4,\)"),
    ],
)
def test_what_does_not_fit_a_behavior_names_both_sides(
    tmp_path: Path, shapes: list[tuple[int, ...]], continuous: int, branches: tuple[int, ...], words: str
) -> None:
    found = load_demonstrations(
        record(tmp_path / "a.demo", [moment(0, continuous=[0.0]), moment(1, done=True)])
    )
    found.require_fit("Ball", make_spec([(1,)], 1, ()))
    with pytest.raises(UserError, match=words):
        found.require_fit("Ball", make_spec(shapes, continuous, branches))
