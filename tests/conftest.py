"""Ctrl-C reaches the commands under test, also from a suite in the background; skipped tests are listed at the end."""

import importlib
import os
import signal
from collections import Counter
from collections.abc import Generator
from contextlib import suppress

import pytest

# Before numpy and torch are imported, here and in the processes that tests start: they run side by side.
os.environ.setdefault("OMP_NUM_THREADS", "1")
with suppress(ImportError):  # how long an example takes says how busy the machine is
    hypothesis = importlib.import_module("hypothesis")
    hypothesis.settings.register_profile("untimed", deadline=None)
    hypothesis.settings.load_profile("untimed")
with suppress(ImportError):  # a Python that has only what the bridge needs draws nothing
    importlib.import_module("tests.pictures")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # which every process it starts would inherit
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Generator[None]:
    """End with what was skipped and why, whatever else has been said."""
    try:
        return (yield)
    finally:
        terminal = session.config.pluginmanager.get_plugin("terminalreporter")
        skipped = terminal.stats.get("skipped", []) if terminal else []
        reasons = Counter(report.longrepr[2].removeprefix("Skipped: ") for report in skipped)
        for reason, count in sorted(reasons.items()):
            terminal.write_line(f"not tested ({count}): {reason}")
