"""Odd names and refused places for every command: NUL, undecodable bytes, long names, files for folders."""

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import yaml
from command_tools import write_file
from damage_tools import command, copied, environment, refusal
from run_tools import Listener, options

import bridge.onnx_export
import trainers.config.__main__
from tests.faults.fault import Fault
from trainers import train
from trainers.compare.cli import main as compare
from trainers.playback.evaluation import main as evaluate
from trainers.playback.keep import main as keep
from trainers.training.cli import main as learn

NAMES = {
    "with NUL": "a\0b",
    "undecodable": "a\udcffb",
    "half a pair": "a\ud800b",
    "of 300 letters": "x" * 300,
    "of 300 bytes": "ä" * 150,
    "of 5,000 letters": "x" * 5000,
    "of 60 folders": "/".join(["y" * 90] * 60),
    "empty": "",
    "a space": " ",
    "a line end": "a\nb",
    "control codes": "a\x1b[31mb\x07",
    "a star": "*",
    "brackets": "[a",
    "a home": "~no such user",
    "a drive": "C:x",
    "a device": "nul",
    "one dot": ".",
    "two dots": "..",
    "a slash": "/",
}
WRITTEN = ("results-dir", "results_dir", "--out", "--write")
"""Where the root of all folders is not given as a name: some user may write there."""

FEW = ("with NUL", "undecodable", "of 300 letters")
TRAINED = ("ppo", "a2c", "dqn")
QUICK = ("--max-steps", "40", "--seed", "1", "--env", "CartPole-v1", "--results-dir", "results")


def _learn(kind: str) -> Callable[..., int]:
    return lambda argv: learn(argv, kind)


def commands(name: str) -> Iterator[tuple[str, Callable[..., int], list[str]]]:
    """Every command, with the name in each place. `RUN` stands for a finished run, `FILE` for a training file."""
    for kind in TRAINED:
        main = _learn(kind)
        yield f"{kind} FILE", main, [name, *QUICK, "--run-id", "a"]
        for option in ("--run-id", "--initialize-from", "--torch-device", "--env"):
            yield f"{kind} {option}", main, ["FILE", *QUICK, "--run-id", "b", f"{option}={name}"]
        yield f"{kind} --results-dir", main, ["FILE", *QUICK, "--run-id", "c", f"--results-dir={name}"]
        yield f"{kind} --resume", main, ["FILE", *QUICK, f"--run-id={name}", "--resume"]
        for key in ("behaviors.*.init_path", "env_settings.listen", "default_settings.trainer_type", name):
            yield (
                f"{kind} --set {key[:30]}",
                main,
                ["FILE", *QUICK, "--run-id", "d", "--set", f"{key}={name}"],
            )
    yield "evaluate RUN", evaluate, [name]
    for option in ("--checkpoint", "--env", "--video"):
        yield (
            f"evaluate {option}",
            evaluate,
            ["RUN", "--episodes", "1", "--env=CartPole-v1", f"{option}={name}"],
        )
    yield "evaluate --video FILE.mp4", evaluate, ["RUN", "--env=CartPole-v1", f"--video={name}.mp4"]
    yield "compare RUN", compare, [name]
    for option in ("--out", "--behavior", "--names"):
        yield f"compare {option}", compare, ["RUN", f"{option}={name}"]
    yield "compare --train", compare, [f"--train={name}", "--env", "CartPole-v1", "--mlagents-learn=none"]
    yield "compare --experiments", compare, [f"--experiments={name}", "--mlagents-learn=none"]
    yield (
        "compare --mlagents-learn",
        compare,
        ["--train=FILE", "--env=CartPole-v1", f"--mlagents-learn={name}"],
    )
    yield "config FILE", trainers.config.__main__.main, [name]
    for option in ("--write-schema", "--write-docs", "--set"):
        yield f"config {option}", trainers.config.__main__.main, ["FILE", f"{option}={name}"]
    yield "keep RUN", keep, [name]
    yield "keep --out", keep, ["RUN", f"--out={name}"]
    yield "keep --checkpoint", keep, ["RUN", f"--checkpoint={name}"]
    yield "onnx_export RUN", bridge.onnx_export.main, [name]
    yield "onnx_export --which", bridge.onnx_export.main, ["RUN", f"--which={name}"]
    yield "onnx_export --check", bridge.onnx_export.main, [f"--check={name}"]


def _stays_here(name: str, place: str) -> bool:
    return name != "/" or not any(word in place for word in WRITTEN)


@contextmanager
def _inside(folder: Path) -> Iterator[None]:
    """Be in a folder of a folder, so that what is written to the folder above stays with the fault."""
    place, before = folder / "here", Path.cwd()
    place.mkdir(exist_ok=True)
    os.chdir(place)
    try:
        yield
    finally:
        os.chdir(before)


def _named(name: str, folder: Path) -> None:
    file = write_file(folder / "small.yaml", max_steps=40, hyperparameters={})
    run = copied("ppo", folder)
    stands_for = {"RUN": str(run), "FILE": str(file), "--train=FILE": f"--train={file}"}
    fell = []
    for what, main, arguments in commands(name):
        if not _stays_here(name, what):
            continue
        with _inside(folder):
            try:
                command(main, *(stands_for.get(argument, argument) for argument in arguments))
            except Exception as error:
                fell.append(f"{what}: {type(error).__name__}: {str(error)[:150]}")
    assert not fell, " | ".join(fell)


TEXTS = (
    "checkpoint_settings.run_id",
    "checkpoint_settings.results_dir",
    "checkpoint_settings.initialize_from",
)
TEXTS += ("env_settings.env_path", "env_settings.listen", "wandb", "torch_settings.device")


def _in_the_file(name: str, folder: Path) -> None:
    """The name in a training file, where YAML writes any letter as an escape."""
    fell = []
    for key in TEXTS:
        if not _stays_here(name, key):
            continue
        tree: dict[str, Any] = {"default_settings": {"max_steps": 20}, "checkpoint_settings": {"run_id": "a"}}
        tree["env_settings"] = {"env_path": "CartPole-v1"}
        block, _, last = key.rpartition(".")
        (tree.setdefault(block, {}) if block else tree)[last] = name
        file = folder / "file.yaml"
        file.write_text(yaml.safe_dump(tree), encoding="utf-8")
        with _inside(folder), mock.patch.dict(os.environ, WANDB_MODE="disabled"):
            try:
                command(_learn("ppo"), str(file))
            except Exception as error:
                fell.append(f"{key}: {type(error).__name__}: {str(error)[:150]}")
    assert not fell, " | ".join(fell)


def _refused(place: str, expected: bool, folder: Path) -> None:
    """Something of another kind lies where a file or folder of the run belongs."""
    run = copied("ppo", folder)
    path = run / place
    if path.is_dir():
        path.rename(folder / "away")
        path.write_text("in the way", encoding="utf-8")
    else:
        path.unlink(missing_ok=True)
        (path / "in the way").mkdir(parents=True)
    line = refusal(lambda: resume_quietly(folder), str(run) if expected else "")
    assert (line is not None) == expected, line


def resume_quietly(folder: Path) -> list[str]:
    """Go on with the run; no thread may end with a traceback."""
    display, ended = Listener(), []
    with mock.patch.object(threading, "excepthook", ended.append):
        train(
            environment("ppo"),
            options(folder, behavior={"max_steps": 448, "summary_freq": 20}, resume=True),
            display=display,
        )
    assert not ended, "a thread ended with a traceback"
    return display.said


PLACES = {
    "configuration.yaml": True,
    "Task/checkpoint.pt": True,
    "run_logs/training_status.json": True,
    "Task": True,
    "run_logs": True,
    "run_logs/timers.json": False,
    "Task/progress.csv": False,
    "Task/reward.png": False,
}


def _denied(kind: type[OSError], word: str, letters: str, expected: bool, folder: Path) -> None:
    """The system refuses to open files of a name, to read or to write."""
    copied("ppo", folder)
    opened = Path.open

    def deny(path: Path, *arguments: Any, **more: Any) -> Any:
        mode = more.get("mode", arguments[0] if arguments else "r")
        if word in path.name and any(letter in mode for letter in letters):
            raise kind(13, "denied", str(path))
        return opened(path, *arguments, **more)

    with mock.patch.object(Path, "open", deny):
        line = refusal(lambda: resume_quietly(folder))
    assert (line is not None) == expected, line


DENIED = {
    "progress.csv is not read": (PermissionError, "progress.csv", "r", False),
    "training_status.json is not read": (PermissionError, "training_status.json", "r", True),
    "events are not written": (OSError, "events.out", "w+ax", True),
}


def _results_dir(make: Callable[[Path], Path], folder: Path) -> None:
    place = make(folder)
    assert refusal(lambda: train(environment("ppo"), options(place, behavior={"max_steps": 20}))) is not None


def _file(folder: Path) -> Path:
    (folder / "file").write_text("", encoding="utf-8")
    return folder / "file"


def faults(whole: bool) -> Iterable[Fault]:
    """Every name in every place, and every place taken."""
    for what, name in NAMES.items():
        if whole:
            yield Fault(f"a name {what}", partial(_named, name))
        if whole or what in FEW:
            yield Fault(f"a name {what} in the file", partial(_in_the_file, name))
    for place, expected in PLACES.items():
        if whole or place == "Task":
            yield Fault(f"{place} is of another kind", partial(_refused, place, expected))
    for what, arguments in DENIED.items():
        if whole or what.startswith("events"):
            yield Fault(what, partial(_denied, *arguments))
    if whole:
        yield Fault("results-dir is a file", partial(_results_dir, _file))
        yield Fault("results-dir in a file", partial(_results_dir, lambda folder: _file(folder) / "deeper"))
        yield Fault("results-dir is long", partial(_results_dir, lambda folder: folder / ("x" * 5000)))
