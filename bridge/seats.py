"""Agents that come and go, each in a stable place of arrays of fixed size."""

import numpy as np
from mlagents_envs.base_env import ActionTuple, BehaviorSpec, DecisionSteps, TerminalSteps

from bridge.declarations import plain_name
from gym_adapters.errors import UserError

NOBODY = int(np.iinfo(np.int64).min)
"""The agent of an empty seat. A player may send any id of 32 bits, also -1."""
NOWHERE = -1
"""The seat of an agent that has none."""
EMPTY = -1
"""What others are told as the agent of an empty seat."""


def told(agents: np.ndarray) -> np.ndarray:
    """Return ids as others are told them, with `EMPTY` where there is nobody; same shape."""
    return np.where(agents == NOBODY, EMPTY, agents)


class Seats:
    """The agents of one behavior.

    An agent keeps its seat until its episode ends. An agent that comes again takes the seat that it had, if it is free.
    Other agents, the one with the lowest id first, take the seat that has been free for the longest time. Unity counts
    ids up in the order in which episodes end, so that the next agent of the same object gets the same seat.

    A turn lasts one or more steps of the environment. What happens in it counts for those agents only that have been
    shown before it. Only the first end of a seat counts: later agents are shown after the turn.

    Args:
        name: The behavior's id.
        spec: Its observations and actions.
        count: The number of seats.
        first: Its first decisions, which say the types of the observations.
        advice: Follows the message that there are too many agents.

    Attributes, all of shape (count,):
        agent: Ids; `NOBODY` is an empty seat.
        shown: Whether the agent's observation has been shown, so that its next action counts.
        reward: Sum of the agent's own rewards in this turn.
        group_reward: Sum of the rewards that its group gave it.
        terminated: Whether its episode ended in this turn, and was not interrupted.
        truncated: Whether its episode was interrupted in this turn.
        last_agent: The agent whose episode ended in this turn; else `NOBODY`.
    """

    def __init__(self, name: str, spec: BehaviorSpec, count: int, first: DecisionSteps, advice: str) -> None:
        self.name, self.spec, self.count = name, spec, count
        self.dtypes = [rows.dtype for rows in first.obs]
        self._advice = advice
        self._before = np.full(count, NOBODY)
        self.clear()

    def clear(self) -> None:
        """Empty all seats, since the environment was reset."""
        self.agent = np.full(self.count, NOBODY)
        self.shown = np.zeros(self.count, bool)
        self._free = np.arange(self.count)
        self._seats, self._decisions = np.zeros(0, int), DecisionSteps.empty(self.spec)
        self.begin(self.spec.action_spec.empty_action(self.count))

    def begin(self, action: ActionTuple) -> None:
        """Begin a turn.

        Args:
            action: What all agents that have been shown do until its end. Shapes: (count, continuous_size) and
                (count, branches).
        """
        self.reward, self.group_reward = np.zeros(self.count), np.zeros(self.count)
        self.terminated, self.truncated = np.zeros(self.count, bool), np.zeros(self.count, bool)
        self.last_agent = np.full(self.count, NOBODY)
        self._last: list[np.ndarray] = []
        self._continuous, self._discrete = action.continuous.copy(), action.discrete.copy()
        self._do_nothing(~self.shown)
        self._repeats = False

    @property
    def ended(self) -> np.ndarray:
        """Whether the episode of the seat's agent ended in this turn, (count,)."""
        return self.terminated | self.truncated

    @property
    def asking(self) -> int:
        """The number of agents that ask for a decision now."""
        return len(self._seats)

    @property
    def all_ask(self) -> bool:
        """Whether each agent asks for a decision now."""
        return self.asking == np.count_nonzero(self.agent != NOBODY)

    @property
    def silent(self) -> np.ndarray:
        """The ids of the agents that do not ask for a decision now."""
        return np.setdiff1d(self.agent[self.agent != NOBODY], self.agent[self._seats])

    def actions(self) -> ActionTuple:
        """Return the actions of those who ask, in the environment's order.

        An agent that asks again in a turn repeats its action. One that has not been shown does nothing: action 0. If
        such a choice is forbidden, it is replaced by the first choice that is allowed.
        """
        seats, masks = self._seats, self._decisions.action_mask
        discrete = self._discrete[seats]
        unchosen = ~self.shown[seats] | self._repeats
        if masks is not None and unchosen.any():
            rows = np.arange(len(seats))
            for branch, mask in enumerate(masks):
                forbidden = mask[rows, discrete[:, branch]] & unchosen
                discrete[:, branch] = np.where(forbidden, mask.argmin(axis=1), discrete[:, branch])
        self._repeats = True
        return ActionTuple(self._continuous[seats], discrete)

    def take(self, decisions: DecisionSteps, terminals: TerminalSteps) -> None:
        """Take in one step of the environment.

        Raises:
            UserError: There are more agents than seats.
        """
        if len(terminals):
            self._end(terminals)
        seats = self._find(decisions.agent_id)
        strange = seats == NOWHERE
        if strange.any():
            self._sit_down(decisions.agent_id[strange])
            seats = self._find(decisions.agent_id)
        self._pay(seats, np.arange(len(seats)), decisions)
        self._seats, self._decisions = seats, decisions

    def show(self, hidden: np.ndarray) -> list[np.ndarray]:
        """End the turn in which all agents ask, and return what is shown of them.

        Args:
            hidden: Seats whose agent is not shown, (count,).

        Returns:
            Each observation of all seats, (count, *shape): the present one; the last one of the episode that ended in
            this turn, if the seat is hidden; else zeros.
        """
        self.shown = (self.agent != NOBODY) & ~hidden
        rows = self.shown[self._seats]
        seats, ended = self._seats[rows], hidden & self.ended
        batches = []
        for index, (spec, dtype) in enumerate(zip(self.spec.observation_specs, self.dtypes, strict=True)):
            batch = np.zeros((self.count, *spec.shape), dtype)
            batch[seats] = self._decisions.obs[index][rows] if self.asking else 0
            if ended.any():
                batch[ended] = self._last[index][ended]
            batches.append(batch)
        return batches

    def last(self, seat: int) -> list[np.ndarray]:
        """Return the last observations of the episode of this seat that ended in this turn."""
        return [rows[seat] for rows in self._last]

    def allowed(self) -> np.ndarray:
        """Return 1 for each choice that is allowed, over all branches, (count, choices) int8; empty seats have ones."""
        allowed = np.ones((self.count, sum(self.spec.action_spec.discrete_branches)), np.int8)
        if self._decisions.action_mask is not None and self.asking:
            allowed[self._seats] = ~np.concatenate(self._decisions.action_mask, axis=1)
        allowed[~self.shown] = 1
        return allowed

    def _end(self, terminals: TerminalSteps) -> None:
        """Take in the agents whose episode ended. One that never asked has no seat and does not count."""
        found = self._find(terminals.agent_id)
        rows = np.flatnonzero(found != NOWHERE)
        seats = found[rows]
        self._pay(seats, rows, terminals)
        counts = self.shown[seats]
        shown, of = seats[counts], rows[counts]
        self.terminated[shown] = ~terminals.interrupted[of]
        self.truncated[shown] = terminals.interrupted[of]
        self.last_agent[shown] = self.agent[shown]
        if not self._last:
            shapes = [spec.shape for spec in self.spec.observation_specs]
            self._last = [np.zeros((self.count, *s), t) for s, t in zip(shapes, self.dtypes, strict=True)]
        for kept, given in zip(self._last, terminals.obs, strict=True):
            kept[shown] = given[of]
        self._before[seats] = self.agent[seats]
        self.agent[seats], self.shown[seats] = NOBODY, False
        self._free = np.append(self._free, seats)
        self._do_nothing(seats)

    def _do_nothing(self, seats: np.ndarray) -> None:
        self._continuous[seats], self._discrete[seats] = 0, 0

    def _pay(self, seats: np.ndarray, rows: np.ndarray, steps: DecisionSteps | TerminalSteps) -> None:
        """Add the rewards of agents to those of their seats, unless they have not been shown."""
        earns = self.shown[seats]
        self.reward[seats[earns]] += steps.reward[rows[earns]]
        self.group_reward[seats[earns]] += steps.group_reward[rows[earns]]

    def _sit_down(self, ids: np.ndarray) -> None:
        """Give seats to agents that have none."""
        back = _places(self._before, ids)
        back[self.agent[back] != NOBODY] = NOWHERE
        again = back != NOWHERE
        self.agent[back[again]] = ids[again]
        others = np.sort(ids[~again])
        free = self._free[self.agent[self._free] == NOBODY]
        if len(others) > len(free):
            living = np.count_nonzero(self.agent != NOBODY) + len(others)
            raise UserError(
                f"behavior {plain_name(self.name)}: {living:,} agents live at the same time, and places are "
                f"{self.count:,}{self._advice}"
            )
        self.agent[free[: len(others)]] = others
        self._free = free[len(others) :]

    def _find(self, ids: np.ndarray) -> np.ndarray:
        """Return the seat of each agent; `NOWHERE` where it has none."""
        if len(ids) == len(self._seats) and (self.agent[self._seats] == ids).all():
            return self._seats  # the usual case: those of the last step, in the same order
        return _places(self.agent, ids)


def _places(values: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return where in `values` each wanted id stands; `NOWHERE` where it does not. Shape: (wanted,)."""
    order = np.argsort(values)
    places = order[np.minimum(np.searchsorted(values, wanted, sorter=order), len(values) - 1)]
    return np.where(values[places] == wanted, places, NOWHERE)
