"""The reward signal of curiosity: what the agent cannot foresee of the results of its actions.

Source: Pathak et al. 2017, "Curiosity-driven Exploration by Self-supervised Prediction", section 2. Weights and
sizes are those of ML-Agents.
"""

from collections.abc import Sequence

import numpy as np
import torch
from mlagents_envs.base_env import BehaviorSpec
from torch import Tensor, nn

from trainers.config import CuriositySettings, NetworkSettings
from trainers.networks.distributions import Actions
from trainers.networks.layers import head_layer, hidden_layer
from trainers.networks.perception import Perception
from trainers.rewards.learned import LearnedSignal, RowBatch

HIDDEN_UNITS = 256
"""Units of the hidden layer of the forward model and of the inverse model, as in ML-Agents."""

FORWARD_WEIGHT, INVERSE_WEIGHT = 2.0, 8.0
"""Weights of the two losses, as in ML-Agents: 10 beta and 10 (1 - beta), with the paper's beta of 0.2."""


class CuriosityNetwork(Perception):
    """Features of observations, a model that infers the action between two of them, and one that predicts the second.

    The features learn to tell what the agent's actions change, so that what it has no influence on does not count.

    Args:
        spec: observations and actions of the behavior.
        settings: the signal's `network_settings`; `hidden_units` is the number of features.
    """

    def __init__(self, spec: BehaviorSpec, settings: NetworkSettings) -> None:
        super().__init__(spec, settings)
        self.body = self.make_body(settings.hidden_units)
        features = self.body.output_size
        self.continuous_size = spec.action_spec.continuous_size
        self.branches = spec.action_spec.discrete_branches
        actions = self.continuous_size + sum(self.branches)
        self.inverse_model = _model(2 * features, actions, settings)
        self.forward_model = _model(features + actions, features, settings)

    def features(self, inputs: Sequence[Tensor], next_inputs: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Return the features of prepared observations and of the next ones, (n, features) each."""
        return self.body(inputs), self.body(next_inputs)

    def forward_error(self, here: Tensor, there: Tensor, actions: Tensor) -> Tensor:
        """Return half the squared error of the predicted features, summed over features, (n,).

        Args:
            here: (n, features) of the observations.
            there: (n, features) of the next observations.
            actions: the actions between them as numbers; see `RowBatch.action_numbers`.
        """
        predicted = self.forward_model(torch.cat([here, actions], dim=1))
        return 0.5 * (predicted - there).square().sum(1)

    def inverse_error(self, here: Tensor, there: Tensor, actions: Actions) -> Tensor:
        """Return the error of the inferred actions, (n,).

        That of continuous actions is the squared error, summed over them. That of a branch is the cross-entropy in
        nats. They are added.

        Args:
            here: (n, features) of the observations.
            there: (n, features) of the next observations.
            actions: the raw actions between them.
        """
        inferred = self.inverse_model(torch.cat([here, there], dim=1))
        continuous, *logits = inferred.split([self.continuous_size, *self.branches], dim=1)
        error = (continuous - actions.continuous).square().sum(1)
        for branch, part in enumerate(logits):
            error = error - part.log_softmax(1).gather(1, actions.discrete[:, branch : branch + 1]).squeeze(1)
        return error


class Curiosity(LearnedSignal):
    """Pays the error of the predicted features, at most 1 after `strength`.

    The value goes on beyond the end of an episode, since what is unforeseen there is so in later episodes too.
    """

    settings_class = CuriositySettings
    settings: CuriositySettings
    network: CuriosityNetwork
    beyond_the_end = True

    def make_network(self, spec: BehaviorSpec, settings: NetworkSettings) -> CuriosityNetwork:
        """See `LearnedSignal.make_network`."""
        return CuriosityNetwork(spec, settings)

    def reward(self, batch: RowBatch) -> Tensor:
        """See `LearnedSignal.reward`."""
        here, there = self.network.features(batch.inputs, batch.next_inputs)
        return self.network.forward_error(here, there, batch.action_numbers)

    def scaled(self, reward: np.ndarray) -> np.ndarray:
        """See `LearnedSignal.scaled`; at most 1."""
        return np.minimum(super().scaled(reward), np.float32(1.0))

    def loss(self, batch: RowBatch) -> tuple[Tensor, dict[str, Tensor]]:
        """See `LearnedSignal.loss`. The features learn from both models."""
        here, there = self.network.features(batch.inputs, batch.next_inputs)
        foreseen = self.network.forward_error(here, there, batch.action_numbers).mean()
        inferred = self.network.inverse_error(here, there, batch.actions).mean()
        return FORWARD_WEIGHT * foreseen + INVERSE_WEIGHT * inferred, {
            "Losses/Curiosity Forward Loss": foreseen,
            "Losses/Curiosity Inverse Loss": inferred,
        }


def _model(inputs: int, outputs: int, settings: NetworkSettings) -> nn.Sequential:
    """Return a network of one hidden layer."""
    return nn.Sequential(
        hidden_layer(inputs, HIDDEN_UNITS, settings),
        nn.SiLU(),
        head_layer(HIDDEN_UNITS, outputs, settings, 1.0, 1.0),
    )
