"""What PPO, A2C and POCA share beside their epochs: short passes take the numpy path."""

from trainers.algorithms.epochs import EpochLearner
from trainers.experience.agents import AgentBatch
from trainers.experience.task import Task
from trainers.networks.actor_critic import ActorCritic
from trainers.networks.policy_network import ActionSample
from trainers.optim.numpy_path import NumpyPath, find_path
from trainers.optim.optimizer import flatten
from trainers.optim.threads import is_short


class OnPolicyLearner(EpochLearner):
    """Learns one behavior from a rollout, and then drops the rollout.

    See `EpochLearner` for what a subclass says.
    """

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self._acting_path: NumpyPath | None = None

    def choose(self, batch: AgentBatch) -> ActionSample:
        """See `Mind.choose`. Short passes take the numpy path, if there is one."""
        path = self.numpy_path if self.acting is self.policy else self._acting_path
        if path is None or not is_short(len(batch), self.parameters):
            return super().choose(batch)
        generator, noise = self.acting_generator, self.noise_after(batch)
        return path.choose(batch.observations, batch.forbidden, self.deterministic, generator, noise)

    def act_apart(self) -> None:
        """See `Learner.act_apart`."""
        super().act_apart()
        if self.numpy_path is not None:
            assert isinstance(self.acting, ActorCritic)
            flatten(self.acting.parameter_groups())
            self._acting_path = find_path(self.acting)
