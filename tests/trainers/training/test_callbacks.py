"""Callbacks hear of every start, summary, checkpoint and end, may end a run, and cost nothing when they fail."""

import math

import pytest
from run_tools import Stopwatch, options, read_progress, train_small

from trainers import Callback, Moment, UserError, load_policy, train
from trainers.config import plugins
from trainers.records.checkpoint import load_state
from trainers.training.chronicle import SAVED

METHODS = ("start", "summary", "checkpoint", "end")


class Diary(Callback):
    """Notes what it is told; `act` is called with a method's name and the moment."""

    def __init__(self, act=lambda method, moment: None) -> None:
        self.lines: list[tuple[str, Moment]] = []
        self.act = act

    def _note(self, method: str, moment: Moment) -> None:
        self.lines.append((method, moment))
        self.act(method, moment)

    def start(self, moment: Moment) -> None:
        self._note("start", moment)

    def summary(self, moment: Moment) -> None:
        self._note("summary", moment)

    def checkpoint(self, moment: Moment) -> None:
        assert load_state(moment.folder / "checkpoint.pt")["global_step"] == moment.step
        self._note("checkpoint", moment)

    def end(self, moment: Moment) -> None:
        self._note("end", moment)

    def told(self, method: str) -> list[Moment]:
        return [moment for name, moment in self.lines if name == method]


def test_a_callback_hears_of_all_that_is_written_in_order(tmp_path):
    diary = Diary()
    outcome = train(Stopwatch().env(), options(tmp_path), callbacks=[diary])["Task"]
    rows = read_progress(tmp_path / "first")
    assert [moment.step for moment in diary.told("summary")] == [int(row["step"]) for row in rows]
    for moment, row in zip(diary.told("summary"), rows, strict=True):
        for tag, cell in row.items():
            if cell and tag in moment.figures:
                assert f"{moment.figures[tag]:.6g}" == cell
    assert len(diary.told("checkpoint")) >= 4
    assert [method for method, _ in diary.lines][:1] == ["start"]
    assert [method for method, _ in diary.lines].count("end") == 1
    assert diary.lines[-1][0] == "end"
    first, last = diary.lines[0][1], diary.lines[-1][1]
    assert (first.behavior, first.step, dict(first.figures)) == ("Task", 0, {})
    assert math.isnan(first.mean_return)
    assert (last.step, last.episodes, last.mean_return) == (
        outcome.steps,
        outcome.episodes,
        outcome.mean_return,
    )
    assert last.folder == outcome.folder


def test_a_run_with_callbacks_learns_the_same(tmp_path):
    train(Stopwatch().env(), options(tmp_path, "with"), callbacks=[Diary(), Callback()])
    train_small(tmp_path, "without")
    states = [load_state(tmp_path / name / "Task" / "checkpoint.pt") for name in ("with", "without")]
    assert states[0].keys() == states[1].keys()
    assert all((states[0]["Policy"][key] == value).all() for key, value in states[1]["Policy"].items())


@pytest.mark.parametrize("method", ["start", "summary", "checkpoint"])
def test_a_callback_ends_the_run_which_is_saved_and_can_go_on(tmp_path, method):
    diary = Diary(lambda now, moment: moment.stop() if now == method else None)
    outcome = train(Stopwatch().env(), options(tmp_path), callbacks=[diary])["Task"]
    assert not outcome.finished
    assert outcome.steps < 1000
    assert load_policy(outcome.folder).step == outcome.steps
    assert diary.lines[-1][0] == "end"
    again = train(Stopwatch().env(), options(tmp_path, resume=True), callbacks=[Diary()])["Task"]
    assert again.finished


@pytest.mark.parametrize("error", [KeyError("mood"), SystemExit(0)], ids=["error", "exit"])
@pytest.mark.parametrize("method", METHODS)
def test_a_callback_that_fails_ends_the_run_with_one_line_and_costs_nothing(tmp_path, method, error):
    def fail(now: str, moment: Moment) -> None:
        if now == method:
            raise error

    diary, other = Diary(fail), Diary()
    with pytest.raises(UserError) as caught:
        train(Stopwatch().env(), options(tmp_path), callbacks=[diary, other])
    line = str(caught.value)
    assert line.startswith(f"callback Diary.{method} raised {type(error).__name__}: {error} (")
    assert "test_callbacks.py, line" in line
    assert "\n" not in line
    assert caught.value.__cause__ is error
    if method == "start":
        assert not (tmp_path / "first").exists(), "nothing was learned"
        return
    assert SAVED in caught.value.__notes__
    assert load_policy(tmp_path / "first").step == diary.lines[-1][1].step > 0
    if method != "end":
        assert [name for name, _ in other.lines].count("end") == 1, "it may have files to close"


def test_a_callback_hears_of_the_end_after_a_failure_of_the_environment(tmp_path):
    diary = Diary()
    with pytest.raises(UserError, match="finite"):
        train(Stopwatch(nan_after=100).env(), options(tmp_path), callbacks=[diary])
    assert diary.lines[-1][0] == "end"


def test_what_is_no_callback_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(UserError, match=r"callbacks: expected objects of trainers\.Callback, got <class"):
        train(Stopwatch().env(), options(tmp_path), callbacks=[Diary])
    assert not (tmp_path / "first").exists()


WRITER = """
from trainers import Callback

class Writer(Callback):
    def __init__(self, settings):
        self.run_id = settings.checkpoint_settings.run_id

    def summary(self, moment):
        with (moment.folder / "told.txt").open("a") as stream:
            print(self.run_id, moment.behavior, moment.step, file=stream)

def nothing(settings):
    return None

def fails(settings):
    raise RuntimeError("no server")

def leaves(settings):
    raise SystemExit(0)
"""


@pytest.fixture
def announced(tmp_path, monkeypatch):
    """Announces a name of WRITER as an installed package does."""

    def announce(value: str) -> None:
        info = tmp_path / "site" / "writer-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: writer\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[mlagents_bridge.stats_writer]\nwriter = {value}\n")
        (tmp_path / "site" / "a_writer.py").write_text(WRITER)
        monkeypatch.syspath_prepend(tmp_path / "site")
        plugins.look_again()

    yield announce
    monkeypatch.undo()
    plugins.look_again()


def test_an_installed_package_hears_of_every_run(tmp_path, announced):
    announced("a_writer:Writer")
    outcome = train_small(tmp_path)
    steps = [row["step"] for row in read_progress(tmp_path / "first")]
    assert (outcome.folder / "told.txt").read_text().splitlines() == [f"first Task {step}" for step in steps]


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("no_such_module:Writer", "no_such_module:Writer cannot be imported"),
        ("a_writer:nothing", "gives None, expected a trainers.Callback"),
        ("a_writer:fails", "raised RuntimeError: no server"),
        ("a_writer:leaves", "raised SystemExit: 0"),
    ],
)
def test_a_package_that_gives_no_callback_is_one_line_before_anything_is_written(
    tmp_path, announced, value, told
):
    announced(value)
    with pytest.raises(UserError, match=f"^stats_writer writer: {told}.*; mend or uninstall the package"):
        train_small(tmp_path)
    assert not (tmp_path / "first").exists()
