"""POCA: PPO for groups of agents, with a critic that sees the whole group and credit for each member.

Source: Cohen et al. 2021, "On the Use and Misuse of Absorbing States in Multi-agent Reinforcement Learning" (MA-POCA).
"""

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from mlagents_envs.base_env import BehaviorSpec
from torch import Tensor
from torch.nn.functional import one_hot

from trainers.algorithms.actor_steps import ActorStep, InMinibatches, Losses
from trainers.algorithms.advantages import VALUE_CHUNK, remembered
from trainers.algorithms.clipped import ClippedLearner
from trainers.algorithms.gradient_steps import FIGURES
from trainers.config import BehaviorSettings, POCASettings
from trainers.experience.batch import Batch
from trainers.experience.rollout import Columns
from trainers.experience.rows import Rows
from trainers.experience.sequences import Chains
from trainers.experience.store import NO_ROW
from trainers.maths.losses import clipped_policy_loss, value_loss
from trainers.maths.returns import Ending
from trainers.networks.distributions import ActionDistribution
from trainers.networks.group_critic import GroupActorCritic, Mates
from trainers.optim.collective import weighted_mean


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


class POCA(ClippedLearner):
    """Learns behaviors whose agents act in groups. Agents without a group learn as with PPO.

    An agent's value is that of its group, which earns the rewards of all members. It goes on when the agent dies before
    the others. The advantage compares the return with a baseline that knows what the groupmates did, so that an agent
    gets credit only for what it did itself.
    """

    settings_class = POCASettings
    network_class = GroupActorCritic
    hyper: POCASettings
    policy: GroupActorCritic
    sees_mates = True
    figures: tuple[str, ...] = (*FIGURES, "Losses/Baseline Loss")
    counterfactual = True
    """Whether advantages are measured against the counterfactual baseline, and the groupmates' rewards count."""

    _groups: Groups

    @classmethod
    def make_network(cls, spec: BehaviorSpec, settings: BehaviorSettings) -> GroupActorCritic:
        """See `Learner.make_network`."""
        streams = len(settings.reward_signals.active())
        return GroupActorCritic(spec, settings.network_settings, reward_streams=streams)

    def make_actor_step(self) -> ActorStep:
        """See `OnPolicyLearner.make_actor_step`."""
        return InMinibatches(self.hyper.num_epoch)

    def losses(self) -> Losses:
        """Return the clipped surrogate loss and the critic's squared error."""
        policy = partial(clipped_policy_loss, epsilon=self.epsilon)
        return Losses(
            policy, partial(value_loss), self.hyper.policy_ratio == "action", clip_range=self.epsilon
        )

    def rewards(self, rows: Rows) -> np.ndarray:
        """See `Learner.rewards`. An agent also earns what its groupmates earn by the decisions of the same step."""
        if self.counterfactual and isinstance(rows, Columns) and rows.mates.shape[1]:
            rows = replace(rows, reward=rows.reward + _of_mates(rows))
        return super().rewards(rows)

    def endings(self, columns: Columns) -> np.ndarray:
        """See `OnPolicyLearner.endings`. An episode that terminates does not end the value of those left behind."""
        mourned = (columns.mates[columns.next_row] != NO_ROW).any(1) & (columns.next_row != NO_ROW)
        return np.where((columns.ending == Ending.TERMINATED) & mourned, Ending.CUT, columns.ending)

    def values(
        self, columns: Columns, inputs: tuple[Tensor, ...], chains: Chains | None
    ) -> tuple[Tensor, Tensor]:
        """See `OnPolicyLearner.values`."""

        def upload(array: np.ndarray) -> Tensor:
            return torch.from_numpy(array).to(self.device)

        branches = self.policy.action_spec.discrete_branches
        chosen = [
            one_hot(upload(column), size) for column, size in zip(columns.discrete.T, branches, strict=True)
        ]
        actions = torch.cat([upload(columns.continuous), *(column.float() for column in chosen)], dim=1)
        gone = upload(columns.gone).float()
        self._groups = Groups(inputs, actions, upload(columns.mates), gone)
        members = 1.0 + (columns.mates != NO_ROW).sum(1).max(initial=0)
        largest = float(self.collective.gather(np.array([members])).max())
        self.policy.critic.most.clamp_(min=largest)
        compute = self.policy.group_value if chains is None else self.policy.critic
        sides = (False, True) if self.counterfactual else (False,)
        parts: list[list[Tensor]] = []
        for start in range(0, len(gone), VALUE_CHUNK):
            part = slice(start, start + VALUE_CHUNK)
            own, mates = [tensor[part] for tensor in inputs], self._groups.of(part)
            parts.append([compute(own, mates, counterfactual) for counterfactual in sides])
        found = [torch.cat(chunks) for chunks in zip(*parts, strict=True)]
        if chains is not None:
            found = [
                self.policy.value_head(remembered(self.policy, columns, features, chains, number))
                for number, features in enumerate(found)
            ]
        value, baseline = found[0], found[-1]
        if not self.counterfactual:
            return value, value
        settled = upload(columns.settled)
        for index, signal in enumerate(self.signals):
            estimate = weighted_mean(self.collective, baseline[settled, index].mean(), self.weight)
            self.metrics.add(f"Policy/{signal.title} Baseline Estimate", float(estimate))
        return value, baseline

    def evaluate(self, minibatch: Batch, losses: Losses) -> tuple[ActionDistribution, list[Tensor]]:
        """See `OnPolicyLearner.evaluate`; the loss of the baseline comes second."""
        policy, mates, own = self.policy, self._groups.of(minibatch.rows), minibatch.inputs
        sequences = minibatch.sequences
        value = policy.group_value(own, mates, sequences=sequences)
        critic_losses = [losses.value(value, minibatch.returns, minibatch.value)]
        if self.counterfactual:
            baseline = policy.group_value(own, mates, counterfactual=True, sequences=sequences)
            critic_losses.append(losses.value(baseline, minibatch.returns, minibatch.baseline))
        return policy.distribution(own, minibatch.forbidden, sequences), critic_losses


def _of_mates(columns: Columns) -> np.ndarray:
    """Return the sum of the own rewards of each row's groupmates whose rows are of the same step, (rows,) float32."""
    step = np.searchsorted(columns.starts, np.arange(len(columns.reward)), side="right")
    same = (columns.mates != NO_ROW) & (step[columns.mates] == step[:, None])
    total: np.ndarray = np.where(
        same & columns.settled[columns.mates], columns.reward[columns.mates], 0.0
    ).sum(1)
    return total.astype(np.float32)
