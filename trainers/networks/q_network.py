"""The network of DQN and PQN: maps observations to the value of every action."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import torch
from mlagents_envs.base_env import ActionTuple, BehaviorSpec
from torch import Tensor, nn

from gym_adapters.errors import UserError
from trainers.config import NetworkSettings, catalogue
from trainers.networks.exported import ExportedActions
from trainers.networks.layers import ACTIVATIONS, head_layer, hidden_layer
from trainers.networks.noise import Noise
from trainers.networks.policy_network import ActionSample, PolicyNetwork

NEVER = -1e8
"""The value of a forbidden action. It is finite, so that its product with 0 is 0."""


def epsilon_greedy(values: Tensor, epsilon: float, generator: torch.Generator | None = None) -> Tensor:
    """Return the best action per observation, or with probability `epsilon` a random allowed action, (n, 1) int64.

    Args:
        values: (n, choices) values of the actions; `NEVER` for forbidden ones.
        epsilon: probability of a random action.
        generator: the source of randomness; None takes torch's global one.
    """
    best = values.argmax(1, keepdim=True)
    if epsilon <= 0.0:
        return best
    random = torch.multinomial((values > NEVER).float(), 1, generator=generator)
    explores = torch.rand(best.shape, generator=generator, device=best.device) < epsilon
    return torch.where(explores, random, best)


class DuelingHead(nn.Module):
    """Sums a state's value V and its actions' advantages A: Q = V + A - mean(A).

    Source: Wang et al. 2016, "Dueling Network Architectures for Deep Reinforcement Learning", equation 9.

    Args:
        inputs: length of the features.
        choices: number of actions.
        settings: ML-Agents' `network_settings`.
        units: width of the hidden layer in each of the two streams; None for no hidden layer.
    """

    def __init__(self, inputs: int, choices: int, settings: NetworkSettings, units: int | None) -> None:
        super().__init__()
        self.value = _stream(inputs, 1, settings, units)
        self.advantage = _stream(inputs, choices, settings, units)

    def forward(self, features: Tensor) -> Tensor:
        """Return action values, (n, inputs) to (n, choices)."""
        advantage = self.advantage(features)
        result: Tensor = self.value(features) + advantage - advantage.mean(1, keepdim=True)
        return result


def _stream(inputs: int, outputs: int, settings: NetworkSettings, units: int | None) -> nn.Module:
    if units is None:
        return head_layer(inputs, outputs, settings, 0.1, 0.01)
    layers: list[nn.Module] = [hidden_layer(inputs, units, settings), ACTIVATIONS[settings.activation]()]
    if settings.dropout:
        layers.append(nn.Dropout(settings.dropout))
    return nn.Sequential(*layers, head_layer(units, outputs, settings, 0.1, 0.01))


class QNetwork(PolicyNetwork):
    """Values of the actions of one discrete branch.

    Source: Mnih et al. 2015, "Human-level control through deep reinforcement learning".

    Args:
        spec: observations and actions of the behavior.
        settings: ML-Agents' `network_settings`.
        dueling: whether the head is a `DuelingHead`.
        dueling_units: width of the hidden layer in each of its streams; None for no hidden layer.

    Raises:
        UserError: the actions are not one discrete branch, or an observation is of no known kind.
    """

    gives_log_prob = False

    def __init__(
        self,
        spec: BehaviorSpec,
        settings: NetworkSettings,
        dueling: bool = False,
        dueling_units: int | None = None,
    ) -> None:
        super().__init__(spec, settings)
        branches = spec.action_spec.discrete_branches
        if spec.action_spec.continuous_size or len(branches) != 1:
            raise UserError(
                "this trainer_type needs actions that are one discrete branch (in Gymnasium a Discrete space), but "
                f"this behavior has {spec.action_spec.continuous_size} continuous actions and {len(branches)} discrete "
                f"branches; use a trainer_type that learns a policy, such as {catalogue.DEFAULT}"
            )
        self.dueling, self.dueling_units = dueling, dueling_units
        self.body = self.make_body(settings.hidden_units)
        inputs = self.body.output_size
        self.head = (
            DuelingHead(inputs, branches[0], settings, dueling_units)
            if dueling
            else head_layer(inputs, branches[0], settings, 0.1, 0.01)
        )

    @classmethod
    def build(cls, spec: BehaviorSpec, description: dict[str, Any]) -> Self:
        """See `PolicyNetwork.build`."""
        settings = NetworkSettings.model_validate(description["network_settings"])
        heads = description["q_network"]
        return cls(spec, settings, heads["dueling"], heads["dueling_units"])

    def description(self) -> dict[str, Any]:
        """See `PolicyNetwork.description`."""
        heads = {"dueling": self.dueling, "dueling_units": self.dueling_units}
        return {**super().description(), "q_network": heads}

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Return the action values of prepared inputs, (n, choices)."""
        result: Tensor = self.head(self.body(inputs))
        return result

    def values(self, inputs: Sequence[Tensor], forbidden: Tensor | None) -> Tensor:
        """Return the action values of prepared inputs, (n, choices).

        Args:
            inputs: what `prepare` returned.
            forbidden: (n, choices) bool, True where the value is set to `NEVER`; None if no action is forbidden.
        """
        values: Tensor = self(inputs)
        return values if forbidden is None else values.masked_fill(forbidden, NEVER)

    @torch.inference_mode()
    def choose(
        self,
        observations: Sequence[np.ndarray],
        forbidden: np.ndarray | None,
        deterministic: bool,
        generator: torch.Generator | None,
        memory: np.ndarray | None = None,
        noise: Noise | None = None,
        epsilon: float = 0.0,
    ) -> ActionSample:
        """See `PolicyNetwork.choose`. A random action has probability `epsilon`. `log_prob` is (n, 0)."""
        values = self.values(self.upload(observations), self.upload_mask(forbidden))
        discrete = epsilon_greedy(values, 0.0 if deterministic else epsilon, generator).cpu().numpy()
        nothing = np.zeros((len(discrete), 0), np.float32)
        return ActionSample(nothing, discrete, nothing)

    def to_environment(self, sample: ActionSample) -> ActionTuple:
        """See `PolicyNetwork.to_environment`."""
        return ActionTuple(continuous=sample.continuous, discrete=sample.discrete.astype(np.int32))

    def exported_actions(
        self, inputs: Sequence[Tensor], forbidden: Tensor | None, memory: Tensor | None = None
    ) -> ExportedActions:
        """See `PolicyNetwork.exported_actions`. Both actions are the best one, since values give no probabilities."""
        best = self.values(inputs, forbidden).argmax(1, keepdim=True)
        return ExportedActions(None, (best, best.clone()))

    def trial_loss(self, inputs: Sequence[Tensor]) -> Tensor:
        """See `PolicyNetwork.trial_loss`."""
        total: Tensor = self(inputs).square().mean()
        return total
