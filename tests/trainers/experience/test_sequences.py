"""The rows of a rollout as sequences, against a walk along every agent's rows; and minibatches of whole sequences."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trainers.config import NetworkSettings
from trainers.experience.batch import Batch
from trainers.experience.samplers import SequenceSampler
from trainers.experience.sequences import chains_of, in_rounds, remember
from trainers.maths.returns import Ending
from trainers.networks.distributions import Actions
from trainers.networks.memory import Memory, Sequences

SIZE = 4


@st.composite
def rollouts(draw):
    """Rows of agents that come, go, skip steps and wait for rewards; those of the first step may be carried over."""
    agents, rng = draw(st.integers(1, 5)), np.random.default_rng(draw(st.integers(0, 999)))
    steps, carried = draw(st.integers(1, 12)), draw(st.booleans())
    open_row: dict[int, int] = {}
    next_row, ending, settled, owner = [], [], [], []

    def add(agent):
        next_row.append(-1)
        ending.append(int(Ending.GOES_ON))
        settled.append(False)
        owner.append(agent)
        return len(owner) - 1

    count = 0
    for step in range(steps):
        for agent in rng.permutation(agents).tolist():
            if rng.random() < 0.3:
                continue
            row = add(agent)
            if agent in open_row:
                before = open_row.pop(agent)
                next_row[before], settled[before] = row, True
                ending[before] = int(rng.choice([0, 0, 0, 1, 2, 3]))
                if ending[before] >= Ending.INTERRUPTED:
                    continue
            elif rng.random() < 0.1:  # a decision whose reward never arrives
                continue
            open_row[agent] = row
        if step == 0:
            count = len(owner) if carried else 0
    if not owner:
        add(0)
    return SimpleNamespace(
        next_row=np.array(next_row),
        ending=np.array(ending, np.int8),
        settled=np.array(settled),
        carried=count,
    )


def walk(columns, length):
    """Sequences as lists of rows, and which one follows which, by following links row by row."""
    targets = {int(columns.next_row[row]) for row in np.flatnonzero(columns.settled)}
    sequences, following = [], {}
    for first in range(len(columns.settled)):
        if first in targets:
            continue
        row, current = first, [first]
        while columns.settled[row]:
            after = int(columns.next_row[row])
            ends = columns.ending[row] != Ending.GOES_ON or row < columns.carried or len(current) == length
            if ends or not columns.settled[after]:
                sequences.append(current)
                following[tuple(current)] = after
                current = []
            current.append(after)
            row = after
        sequences.append(current)
    return sequences, following


@given(columns=rollouts(), length=st.integers(1, 5))
def test_sequences_are_those_that_a_walk_along_the_links_finds(columns, length):
    chains = chains_of(columns, length)
    found = [chains.rows_of(np.array([number])).tolist() for number in range(len(chains.lengths))]
    expected, following = walk(columns, length)
    assert sorted(found) == sorted(expected)
    for number, rows in enumerate(found):
        assert chains.firsts[number] == rows[0]
        assert chains.learned[number] == columns.settled[rows].all()
        assert columns.settled[rows].all() or len(rows) == 1
        after = chains.following[number]
        assert (found[after][0] if after >= 0 else None) == following.get(tuple(rows))
    assert sorted(chains.learned_rows.tolist()) == np.flatnonzero(columns.settled).tolist()
    rounds = [(chosen.tolist(), before.tolist()) for chosen, before in in_rounds(chains)]
    assert sorted(number for chosen, _ in rounds for number in chosen) == list(range(len(found)))
    for (earlier, _), (chosen, before) in itertools.pairwise(rounds):
        assert [chains.following[earlier[place]] for place in before] == chosen


@given(columns=rollouts(), length=st.integers(1, 5))
def test_memories_are_handed_on_along_an_episode(columns, length):
    torch.manual_seed(0)
    layer, count = Memory(3, SIZE, NetworkSettings()), len(columns.settled)
    features, memory = (
        torch.randn(count, 3),
        np.random.default_rng(0).normal(size=(count, SIZE)).astype(np.float32),
    )
    targets = {int(columns.next_row[row]) for row in np.flatnonzero(columns.settled)}
    expected, remembered = torch.empty(count, SIZE // 2), {}
    for row in range(count):
        start = remembered[row] if row in targets else torch.from_numpy(memory[row : row + 1].copy())
        remembered.setdefault(row, start)
        with torch.no_grad():
            expected[row : row + 1], after = layer(features[row : row + 1], start)
        if columns.settled[row]:
            remembered[int(columns.next_row[row])] = after
    chains = chains_of(columns, length)
    with torch.no_grad():
        found = remember(layer, features, chains, memory, handed_on=True)
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
        for first in chains.firsts.tolist():
            np.testing.assert_allclose(memory[first], remembered[first][0], rtol=1e-4, atol=1e-5)
        again = remember(layer, features, chains, memory, handed_on=False)
        torch.testing.assert_close(again, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("size", [7, 20, 64])
@given(lengths=st.lists(st.integers(1, 7), min_size=3, max_size=40), seed=st.integers(0, 99))
def test_minibatches_are_whole_sequences_and_each_decision_is_in_one(size, lengths, seed):
    count = sum(lengths)
    size, column = max(7, min(size, count)), torch.arange(count, dtype=torch.float32)[:, None]
    if count < size:
        return
    number = torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths))
    start = torch.arange(len(lengths), dtype=torch.float32)[:, None]
    batch = Batch(
        inputs=(column,),
        forbidden=None,
        actions=Actions(column, column.long()),
        log_prob=column,
        value=column,
        baseline=column,
        advantage=column[:, 0],
        returns=column,
        rows=column[:, 0].long(),
        sequences=Sequences(torch.tensor(lengths), start, start[:, None]),
    )
    shuffled, parts = SequenceSampler().draw(batch, size, torch.Generator().manual_seed(seed))
    minibatches = [shuffled[part] for part in parts]
    assert len(parts) == count // size
    assert sorted(torch.cat([one.rows for one in minibatches]).tolist()) == list(range(count))
    for one in minibatches:
        row = 0
        for length, memory in zip(
            one.sequences.lengths.tolist(), one.sequences.memory[:, 0].tolist(), strict=True
        ):
            rows = one.rows[row : row + length]
            assert (rows == torch.arange(int(rows[0]), int(rows[0]) + length)).all()
            assert (number[rows] == memory).all()
            assert lengths[int(memory)] == length
            row += length
        assert row == len(one)
