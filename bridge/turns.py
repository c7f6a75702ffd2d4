"""Steps an environment in turns: a turn ends when all agents ask for a decision at the same time."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from mlagents_envs.base_env import ActionTuple, BaseEnv

from bridge.declarations import plain_name
from bridge.seats import Seats
from gym_adapters.errors import UserError
from gym_adapters.limits import ENVIRONMENTS
from gym_adapters.teams import parts_of

logger = logging.getLogger(__name__)

LIMIT = 1000
"""Steps of the environment that a turn may last."""


class Turns:
    """The agents of some behaviors of a `BaseEnv`, who act together.

    Gymnasium and PettingZoo want an action of every agent in every step. Agents of Unity ask when they need one. So a
    turn lasts until a step in which all living agents ask. Those who ask earlier repeat their action, and their rewards
    are summed. In a scene whose agents have the same Decision Period, a turn is one decision of each.

    Args:
        env: The environment, which is reset.
        behaviors: Names or ids of behaviors, or one; None means all that ask first.
        count: The number of seats of each; None means as many as ask first.
        one: Whether there must be one behavior.
        limit: Steps of the environment that a turn may last.
        advice: Follows the message that there are too many agents.

    Attributes:
        env: The environment.
        seats: The seats of each behavior, by its id.

    Raises:
        UserError: An argument is of another kind, there is no such behavior, or agents do not ask within `limit`.
    """

    def __init__(
        self,
        env: BaseEnv,
        behaviors: Sequence[str] | str | None = None,
        count: int | None = None,
        *,
        one: bool = False,
        limit: int = LIMIT,
        advice: str = "",
    ) -> None:
        check_turns(behaviors, count, limit)
        self.env, self._limit = env, limit
        behaviors = [behaviors] if isinstance(behaviors, str) else behaviors
        self._all = behaviors is None and not one
        env.reset()
        self.seats: dict[str, Seats] = {}
        for name in self._meet(behaviors, one):
            decisions, _ = env.get_steps(name)
            spec = env.behavior_specs[name]
            self.seats[name] = Seats(name, spec, count or len(decisions), decisions, advice)
        self._observe()
        self._is_new = True

    def reset(self) -> None:
        """Begin new episodes, and step until all agents ask. The first call finds them as the constructor left them."""
        if not self._is_new:
            self.env.reset()
            for seats in self.seats.values():
                seats.clear()
            self._observe()
        self._is_new = False
        self.wait()

    def step(self, actions: Mapping[str, ActionTuple], further: bool = True) -> None:
        """Take a turn.

        Args:
            actions: For each behavior, one row per seat.
            further: Whether to go on until somebody asks even if the episodes of all agents that were shown ended.

        Raises:
            UserError: Agents do not ask within the limit, or there are more of them than seats.
        """
        for name, seats in self.seats.items():
            seats.begin(actions[name])
        self._advance()
        self.wait(further)

    def wait(self, further: bool = True) -> None:
        """Step until all agents ask; they repeat their actions.

        Args:
            further: See `step`.

        Raises:
            UserError: They do not within the limit.
        """
        for _ in range(self._limit):
            if self._all_ask or not (further or any(seats.shown.any() for seats in self.seats.values())):
                return
            self._advance()
        raise UserError(self._complaint())

    @property
    def _all_ask(self) -> bool:
        everybody = self.seats.values()
        return any(seats.asking for seats in everybody) and all(seats.all_ask for seats in everybody)

    def _advance(self) -> None:
        for name, seats in self.seats.items():
            if seats.asking:
                self.env.set_actions(name, seats.actions())
        self.env.step()
        self._observe()

    def _observe(self) -> None:
        for name, seats in self.seats.items():
            seats.take(*self.env.get_steps(name))
        if self._all and len(self.env.behavior_specs) > len(self.seats):
            for name in self.env.behavior_specs:
                if name not in self.seats and len(self.env.get_steps(name)[0]):
                    raise UserError(
                        f"behavior {plain_name(name)}: its first agent came after those of the others; pass behaviors="
                        f"{sorted([*self.seats, name])}"
                    )

    def _meet(self, behaviors: Sequence[str] | None, one: bool) -> list[str]:
        """Step until agents of all these behaviors ask, or of any if None. Return the behaviors' ids."""
        for step in range(self._limit):
            known = list(self.env.behavior_specs)
            asking = [name for name in known if len(self.env.get_steps(name)[0])]
            if behaviors is None and asking:
                if one and len(known) > 1:
                    raise UserError(
                        f"the scene has the behaviors {_listed(known)}; choose one: behavior={known[0]!r}"
                    )
                return asking
            if behaviors is not None:
                found = [name for wanted in behaviors for name in _matching(wanted, asking)]
                if all(_matching(wanted, asking) for wanted in behaviors):
                    if one and len(found) > 1:
                        raise UserError(
                            f"behavior {behaviors[0]!r} has the teams {_listed(found)}; choose one: "
                            f"behavior={found[0]!r}"
                        )
                    return found
                if step == 0:
                    logger.warning(
                        "waiting up to %s steps for agents of %s; the scene has %s so far",
                        f"{self._limit:,}",
                        _listed(behaviors),
                        _listed(asking) or "none",
                    )
            self.env.step()
        there = _listed(self.env.behavior_specs) or "none"
        raise UserError(
            f"no agent of {_listed(behaviors) if behaviors else 'any behavior'} asked for a decision in "
            f"{self._limit:,} steps of the environment; the behaviors are: {there}"
        )

    def _complaint(self) -> str:
        for seats in self.seats.values():
            if len(seats.silent):
                agents = ", ".join(map(str, seats.silent[:5])) + (", ..." if len(seats.silent) > 5 else "")
                return (
                    f"behavior {plain_name(seats.name)}: agents {agents} did not ask for a decision together with the "
                    f"others in {self._limit:,} steps of the environment; give all agents the same Decision Period and "
                    "Decision Step, and end the episodes of those that are switched off"
                )
        return (
            f"no agent asked for a decision in {self._limit:,} steps of the environment; the scene must begin a new "
            "episode after the last agent's end"
        )


def check_turns(behaviors: Sequence[str] | str | None, count: int | None, limit: int) -> None:
    """Refuse arguments of `Turns` of another kind or range, before anything is started.

    Raises:
        UserError: One does not fit.
    """
    if not _is_count(limit):
        raise UserError(f"limit={limit!r}: expected a whole number of 1 or more")
    if count is not None and not (_is_count(count) and count <= ENVIRONMENTS):
        raise UserError(
            f"{count!r:.100} places for agents: expected a whole number from 1 to {ENVIRONMENTS:,}, or None for as "
            "many as agents ask first"
        )
    if behaviors is None or isinstance(behaviors, str):
        return
    if (
        not isinstance(behaviors, Sequence)
        or not behaviors
        or not all(isinstance(name, str) for name in behaviors)
    ):
        raise UserError(
            f"behavior {behaviors!r:.100}: expected a name, or names, of behaviors; None means all"
        )


def _is_count(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and bool(value >= 1)


def _matching(wanted: str, names: Sequence[str]) -> list[str]:
    """Return the ids that are this one, or else those of the behavior of this name, whatever their team."""
    return [name for name in names if name == wanted] or [n for n in names if parts_of(n)[0] == wanted]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(sorted(names))
