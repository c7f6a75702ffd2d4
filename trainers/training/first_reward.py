"""The wait for the first rewarded decision of a run, which ends a run that would learn nothing for ever."""

from collections.abc import Iterable

from gym_adapters.errors import UserError
from trainers.training.recorder import Recorder

LONGEST_SILENCE = 10_000
"""Environment steps after which the first reward of a decision must have arrived."""


class FirstReward:
    """Counts environment steps until a decision is rewarded."""

    def __init__(self) -> None:
        self._steps: int | None = 0  # None once a decision was rewarded

    def listen(self, recorders: Iterable[Recorder]) -> None:
        """Look whether a decision was rewarded. Called every environment step.

        Raises:
            UserError: none was in `LONGEST_SILENCE` steps since the start.
        """
        if self._steps is None:
            return
        self._steps += 1
        if any(recorder.has_rewards for recorder in recorders):
            self._steps = None
        elif self._steps == LONGEST_SILENCE:
            raise UserError(
                f"no decision was rewarded in {LONGEST_SILENCE:,} environment steps: a reward comes with the agent's "
                "next decision or its end, and no agent has had one; an agent must keep its agent_id from step to "
                "step, and be among the terminal steps when its episode ends"
            )
