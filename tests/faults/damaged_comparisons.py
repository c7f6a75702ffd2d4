"""Damaged runs and events files: compared."""

import json
import os
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from damage_tools import command
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

from tests.faults.fault import Fault
from tests.trainers.compare.synthetic import BEGIN, rewards, write_events, write_run
from trainers.compare.cli import main
from trainers.records.metrics import REWARD

NAN, INF = float("nan"), float("inf")
Damage = Callable[[Path], object]
EVENTS = "Task/events.out.tfevents.1700000000.machine.1.0"
CONFIGURATION, TIMERS, STATUS = "configuration.yaml", "run_logs/timers.json", "run_logs/training_status.json"


def _bytes(name: str, change: Callable[[bytes], bytes]) -> Damage:
    def damage(run: Path) -> None:
        path = run / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(change(path.read_bytes() if path.is_file() else b""))

    return damage


def _text(name: str, content: bytes) -> Damage:
    return _bytes(name, lambda _: content)


def _folder(name: str) -> Damage:
    def damage(run: Path) -> None:
        (run / name).unlink(missing_ok=True)
        (run / name / "in the way").mkdir(parents=True)

    return damage


def _without(name: str) -> Damage:
    return lambda run: (run / name).unlink()


def _points(*points: tuple[int, float, float], tag: str = REWARD) -> Damage:
    return lambda run: write_events(run / EVENTS, {tag: points})


def _records(*records: bytes) -> Damage:
    """An events file whose records have right checksums."""

    def damage(run: Path) -> None:
        with (run / EVENTS).open("wb") as stream:
            writer = RecordWriter(stream)
            for record in records:
                writer.write(record)
            writer.flush()

    return damage


def _event(step: int = 10, wall: float = BEGIN, **value: object) -> bytes:
    made = Summary(value=[Summary.Value(**{"tag": REWARD, "simple_value": 1.0, **value})])
    return Event(step=step, wall_time=wall, summary=made).SerializeToString()


def _timers(content: object) -> Damage:
    return _text(TIMERS, json.dumps(content).encode())


SURVIVED: dict[str, Damage] = {
    "events: last record is cut": _bytes(EVENTS, lambda content: content[:-5]),
    "events: junk at the end": _bytes(EVENTS, lambda content: content + b"junk" * 9),
    "events: zeros at the end": _bytes(EVENTS, lambda content: content + bytes(1000)),
    "events: a second, empty file": _text("Task/events.out.tfevents.1800000000.machine.1.0", b""),
    "events: a second file of junk": _text("Task/events.out.tfevents.1800000000.machine.1.0", b"x" * 500),
    "events: a .meta file": _text(f"{EVENTS}.meta", b"fileFormatVersion: 2\n"),
    "events: a folder of that name": _folder("Task/events.out.tfevents.1800000000.machine.1.0"),
    "events: another behavior of junk": _text("Other/events.out.tfevents.1.m.1.0", b"junk"),
    "events: a number is NaN": _points((10, 1.0, 1.0), (20, 2.0, NAN), (30, 3.0, 3.0)),
    "events: all numbers are NaN": _points((10, 1.0, NAN), (20, 2.0, NAN)),
    "events: all numbers are infinite": _points((10, 1.0, INF), (20, 2.0, -INF)),
    "events: numbers are huge": _points((10, 1.0, 3e38), (20, 2.0, -3e38)),
    "events: one summary": _points((10, 1.0, 1.0)),
    "events: all steps are 0": _points((0, 1.0, 1.0), (0, 2.0, 2.0)),
    "events: steps fall": _points((30, 1.0, 1.0), (20, 2.0, 2.0), (10, 3.0, 3.0)),
    "events: steps are huge": _points((2**62, 1.0, 1.0), (2**63 - 1, 2.0, 2.0)),
    "events: times fall": _points((10, 9.0, 1.0), (20, 2.0, 2.0)),
    "events: times are huge": _points((10, 1e300, 1.0), (20, 1e300, 2.0)),
    "events: no reward": _points((10, 1.0, 1.0), tag="Losses/Value Loss"),
    "events: a tag of markup": _points((10, 1.0, 1.0), tag="[/bold]<script>"),
    "events: a tensor": _records(_event(), _event(tag="t", tensor=None), _event(20)),
    "configuration: missing": _without(CONFIGURATION),
    "configuration: empty": _text(CONFIGURATION, b""),
    "configuration: a folder": _folder(CONFIGURATION),
    "configuration: no UTF-8": _text(CONFIGURATION, b"behaviors: \xff"),
    "configuration: no YAML": _text(CONFIGURATION, b"behaviors: ["),
    "configuration: with NUL": _text(CONFIGURATION, b"behaviors: \0"),
    "configuration: Python's tags": _text(CONFIGURATION, b"behaviors: !!python/object/apply:os.getcwd []\n"),
    "configuration: a list": _text(CONFIGURATION, b"[1, 2]"),
    "configuration: behaviors are a list": _text(CONFIGURATION, b"behaviors: [1]"),
    "configuration: behavior is a list": _text(CONFIGURATION, b"behaviors: {Task: [1, 2]}"),
    "configuration: behavior is text": _text(CONFIGURATION, b"behaviors: {Task: ppo}"),
    "configuration: default is a number": _text(CONFIGURATION, b"default_settings: 5"),
    "configuration: keys are numbers": _text(CONFIGURATION, b"{1: 2, 3: {4: 5}, behaviors: {Task: {6: 7}}}"),
    "configuration: keys are lists": _text(CONFIGURATION, b"{[1]: 2}"),
    "configuration: no such day": _text(CONFIGURATION, b"behaviors: {Task: {max_steps: 2020-99-99}}"),
    "configuration: a day": _text(CONFIGURATION, b"behaviors: {Task: {max_steps: 2020-01-02}}"),
    "configuration: seed is a list": _text(CONFIGURATION, b"env_settings: {seed: [1, {a: b}]}"),
    "configuration: env is a list": _text(CONFIGURATION, b"env_settings: [1]"),
    "configuration: max_steps is NaN": _text(CONFIGURATION, b"behaviors: {Task: {max_steps: .nan}}"),
    "configuration: in itself": _text(CONFIGURATION, b"&a {behaviors: {Task: *a}, b: *a}"),
    "configuration: deep": _text(CONFIGURATION, b"[" * 20_000),
    "configuration: a set and bytes": _text(CONFIGURATION, b"a: !!set {x}\nb: !!binary aGk=\n"),
    "timers: missing": _without(TIMERS),
    "timers: empty": _text(TIMERS, b""),
    "timers: a folder": _folder(TIMERS),
    "timers: no UTF-8": _text(TIMERS, b'{"total": "\xff"}'),
    "timers: deep": _text(TIMERS, b"[" * 100_000),
    "timers: a list": _timers([1]),
    "timers: null": _timers(None),
    "timers: no total": _timers({"children": {}}),
    "timers: total is 0": _timers({"total": 0, "children": {}}),
    "timers: total is NaN": _timers({"total": NAN, "children": {}}),
    "timers: total is text": _timers({"total": "x", "children": {}}),
    "timers: total is a list": _timers({"total": [1], "children": {}}),
    "timers: children are a list": _timers({"total": 1, "children": []}),
    "timers: children are text": _timers({"total": 1, "children": "env policy"}),
    "timers: a child is null": _timers({"total": 1, "children": {"env": None}}),
    "timers: a child is a number": _timers({"total": 1, "children": {"env": 5}}),
    "timers: a child's total is text": _timers({"total": 1, "children": {"env": {"total": "x"}}}),
    "timers: a child's total is infinite": _timers({"total": 1, "children": {"env": {"total": INF}}}),
    "timers: of mlagents, without totals": _timers(
        {"total": 1, "children": {"TrainerController.start_learning": {"children": {"env_step": {}}}}}
    ),
    "status: no JSON": _text(STATUS, b"{"),
    "status: a list": _text(STATUS, b"[1]"),
    "status: null behavior": _text(STATUS, b'{"Task": null}'),
    "status: a folder": _folder(STATUS),
    "status: names with markup": _text(STATUS, b'{"[/bold]": {}, "Task": {}}'),
    "progress: a folder": _folder("Task/progress.csv"),
    "progress: junk": _text("Task/progress.csv", bytes(range(256))),
}
REFUSED: dict[str, Damage] = {
    "events: empty": _text(EVENTS, b""),
    "events: junk": _text(EVENTS, bytes(range(256)) * 9),
    "events: zeros": _text(EVENTS, bytes(1000)),
    "events: text": _text(EVENTS, b"<html>404</html>" * 30),
    "events: a huge length": _text(EVENTS, b"\xff" * 7 + b"\x7f" + bytes(100)),
    "events: a folder": _folder(EVENTS),
    "events: only a .meta file": lambda run: (run / EVENTS).rename(f"{run / EVENTS}.meta"),
    "events: missing": _without(EVENTS),
    "events: a bit in the middle": _bytes(EVENTS, lambda content: content[:30] + b"\xff" + content[31:]),
    "events: records of junk": _records(b"junk" * 5, b"\xff" * 20),
    "events: steps are negative": _points((-20, 1.0, 1.0), (-10, 2.0, 2.0)),
    "events: times are NaN": _points((10, NAN, 1.0), (20, NAN, 2.0)),
    "events: times are infinite": _points((10, INF, 1.0), (20, INF, 2.0)),
    "events: begun at NaN": lambda run: write_events(run / EVENTS, rewards(1, 2), begin=NAN),
    "events: no summary": _records(Event(wall_time=BEGIN, file_version="brain.Event:2").SerializeToString()),
}
if os.name == "posix":
    REFUSED["events: a link to itself"] = lambda run: (
        (run / EVENTS).unlink(),
        (run / EVENTS).symlink_to(run / EVENTS),
    )
FEW = (
    "events: a .meta file",
    "configuration: Python's tags",
    "timers: children are a list",
    "events: times are NaN",
)


def _attempt(damage: Damage, refused: bool, folder: Path) -> None:
    good = write_run(folder / "good", rewards(1, 2, 3, 4))
    bad = write_run(folder / "bad", rewards(2, 3, 4, 5))
    damage(bad)
    for number, runs in enumerate(([bad], [good, bad])):
        page = folder / f"page{number}"
        status, line = command(main, *runs, "--out", page, "--behavior", "Task")
        assert status == (2 if refused else 0), line
        if refused:
            assert str(bad) in line
        else:
            text = (page / "report.html").read_text(encoding="utf-8")
            assert "[/bold]<script>" not in text


def faults(whole: bool) -> Iterable[Fault]:
    """One for each way."""
    for refused, kind in ((False, SURVIVED), (True, REFUSED)):
        for name, damage in kind.items():
            if whole or name in FEW:
                yield Fault(name, partial(_attempt, damage, refused))
