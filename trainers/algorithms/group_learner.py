"""What POCA and MAPPO share: PPO for groups of agents, with a critic that sees the whole group."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from mlagents_envs.base_env import BehaviorSpec
from torch import Tensor

from trainers.algorithms.actor_steps import Losses
from trainers.algorithms.advantages import VALUE_CHUNK, remembered
from trainers.algorithms.clipped_learner import ClippedLearner
from trainers.config import BehaviorSettings, POCASettings
from trainers.experience.batch import Batch
from trainers.experience.rollout import Columns
from trainers.experience.sequences import Chains
from trainers.experience.store import NO_ROW
from trainers.maths.returns import Ending
from trainers.networks.distributions import ActionDistribution, Actions
from trainers.networks.group_critic import GroupActorCritic, Mates


@dataclass(frozen=True)
class Groups:
    """What a rollout knows of groups, as tensors.

    Attributes:
        inputs: the prepared inputs of all rows.
        actions: (rows, size) the actions of all rows as numbers.
        mates: (rows, most) rows of the groupmates; -1 for what fills the line.
        gone: (rows,) float, 1 for last observations of agents that left their group behind.
    """

    inputs: tuple[Tensor, ...]
    actions: Tensor
    mates: Tensor
    gone: Tensor

    def of(self, rows: Tensor | slice) -> Mates | None:
        """Return the groupmates of rows; None where there are none at all."""
        if not self.mates.shape[1]:
            return None
        mates = self.mates[rows]
        present, places = (mates != NO_ROW).float(), mates.clamp(min=0)
        flat = places.flatten()
        return Mates(
            tuple(tensor[flat] for tensor in self.inputs), self.actions[places], present, self.gone[rows]
        )


class GroupLearner(ClippedLearner):
    """Learns behaviors whose agents act in groups. Agents without a group learn as with PPO.

    An agent's value is that of its group. It goes on when the agent dies before the others.
    """

    network_class: ClassVar[type[GroupActorCritic]] = GroupActorCritic
    hyper: POCASettings
    policy: GroupActorCritic
    sees_mates = True

    _groups: Groups

    @classmethod
    def make_network(cls, spec: BehaviorSpec, settings: BehaviorSettings) -> GroupActorCritic:
        """See `Learner.make_network`."""
        streams = len(settings.reward_signals.active())
        return cls.network_class(spec, settings.network_settings, reward_streams=streams)

    def endings(self, columns: Columns) -> np.ndarray:
        """See `OnPolicyLearner.endings`. An episode that terminates does not end the value of those left behind."""
        mourned = (columns.mates[columns.next_row] != NO_ROW).any(1) & (columns.next_row != NO_ROW)
        return np.where((columns.ending == Ending.TERMINATED) & mourned, Ending.CUT, columns.ending)

    def values(
        self, columns: Columns, inputs: tuple[Tensor, ...], chains: Chains | None
    ) -> tuple[Tensor, Tensor]:
        """See `OnPolicyLearner.values`."""
        actions = Actions(self.tensor(columns.continuous), self.tensor(columns.discrete))
        numbers = actions.numbers(self.policy.action_spec.discrete_branches)
        gone = self.tensor(columns.gone).float()
        self._groups = Groups(inputs, numbers, self.tensor(columns.mates), gone)
        members = 1.0 + (columns.mates != NO_ROW).sum(1).max(initial=0)
        largest = float(self.collective.gather(np.array([members])).max())
        self.policy.critic.most.clamp_(min=largest)
        values = self.group_values(columns, chains)
        return values, values

    def group_values(self, columns: Columns, chains: Chains | None, counterfactual: bool = False) -> Tensor:
        """Return the values of the groups of all rows, (rows, streams). See `GroupCritic` for `counterfactual`."""
        groups, parts = self._groups, []
        compute = self.policy.group_value if chains is None else self.policy.critic
        for start in range(0, len(groups.gone), VALUE_CHUNK):
            part = slice(start, start + VALUE_CHUNK)
            own = [tensor[part] for tensor in groups.inputs]
            parts.append(compute(own, groups.of(part), counterfactual))
        found = torch.cat(parts)
        if chains is not None:
            memory = remembered(self.policy, columns, found, chains, int(counterfactual))
            found = self.policy.value_head(memory)
        return found

    def evaluate(self, minibatch: Batch, losses: Losses) -> tuple[ActionDistribution, list[Tensor]]:
        """See `OnPolicyLearner.evaluate`."""
        critic_losses = self.critic_losses(minibatch, self._groups.of(minibatch.rows), losses)
        distribution = self.policy.distribution(minibatch.inputs, minibatch.forbidden, minibatch.sequences)
        return distribution, critic_losses

    def critic_losses(self, minibatch: Batch, mates: Mates | None, losses: Losses) -> list[Tensor]:
        """Return the losses of the critic; the first is that of the values."""
        value = self.policy.group_value(minibatch.inputs, mates, sequences=minibatch.sequences)
        return [losses.value(value, minibatch.returns, minibatch.value)]
