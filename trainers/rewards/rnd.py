"""The reward signal of random network distillation: new observations pay more than familiar ones.

Source: Burda et al. 2019, "Exploration by Random Network Distillation", sections 2.2 and 2.3.
"""

from collections.abc import Sequence

import torch
from mlagents_envs.base_env import BehaviorSpec
from torch import Tensor

from trainers.config import NetworkSettings, RNDSettings
from trainers.networks.perception import Perception
from trainers.rewards.learned import LearnedSignal, RowBatch


class RNDNetwork(Perception):
    """Two bodies over all observations: a random one that stays as it is, and one that learns to predict its output.

    Args:
        spec: observations and actions of the behavior.
        settings: the signal's `network_settings`.
    """

    def __init__(self, spec: BehaviorSpec, settings: NetworkSettings) -> None:
        super().__init__(spec, settings)
        self.predictor = self.make_body(settings.hidden_units)
        self.target = self.make_body(settings.hidden_units).requires_grad_(False)

    def error(self, inputs: Sequence[Tensor]) -> Tensor:
        """Return the squared error of the prediction, summed over the features, (n,)."""
        with torch.no_grad():
            target = self.target(inputs)
        error: Tensor = (self.predictor(inputs) - target).square().sum(1)
        return error


class RND(LearnedSignal):
    """Pays the error of the prediction for the next observation, so that a decision is paid for what it leads to.

    The value goes on beyond the end of an episode, since what is new there is new in later episodes too.
    """

    settings_class = RNDSettings
    settings: RNDSettings
    network: RNDNetwork
    beyond_the_end = True

    def make_network(self, spec: BehaviorSpec, settings: NetworkSettings) -> RNDNetwork:
        """See `LearnedSignal.make_network`."""
        return RNDNetwork(spec, settings)

    def reward(self, batch: RowBatch) -> Tensor:
        """See `LearnedSignal.reward`."""
        return self.network.error(batch.next_inputs)

    def loss(self, batch: RowBatch) -> tuple[Tensor, dict[str, Tensor]]:
        """See `LearnedSignal.loss`; the mean error."""
        loss = self.network.error(batch.next_inputs).mean()
        return loss, {"Losses/RND Loss": loss}
