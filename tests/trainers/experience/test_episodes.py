"""Sums of rewards over episodes, however the rows of agents are cut into parts."""

from collections import defaultdict

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from trainers.experience.episodes import EpisodeSums
from trainers.maths.returns import Ending


@st.composite
def histories(draw):
    """Rows of agents that ask in turns: (agent, reward, ending) each, and where the rows are cut into parts."""
    rows = draw(
        st.lists(
            st.tuples(
                st.integers(0, 3),
                st.integers(-5, 5),
                st.sampled_from([Ending.GOES_ON] * 4 + [Ending.CUT, Ending.INTERRUPTED, Ending.TERMINATED]),
            ),
            max_size=60,
        )
    )
    return rows, sorted(draw(st.lists(st.integers(0, len(rows)), max_size=5)))


@given(histories())
def test_each_ended_episode_is_summed_once(history):
    """A decision is settled by the agent's next row; the row after an end is that of the last observation."""
    told, cuts = history
    numbers: list[int] = []  # of the rows in the store; a last observation is one
    following: dict[int, int] = {}
    facts: dict[int, tuple[float, Ending]] = {}
    waiting: dict[int, int] = {}
    running: dict[int, float] = defaultdict(float)
    expected: list[float] = []
    found: list[float] = []
    sums = EpisodeSums(2)

    def count() -> None:
        here = np.array(sorted({*sums.rows.tolist(), *numbers}), np.int64)
        settled = np.array([row in facts for row in here.tolist()], bool)
        reward = np.array([facts.get(row, (9.0, 0))[0] for row in here.tolist()])
        ending = np.array([facts.get(row, (0.0, Ending.GOES_ON))[1] for row in here.tolist()], np.int8)
        next_row = np.array([following.get(row, -1) for row in here.tolist()], np.int64)
        both = np.stack([reward, 2.0 * reward], 1).reshape(-1, 2)
        ended = sums.add(here, both, next_row, ending, settled, np.arange(len(here)))
        np.testing.assert_allclose(ended[:, 1], 2.0 * ended[:, 0])
        found.extend(ended[:, 0].tolist())
        sums.keep(np.array(list(waiting.values()), np.int64))
        numbers.clear()

    total = 0

    def append() -> int:
        nonlocal total
        numbers.append(total)
        total += 1
        return total - 1

    for index, (agent, reward, ending) in enumerate(told):
        for _ in range(cuts.count(index)):
            count()
        if agent not in waiting:
            waiting[agent] = append()
            continue
        row, waiting[agent] = waiting[agent], append()
        following[row], facts[row] = waiting[agent], (float(reward), ending)
        running[agent] += reward
        if ending >= Ending.INTERRUPTED:
            expected.append(running.pop(agent))
            del waiting[agent]
    count()
    assert sorted(found) == sorted(expected)
    assert set(sums.rows.tolist()) == set(waiting.values())
    remaining = dict(zip(sums.rows.tolist(), sums.sums[:, 0].tolist(), strict=True))
    assert remaining == {row: running[agent] for agent, row in waiting.items()}
