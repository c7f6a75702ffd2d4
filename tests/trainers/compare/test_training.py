"""Following a trainer's process."""

import signal
import sys
from pathlib import Path

import psutil
import pytest

from trainers.compare.progress import Progress
from trainers.compare.training import _follow, terminated_as_interrupted

STOPS = (signal.SIGINT, signal.SIGTERM)
INTERRUPTS = "import os, signal, time; os.kill(os.getppid(), signal.{name}); time.sleep(600)"


class Closed(Progress):
    """A terminal that is gone."""

    def say(self, text: str) -> None:
        raise BrokenPipeError(text)


@pytest.mark.parametrize("stop", STOPS)
@pytest.mark.parametrize(("kind", "raised"), [(Progress, KeyboardInterrupt), (Closed, BrokenPipeError)])
def test_handlers_are_as_before_after_an_interrupt(
    stop: signal.Signals, kind: type[Progress], raised: type[BaseException], tmp_path: Path
) -> None:
    before, children = [signal.getsignal(number) for number in STOPS], psutil.Process().children()
    command = [sys.executable, "-c", INTERRUPTS.format(name=stop.name)]
    with pytest.raises(raised), kind(1, 0) as progress, terminated_as_interrupted():
        _follow(command, {}, tmp_path / "log", progress)
    assert [signal.getsignal(number) for number in STOPS] == before
    assert psutil.Process().children() == children, "the trainer has ended either way"
