"""Runs logged to Weights & Biases, without a network: what is written for `wandb sync`."""

import json
import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from command_tools import the_error
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from gym_adapters.commands import install_command
from tests.needs import WANDB
from trainers.training.cli import main

REPOSITORY = Path(__file__).parents[3]


def run_trainer(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """A training process that finds no account and no key."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
    return subprocess.run(
        [
            sys.executable,
            "-W",
            "error",
            "-m",
            "trainers.ppo",
            "--results-dir",
            str(folder / "runs"),
            *arguments,
        ],
        env={**clean, "HOME": str(folder), "PYTHONPATH": str(REPOSITORY), **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


SMALL = (
    "--env",
    "CartPole-v1",
    "--run-id",
    "pole",
    "--wandb",
    "bridge-test",
    "--max-steps",
    "600",
    "--seed",
    "1",
)


def records(path: Path) -> Iterator[Any]:
    """The records of a `.wandb` file, which is a LevelDB log of protobuf messages."""
    from wandb.proto.wandb_internal_pb2 import Record

    content, block, whole = path.read_bytes(), 32768, b""
    position = 7
    while position + 7 <= len(content):
        if block - position % block < 7:
            position += block - position % block
            continue
        _, length, kind = struct.unpack("<IHB", content[position : position + 7])
        whole += content[position + 7 : position + 7 + length]
        position += 7 + length
        if kind in (1, 4):  # the only part of a record, or its last
            yield Record.FromString(whole)
            whole = b""


@WANDB
def test_offline_run_has_tensorboards_scalars_settings_code_and_models(tmp_path):
    summaries = (
        "--set",
        "behaviors.*.summary_freq=200",
        "--set",
        "behaviors.*.hyperparameters.buffer_size=128",
    )
    batch = ("--set", "behaviors.*.hyperparameters.batch_size=64")
    done = run_trainer(tmp_path, *SMALL, *summaries, *batch, WANDB_MODE="offline")
    assert (done.returncode, done.stderr) == (0, "")
    run = tmp_path / "runs" / "pole"
    assert f"CartPole-v1 is logged to {run / 'wandb' / 'offline-run-'}" in done.stdout
    (file,) = run.glob("wandb/offline-run-*/*.wandb")
    found: dict[str, list[Any]] = {}
    for record in records(file):
        found.setdefault(record.WhichOneof("record_type"), []).append(record)

    about = found["run"][0].run
    assert (about.project, about.display_name, about.run_group) == ("bridge-test", "pole/CartPole-v1", "pole")
    settings = {item.key: json.loads(item.value_json) for item in about.config.update}
    assert settings["wandb"] == "bridge-test"
    assert settings["env_settings"]["env_path"] == "CartPole-v1"

    logged: dict[str, list[tuple[int, float]]] = {}
    for record in found["history"]:
        row = {item.key or item.nested_key[0]: json.loads(item.value_json) for item in record.history.item}
        for tag, value in row.items():
            if not tag.startswith("_"):
                logged.setdefault(tag, []).append((row["_step"], value))
    events = EventAccumulator(str(run / "CartPole-v1")).Reload()
    tags = events.Tags()["scalars"]
    assert set(logged) == set(tags)
    assert "Environment/Cumulative Reward" in tags
    for tag in tags:
        assert [step for step, _ in logged[tag]] == [event.step for event in events.Scalars(tag)]
        values = [event.value for event in events.Scalars(tag)]
        assert [value for _, value in logged[tag]] == pytest.approx(values, rel=1e-5)

    artifacts = {}
    for record in found.get("artifact", []) + [
        r for r in found.get("request", []) if r.request.WhichOneof("request_type") == "log_artifact"
    ]:
        kind = record.WhichOneof("record_type")
        artifact = record.artifact if kind == "artifact" else record.request.log_artifact.artifact
        artifacts[artifact.name] = artifact
    assert {a.type for a in artifacts.values()} == {"code", "model"}
    assert {f"code-{name}" for name in ("bridge", "gym_adapters", "trainers")} <= set(artifacts)
    assert {entry.path for entry in artifacts["CartPole-v1"].manifest.contents} >= {
        "checkpoint.pt",
        "CartPole-v1.onnx",
    }

    done = run_trainer(tmp_path, "--resume", "--run-id", "pole", "--max-steps", "800", WANDB_MODE="offline")
    assert done.returncode == 0, done.stderr
    names = {path.stem for path in run.glob("wandb/offline-run-*/*.wandb")}
    assert names == {f"run-{(run / 'CartPole-v1' / 'wandb_id').read_text()}"}, "a resumed run goes on"
    assert yaml.safe_load((run / "configuration.yaml").read_text())["wandb"] == "bridge-test"


@WANDB
def test_no_key_is_one_line(tmp_path):
    done = run_trainer(tmp_path, *SMALL)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: --wandb: ")
    assert "wandb login" in line
    assert not (tmp_path / "runs" / "pole").exists()


def test_a_missing_package_is_named(tmp_path, monkeypatch, capfd):
    monkeypatch.setitem(sys.modules, "wandb", None)
    assert main([*SMALL, "--results-dir", str(tmp_path / "runs")], "ppo") == 2
    assert the_error(capfd) == f"error: --wandb needs a package; run: {install_command('wandb')}"
    assert not (tmp_path / "runs" / "pole").exists()
