"""Self-play: past policies as opponents, and their ratings.

Rewards of a game say who won; see `trainers.maths.elo.results`.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from trainers.config.self_play import SelfPlaySettings
from trainers.experience.agents import AgentBatch, AgentTable
from trainers.experience.store import NoStore, Store
from trainers.maths.elo import GAIN, expected_score
from trainers.networks.policy_network import ActionSample, PolicyNetwork
from trainers.optim.threads import threads_for
from trainers.records.checkpoint_content import require_alike


class Player:
    """A policy with a rating.

    Args:
        rating: its Elo rating.
        weights: those of a past policy; None for the policy that is learning.
    """

    def __init__(self, rating: float, weights: dict[str, torch.Tensor] | None = None) -> None:
        self.rating, self.weights = rating, weights


class Opponent:
    """The mind of a team that does not learn. It plays one of the `Player`s of its behavior.

    Args:
        name: the behavior.
        policy: a network of its own.
        time_horizon: the behavior's.
        deterministic: whether the most likely actions are taken (ML-Agents key).
        generator: draws actions.

    Attributes:
        player: whom it plays.
        decisions: decisions rewarded so far.
    """

    sees_mates = False
    noise_size = 0

    def __init__(
        self,
        name: str,
        policy: PolicyNetwork,
        time_horizon: int,
        deterministic: bool,
        generator: torch.Generator,
    ) -> None:
        self.name, self.policy, self.time_horizon = name, policy, time_horizon
        self.store: Store = NoStore()
        self.player = Player(0.0)
        self.decisions = 0
        self._deterministic, self._generator, self._parameters = deterministic, generator, policy.size

    def play(self, player: Player, weights: dict[str, torch.Tensor]) -> None:
        """Play a player from now on, with the weights that it has now."""
        self.player = player
        self.policy.load_state_dict(weights)

    def choose(self, batch: AgentBatch) -> ActionSample:
        """See `Mind.choose`."""
        with threads_for(len(batch), self._parameters):
            return self.policy.choose(
                batch.observations, batch.forbidden, self._deterministic, self._generator, batch.memory
            )

    def earned(self, agents: AgentTable, slots: np.ndarray, own: np.ndarray, group: np.ndarray) -> None:
        """See `Mind.earned`; counts."""
        self.decisions += len(slots)

    def attend(self) -> None:
        """See `Mind.attend`; does nothing."""

    def noticed(self, batch: AgentBatch) -> None:
        """See `Mind.noticed`; does nothing."""

    def ended(self, own: np.ndarray, group: np.ndarray, lengths: np.ndarray) -> None:
        """See `Mind.ended`; does nothing."""

    def groups_ended(self, returns: np.ndarray) -> None:
        """See `Mind.groups_ended`; does nothing."""

    def games_ended(self, scores: np.ndarray) -> None:
        """See `Mind.games_ended`; does nothing, because the learning team rates the game."""


class Opponents:
    """The past policies of a behavior, and the opponents that play them (ML-Agents block `self_play`).

    Args:
        settings: the block.
        policy: the network that learns.
        make: makes an `Opponent`.
        draw: returns a number from [0, 1).
        alone: whether this process trains alone. If not, decisions count when the ranks meet.

    Attributes:
        policy: the network that learns, or a copy of it while a thread changes it.
        draw: returns a number from [0, 1).
        latest: the policy that learns, with its rating.
        saved: the newest `window` saved policies. The first one is saved before anything is learned.
        seats: the opponents by behavior id.
        rivals: the opponents whom the learning team of the behavior meets now, of any behavior.
    """

    def __init__(
        self,
        settings: SelfPlaySettings,
        policy: PolicyNetwork,
        make: Callable[[], Opponent],
        draw: Callable[[], float],
        alone: bool = True,
    ) -> None:
        self.settings, self._alone = settings, alone
        self.policy, self._make, self.draw = policy, make, draw
        self.latest = Player(settings.initial_elo)
        self.saved: deque[Player] = deque(maxlen=settings.window)
        self.seats: dict[str, Opponent] = {}
        self.rivals: Sequence[Opponent] = ()
        self._saved_at = self._swapped_at = self._decisions = self._told = 0

    @property
    def decisions(self) -> int:
        """Decisions of all opponents so far."""
        return self._decisions + (self._own_decisions if self._alone else 0)

    @property
    def _own_decisions(self) -> int:
        return sum(opponent.decisions for opponent in self.seats.values())

    def untold(self) -> int:
        """Return the decisions of this process's opponents since the last call."""
        before, self._told = self._told, self._own_decisions
        return self._told - before

    def count(self, decisions: int) -> None:
        """Add decisions that opponents made on all ranks since they last met."""
        self._decisions += decisions

    def seat(self, behavior_id: str) -> Opponent:
        """Return the opponent of a behavior id, and make it if it does not exist."""
        if not self.saved:
            self._save()
        if behavior_id not in self.seats:
            self.seats[behavior_id] = self._make()
            self._swap(behavior_id)
        return self.seats[behavior_id]

    def advance(self, step: int) -> None:
        """Save the policy and choose other opponents, if `save_steps` and `swap_steps` say so.

        Args:
            step: decisions of the learning team so far.
        """
        if step - self._saved_at >= self.settings.save_steps:
            self._saved_at = step
            self._save()
        if self.decisions - self._swapped_at >= self.settings.swap_steps:
            self.swap()

    def swap(self) -> None:
        """Choose a player for every opponent: the latest policy or a saved one, by the ratio of the training file."""
        self._swapped_at = self.decisions
        for behavior_id in self.seats:
            self._swap(behavior_id)

    def rate(self, score: float) -> float:
        """Update the ratings of the latest policy and of its rivals after a game, and return the former.

        Against itself, the rating stays.

        Args:
            score: 1 if the learning team won, 0.5 if the game was drawn, 0 if it lost.
        """
        own = self.latest.rating
        for rival in [opponent.player for opponent in self.rivals]:
            gain = GAIN * (score - expected_score(own, rival.rating)) / len(self.rivals)
            self.latest.rating += gain
            rival.rating -= gain
        return self.latest.rating

    def state_dict(self) -> dict[str, Any]:
        """Return the players, and when the next ones are due."""
        return {
            "rating": self.latest.rating,
            "ratings": [player.rating for player in self.saved],
            "weights": [player.weights for player in self.saved],
            "saved_at": self._saved_at,
            "swapped_at": self._swapped_at,
            "decisions": self.decisions,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned. Called before the first opponent is made.

        Raises:
            ValueError: a value has another kind or shape than expected; the message names it.
        """
        require_alike(state, {**Opponents.state_dict(self), "ratings": [0.0], "weights": None}, "opponents")
        own = self.policy.state_dict()
        for weights in state["weights"]:
            require_alike(weights, own, "weights")
            if unknown := weights.keys() - own.keys():
                raise ValueError(f"weights: the network has no parameter {min(map(str, unknown))}")
            if "normalizer.std" in own and not (weights["normalizer.std"] > 0).all():
                raise ValueError("weights.normalizer.std: expected deviations above 0")
        self.latest.rating = state["rating"]
        self.saved.clear()
        for rating, weights in zip(state["ratings"], state["weights"], strict=True):
            self.saved.append(Player(rating, weights))
        self._saved_at, self._swapped_at = state["saved_at"], state["swapped_at"]
        self._decisions = state["decisions"]

    def begin_at(self, step: int) -> None:
        """Let the next policy be saved `save_steps` after a step at the latest: an older checkpoint may be resumed.

        Args:
            step: decisions of the learning team so far.
        """
        self._saved_at = min(self._saved_at, step)

    def _save(self) -> None:
        weights = {name: tensor.detach().clone() for name, tensor in self.policy.state_dict().items()}
        self.saved.append(Player(self.latest.rating, weights))

    def _swap(self, behavior_id: str) -> None:
        """Choose a player for one opponent."""
        player = self.latest
        if self.saved and self.draw() >= self.settings.play_against_latest_model_ratio:
            player = self.saved[int(self.draw() * len(self.saved))]
        weights = self.policy.state_dict() if player.weights is None else player.weights
        self.seats[behavior_id].play(player, weights)
