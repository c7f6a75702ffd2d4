"""POCA: PPO for groups of agents, with a critic that sees the whole group and credit for each member.

Source: Cohen et al. 2021, "On the Use and Misuse of Absorbing States in Multi-agent Reinforcement Learning" (MA-POCA).
"""

from dataclasses import replace

import numpy as np
from torch import Tensor

from trainers.algorithms.actor_steps import Losses
from trainers.algorithms.gradient_steps import FIGURES
from trainers.algorithms.group_learner import GroupLearner
from trainers.config import POCASettings
from trainers.experience.batch import Batch
from trainers.experience.rollout import Columns
from trainers.experience.rows import Rows
from trainers.experience.sequences import Chains
from trainers.experience.store import NO_ROW
from trainers.networks.group_critic import Mates
from trainers.optim.collective import weighted_mean


class POCA(GroupLearner):
    """A group earns the rewards of all its members.

    The advantage compares the return with a counterfactual baseline that knows what the groupmates did, so that an
    agent gets credit only for what it did itself.
    """

    settings_class = POCASettings
    hyper: POCASettings
    figures: tuple[str, ...] = (*FIGURES, "Losses/Baseline Loss")

    def rewards(self, rows: Rows) -> np.ndarray:
        """See `Learner.rewards`. An agent also earns what its groupmates earn by the decisions of the same step."""
        if isinstance(rows, Columns) and rows.mates.shape[1]:
            rows = replace(rows, reward=rows.reward + _of_mates(rows))
        return super().rewards(rows)

    def values(
        self, columns: Columns, inputs: tuple[Tensor, ...], chains: Chains | None
    ) -> tuple[Tensor, Tensor]:
        """See `OnPolicyLearner.values`; the baselines are the counterfactual ones, which are reported."""
        values, _ = super().values(columns, inputs, chains)
        baseline = self.group_values(columns, chains, counterfactual=True)
        settled = self.tensor(columns.settled)
        for index, signal in enumerate(self.signals):
            estimate = weighted_mean(self.collective, baseline[settled, index].mean(), self.weight)
            self.metrics.add(f"Policy/{signal.title} Baseline Estimate", float(estimate))
        return values, baseline

    def critic_losses(self, minibatch: Batch, mates: Mates | None, losses: Losses) -> list[Tensor]:
        """See `GroupLearner.critic_losses`; the loss of the baseline comes second."""
        of_values = super().critic_losses(minibatch, mates, losses)
        baseline = self.policy.group_value(
            minibatch.inputs, mates, counterfactual=True, sequences=minibatch.sequences
        )
        return [*of_values, losses.value(baseline, minibatch.returns, minibatch.baseline)]


def _of_mates(columns: Columns) -> np.ndarray:
    """Return the sum of the own rewards of each row's groupmates whose rows are of the same step, (rows,) float32."""
    step = np.searchsorted(columns.starts, np.arange(len(columns.reward)), side="right")
    same = (columns.mates != NO_ROW) & (step[columns.mates] == step[:, None])
    total: np.ndarray = np.where(same, columns.reward[columns.mates], 0.0).sum(1)
    return total.astype(np.float32)
