"""Following a trainer's process."""

import contextlib
import signal
import sys
import time
from pathlib import Path

import psutil
import pytest

from trainers.compare import training
from trainers.compare.progress import Progress
from trainers.compare.training import _follow, terminated_as_interrupted

STOPS = (signal.SIGINT, signal.SIGTERM)
INTERRUPTS = "import os, signal, time; os.kill(os.getppid(), signal.{name}); time.sleep(600)"
STUBBORN = """
import os, pathlib, signal, subprocess, sys, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
player = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
pathlib.Path(sys.argv[1]).write_text(str(player.pid))
os.kill(os.getppid(), signal.SIGINT)
time.sleep(600)
"""


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


def test_a_trainer_that_does_not_stop_is_killed_with_its_players(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(training, "PATIENCE", 0.5)
    written = tmp_path / "player"
    with pytest.raises(KeyboardInterrupt), Progress(1, 0) as progress:
        _follow([sys.executable, "-c", STUBBORN, str(written)], {}, tmp_path / "log", progress)
    assert "did not stop within 0 s and was killed" in capsys.readouterr().out
    deadline = time.monotonic() + 60
    with contextlib.suppress(psutil.NoSuchProcess):
        player = psutil.Process(int(written.read_text()))
        while player.status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < deadline
            time.sleep(0.01)
