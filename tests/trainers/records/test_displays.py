"""What a person sees while a run goes on, and where its time went."""

import io
import re

import pytest
from rich.console import Console

from trainers.records.metrics import EPISODE_LENGTH, GROUP_REWARD, REWARD, Summary
from trainers.records.progress import LineDisplay, LiveDisplay, make_display
from trainers.records.reports import console_line
from trainers.records.timers import TimerTree


class Clock:
    """Shows the time that it is set to."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def summary(returns: list[float], training: bool = True, **values: float) -> Summary:
    means = {REWARD: 2.5, EPISODE_LENGTH: 12.0} if returns else {}
    return Summary("Walker", 5000, 12.3456, {**means, **values}, {}, returns, training)


def test_summary_line_is_that_of_mlagents_learn():
    start = "Walker. Step: 5000. Time Elapsed: 12.346 s. "
    assert console_line(summary([2.0, 3.0])) == f"{start}Mean Reward: 2.500. Std of Reward: 0.500. Training."
    nothing = f"{start}No episode was completed since last summary. Not Training."
    assert console_line(summary([], training=False)) == nothing
    assert "Mean Group Reward: 7.000. Std of Reward" in console_line(summary([2.0], **{GROUP_REWARD: 7.0}))


def test_lines_where_there_is_no_terminal(capsys):
    display = make_display()
    assert isinstance(display, LineDisplay)
    display.tick("Walker", 1, 10, TimerTree())
    display.summarise(summary([2.0, 3.0]))
    display.say("hello")
    display.close()
    assert capsys.readouterr().out.splitlines() == [f"[INFO] {console_line(summary([2.0, 3.0]))}", "hello"]


def test_live_display_shows_progress_results_and_where_time_goes():
    screen = io.StringIO()
    display = LiveDisplay(Console(file=screen, force_terminal=True, width=140))
    clock = Clock()
    timers = TimerTree(clock)
    with timers("env"):
        clock.now += 3.0
    clock.now += 2.0
    for name in ("Walker", "Flyer"):
        display.tick(name, 250, 1000, timers)
    display.summarise(summary([2.0, 3.0]))
    display.say("a line that stays")
    display.tick("Walker", 1008, 1000, timers)
    display.close()
    shown = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", screen.getvalue())
    assert "a line that stays" in shown
    last = shown[shown.rindex("Walker") :]
    assert "1000/1000" in last
    assert "reward 2.5, length 12" in last
    assert "250/1000" in last, "the other behavior's bar"
    assert re.search(r"time: env +60%", last)


@pytest.mark.parametrize("name", ["[/x]", "[red]Walker", "{task}"])
def test_live_display_shows_a_name_as_it_is(name):
    screen = io.StringIO()
    display = LiveDisplay(Console(file=screen, force_terminal=True, width=140))
    display.tick(name, 250, 1000, TimerTree())
    display.close()
    assert name in screen.getvalue()


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
