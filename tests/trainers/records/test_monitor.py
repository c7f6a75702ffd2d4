"""`monitor.csv` has every episode, in the format that Stable-Baselines3 reads, and survives what happens to a run."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from run_tools import Stopwatch, options, train_small

from trainers import UserError, train
from trainers.records.monitor import MonitorFile


class Clock:
    """Tells 1000 at first, and half a second more each time."""

    def __init__(self, now: float = 999.5) -> None:
        self.now = now

    def __call__(self) -> float:
        self.now += 0.5
        return self.now


def read(path: Path) -> tuple[dict, list[dict[str, str]]]:
    with path.open(newline="", encoding="utf-8") as stream:
        first = stream.readline()
        assert first.startswith("#")
        return json.loads(first[1:]), list(csv.DictReader(stream))


episodes = st.lists(st.tuples(st.floats(-1e6, 1e6), st.integers(1, 10**6).map(float)), max_size=5)


@given(st.lists(episodes, max_size=5), st.lists(episodes, max_size=5), st.binary(max_size=20))
def test_every_episode_is_a_row_also_after_a_crash_in_the_midst_of_one(tmp_path_factory, before, after, torn):
    folder = tmp_path_factory.mktemp("run")
    first = MonitorFile(folder, "Walker", False, Clock())
    for step, ended in enumerate([[(1.5, 2.0)], *before]):
        first.write(ended, step)
    with first.path.open("ab") as stream:
        stream.write(torn.replace(b"\n", b""))
    second = MonitorFile(folder, "Walker", True, Clock(2000.0))
    assert second.note == ""
    for step, ended in enumerate(after):
        second.write(ended, step)
    if not any(after):
        second.write([(0.0, 1.0)], 0)
        after = [*after, [(0.0, 1.0)]]
    head, rows = read(first.path)
    assert head == {"t_start": 1000.0, "env_id": "Walker"}
    assert list(rows[0]) == ["r", "l", "t", "step"]
    told = [one for ended in [[(1.5, 2.0)], *before, *after] for one in ended]
    assert [float(row["r"]) for row in rows] == [round(value, 6) for value, _ in told]
    assert [int(row["l"]) for row in rows] == [length for _, length in told]
    times = [float(row["t"]) for row in rows]
    assert times == sorted(times)
    assert times[0] == 0.5
    assert times[-1] > 1000.0, "seconds since the first start"


def test_episodes_stay_in_their_order_when_the_clock_is_set_back(tmp_path):
    clock = Clock()
    file = MonitorFile(tmp_path, "Walker", False, clock)
    for later in (0.0, 100.0, -50.0, -500.0):
        clock.now += later
        file.write([(1.0, 2.0)], 10)
    resumed = MonitorFile(tmp_path, "Walker", True, Clock(10.0))
    resumed.write([(2.0, 2.0)], 20)
    assert [row["t"] for row in read(file.path)[1]] == ["0.5", "101.0", "101.0", "101.0", "101.0"]


def test_what_the_system_refuses_is_said_once_and_written_later(tmp_path):
    file = MonitorFile(tmp_path / "Walker", "Walker", False, Clock())
    file.write([(1.0, 2.0)], 10)
    (tmp_path / "Walker").rename(tmp_path / "moved")
    (tmp_path / "Walker").touch()
    with pytest.raises(OSError, match="Walker"):
        file.write([(2.0, 2.0)], 20)
    file.write([(3.0, 2.0)], 30)
    (tmp_path / "Walker").unlink()
    (tmp_path / "moved").rename(tmp_path / "Walker")
    file.write([(4.0, 2.0)], 40)
    assert [row["r"] for row in read(file.path)[1]] == ["1.0", "2.0", "3.0", "4.0"]
    file.path.unlink()
    file.write([(5.0, 2.0)], 50)
    assert [row["step"] for row in read(file.path)[1]] == ["50"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"#{}\nr,l,t\n",
        b'#{"t_start": 1}\nr,l,t\n',
        b"\xff\n\n",
        b'#{"t_start": [1]}\nr,l,t,step\n',
        b'#{"t_start": NaN}\nr,l,t,step\n',
        b'#{"t_start": 1%s}\nr,l,t,step\n' % (b"0" * 400),
    ],
)
def test_another_file_is_kept_and_a_new_one_begins(content, tmp_path):
    (tmp_path / "monitor.csv").write_bytes(content)
    file = MonitorFile(tmp_path, "Walker", True, Clock())
    assert "kept as monitor.damaged-1.csv, and a new one begins" in file.note
    assert (tmp_path / "monitor.damaged-1.csv").read_bytes() == content
    file.write([(1.0, 2.0)], 10)
    assert len(read(file.path)[1]) == 1


def test_a_run_writes_each_episode_and_goes_on_with_it(tmp_path):
    given = {**options(tmp_path, behavior={"max_steps": 1000}), "monitor": True}
    first = train(Stopwatch().env(), given)["Task"]
    head, rows = read(first.folder / "monitor.csv")
    assert head["env_id"] == "Task"
    assert len(rows) == first.episodes
    assert np.mean([float(row["r"]) for row in rows[-100:]]) == pytest.approx(first.mean_return)
    assert {int(row["l"]) for row in rows} <= {1, 2, 3, 4}
    assert int(rows[-1]["step"]) <= first.steps
    again = {**options(tmp_path, behavior={"max_steps": 1500}, resume=True), "monitor": True}
    second = train(Stopwatch().env(), again)["Task"]
    assert read(first.folder / "monitor.csv")[0] == head
    assert len(read(first.folder / "monitor.csv")[1]) == second.episodes


def test_a_run_that_fails_has_all_episodes_that_ended(tmp_path):
    given = {**options(tmp_path), "monitor": True}
    with pytest.raises(UserError, match="finite"):
        train(Stopwatch(nan_after=100).env(), given)
    rows = read(tmp_path / "first" / "Task" / "monitor.csv")[1]
    assert len(rows) >= 16 * 24


def test_without_the_key_there_is_none_and_watching_adds_nothing(tmp_path):
    folder = train_small(tmp_path, behavior={"max_steps": 600}).folder
    assert not (folder / "monitor.csv").exists()
    train(Stopwatch(stop_after=40).env(), {**options(tmp_path, resume=True, inference=True), "monitor": True})
    assert not (folder / "monitor.csv").exists()
