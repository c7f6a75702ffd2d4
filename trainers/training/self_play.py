"""Self-play: one team learns at a time, and past policies play the other teams (ML-Agents block `self_play`)."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gym_adapters.teams import parts_of
from trainers.algorithms.actor import Actor
from trainers.algorithms.learner import Learner
from trainers.algorithms.opponent import Opponents

logger = logging.getLogger(__name__)

TURN = "self_play"
"""Entry of `training_status.json` that says which team learns."""
PATIENCE = 1000
"""Decisions of the other teams after which the turn of a team is over that has not come since the run was resumed."""


@dataclass(frozen=True)
class Seat:
    """One team of one behavior.

    Attributes:
        team: number of the team.
        behavior_id: `Name?team=1`.
        learner: the learner of the behavior.
        opponents: its past policies.
        actor: the team's actor.
        joined_at: decisions of the opponents until the team joined.
    """

    team: int
    behavior_id: str
    learner: Learner
    opponents: Opponents
    actor: Actor
    joined_at: int


class SelfPlay:
    """The teams of a run, and whose turn it is to learn.

    The teams learn one after the other, each for `team_change` decisions. The teams of one behavior share a policy,
    which goes on learning for the next team. Behaviors without `self_play` always learn.

    Args:
        status: the entry `TURN` of an earlier `training_status.json`; empty for a new run.

    Attributes:
        learning: the team that learns; None before the first one has joined.
    """

    def __init__(self, status: dict[str, Any]) -> None:
        self.learning: int | None = status.get("learning_team")
        self._began: dict[str, int] = dict(status.get("turn_began", {}))
        self._seats: list[Seat] = []
        self._heard = (-1, 0)
        self._warned = False

    @property
    def status(self) -> dict[str, dict[str, Any]]:
        """The entry of self-play in `training_status.json`; empty without."""
        return {TURN: {"learning_team": self.learning, "turn_began": self._began}} if self._seats else {}

    def join(self, behavior_id: str, learner: Learner, actor: Actor) -> None:
        """Let a team learn or play a past policy, if its behavior has self-play. The first team that joins learns.

        Args:
            behavior_id: `Name?team=1`, or `Name`, which is team 0.
            learner: the learner of the behavior.
            actor: the team's actor.
        """
        if (
            learner.opponents is None
            or not learner.training
            or any(actor is seat.actor for seat in self._seats)
        ):
            return
        team = parts_of(behavior_id)[1]
        if self.learning is None:
            self.learning = team
        began = self._began.get(learner.name, learner.step)
        self._began[learner.name] = min(began, learner.step)  # an older checkpoint may be resumed
        opponents = learner.opponents
        self._seats.append(Seat(team, behavior_id, learner, opponents, actor, opponents.decisions))
        self._take_seats()

    def advance(self) -> bool:
        """Save policies, choose opponents, and let the next team learn, when they are due.

        Returns:
            Whether another team learns from now on. The environment must then be reset.
        """
        of_behaviors = {seat.learner.name: seat for seat in self._seats}.values()
        for seat in of_behaviors:
            seat.opponents.advance(seat.learner.step)
        if not self._seats or not self._turn_is_over:
            return False
        if (following := self._next_team()) is None:
            self._warn_if_alone()
            return False
        self.learning, self._heard = following, (-1, 0)
        for seat in of_behaviors:
            self._began[seat.learner.name] = seat.learner.step
            seat.opponents.swap()
        self._take_seats()
        return True

    @property
    def _turn_is_over(self) -> bool:
        """Whether a learner has had its `team_change` decisions, or all learners of the team have finished.

        After a resume, the learning team may come later than others. A team without agents, which has not decided
        while the others made as many decisions as its turn has, loses its turn.
        """
        team = [seat for seat in self._seats if seat.team == self.learning]
        if not team:
            return any(seat.opponents.decisions - seat.joined_at >= PATIENCE for seat in self._seats)
        able = [seat for seat in team if not seat.learner.finished]
        if not able:
            return True
        turn = max(seat.opponents.settings.team_change for seat in able)
        return self._silence(able) >= max(turn, PATIENCE) or any(
            seat.learner.step - self._began[seat.learner.name] >= seat.opponents.settings.team_change
            for seat in able
        )

    def _silence(self, able: Sequence[Seat]) -> int:
        """Return the decisions that opponents have made since the newest one of the learning team."""
        steps = sum({seat.learner.name: seat.learner.step for seat in able}.values())
        decisions = sum({seat.learner.name: seat.opponents.decisions for seat in self._seats}.values())
        if steps != self._heard[0]:
            self._heard = (steps, decisions)
        return decisions - self._heard[1]

    def _next_team(self) -> int | None:
        """Return the number of the next other team with a learner that has not finished; None without one."""
        able = {seat.team for seat in self._seats if not seat.learner.finished} - {self.learning}
        later = {team for team in able if self.learning is None or team > self.learning}
        return min(later or able, default=None)

    def _warn_if_alone(self) -> None:
        """Say once if no other team has come when the next one should learn."""
        if self._warned or len({seat.team for seat in self._seats}) > 1:
            return
        self._warned = True
        names = ", ".join(sorted({seat.learner.name for seat in self._seats}))
        logger.warning(
            "self_play: %s has had no opponent so far, since all its agents are in team %s; "
            "give the other side another Team Id in its Behavior Parameters, or remove self_play",
            names,
            self._seats[0].team,
        )

    def _take_seats(self) -> None:
        """Give each actor the mind of its learner or of an opponent, and each learner its rivals."""
        rivals = []
        for seat in self._seats:
            if seat.team == self.learning:
                seat.actor.mind = seat.learner
            else:
                seat.actor.mind = opponent = seat.opponents.seat(seat.behavior_id)
                rivals.append(opponent)
        for seat in self._seats:
            seat.opponents.rivals = rivals
