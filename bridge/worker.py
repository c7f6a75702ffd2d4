"""One of several players, which is restarted when it is lost."""

import logging
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial

from mlagents_envs.base_env import ActionTuple, BehaviorSpec, DecisionSteps, TerminalSteps

from bridge.channels import EnvironmentStats
from bridge.errors import PlayerLostError
from bridge.merging import OwnIds, Steps, merge, unanswered, unfinished
from bridge.spec_changes import require_same
from bridge.unity_env import UnityEnv
from trainers.config.environment_parameters import Sampler

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class RestartLimits:
    """How often one player may be restarted (ML-Agents keys); -1 means no limit.

    Attributes:
        lifetime: Restarts in the whole run (`max_lifetime_restarts`).
        rate: Restarts in each period (`restarts_rate_limit_n`).
        period: Length of the period in seconds (`restarts_rate_limit_period_s`).
    """

    lifetime: int = 10
    rate: int = 1
    period: float = 60.0

    def refusal(self, restarts: list[float], now: float) -> str | None:
        """Return why another restart is refused; None if it is allowed.

        Args:
            restarts: The times of earlier restarts in seconds.
            now: The present time on the same clock.
        """
        if 0 <= self.lifetime <= len(restarts):
            return f"it was restarted {len(restarts)} times; max_lifetime_restarts is {self.lifetime}"
        recent = sum(now - at < self.period for at in restarts)
        if 0 <= self.rate <= recent:
            return f"it was restarted {recent} times within {self.period:g} s; restarts_rate_limit_n is {self.rate}"
        return None


@dataclass
class Result:
    """The result of one step of one player.

    Attributes:
        worker: The player's number.
        steps: Its steps by behavior, with ids that are unique among all players.
        specs: Its specs by behavior.
        stats: The values that it reported.
    """

    worker: int
    steps: dict[str, Steps]
    specs: dict[str, BehaviorSpec]
    stats: EnvironmentStats


class Worker:
    """One player. A thread waits for it only during a restart.

    Args:
        number: Its number, from 0.
        count: The number of workers.
        make: Starts the player without waiting for it to connect.
        limits: Limits on restarts.
        arrivals: Receives the number whenever `collect` may have a result.

    Attributes:
        parameters: The player's environment parameters; new ones are sent with its next step. The dictionary is
            replaced and never changed in place, because a thread may read it.
    """

    def __init__(
        self,
        number: int,
        count: int,
        make: Callable[[int], UnityEnv],
        limits: RestartLimits,
        arrivals: "queue.SimpleQueue[int]",
    ) -> None:
        self.number, self._make, self._limits = number, make, limits
        self._arrivals = arrivals
        self.parameters: dict[str, Sampler] = {}
        self._sent: dict[str, Sampler] = {}
        self._restarts: list[float] = []
        self._ids = OwnIds(number, count)
        self._living: dict[str, DecisionSteps] = {}
        self._lost: dict[str, TerminalSteps] = {}
        self._specs: dict[str, BehaviorSpec] = {}
        self._lock = threading.Lock()
        self._busy = self._closing = False
        self._restart: Future[None] | None = None
        self._env = self._start()

    def connect(self) -> None:
        """Wait for the player to connect."""
        self._env.session.connect()

    def submit(self, actions: dict[str, ActionTuple] | None) -> None:
        """Send the actions of the player's next step; None resets the player."""
        self._busy = True
        self._send_parameters()
        if actions is None:
            self._living.clear()
            self._env.begin_reset()
            return
        for name, action in actions.items():
            self._env.set_actions(name, action)
        self._env.begin_step()

    def collect(self) -> Result | None:
        """Return the result of `submit`, once; None before it is there.

        If the player was lost, the first result after its restart also ends the episodes of its agents, as interrupted.

        Raises:
            UserError: The player sent invalid data, or was lost and may not be restarted.
        """
        if not self._busy:
            return None
        if self._restart is None:
            try:
                if not self._env.poll():
                    return None
            except PlayerLostError as error:
                self._lost = {name: unfinished(living) for name, living in self._living.items()}
                self._restart = self._in_background(partial(self._start_again, error))
                return None
        else:
            if not self._restart.done():
                return None
            self._restart.result()
            self._restart = None
        self._busy = False
        lost, self._lost = self._lost, {}
        return self._collect(lost)

    def close(self) -> None:
        """End the player."""
        with self._lock:
            self._closing = True
            self._env.close()

    def _start(self) -> UnityEnv:
        env = self._make(self.number)
        env.session.communicator.on_arrival = partial(self._arrivals.put, self.number)
        return env

    def _in_background(self, work: Callable[[], None]) -> "Future[None]":
        """Run a function in a daemon thread."""
        future: Future[None] = Future()

        def run() -> None:
            try:
                work()
            except Exception as error:
                future.set_exception(error)
            else:
                future.set_result(None)
            self._arrivals.put(self.number)

        threading.Thread(target=run, name=f"restart of player {self.number}", daemon=True).start()
        return future

    def _start_again(self, reason: PlayerLostError) -> None:
        """Restart the player until it has begun its episodes, the limits are reached, or it is closed."""
        while not self._closing:
            refusal = self._limits.refusal(self._restarts, time.monotonic())
            if refusal:
                raise PlayerLostError(f"{reason}\nIt is not started again: {refusal}") from reason
            self._restarts.append(time.monotonic())
            logger.warning("%s\nStarting it again.", reason)
            self._ids.restart()
            self._living.clear()
            self._env.close(patience=0)
            try:
                with self._lock:
                    if self._closing:
                        break
                    self._env = self._start()
                self._env.session.connect()
                self._sent = {}
                self._send_parameters()
                self._env.reset()
            except PlayerLostError as error:
                reason = error
            else:
                return
        raise reason

    def _send_parameters(self) -> None:
        wanted = self.parameters
        self._env.set_parameters(
            {name: value for name, value in wanted.items() if self._sent.get(name) is not value}
        )
        self._sent = wanted

    def _collect(self, lost: dict[str, TerminalSteps]) -> Result:
        """Return the player's result, with the interrupted episodes of before a restart (`lost`) first."""
        for name, spec in self._env.behavior_specs.items():
            require_same(name, self._specs.setdefault(name, spec), spec)
        result = Result(self.number, {}, dict(self._specs), self._env.take_stats())
        for name, spec in self._specs.items():
            steps = DecisionSteps.empty(spec), TerminalSteps.empty(spec)
            if name in self._env.behavior_specs:
                steps = self._ids.convert(self._env.get_steps(name))
            self._living[name] = unanswered(self._living.get(name), *steps)
            ended = [(DecisionSteps.empty(spec), lost[name])] if name in lost else []
            result.steps[name] = merge([*ended, steps])
        return result
