"""Short passes run on one torch thread, long ones on all."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial

import pytest
import torch

from trainers.optim.threads import WORTH_SHARING, Threads, threads_for


@pytest.fixture(autouse=True)
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(("rows", "threads"), [(10, 1), (WORTH_SHARING // 1000, 2)])
def test_threads_follow_the_work_and_are_put_back(rows: int, threads: int) -> None:
    with threads_for(rows, parameters=1000):
        assert torch.get_num_threads() == threads
    assert torch.get_num_threads() == 2


def test_threads_are_put_back_after_a_failure() -> None:
    with pytest.raises(ZeroDivisionError), threads_for(1, 1):
        raise ZeroDivisionError
    assert torch.get_num_threads() == 2


def test_updates_run_one_after_the_other_in_a_thread_that_ends_with_the_run() -> None:
    seen: list[tuple[int, str, int]] = []
    with Threads() as threads:
        threads.at_least(2)
        done = [
            threads.submit(partial(lambda number: seen.append((number, *where())), number))
            for number in range(5)
        ]
        done[-1].result()
        failed = threads.submit(fail)
        with pytest.raises(ZeroDivisionError):
            failed.result()
    assert seen == [(number, "updates_0", 2) for number in range(5)]
    assert "updates_0" not in [thread.name for thread in threading.enumerate()]


def test_an_interrupt_ends_the_update_that_runs_and_drops_those_that_wait() -> None:
    began = threading.Event()

    def endless() -> None:
        began.set()
        while True:
            time.sleep(0.001)

    updates = []

    def interrupted() -> None:
        with Threads() as threads:
            updates.extend([threads.submit(endless), threads.submit(fail)])
            assert began.wait(60)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert isinstance(updates[0].exception(), KeyboardInterrupt)
    assert updates[1].cancelled()
    assert "updates_0" not in [thread.name for thread in threading.enumerate()]


def where() -> tuple[str, int]:
    return threading.current_thread().name, torch.get_num_threads()


def fail() -> None:
    raise ZeroDivisionError


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({}, [None, "30000", "1"]),
        ({"OMP_WAIT_POLICY": "ACTIVE"}, ["ACTIVE", None, None]),
        ({"GOMP_SPINCOUNT": "7"}, [None, "7", "1"]),
    ],
)
def test_idle_threads_of_torch_wait_a_little_unless_the_user_says_how(given, found):
    names = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
    code = f"import json, os, trainers; print(json.dumps([os.environ.get(name) for name in {names}]))"
    kept = {name: value for name, value in os.environ.items() if name not in names}
    done = subprocess.run(
        [sys.executable, "-c", code], env=kept | given, capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == found
