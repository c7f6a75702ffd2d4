"""Damaged training_status.json: resumed, compared, listed."""

import json
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

from damage_tools import copied, refusal, resume

from tests.faults.fault import Fault
from trainers.compare.runs import read_runs

STATUS = "run_logs/training_status.json"
Edit = Callable[[dict[str, Any]], Any]


def _with(**changes: Any) -> Edit:
    """Change keys of the behavior's part."""
    return lambda status: {**status, "Task": {**status["Task"], **changes}}


def _entry(**changes: Any) -> Edit:
    """Change keys of the newest entry of the list."""

    def edit(status: dict[str, Any]) -> Any:
        *others, last = status["Task"]["checkpoints"]
        return _with(checkpoints=[*others, {**last, **changes}])(status)

    return edit


def _text(text: str | bytes) -> Edit:
    return lambda _: text if isinstance(text, bytes) else text.encode()


EDITS: dict[str, Edit] = {
    "nothing": _text(""),
    "no JSON": _text("{"),
    "cut": lambda status: json.dumps(status).encode()[:200],
    "zeros": _text(bytes(300)),
    "no UTF-8": _text(b'{"Task": "\xff"}'),
    "byte order mark": lambda status: b"\xef\xbb\xbf" + json.dumps(status).encode(),
    "deep": _text("[" * 100_000),
    "long number": _text('{"Task": {"checkpoints": [], "best_return": ' + "9" * 5000 + "}}"),
    "a list": lambda _: [],
    "a text": lambda _: "text",
    "null behavior": lambda status: {**status, "Task": None},
    "behavior is a list": lambda status: {**status, "Task": []},
    "null metadata": lambda status: {**status, "metadata": None},
    "metadata is a number": lambda status: {**status, "metadata": 3},
    "null list": _with(checkpoints=None),
    "list is a map": _with(checkpoints={"steps": 3}),
    "list of numbers": _with(checkpoints=[1, 2]),
    "short entry": _with(checkpoints=[{"steps": 5}]),
    "step is text": _entry(steps="many"),
    "step is negative": _entry(steps=-5),
    "step is a fraction": _entry(steps=1.5),
    "step is true": _entry(steps=True),
    "file is a number": _entry(file_path=3),
    "file is null": _entry(file_path=None),
    "file with NUL": _entry(file_path="Task/\0.pt"),
    "file with half a pair": _entry(file_path="Task/\ud800.pt"),
    "file with a long name": _entry(file_path="Task/" + "x" * 5000),
    "files are text": _entry(auxillary_file_paths="Task"),
    "files are numbers": _entry(auxillary_file_paths=[1]),
    "best return is text": _with(best_return="high"),
    "best return is NaN": _with(best_return=float("nan")),
    "device is a number": _with(device=5),
    "device is unknown": _with(device="abacus:9"),
    "device is a list": _with(device=["cpu"]),
    "lesson is text": lambda status: {**status, "gravity": {"lesson_num": "first"}},
    "lesson is negative": lambda status: {**status, "gravity": {"lesson_num": -1}},
    "lesson is far": lambda status: {**status, "gravity": {"lesson_num": 10**30}},
    "lesson is a number": lambda status: {**status, "gravity": 2},
    "smoothed is text": lambda status: {**status, "gravity": {"lesson_num": 0, "smoothed_reward": "x"}},
    "smoothed is NaN": lambda status: {
        **status,
        "gravity": {"lesson_num": 0, "smoothed_reward": float("nan")},
    },
}
REFUSED = set(EDITS) - {
    "byte order mark",
    "device is unknown",
    "file with NUL",
    "file with half a pair",
    "file with a long name",
    "lesson is far",
}
FEW = ("cut", "null list", "best return is NaN", "file with NUL")


def _attempt(edit: Edit, refused: bool, folder: Path) -> None:
    run = copied("ppo", folder)
    path = run / STATUS
    made = edit(json.loads(path.read_text(encoding="utf-8")))
    path.write_bytes(made if isinstance(made, bytes) else json.dumps(made).encode())
    before = {name: name.read_bytes() for name in (run / "Task").glob("*.pt")}
    line = refusal(lambda: resume("ppo", folder), STATUS.rpartition("/")[2])
    assert (line is not None) == refused, line
    if refused:
        assert all(name.read_bytes() == content for name, content in before.items())
    assert refusal(lambda: read_runs([run])) is None


def _folder(folder: Path) -> None:
    run = copied("ppo", folder)
    (run / STATUS).unlink()
    (run / STATUS / "in the way").mkdir(parents=True)
    assert refusal(lambda: resume("ppo", folder), "training_status.json") is not None


def faults(whole: bool) -> Iterable[Fault]:
    """One for each way."""
    yield from (
        Fault(name, partial(_attempt, edit, name in REFUSED))
        for name, edit in EDITS.items()
        if whole or name in FEW
    )
    if whole:
        yield Fault("a folder", _folder)
