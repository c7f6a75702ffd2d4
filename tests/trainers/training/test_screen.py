"""What a person sees on a terminal while a run goes on, when its window changes, and at the end."""

import csv
import re
from contextlib import ExitStack, suppress
from pathlib import Path

from command_tools import REPOSITORY, command
from printed_commands import printed_commands, run_printed
from terminal import Terminal, terminal

from tests.needs import TMUX
from trainers.records.checkpoint import load_state

LEARN = ("--env", "CartPole-v1", "--seed", 1, "--set", "behaviors.*.summary_freq=2000", "--run-id", "pole")
SIZES = {"narrow": (80, 24), "wide": (200, 50)}
ENVIRONMENT = {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1", "LC_ALL": "C.UTF-8", "COLUMNS": "80"}
ATTEMPTS = 3
"""A line that is on its way while the window changes is wrapped by a width that the program did not know. It leaves a
ghost, in about one run of twelve with five changes."""


def summaries(lines: list[str]) -> list[str]:
    return [line for line in lines if " steps  " in line and "reward" in line]


def moving(lines: list[str]) -> list[str]:
    """The lines that are drawn again and again; more than three of them are ghosts."""
    return [line for line in lines if re.search(r"^CartPole-v1  [━─]|^\d+:\d\d elapsed|^time: ", line)]


@TMUX
def test_two_terminals(tmp_path, monkeypatch, capsys):
    shown: dict[str, Terminal] = {}
    with ExitStack() as stack:
        for name, size in SIZES.items():
            (tmp_path / name).mkdir()
            steps = 16_000 if name == "narrow" else 10_000_000
            words = command("trainers.ppo", *LEARN, "--max-steps", steps)
            shown[name] = stack.enter_context(terminal(tmp_path / name, size, words, ENVIRONMENT))

        for name, one in shown.items():
            lines = one.wait(lambda lines: len(summaries(lines)) >= 2 and len(moving(lines)) == 3)
            assert "  Ctrl-C   stops and saves the run" in lines
            assert "CartPole-v1: 4 numbers → 2 discrete actions; 8 agents; ppo, 2 × 64, on cpu" in lines
            bar, times, shares = moving(lines)
            assert all(len(line) <= 79 for line in (*summaries(lines), bar, times, shares)), name
            assert (
                sum(int(part.split()[-1][:-1]) for part in shares.removeprefix("time: ").split(", ")) == 100
            )

        shown["narrow"].wait(lambda lines: shown["narrow"].has_ended)
        all_shown(shown["narrow"].screen(), tmp_path / "narrow")
        shown["wide"].press("C-c")
        shown["wide"].wait(lambda lines: shown["wide"].has_ended)
        lines = shown["wide"].screen()
    assert len(moving(lines)) == 3, "\n".join(lines)
    checkpoint = tmp_path / "wide/runs/pole/CartPole-v1/checkpoint.pt"
    step = load_state(checkpoint)["global_step"]
    saved = Path("runs", "pole", "CartPole-v1")
    assert f"  saved      {saved} at {step:,} of 10,000,000 steps" in lines
    (on,) = [words for words in printed_commands("\n".join(lines)) if words[0] == "trainers"]
    monkeypatch.chdir(tmp_path / "wide")
    assert run_printed([*on, "--max-steps", str(step + 100)]) == 0
    assert load_state(checkpoint)["global_step"] >= step + 100


@TMUX
def test_a_window_that_changes_leaves_no_ghosts(tmp_path):
    for attempt in range(ATTEMPTS):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        words = command("trainers.ppo", *LEARN, "--max-steps", 16_000)
        with terminal(folder, SIZES["narrow"], words, ENVIRONMENT) as shown:
            shown.wait(lambda lines: len(summaries(lines)) >= 2)
            for columns in (120, 50, 30, 100, 80):  # wider, narrower than the lines that move, and back
                shown.resize(columns, 24)
                before = len(summaries(shown.screen()))
                shown.wait(lambda lines, n=before, one=shown: len(summaries(lines)) > n or one.has_ended)
            shown.wait(lambda lines, one=shown: one.has_ended)
            lines = shown.screen()
        with suppress(AssertionError):
            all_shown(lines, folder)
            return
    all_shown(lines, folder)


def all_shown(lines: list[str], folder: Path) -> None:
    """Require the screen of a run that has ended: the lines that moved once, and a line for each summary."""
    assert len(moving(lines)) == 3, "\n".join(lines)
    assert "100%" in moving(lines)[0]
    with (folder / "runs/pole/CartPole-v1/progress.csv").open(encoding="utf-8") as stream:
        assert len(summaries(lines)) == len(list(csv.DictReader(stream)))
