"""What a person sees while a run goes on, and where its time went."""

import io
import os
import re
import sys
from dataclasses import replace
from statistics import pstdev

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from rich.text import Text

from tests.needs import LINUX
from trainers.records.bars import Bars
from trainers.records.live import ERASED_ROW, LiveDisplay, summary_line
from trainers.records.metrics import ELO, EPISODE_LENGTH, GROUP_REWARD, REWARD, REWARD_DEVIATION, Summary
from trainers.records.progress import LineDisplay, make_display
from trainers.records.reports import console_line
from trainers.records.timers import TimerTree


class Clock:
    """Shows the time that it is set to."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def summary(returns: list[float], training: bool = True, **values: float) -> Summary:
    means = {REWARD: 2.5, EPISODE_LENGTH: 12.0} if returns else {}
    deviation = {REWARD_DEVIATION: pstdev(returns)} if returns else {}
    return Summary("Walker", 5000, 12.3456, {**means, **deviation, **values}, {}, returns, training)


def test_summary_line_is_that_of_mlagents_learn():
    start = "Walker. Step: 5000. Time Elapsed: 12.346 s. "
    assert console_line(summary([2.0, 3.0])) == f"{start}Mean Reward: 2.500. Std of Reward: 0.500. Training."
    nothing = f"{start}No episode was completed since last summary. Not Training."
    assert console_line(summary([], training=False)) == nothing
    assert "Mean Group Reward: 7.000. Std of Reward" in console_line(summary([2.0], **{GROUP_REWARD: 7.0}))


@pytest.mark.parametrize(
    ("more", "shown"),
    [
        ({}, "reward -1,234 ± 0.500  length 12.0  best 1,274"),
        ({ELO: 1249.3}, "reward -1,234  length 12.0  Elo 1,249  best 1,274"),
        ({ELO: 1249.3, REWARD: 0.5}, "reward 0.500 ± 0.500  length 12.0  Elo 1,249  best 1,274"),
        ({GROUP_REWARD: -53.0}, "reward -1,234  group -53.0  length 12.0  best 1,274"),
        ({ELO: 1249.3, GROUP_REWARD: -53.0}, "reward -1,234  group -53.0  length 12.0  Elo 1,249"),
    ],
)
def test_a_line_of_a_terminal_names_the_rating_that_best_is_one_of_and_fits(more, shown):
    one = replace(summary([2.0, 3.0], **{REWARD: -1234.0, **more}), best=1274.0)
    assert summary_line(one) == f" 5.00k steps     0:12  {shown}"
    assert len(summary_line(one)) < 80
    bars = Bars()
    bars.tick("Walker", 1, 10, TimerTree(), 0.0)
    bars.summarise(one)
    assert str(bars.lines(79)[0]).endswith(
        "Elo 1,249  best 1,274"
        if ELO in more
        else "reward -1,234  group -53.0  best 1,274"
        if GROUP_REWARD in more
        else "reward -1,234  best 1,274"
    )


def test_lines_where_there_is_no_terminal(capsys):
    display = make_display()
    assert isinstance(display, LineDisplay)
    display.tick("Walker", 1, 10, TimerTree())
    display.summarise(summary([2.0, 3.0]))
    display.say("hello")
    display.close()
    assert capsys.readouterr().out.splitlines() == [f"[INFO] {console_line(summary([2.0, 3.0]))}", "hello"]


def test_lines_lose_no_text_that_their_output_cannot_show(monkeypatch):
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii"))
    LineDisplay().say("17 numbers → 6 actions")
    LineDisplay().say("the next line")
    assert written.getvalue().decode().splitlines() == ["17 numbers ? 6 actions", "the next line"]


@LINUX
@pytest.mark.parametrize(("kind", "live"), [("xterm-256color", True), ("dumb", False), ("unknown", False)])
def test_bars_only_on_a_terminal_that_can_move_its_cursor(kind, live, monkeypatch):
    monkeypatch.setenv("TERM", kind)
    for name in ("TTY_COMPATIBLE", "TTY_INTERACTIVE", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    read, write = os.openpty()
    with os.fdopen(write, "w", encoding="utf-8") as terminal, monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", terminal)
        display = make_display()
        display.tick("Walker", 1, 10, TimerTree())
        display.summarise(summary([2.0, 3.0]))
        display.close()
        text = os.read(read, 100_000).decode()
    os.close(read)
    assert isinstance(display, LiveDisplay) == live
    assert ("\x1b" in text) == live
    assert (console_line(summary([2.0, 3.0])) in text) == (not live)


def test_a_pipe_gets_no_bars_even_where_colours_are_forced(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert isinstance(make_display(), LineDisplay)


def drawn(width: int, clock: Clock, *names: str) -> str:
    """What a display of this many columns shows at the end of some behaviors' training."""
    screen = io.StringIO()
    display = LiveDisplay(Console(file=screen, force_terminal=True, width=width), clock)
    timers = TimerTree(clock)
    with timers("env"):
        clock.now += 300.0
    for second in range(4):
        clock.now += 50.0
        for name in names:
            display.tick(name, 499_000 + 250 * second, 1_000_000, timers)
    for name in names:
        display.summarise(replace(summary([2.0, 3.0]), behavior=name, best=431.4))
    display.say("a line that stays")
    display.close()
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", screen.getvalue()).replace("\r", "\n")


@pytest.mark.parametrize("width", [80, 200])
def test_live_display_shows_progress_results_and_where_time_goes(width):
    shown = drawn(width, Clock(), "Walker", "Flyer")
    *stayed, walker, flyer, times, shares = shown.splitlines()
    assert "a line that stays" in stayed
    assert "Walker   5.00k steps     0:12  reward 2.50 ± 0.500  length 12.0  best 431" in stayed
    assert re.fullmatch(r"Walker  ━+─+  500k/1\.00M  49%  reward 2\.50  best 431", walker)
    assert flyer.startswith("Flyer  ━")
    assert times == "8:20 elapsed, about 27:47:30 left, 10 steps/s", "5 steps/s each, for the slower one"
    assert shares == "time: env 60%, other 40%"
    assert max(len(line) for line in (walker, flyer, times, shares)) <= 79


@pytest.mark.parametrize("width", [1, 2, 20, 40])
def test_no_line_that_moves_is_longer_than_a_narrow_terminal(width):
    lines = drawn(width, Clock(), "A behavior with a very long name").splitlines()
    assert all(len(line) < max(width, 2) for line in lines[-3:])


@pytest.mark.parametrize("name", ["[/x]", "[red]Walker", "{task}"])
def test_live_display_shows_a_name_as_it_is(name):
    assert name in drawn(140, Clock(), name)


@settings(deadline=None)
@given(st.lists(st.floats(0.0, 1000.0), max_size=6), st.floats(0.0, 1000.0))
def test_percentages_sum_to_a_hundred(blocks, rest):
    clock = Clock()
    timers = TimerTree(clock)
    for number, seconds in enumerate(blocks):
        with timers(f"block {number}"):
            clock.now += seconds
    clock.now += rest
    shares = timers.percentages()
    assert sum(shares.values()) == 100
    for number, seconds in enumerate(blocks):
        exact = 100 * seconds / max(sum(blocks) + rest, 1e-9)
        assert abs(shares.get(f"block {number}", 0) - exact) <= 1.01


def test_timers_nest_and_add_up():
    clock = Clock()
    timers = TimerTree(clock)
    for _ in range(3):
        with timers("update"):
            clock.now += 2.0
            with timers("backward"):
                clock.now += 4.0
    with pytest.raises(ZeroDivisionError), timers("env"):
        _ = 1 / 0
    clock.now += 6.0
    tree = timers.as_dict()
    update, backward = tree["children"]["update"], tree["children"]["update"]["children"]["backward"]
    assert (tree["name"], tree["count"]) == ("root", 1)
    assert update["count"] == backward["count"] == 3
    assert tree["children"]["env"]["count"] == 1, "also when the block fails"
    assert (tree["total"], update["total"], update["self"], backward["total"]) == (24.0, 18.0, 6.0, 12.0)
    assert timers.shares() == {"update": 0.75, "env": 0.0}


def test_rows_that_a_terminal_wrapped_are_erased_by_its_width_at_the_moment_of_writing(monkeypatch):
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=80)
    clock = Clock()
    display = LiveDisplay(console, clock)
    display.tick("Walker", 1000, 1_000_000, TimerTree(clock))
    display.say("wide")
    lines = Bars.lines

    def narrowed(bars: Bars, width: int) -> list[Text]:
        console.width = 10  # after the next text was begun, and before it is written
        return lines(bars, width)

    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", screen.getvalue()).replace("\r", "\n")
    lengths = [len(line) for line in plain.rpartition("wide\n")[2].splitlines()]
    monkeypatch.setattr(Bars, "lines", narrowed)
    before = len(screen.getvalue())
    display.say("narrow")
    text = screen.getvalue()[before:]
    display.close()
    assert max(lengths) > 10
    assert text.startswith(ERASED_ROW * sum((length - 1) // 10 for length in lengths))
