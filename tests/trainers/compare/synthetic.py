"""Run folders whose every number is known, written record by record as TensorBoard's own writer does it."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

from trainers.records.metrics import REWARD

BEGIN = 1_700_000_000.0
OUR_TIMERS = {
    "total": 100.0,
    "children": {"env": {"total": 50.0}, "policy": {"total": 20.0}, "update": {"total": 25.0}},
}
Points = Mapping[str, Sequence[tuple[int, float, float]]]


def write_events(file: Path, points: Points, begin: float = BEGIN) -> None:
    """Write one events file; each point is (agent steps, seconds since the file was begun, value)."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("wb") as stream:
        writer = RecordWriter(stream)
        writer.write(Event(wall_time=begin, file_version="brain.Event:2").SerializeToString())
        for tag, rows in points.items():
            for step, seconds, value in rows:
                summary = Summary(value=[Summary.Value(tag=tag, simple_value=value)])
                event = Event(wall_time=begin + seconds, step=step, summary=summary)
                writer.write(event.SerializeToString())
        writer.flush()


def write_run(
    folder: Path,
    points: Points,
    seed: int = 0,
    ours: bool = True,
    behavior: str = "Task",
    hyperparameters: Mapping[str, object] | None = None,
) -> Path:
    """Write a whole run folder."""
    write_events(folder / behavior / "events.out.tfevents.1700000000.machine.1.0", points)
    if ours:
        (folder / behavior / "progress.csv").write_text("step\n")
    settings = {"trainer_type": "ppo", "max_steps": 100, "hyperparameters": dict(hyperparameters or {})}
    tree = {"behaviors": {behavior: settings}, "env_settings": {"seed": seed}}
    (folder / "configuration.yaml").write_text(yaml.safe_dump(tree))
    (folder / "run_logs").mkdir(exist_ok=True)
    (folder / "run_logs" / "timers.json").write_text(json.dumps(OUR_TIMERS))
    return folder


def rewards(*values: float, every: int = 10, seconds: float = 1.0) -> Points:
    """A reward curve: one summary after each `every` agent steps and `seconds`."""
    return {REWARD: [(every * n, seconds * n, value) for n, value in enumerate(values, 1)]}
