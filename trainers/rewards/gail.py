"""The reward signal of GAIL: a policy earns as much as it is mistaken for what was demonstrated.

Sources: Ho and Ermon 2016, "Generative Adversarial Imitation Learning"; the penalty on the discriminator's gradient is
that of Gulrajani et al. 2017, "Improved Training of Wasserstein GANs"; the bottleneck (`use_vail`) is that of Peng et
al. 2019, "Variational Discriminator Bottleneck". Weights and sizes are those of ML-Agents.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mlagents_envs.base_env import BehaviorSpec
from torch import Tensor, nn

from trainers.config import GAILSettings, NetworkSettings
from trainers.experience.rows import Rows
from trainers.experience.task import Task
from trainers.imitation.sources import load_fitting
from trainers.maths.imitation import (
    between,
    bottleneck_divergence,
    discriminator_loss,
    gradient_norm,
    imitation_reward,
)
from trainers.networks.distributions import Actions
from trainers.networks.layers import head_layer
from trainers.networks.perception import Perception
from trainers.optim.collective import weighted_mean
from trainers.rewards.learned import LearnedSignal, RowBatch

CODE_SIZE = 128
"""Length of the code of the bottleneck, as in ML-Agents."""
CAPACITY = 0.5
"""The information in nats that the bottleneck lets through, as in ML-Agents."""
BETA_RATE = 5e-4
"""How fast the weight of the bottleneck follows what exceeds its capacity, as in ML-Agents."""


class Discriminator(Perception):
    """Tells what was demonstrated from what the policy does: the logit of D, the probability of the former.

    Args:
        spec: observations and actions of the behavior.
        settings: the signal's `network_settings`.
        use_actions: whether it sees actions beside observations (ML-Agents key).
        use_vail: whether what it sees passes a bottleneck (ML-Agents key).

    Attributes:
        deviation: (CODE_SIZE,) standard deviation of the codes in the bottleneck; None without one.
    """

    def __init__(
        self, spec: BehaviorSpec, settings: NetworkSettings, use_actions: bool, use_vail: bool
    ) -> None:
        super().__init__(spec, settings)
        actions = spec.action_spec
        self.action_size = actions.continuous_size + sum(actions.discrete_branches) if use_actions else 0
        self.body = self.make_body(settings.hidden_units, more=self.action_size)
        width = self.body.output_size
        self.code_layer = head_layer(width, CODE_SIZE, settings, 0.1, 0.1) if use_vail else None
        self.deviation = nn.Parameter(torch.ones(CODE_SIZE)) if use_vail else None
        self.head = head_layer(CODE_SIZE if use_vail else width, 1, settings, 0.2, 0.2)

    def joined(self, inputs: Sequence[Tensor], actions: Actions) -> list[Tensor]:
        """Return what the discriminator sees, as floats: prepared inputs, with actions behind the vectors if used.

        Args:
            inputs: what `prepare` returned.
            actions: continuous ones in the units that the environment takes.
        """
        seen = [values.float() / 255.0 if values.dtype == torch.uint8 else values for values in inputs]
        if not self.action_size:
            return seen
        vectors, rest = (seen[:1], seen[1:]) if self.vector_columns else ([], seen)
        return [torch.cat([*vectors, actions.numbers(self.action_spec.discrete_branches)], dim=1), *rest]

    def code(self, seen: Sequence[Tensor]) -> Tensor:
        """Return the features of what `joined` returned, (n, features); with a bottleneck, their mean codes."""
        features: Tensor = self.body(seen)
        return features if self.code_layer is None else self.code_layer(features)

    def logit(self, code: Tensor) -> Tensor:
        """Return the logits of codes, (n,)."""
        logit: Tensor = self.head(code)
        return logit.squeeze(1)


class GAIL(LearnedSignal):
    """Pays -ln(1 - D), which is above 0, where D is the discriminator's probability that a decision was demonstrated.

    The discriminator compares actions in the units that the environment takes. Its normaliser is that of the
    demonstrations.

    Raises:
        UserError: the demonstrations cannot be read or are of another behavior; see also `LearnedSignal`.
    """

    settings_class = GAILSettings
    settings: GAILSettings
    network: Discriminator
    penalty_weight = 10.0
    """Weight of the penalty on the discriminator's gradient."""

    def __init__(self, name: str, settings: GAILSettings, task: Task) -> None:
        self.action_limit = task.action_limit
        super().__init__(name, settings, task)
        self.beta = 0.0
        if not task.learns:
            return
        self.shown = load_fitting(settings.demo_path, task.name, task.spec).decisions
        if self.network.normalizer is not None:
            vectors = [self.shown.observations[index] for index in self.network.vector_columns]
            shown = np.concatenate(vectors, axis=1)
            # Every rank has all demonstrations, so that there is nothing to share.
            self.observation_moments.merge(len(shown), shown.mean(0, np.float64), shown.var(0, np.float64))
            self.network.normalizer.assign(self.observation_moments)

    def make_network(self, spec: BehaviorSpec, settings: NetworkSettings) -> Discriminator:
        """See `LearnedSignal.make_network`."""
        return Discriminator(spec, settings, self.settings.use_actions, self.settings.use_vail)

    def reward(self, batch: RowBatch) -> Tensor:
        """See `LearnedSignal.reward`. The bottleneck adds no noise here."""
        return imitation_reward(self.network.logit(self.network.code(self._policy_side(batch))))

    def loss(self, batch: RowBatch) -> tuple[Tensor, dict[str, Tensor]]:
        """See `LearnedSignal.loss`: as many demonstrated decisions as rows, drawn with replacement.

        The weight of the bottleneck moves afterwards.
        """
        network, policy = self.network, self._policy_side(batch)
        count = len(policy[0])
        expert = self._expert_side(torch.randint(len(self.shown), (count,), generator=self.generator).numpy())
        codes = network.code(expert), network.code(policy)
        logits = [network.logit(self._noisy(code)) for code in codes]
        loss = discriminator_loss(*logits)
        figures = {
            "Losses/GAIL Loss": loss,
            "Policy/GAIL Expert Estimate": logits[0].sigmoid().mean(),
            "Policy/GAIL Policy Estimate": logits[1].sigmoid().mean(),
        }
        if network.deviation is not None:
            divergence = bottleneck_divergence(*codes, network.deviation)
            figures["Losses/GAIL KL Loss"] = divergence
            figures["Policy/GAIL Beta"] = divergence.new_tensor(self.beta)
            excess = divergence - CAPACITY
            loss = loss + self.beta * excess
            mean = weighted_mean(self.optimizer.collective, excess.detach(), self.optimizer.weight)
            self.beta = max(0.0, self.beta + BETA_RATE * float(mean))
        share = torch.rand(count, generator=self.generator).to(network.device)
        norm = gradient_norm(
            lambda points: network.logit(network.code(points)), between(expert, policy, share)
        )
        penalty = self.penalty_weight * (norm - 1.0).square().mean()
        figures["Policy/GAIL Grad Mag Loss"] = penalty
        return loss + penalty, figures

    def state_dict(self) -> dict[str, Any]:
        """See `RewardSignal.state_dict`."""
        return {**super().state_dict(), "beta": self.beta}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See `RewardSignal.load_state_dict`."""
        super().load_state_dict(state)
        self.beta = float(state["beta"])

    def _update_normalizer(self, rows: Rows) -> None:
        """Leave the normaliser as it is, so that both sides always look the same to the discriminator."""

    def _policy_side(self, batch: RowBatch) -> list[Tensor]:
        raw, limit = batch.actions, self.action_limit
        sent = raw.continuous.clamp(-limit, limit) / limit
        return self.network.joined(batch.inputs, Actions(sent, raw.discrete))

    def _expert_side(self, rows: np.ndarray) -> list[Tensor]:
        part, device = self.shown.take(rows), self.network.device
        continuous = torch.from_numpy(part.continuous).to(device).clamp(-1.0, 1.0)
        actions = Actions(continuous, torch.from_numpy(part.discrete).to(device))
        return self.network.joined(self.network.upload(part.observations), actions)

    def _noisy(self, code: Tensor) -> Tensor:
        """Return codes as they leave the bottleneck in learning; without one, as they are."""
        deviation = self.network.deviation
        if deviation is None:
            return code
        return code + deviation * torch.randn(code.shape, generator=self.generator).to(code.device)
