"""What PPO, POCA and MAPPO share: the clip range of the policy's ratio, and its decay."""

from trainers.algorithms.on_policy import OnPolicyLearner
from trainers.experience.rollout import Columns
from trainers.maths.schedules import EPSILON_FLOOR


class ClippedLearner(OnPolicyLearner):
    """An on-policy learner whose settings are `ClippedSettings`."""

    recordable = True

    @property
    def epsilon(self) -> float:
        """The present clip range."""
        return self.decayed(self.hyper.epsilon, EPSILON_FLOOR, self.hyper.epsilon_schedule)

    def optimise(self, columns: Columns) -> None:
        """See `OnPolicyLearner.optimise`; reports the clip range as well."""
        self.metrics.add("Policy/Epsilon", self.epsilon)
        super().optimise(columns)
