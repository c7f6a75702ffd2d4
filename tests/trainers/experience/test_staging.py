"""Rows that wait outside a replay buffer: they arrive as if they had never waited."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scripted_env import make_spec

from trainers.experience.replay import Replay
from trainers.experience.staging import Staging
from trainers.experience.store import NO_ROW, Groupmates, StepResult
from trainers.maths.returns import Ending
from trainers.networks.policy_network import ActionSample

SPEC = make_spec((3,), (4, 5, 2), continuous=1, branches=(3,))
AGENTS, CAPACITY = 3, 12
COLUMNS = ("continuous", "discrete", "reward", "group_reward", "next_row", "ending", "settled", "forbidden")


def content(replay: Replay) -> list[np.ndarray]:
    """All that the buffer holds."""
    places = np.arange(replay.first, replay.total) % CAPACITY
    return [*(replay.column(name, places) for name in COLUMNS), *(replay.read(places) if len(replay) else [])]


def assert_same_content(one: list[np.ndarray], other: list[np.ndarray]) -> None:
    assert len(one) == len(other)
    for values, others in zip(one, other, strict=True):
        assert np.array_equal(values, others)


def play(
    store: Replay | Staging, rng: np.random.Generator, open_rows: np.ndarray, buffer: np.ndarray
) -> None:
    """One step: some agents see something, get the reward of the decision before, and decide."""
    here = np.flatnonzero(rng.random(AGENTS) < 0.7)
    buffer[:] = rng.normal(size=buffer.shape)  # an environment that uses its array again
    images = rng.integers(0, 256, (len(here), 4, 5, 2)).astype(np.uint8)
    rows = store.append([buffer[: len(here)], images], rng.random((len(here), 3)) < 0.3, open_rows[here])
    known = open_rows[here] != NO_ROW
    ending = rng.choice(np.array([Ending.GOES_ON, Ending.CUT], np.int8), int(known.sum()))
    reward = rng.normal(size=int(known.sum())).astype(np.float32)
    store.settle(StepResult(open_rows[here][known], reward, -reward, rows[known], ending))
    store.note_groupmates(Groupmates(rows, np.full((len(rows), 1), NO_ROW), np.zeros(len(rows), np.bool_)))
    count = len(rows)
    sample = ActionSample(
        rng.normal(size=(count, 1)).astype(np.float32), rng.integers(0, 3, (count, 1)), np.zeros((count, 0))
    )
    store.decide(rows, sample)
    sample.continuous[:] = 9.0  # an environment that changes the actions that it is given
    sample.discrete[:] = 0
    open_rows[here] = rows


@given(
    seed=st.integers(0, 2**32 - 1),
    waits=st.lists(st.booleans(), min_size=1, max_size=12),
)
def test_rows_arrive_as_if_they_had_never_waited(seed: int, waits: list[bool]) -> None:
    direct, replay = Replay(SPEC, CAPACITY), Replay(SPEC, CAPACITY)
    found = []
    for target in (direct, replay):
        rng, open_rows = np.random.default_rng(seed), np.full(AGENTS, NO_ROW)
        staging, before, buffer = None, content(target), np.zeros((AGENTS, 3), np.float32)
        for wait in waits:
            if target is replay and wait and staging is None:
                staging = Staging(replay)
                before = content(replay)
            elif staging is not None and not wait:
                staging.enter()
                staging = None
            play(staging or target, rng, open_rows, buffer)
            if staging is not None:
                assert_same_content(content(replay), before)
        if staging is not None:
            staging.enter()
        found.append(open_rows)
    np.testing.assert_array_equal(*found)
    assert (direct.first, direct.total, direct.settled_rows) == (
        replay.first,
        replay.total,
        replay.settled_rows,
    )
    assert_same_content(content(direct), content(replay))


def test_what_has_entered_enters_once() -> None:
    replay = Replay(SPEC, CAPACITY)
    staging, open_rows = Staging(replay), np.full(AGENTS, NO_ROW)
    rng, buffer = np.random.default_rng(0), np.zeros((AGENTS, 3), np.float32)
    for _ in range(3):
        play(staging, rng, open_rows, buffer)
    assert len(replay) == 0
    staging.enter()
    held, settled = replay.total, replay.settled_rows
    assert settled == staging.settled_rows > 0
    staging.enter()
    assert (replay.total, replay.settled_rows) == (held, settled)
