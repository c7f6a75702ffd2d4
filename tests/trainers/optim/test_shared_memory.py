"""Memory that the ranks of one machine share: sums and gathers, whoever comes first, and ranks that do not come."""

import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainers.optim import shared_memory
from trainers.optim.shared_memory import ROW_BYTES, SharedMemory, bytes_needed, fill, new_name, place


class TooLongError(Exception):
    """No other rank came."""


def give_up(waited):
    if waited > 20.0:
        raise TooLongError


@pytest.fixture
def path(tmp_path):
    return tmp_path / "memory"


def together(path, size, task):
    """What each rank's `task(memory, rank)` returns. The ranks are threads, each with a mapping of its own."""
    path.unlink(missing_ok=True)
    fill(path, size)
    found = [None] * size

    def run(rank):
        found[rank] = task(SharedMemory(path, rank, size, give_up), rank)

    threads = [threading.Thread(target=run, args=(rank,)) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


@settings(deadline=None, max_examples=30)
@given(
    st.integers(1, 5),
    st.lists(
        st.sampled_from([0, 1, 7, ROW_BYTES // 8, ROW_BYTES // 8 + 1, ROW_BYTES]), min_size=1, max_size=6
    ),
    st.sampled_from([np.float32, np.float64, np.int64]),
)
def test_sums_and_gathers_are_those_of_numpy(tmp_path_factory, size, lengths, kind):
    random = np.random.default_rng(len(lengths))
    given_by = [[random.integers(-9, 9, length).astype(kind) for length in lengths] for _ in range(size)]

    def task(memory, rank):
        seen = []
        for numbers in given_by[rank]:
            total, rows = numbers.copy(), np.empty((size, len(numbers)), kind)
            memory.sum(total)
            memory.gather(numbers, rows)
            seen.append((total, rows))
        return seen

    for seen in together(tmp_path_factory.mktemp("shared") / "memory", size, task):
        for turn, (total, rows) in enumerate(seen):
            wanted = np.stack([given_by[rank][turn] for rank in range(size)])
            np.testing.assert_array_equal(total, wanted.sum(0))
            np.testing.assert_array_equal(rows, wanted)


def test_ranks_of_any_speed_see_every_turn(path):
    """A rank that is slow at random turns never misses what another one wrote."""

    def task(memory, rank):
        random, seen = np.random.default_rng(rank), []
        for turn in range(300):
            if random.random() < 0.05:
                time.sleep(0.002)
            total = np.array([turn * 10.0 + rank])
            memory.sum(total)
            seen.append(total[0])
        return seen

    for seen in together(path, 3, task):
        assert seen == [turn * 30.0 + 3.0 for turn in range(300)]


def test_sums_are_the_same_bits_on_all_ranks(path):
    random = np.random.default_rng(0)
    numbers = random.standard_normal((3, 5000)).astype(np.float32)

    def task(memory, rank):
        own = numbers[rank].copy()
        memory.sum(own)
        return own.tobytes()

    assert len(set(together(path, 3, task))) == 1


def test_a_rank_that_does_not_come_is_looked_for(path, monkeypatch):
    monkeypatch.setattr(shared_memory, "LOOKING_AFTER_SECONDS", 0.05)
    asked = []

    def check(waited):
        asked.append(waited)
        if len(asked) == 3:
            raise TooLongError

    fill(path, 2)
    with pytest.raises(TooLongError):
        SharedMemory(path, 0, 2, check).sum(np.zeros(3))
    assert asked == sorted(asked)
    assert asked[0] > 0.05


def test_the_file_is_whole_and_private(path):
    fill(path, 2)
    assert path.read_bytes() == bytes(bytes_needed(2))
    assert path.stat().st_mode & 0o077 == 0
    with pytest.raises(FileExistsError):
        fill(path, 2)


@pytest.mark.parametrize("name", ["", "../x", "a" * 31, "A" * 32, "0" * 31 + "/", "0" * 32 + "\n"])
def test_a_name_from_another_rank_is_no_path(name):
    with pytest.raises(ValueError, match="no name of shared memory"):
        place(name)
    assert place(new_name()).name.startswith("bridge-ranks-")
