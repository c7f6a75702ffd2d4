"""A bonus where models that learned from the same decisions foresee different results.

Source: Pathak et al. 2019, "Self-Supervised Exploration via Disagreement", section 2.
"""

from typing import Annotated

import torch
from mlagents_envs.base_env import BehaviorSpec
from torch import Tensor, nn

from trainers.config import LearnedSignalSettings, NetworkSettings, extension, number
from trainers.networks.layers import hidden_layer
from trainers.networks.perception import Perception
from trainers.rewards.learned import LearnedSignal, RowBatch

Several = Annotated[int, *number("a whole number", ge=2, le=100)]


class DisagreementSettings(LearnedSignalSettings):
    """A bonus where models disagree on what happens next. Typical strength: 0.01-1."""

    models: Several = extension(5, description="Number of models. Typical: 3-10.")


class ForwardModels(Perception):
    """Models that predict random features of the next observation from those of the present one and the action."""

    def __init__(self, spec: BehaviorSpec, settings: NetworkSettings, models: int) -> None:
        super().__init__(spec, settings)
        self.body = self.make_body(settings.hidden_units).requires_grad_(False)
        features = self.body.output_size
        inputs = features + spec.action_spec.continuous_size + sum(spec.action_spec.discrete_branches)
        self.models = nn.ModuleList(
            nn.Sequential(hidden_layer(inputs, features, settings), nn.SiLU(), nn.Linear(features, features))
            for _ in range(models)
        )

    def predictions(self, batch: RowBatch) -> Tensor:
        """What each model foresees of rows, (models, n, features)."""
        seen = torch.cat([self.body(batch.inputs), batch.action_numbers], dim=1)
        return torch.stack([model(seen) for model in self.models])


class Disagreement(LearnedSignal):
    """Pays the variance of the predictions over the models, as the mean over features."""

    settings_class = DisagreementSettings
    settings: DisagreementSettings
    network: ForwardModels
    beyond_the_end = True

    def make_network(self, spec: BehaviorSpec, settings: NetworkSettings) -> ForwardModels:
        """The network; what does not require gradients does not learn."""
        return ForwardModels(spec, settings, self.settings.models)

    def reward(self, batch: RowBatch) -> Tensor:
        """The bonus of each row before `strength`, (n,)."""
        return self.network.predictions(batch).var(0).mean(1)

    def loss(self, batch: RowBatch) -> tuple[Tensor, dict[str, Tensor]]:
        """The squared error of all models, and the same to be reported."""
        error = self.network.predictions(batch) - self.network.body(batch.next_inputs)
        loss = error.square().mean()
        return loss, {"Losses/Disagreement Loss": loss}
