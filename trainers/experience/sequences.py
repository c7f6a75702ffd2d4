"""Rows of a rollout or of a replay buffer as sequences in time, which networks with memory learn from."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from trainers.experience.replay import Replay
from trainers.experience.rollout import Columns
from trainers.experience.store import NO_ROW
from trainers.maths.returns import Ending
from trainers.networks.memory import Memory, Sequences

NOTHING = -1
"""Stands for the sequence after the last one of an agent."""


@dataclass(frozen=True)
class Chains:
    """All n rows of a rollout, divided into s sequences.

    Attributes:
        rows: (n,) the rows, sequence after sequence, and in each sequence in the order of time.
        lengths: (s,) number of rows of each sequence.
        following: (s,) the sequence in which the agent's episode goes on; -1 if there is none.
        learned: (s,) bool, whether the rewards of the sequence's rows have arrived. Other sequences have one row, which
            is the last observation of an episode or a decision that waits for its reward.
    """

    rows: np.ndarray
    lengths: np.ndarray
    following: np.ndarray
    learned: np.ndarray

    @property
    def firsts(self) -> np.ndarray:
        """(s,) the first row of each sequence."""
        firsts: np.ndarray = self.rows[self.lengths.cumsum() - self.lengths]
        return firsts

    @property
    def learned_rows(self) -> np.ndarray:
        """The rows of the sequences that are learned from."""
        return self.rows_of(np.flatnonzero(self.learned))

    def rows_of(self, chosen: np.ndarray) -> np.ndarray:
        """Return the rows of sequences, sequence after sequence."""
        lengths = self.lengths[chosen]
        starts = (self.lengths.cumsum() - self.lengths)[chosen]
        places = np.repeat(starts - (lengths.cumsum() - lengths), lengths) + np.arange(lengths.sum())
        rows: np.ndarray = self.rows[places]
        return rows


def chains_of(columns: Columns, length: int) -> Chains:
    """Divide the rows of a rollout into sequences.

    A sequence begins with an episode, with a trajectory (ML-Agents key `time_horizon`), or after `length` rows. A row
    that an earlier update has carried over stands alone: its action was chosen by the policy before that update, and
    those after it by the present one. So every sequence was played by one policy, from the memory stored at its first
    row.

    Args:
        columns: the rollout.
        length: the most rows of a sequence (ML-Agents key `sequence_length`).
    """
    count = len(columns.settled)
    row = np.arange(count)
    settled = np.flatnonzero(columns.settled)
    previous = np.full(count, NO_ROW)
    previous[columns.next_row[settled]] = settled
    begins = (
        (previous == NO_ROW)
        | (columns.ending[previous] != Ending.GOES_ON)
        | (previous < columns.carried)
        | ~columns.settled
    )
    head = np.where(begins, row, previous)
    while not begins[head].all():
        head = head[head]
    order = np.argsort(head, kind="stable")
    places = row - np.maximum.accumulate(np.where(begins[order], row, 0))
    starts = places % length == 0
    sequence = np.empty(count, np.int64)
    sequence[order] = np.cumsum(starts) - 1
    firsts = order[starts]
    following = np.full(len(firsts), NOTHING)
    goes_on = np.flatnonzero(previous[firsts] != NO_ROW)
    following[sequence[previous[firsts[goes_on]]]] = goes_on
    lengths = np.diff(np.append(np.flatnonzero(starts), count))
    return Chains(order, lengths, following, columns.settled[firsts])


def learned_sequences(columns: Columns, chains: Chains, device: torch.device) -> Sequences:
    """Return the sequences that are learned from, with the memories stored at their first rows."""
    firsts = chains.firsts[chains.learned]
    lengths = torch.from_numpy(chains.lengths[chains.learned])
    memory, critic_memory = (
        torch.from_numpy(array[firsts]).to(device) for array in (columns.memory, columns.critic_memory)
    )
    return Sequences(lengths, memory, critic_memory)


def in_rounds(chains: Chains) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the sequences of each round: the first one of every agent's episode, then the second ones, and so on.

    The second array tells the places of these sequences' predecessors in the round before; it is empty at first.
    """
    chosen = np.setdiff1d(np.arange(len(chains.lengths)), chains.following)
    before = np.zeros(0, np.int64)
    while len(chosen):
        yield chosen, before
        following = chains.following[chosen]
        before = np.flatnonzero(following != NOTHING)
        chosen = following[before]


def remember(layer: Memory, features: Tensor, chains: Chains, memory: np.ndarray, handed_on: bool) -> Tensor:
    """Return the features of all rows of a rollout after a memory, (n, output_size).

    Args:
        layer: the memory.
        features: (n, inputs).
        chains: the rows as sequences.
        memory: (n, memory_size) what each row's agent remembers. Only that of the first rows of sequences counts.
        handed_on: whether sequences begin with what is remembered after the sequence before them. Those memories are
            written to `memory`.
    """
    rounds = in_rounds(chains) if handed_on else [(np.arange(len(chains.lengths)), np.zeros(0, np.int64))]
    result = features.new_empty(len(features), layer.output_size)
    after = features.new_empty(0)
    for chosen, before in rounds:
        firsts, rows = chains.firsts[chosen], torch.from_numpy(chains.rows_of(chosen)).to(features.device)
        if len(before):
            start = after[torch.from_numpy(before).to(features.device)]
            memory[firsts] = start.cpu().numpy()
        else:
            start = torch.from_numpy(memory[firsts]).to(features.device)
        result[rows], after = layer(features[rows], start, torch.from_numpy(chains.lengths[chosen]))
    return result


def draw_sequences(
    replay: Replay, count: int, length: int, generator: torch.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw sequences of settled rows of a replay buffer, from a random row on to the end of its episode.

    Args:
        replay: the buffer.
        count: sequences are drawn until they have so many rows; those that are too many are left out.
        length: the most rows of a sequence.
        generator: the source of randomness.

    Returns:
        Numbers of the rows, (count,), sequence after sequence, and the length of each sequence, (s,).
    """
    drawn: list[np.ndarray] = []
    total = 0
    while total < count:
        here = replay.draw(max(1, count // length), generator)
        steps, going = [here], np.ones(len(here), np.bool_)
        for _ in range(length - 1):
            places = here % replay.capacity
            going = going & (replay.column("ending", places) <= Ending.CUT)
            here = np.where(going, replay.column("next_row", places), here)
            going = going & replay.column("settled", here % replay.capacity)
            steps.append(np.where(going, here, NO_ROW))
        for rows in np.stack(steps, axis=1):
            part = rows[rows != NO_ROW][: count - total]
            drawn += [part] if len(part) else []
            total += len(part)
    return np.concatenate(drawn), np.array([len(part) for part in drawn])
