"""In a notebook, a run shows its progress and its curves in one place each."""

import base64
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from run_tools import Stopwatch, options, train_small

from tests.needs import NOTEBOOK
from trainers import train
from trainers.records.progress import LineDisplay
from trainers.training.notebook import REFRESH_SECONDS, Notebook, find_notebook

PNG = b"\x89PNG"


class Screen(ModuleType):
    """Stands for `IPython.display`: keeps each place's contents, the newest last."""

    def __init__(self) -> None:
        super().__init__("IPython.display")
        self.places: list[list[dict[str, Any]]] = []

    def display(self, content: dict[str, Any], raw: bool, display_id: bool) -> SimpleNamespace:
        assert raw, "the content is given by MIME type"
        assert display_id, "it will be replaced"
        self.places.append([content])
        return SimpleNamespace(update=lambda content, raw, place=self.places[-1]: place.append(content))


@pytest.fixture
def kernel(monkeypatch) -> Screen:
    """Makes this process look like the kernel of a notebook."""
    screen, ipython = Screen(), ModuleType("IPython")
    ipython.version_info = (9, 0)  # type: ignore[attr-defined]  # matplotlib looks at it
    ipython.get_ipython = lambda: SimpleNamespace(kernel=object())  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", screen)
    return screen


def test_progress_and_curve_have_one_place_each(tmp_path, kernel, capsys):
    outcome = train_small(tmp_path)
    bars, curve = kernel.places
    assert {kind for content in bars for kind in content} == {"text/plain"}
    assert bars[-1]["text/plain"].startswith("Task  ━━━")
    assert "100%  reward 4.00  best 4.00\n" in bars[-1]["text/plain"]
    assert len(curve) == 6, "one for each summary"
    assert all(content["image/png"].startswith(PNG) for content in curve)
    assert (outcome.folder / "reward.png").read_bytes().startswith(PNG)
    out = capsys.readouterr().out
    assert "Ctrl-C   stops and saves the run" in out
    assert "Mean Reward" not in out, "the summaries are in the picture"


def test_a_resumed_run_shows_the_curve_from_its_beginning_and_evaluations_add_to_it(tmp_path, kernel):
    train_small(tmp_path, behavior={"max_steps": 1000})
    kernel.places.clear()
    keys = {"max_steps": 1500, "evaluation_freq": 300, "evaluation_episodes": 1}
    given = options(tmp_path, behavior=keys, resume=True)
    train(Stopwatch().env(), given, evaluation_env=lambda settings: Stopwatch().env())
    _, curve = kernel.places
    assert len(curve) == 3, "evaluations at 1200 and 1500, and a summary"


def test_the_bars_are_drawn_once_a_second(kernel):
    now = 0.0
    notebook = Notebook(kernel, lambda: now)
    timers = SimpleNamespace(elapsed=1.0, percentages=lambda: {"env": 100})
    for step in range(100):
        now = step * REFRESH_SECONDS / 10
        notebook.tick("Task", step, 1000, timers)
    assert len(kernel.places) == 1
    assert len(kernel.places[0]) == 10


def test_a_display_of_the_callers_own_takes_its_place(tmp_path, kernel, capsys):
    train(Stopwatch().env(), options(tmp_path), display=LineDisplay())
    assert kernel.places == []
    assert "Mean Reward" in capsys.readouterr().out


@pytest.mark.parametrize(
    "shell", [None, SimpleNamespace(), SimpleNamespace(kernel=None)], ids=["none", "terminal", "no kernel"]
)
def test_elsewhere_there_are_lines(tmp_path, kernel, monkeypatch, capsys, shell):
    monkeypatch.setattr(sys.modules["IPython"], "get_ipython", lambda: shell)
    train_small(tmp_path)
    assert kernel.places == []
    assert "Mean Reward" in capsys.readouterr().out


def test_without_what_draws_there_are_lines(kernel, monkeypatch):
    monkeypatch.setitem(sys.modules, "IPython.display", None)
    assert find_notebook() is None


def test_nothing_is_imported_for_it(monkeypatch):
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    assert find_notebook() is None
    assert "IPython" not in sys.modules


CELL = """
import sys
sys.path[:0] = {paths!r}
from run_tools import train_small
train_small({folder!r});
"""


@NOTEBOOK
def test_a_real_kernel_shows_it_below_the_cell(tmp_path):
    import nbformat
    from nbclient import NotebookClient

    book = nbformat.v4.new_notebook()
    book.cells.append(nbformat.v4.new_code_cell(CELL.format(paths=sys.path, folder=str(tmp_path))))
    NotebookClient(book, timeout=120).execute()
    shown = [output for output in book.cells[0].outputs if output.output_type != "stream"]
    bars, curve = (output.data for output in shown)
    assert "100%" in bars["text/plain"]
    assert base64.b64decode(curve["image/png"]).startswith(PNG)
