"""Several players as one `BaseEnv`. They step at the same time, and lost players are restarted."""

import queue
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from mlagents_envs.base_env import (
    ActionTuple,
    BehaviorMapping,
    BehaviorSpec,
    DecisionSteps,
    TerminalSteps,
)
from mlagents_envs.exception import UnityActionException

from bridge.channels import EnvironmentStats
from bridge.merging import Steps, merge
from bridge.pending_actions import PendingActions
from bridge.spec_changes import require_same
from bridge.unity_env import UnityEnv
from bridge.worker import RestartLimits, Result, Worker
from trainers.config.environment_parameters import Sampler

POLL_SECONDS = 0.25
GRACE = 0.2
"""After the first answer, a batch waits for other players for this share of the time that the answer took."""
SHORTEST_GRACE = 0.002
"""A batch waits at least this many seconds, about one pass through the network, which is what another batch costs."""


class Workers(PendingActions):
    """N players, merged into one batch.

    A step sends the actions to those players whose agents were in the last batch, and returns soon after the first
    player has answered. Players that are still busy join a later batch, so that a slow player does not delay others.

    Args:
        make: Starts player i without waiting for it to connect.
        count: The number of players.
        limits: Limits on restarts.

    Raises:
        UserError: A player does not start, or exceeds the limits.
    """

    def __init__(
        self, make: Callable[[int], UnityEnv], count: int, limits: RestartLimits | None = None
    ) -> None:
        self._arrivals: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._workers: list[Worker] = []
        self._specs: dict[str, BehaviorSpec] = {}
        self._stats: EnvironmentStats = defaultdict(list)
        self._batch: list[Result] = []
        self._steps: dict[str, Steps] = {}
        self._actions: dict[str, ActionTuple] = {}
        self._look_due = 0.0
        try:
            for number in range(count):
                self._workers.append(Worker(number, count, make, limits or RestartLimits(), self._arrivals))
            for worker in self._workers:
                worker.connect()
        except BaseException:
            self.close()
            raise

    @property
    def behavior_specs(self) -> BehaviorMapping:
        """The behaviors seen so far, in any player."""
        return BehaviorMapping(self._specs)

    def reset(self) -> None:
        """Begin new episodes in every player, and wait for all players."""
        busy = len(self._workers) - len(self._batch) if self._specs else 0
        for _ in range(busy):
            self._wait()
        for worker in self._workers:
            worker.submit(None)
        self._take_in([self._wait() for _ in self._workers])

    def step(self) -> None:
        """Send the actions to the players of the last batch, and wait for at least one player."""
        if not self._specs:
            self.reset()
            return
        for result in self._batch:
            self._workers[result.worker].submit(self._actions_of(result.worker))
        start = time.monotonic()
        batch = [self._wait()]
        now = time.monotonic()
        deadline = now + max(SHORTEST_GRACE, GRACE * (now - start))
        while len(batch) < len(self._workers):
            also = self._next(deadline)
            if also is None:
                break
            batch.append(also)
        self._take_in(batch)

    def set_parameters(self, values: Mapping[str, Sampler]) -> None:
        """Send environment parameters, by name, to every player with its next step, and again after a restart."""
        for worker in self._workers:
            worker.parameters = {**worker.parameters, **values}

    def take_stats(self) -> EnvironmentStats:
        """Return the values that the players reported since the last call, by name."""
        stats, self._stats = self._stats, defaultdict(list)
        return stats

    def get_steps(self, behavior_name: str) -> Steps:
        """Return the agents that ask for a decision, and those whose episode ended, of all players in the batch."""
        if behavior_name not in self._specs:
            raise UnityActionException(f"unknown behavior {behavior_name!r}; there are {sorted(self._specs)}")
        if behavior_name in self._steps:
            return self._steps[behavior_name]
        spec = self._specs[behavior_name]
        return DecisionSteps.empty(spec), TerminalSteps.empty(spec)

    def close(self) -> None:
        """End all players at the same time."""
        ending = [threading.Thread(target=worker.close) for worker in self._workers]
        for thread in ending:
            thread.start()
        for thread in ending:
            thread.join()

    def _wait(self) -> Result:
        """Wait for the next result of any player. Ctrl-C interrupts the wait."""
        while True:
            now = time.monotonic()
            if now >= self._look_due:  # a player that exited or hangs announces no result
                self._look_due = now + POLL_SECONDS
                for worker in self._workers:
                    result = worker.collect()
                    if result is not None:
                        return result
            result = self._next(self._look_due)
            if result is not None:
                return result

    def _next(self, deadline: float) -> Result | None:
        """Return the next result of any player; None if none comes before the deadline."""
        while True:
            try:
                number = self._arrivals.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                return None
            result = self._workers[number].collect()
            if result is not None:
                return result

    def _take_in(self, batch: Sequence[Result]) -> None:
        self._batch = sorted(batch, key=lambda result: result.worker)
        self._actions.clear()
        parts: dict[str, list[Steps]] = defaultdict(list)
        for result in self._batch:
            for name, spec in result.specs.items():
                require_same(name, self._specs.setdefault(name, spec), spec)
                parts[name].append(result.steps[name])
            for name, values in result.stats.items():
                self._stats[name] += values
        self._steps = {name: merge(steps) for name, steps in parts.items()}

    def _actions_of(self, worker: int) -> dict[str, ActionTuple]:
        """Return the rows of the batch's actions that belong to one player."""
        chosen = {}
        for name, action in self._actions.items():
            start = 0
            for result in self._batch:
                stop = start + (len(result.steps[name][0]) if name in result.steps else 0)
                if result.worker == worker and stop > start:  # a player knows the behaviors of its own agents
                    chosen[name] = ActionTuple(action.continuous[start:stop], action.discrete[start:stop])
                start = stop
        return chosen
