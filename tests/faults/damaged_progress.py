"""Damaged progress.csv: resumed, with statistics of any name."""

import csv
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from types import SimpleNamespace

from damage_tools import copied, environment, resume
from run_tools import options, read_progress

from tests.faults.fault import Fault
from trainers import train

NAME = "Task/progress.csv"
AVERAGE = SimpleNamespace(name="AVERAGE")
Edit = Callable[[str], str | bytes]


def _cell(column: str, text: str) -> Edit:
    """Replace a cell of the last line."""

    def edit(content: str) -> str:
        rows = list(csv.reader(content.splitlines()))
        rows[-1][rows[0].index(column)] = text
        return "".join(",".join(row) + "\n" for row in rows)

    return edit


READ: dict[str, Edit] = {
    "byte order mark": lambda text: b"\xef\xbb\xbf" + text.encode(),
    "Windows line ends": lambda text: text.replace("\n", "\r\n"),
    "all quoted": lambda text: "".join(
        ",".join(f'"{cell}"' for cell in line.split(",")) + "\n" for line in text.splitlines()
    ),
    "header only": lambda text: text.splitlines()[0] + "\n",
    "without the last line": lambda text: "".join(text.splitlines(keepends=True)[:-1]),
}
"""What is read as it was meant: the rows that are left stay."""

SET_ASIDE: dict[str, Edit] = {
    "nothing": lambda text: "",
    "semicolons": lambda text: text.replace(",", ";"),
    "no UTF-8": lambda text: b"step,seconds\n100,\xe9\n",
    "UTF-16": lambda text: text.encode("utf-16"),
    "zeros": lambda text: bytes(400),
    "no header": lambda text: "".join(text.splitlines(keepends=True)[1:]),
    "other columns": lambda text: "a,b\n1,2\n",
    "a column twice": lambda text: "step,seconds,step\n100,1,2\n",
    "more cells than columns": lambda text: text + "600,1.0" + ",1" * 40 + "\n",
    "step is text": _cell("step", "many"),
    "step is a fraction": _cell("step", "350.5"),
    "step is negative": _cell("step", "-5"),
    "step is long": _cell("step", "9" * 5000),
    "step is empty": _cell("step", ""),
    "steps fall": _cell("step", "1"),
    "seconds are empty": _cell("seconds", ""),
    "seconds are text": _cell("seconds", "ages"),
    "seconds are NaN": _cell("seconds", "nan"),
    "seconds are negative": _cell("seconds", "-3"),
    "reward is text": _cell("Environment/Cumulative Reward", "n/a"),
    "entropy is a date": _cell("Policy/Entropy", "Jan 02"),
    "an open quote": lambda text: text + '"',
    "a huge cell": lambda text: text + "300,1.0," + "1" * 200_000 + "\n",
    "a page": lambda text: "<html>\n<body>404</body>\n</html>\n",
}
"""What is kept under another name, while a new file begins."""

FEW = ("byte order mark", "semicolons", "reward is text", "statistic 'step'")


def _read(edit: Edit, folder: Path) -> None:
    run = copied("ppo", folder)
    text = (run / NAME).read_text(encoding="utf-8")
    made = edit(text)
    (run / NAME).write_bytes(made if isinstance(made, bytes) else made.encode())
    kept = list(csv.reader(text.splitlines()))[1:][: 0 if made == READ["header only"](text) else 1]
    said = resume("ppo", folder)
    assert not any("progress.csv" in line for line in said), said
    rows = read_progress(run)
    assert [row["step"] for row in rows][: len(kept)] == [row[0] for row in kept]
    assert int(rows[-1]["step"]) > 400


def _set_aside(edit: Edit, folder: Path) -> None:
    run = copied("ppo", folder)
    made = edit((run / NAME).read_text(encoding="utf-8"))
    content = made if isinstance(made, bytes) else made.encode()
    (run / NAME).write_bytes(content)
    said = resume("ppo", folder)
    assert sum("progress.csv" in line for line in said) == 1, said
    assert content in {path.read_bytes() for path in (run / "Task").glob("*.csv*")}, "it is lost"
    assert [int(row["step"]) > 400 for row in read_progress(run)] == [True]


STATISTICS = (
    "step",
    "seconds",
    "",
    "a,b",
    'a"b',
    "two\nlines",
    "a\rb",
    "\0",
    "\ud800",
    "x" * 10_000,
    "Ünï ✓",
)


def _statistic(name: str, folder: Path) -> None:
    def scene():
        env = environment("ppo")
        env.take_stats = lambda: {name: [(3.5, AVERAGE)]}
        return env

    file = options(folder, behavior={"max_steps": 100, "summary_freq": 50, "checkpoint_interval": 1000})
    train(scene(), file)
    before = read_progress(folder / "first")
    assert [int(row["step"]) // 50 for row in before] == [1, 2]
    assert all(float(row["seconds"]) != 3.5 for row in before)
    assert all("3.5" in row.values() for row in before)
    again = options(folder, behavior={"max_steps": 150, "summary_freq": 50}, resume=True)
    train(scene(), again)
    after = read_progress(folder / "first")
    assert after[:2] == before
    assert int(after[-1]["step"]) >= 150


def faults(whole: bool) -> Iterable[Fault]:
    """One for each way."""
    made = [
        *(Fault(name, partial(_read, edit)) for name, edit in READ.items()),
        *(Fault(name, partial(_set_aside, edit)) for name, edit in SET_ASIDE.items()),
        *(Fault(f"statistic {name[:20]!a}", partial(_statistic, name)) for name in STATISTICS),
    ]
    yield from (fault for fault in made if whole or fault.name in FEW)
