"""What algorithms with a replay buffer know of it: the first fill, random minibatches, saving."""

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch

from gym_adapters.errors import UserError
from trainers.algorithms.learner import Learner
from trainers.algorithms.threaded import Update
from trainers.config import OffPolicySettings
from trainers.experience.agents import AgentBatch
from trainers.experience.replay import ROWS_PER_AGENT, Replay, too_small
from trainers.experience.replay_file import load_replay, save_replay
from trainers.experience.rows import Transitions
from trainers.experience.sequences import draw_sequences
from trainers.experience.staging import Staging
from trainers.experience.store import NoStore, Store
from trainers.experience.task import Task
from trainers.maths.seeds import rank_seed
from trainers.optim.collective import set_apart

REPLAY_FILE = "last_replay_buffer.npz"


class ReplayLearner(Learner):
    """Learns one behavior from random decisions in a replay buffer.

    Attributes:
        replay: the buffer.
        row_generator: draws rows.
        filled: whether the buffer holds enough decisions for the first update.
    """

    hyper: OffPolicySettings

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        capacity = max(1, self.hyper.buffer_size // task.collective.size)
        self.replay = Replay(task.spec, capacity, self.policy.memory_size, f"behavior {task.name}: ")
        self.row_generator = self.generator
        if self.device.type != "cpu":  # of which the CPU would have to wait for the numbers of rows
            seed = rank_seed(task.seed, task.collective.rank)
            self.row_generator = torch.Generator().manual_seed(seed)
        self.filled = False
        self._summed = 0
        self._staging: Staging | None = None

    @property
    def store(self) -> Store:
        """See `Learner.store`. A learner that does not train keeps nothing."""
        return (self._staging or self.replay) if self.training else NoStore()

    def noticed(self, batch: AgentBatch) -> None:
        """See `Mind.noticed`. Vectors are normalised by the moments of all observations so far.

        Raises:
            UserError: the buffer is too small for the number of agents.
        """
        if not self.training:
            return
        self._require_room()
        if self.policy.normalizer is not None:
            vectors = [batch.observations[index] for index in self.policy.vector_columns]
            self.observation_moments.update(np.concatenate(vectors, axis=1))
        if not self.filled:
            self.check_filled()

    def meet(self, rows: np.ndarray, *told: Any) -> None:
        """See `Learner.meet`."""
        super().meet(rows, *told)
        if self.training and not self.filled:
            self.check_filled()

    def check_filled(self) -> None:
        """Find out whether the buffers of all ranks hold enough for the first update (`filled`).

        No rank learns from less than half of its part. After a resume, only rank 0 has the buffer that was saved.
        """
        held, replay = self.all_rows, self.replay
        if self.alone:
            self.filled = held >= self.needed or (held > 0 and len(replay) == replay.capacity)
        else:
            least = 0 if self.rows is None else 2 * self.collective.size * int(self.rows.min())
            self.filled = min(held, least) >= self.needed

    def set_aside(self, twin: Self) -> Update:
        """See `Learner.set_aside`. New rows wait outside the buffer until the update has ended."""
        self._staging = Staging(self.replay)
        twin.observation_moments = copy.copy(self.observation_moments)
        return super().set_aside(twin)

    def update_ended(self) -> None:
        """See `Learner.update_ended`."""
        staging, self._staging = self._staging, None
        if staging is not None:
            staging.enter()

    @property
    def batch_size(self) -> int:
        """This rank's decisions in a minibatch: its part of `batch_size`, at least 1."""
        size, rank = self.collective.size, self.collective.rank
        ends = [max(size, self.hyper.batch_size) * number // size for number in (rank, rank + 1)]
        return ends[1] - ends[0]

    @property
    def gammas(self) -> list[float]:
        """Discount per decision of the rewards of each signal."""
        return [signal.gamma for signal in self.signals]

    def draw(self) -> Transitions:
        """Draw a random minibatch; of sequences, for a network with memory."""
        memory, lengths = self.settings.network_settings.memory, None
        replay, size = self.replay, self.batch_size
        if memory is None:
            rows = replay.draw(size, self.row_generator)
        else:
            rows, lengths = draw_sequences(replay, size, memory.sequence_length, self.row_generator)
        beyond = [signal.beyond_the_end for signal in self.signals]
        found = replay.transitions(rows, self.gammas, self.hyper.n_step, self.rewards, beyond)
        if lengths is None:
            return found
        firsts = rows[lengths.cumsum() - lengths] % replay.capacity
        return replace(found, lengths=lengths, memory=replay.column("memory", firsts))

    def report_new_sums(self) -> None:
        """Report the rewards of ended episodes, once there are as many new rows as in a minibatch."""
        replay, waiting = self.replay, self.episode_sums.rows
        if not self.summed_signals or replay.total - self._summed < self.hyper.batch_size:
            return
        new = np.arange(max(self._summed, replay.first), replay.total)
        numbers = np.concatenate([waiting[waiting >= replay.first], new])
        self.episode_sums.keep(numbers)
        rows = replay.rows(numbers)
        self.report_sums(numbers, rows, replay.column("next_row", rows.places))
        self.episode_sums.keep(np.concatenate(self.open_rows()))
        self._summed = replay.total

    def state_dict(self) -> dict[str, Any]:
        """See `Learner.state_dict`. The replay buffer is not included."""
        apart = self.row_generator is not self.generator
        return {
            **super().state_dict(),
            **({"row_generator": self.row_generator.get_state()} if apart else {}),
        }

    def load_state_dict(self, state: dict[str, Any], only_weights: bool = False) -> None:
        """See `Learner.load_state_dict`."""
        super().load_state_dict(state, only_weights)
        if "row_generator" in state and self.row_generator is not self.generator and not only_weights:
            self.row_generator.set_state(state["row_generator"])
            set_apart(self.row_generator, self.collective.rank)

    def save_store(self, folder: Path) -> None:
        """Write the replay buffer if the ML-Agents key `save_replay_buffer` is set."""
        if self.hyper.save_replay_buffer and len(self.replay):
            save_replay(self.replay, folder / REPLAY_FILE)

    def load_store(self, folder: Path) -> list[str]:
        """Read the replay buffer if `save_replay_buffer` is set.

        Without a file, the buffer is filled again before learning continues. With several ranks, those of the others
        are.

        Returns:
            A message for the user if there is a buffer to be filled.

        Raises:
            UserError: the file is damaged or belongs to another behavior.
        """
        path, missing = folder / REPLAY_FILE, ""
        then = f"learning goes on once {self.needed:,} decisions are collected"
        if not self.hyper.save_replay_buffer:
            missing = f"the replay buffer was not saved, so {then}; save_replay_buffer: true saves it"
        elif not path.is_file():
            missing = f"there is no {REPLAY_FILE}, so {then}"
        else:
            load_replay(self.replay, path)
            self._summed = self.replay.total
            self.filled = self.alone and self.replay.settled_rows >= self.needed
            if not self.alone:
                missing = (
                    "only the replay buffer of rank 0 was saved, so learning goes on once the other ranks have "
                    "filled theirs"
                )
        return [missing] if missing and self.training and self.step < self.settings.max_steps else []

    @property
    def needed(self) -> int:
        """Settled rows of all ranks required before the first update."""
        needed = max(self.hyper.batch_size, self.hyper.buffer_init_steps)
        # Of the rows of several buffers, at least half settle: each decision has one last observation at most.
        return needed if self.alone else min(needed, self.collective.size * self.replay.capacity // 2)

    def _require_room(self) -> None:
        """Require that the buffer has room for all living agents (see `ROWS_PER_AGENT`)."""
        living = sum(len(actor.agents) for actor in self.actors.values())
        if self.replay.capacity < ROWS_PER_AGENT * living:
            raise UserError(f"behavior {self.name}: {too_small(self.replay.capacity, living)}")
