"""The probability of a random action in DQN and PQN."""

from typing import Any

from trainers.config import QSettings
from trainers.maths.schedules import decayed


class Exploration:
    """A schedule over agent steps for the probability of a random action, with temporary raises.

    After every `exploration_raise_interval` episodes, the probability is raised and then falls linearly back to the
    schedule. The raises become lower during training and end at half of `max_steps`.

    Args:
        hyper: the `exploration_*` keys.
        max_steps: agent steps of the whole training.
        random_until: agent steps until which all actions are random.
    """

    def __init__(self, hyper: QSettings, max_steps: int, random_until: int = 0) -> None:
        self.hyper, self.max_steps, self.random_until = hyper, max_steps, random_until
        self.raises = 0
        self.raised_at = 0
        self.raised_to = 0.0

    def notice(self, step: int, episodes: int) -> None:
        """Raise the probability if enough episodes have ended.

        Args:
            step: agent steps so far.
            episodes: ended episodes so far.
        """
        interval = self.hyper.exploration_raise_interval
        if interval is not None and episodes // interval > self.raises:
            self.raises = episodes // interval
            self.raised_at = step
            self.raised_to = self.hyper.exploration_raise_eps * max(0.0, 1.0 - 2.0 * step / self.max_steps)

    def epsilon(self, step: int) -> float:
        """Return the probability at agent step `step`; it is 1 before `random_until`."""
        hyper = self.hyper
        if step < self.random_until:
            return 1.0
        planned = decayed(
            hyper.exploration_initial_eps,
            hyper.exploration_final_eps,
            hyper.exploration_schedule,
            step,
            hyper.exploration_steps or self.max_steps,
        )
        left = max(0.0, 1.0 - (step - self.raised_at) / hyper.exploration_raise_steps)
        return max(planned, planned + (self.raised_to - planned) * left)

    def state_dict(self) -> dict[str, Any]:
        """Return the last raise."""
        return {"raises": self.raises, "raised_at": self.raised_at, "raised_to": self.raised_to}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.raises, self.raised_at = state["raises"], state["raised_at"]
        self.raised_to = state["raised_to"]
