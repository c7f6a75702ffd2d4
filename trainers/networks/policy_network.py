"""What everything outside `trainers.networks` asks of a policy's network."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from mlagents_envs.base_env import ActionTuple, BehaviorSpec
from torch import Tensor

from gym_adapters.errors import UserError
from trainers.config import NetworkSettings
from trainers.networks.behavior_spec import describe_spec
from trainers.networks.distributions import Distribution
from trainers.networks.exported import ExportedActions
from trainers.networks.perception import Perception


@dataclass(frozen=True)
class ActionSample:
    """The actions chosen for n agents.

    Attributes:
        continuous: (n, size) float32, raw: before clipping and scaling.
        discrete: (n, branches) int64.
        log_prob: (n, parts) float32, the log-probability of each continuous dimension and branch; (n, 0) where the
            algorithm needs none.
    """

    continuous: np.ndarray
    discrete: np.ndarray
    log_prob: np.ndarray


class PolicyNetwork(Perception):
    """A network that chooses actions.

    A checkpoint holds what `description` returns beside the weights, and `build` makes the network from it again.

    Args:
        spec: observations and actions of the behavior.
        settings: ML-Agents' `network_settings`.
    """

    def __init__(self, spec: BehaviorSpec, settings: NetworkSettings) -> None:
        super().__init__(spec, settings)
        self.spec = spec

    @abstractmethod
    def distribution(self, inputs: Sequence[Tensor], forbidden: Tensor | None) -> Distribution:
        """What there is to choose from, of prepared inputs; `forbidden` is (n, sum of branch sizes) bool."""

    @abstractmethod
    def to_environment(self, sample: ActionSample) -> ActionTuple:
        """The actions as the environment takes them, continuous ones in [-1, 1], as in the exported model."""

    @abstractmethod
    def exported_actions(self, inputs: Sequence[Tensor], forbidden: Tensor | None) -> ExportedActions:
        """The actions in an exported model, of prepared inputs; `forbidden` is (n, sum of branch sizes) bool."""

    @abstractmethod
    def trial_loss(self, inputs: Sequence[Tensor]) -> Tensor:
        """A scalar that depends on every weight; the time of its gradient tells which device is fastest."""

    @classmethod
    @abstractmethod
    def build(cls, spec: BehaviorSpec, description: dict[str, Any]) -> Self:
        """The network with new weights, from its `description`."""

    def description(self) -> dict[str, Any]:
        """What `build` needs, as plain types; subclasses add their own."""
        return {**describe_spec(self.spec), "network_settings": self.settings.model_dump(mode="json")}

    @torch.inference_mode()
    def choose(
        self,
        observations: Sequence[np.ndarray],
        forbidden: np.ndarray | None,
        deterministic: bool,
        generator: torch.Generator | None,
    ) -> ActionSample:
        """Actions for a batch of agents.

        Args:
            observations: one (n, *shape) array per observation.
            forbidden: (n, sum of branch sizes) bool, or None where everything is allowed.
            deterministic: the most likely actions; else samples.
            generator: the source of randomness, on the network's device.
        """
        distribution = self.distribution(self.upload(observations), self.upload_mask(forbidden))
        actions = distribution.mode() if deterministic else distribution.sample(generator)
        log_prob = distribution.log_prob(actions)
        return ActionSample(
            actions.continuous.cpu().numpy(), actions.discrete.cpu().numpy(), log_prob.cpu().numpy()
        )

    def upload_mask(self, forbidden: np.ndarray | None) -> Tensor | None:
        """A mask on the network's device."""
        return None if forbidden is None else torch.from_numpy(forbidden).to(self.device)


def join_masks(
    behavior: str, action_mask: Sequence[np.ndarray] | None, branches: Sequence[int], agents: Sequence[int]
) -> np.ndarray | None:
    """The masks of all branches side by side, (n, sum of branch sizes) bool, True = forbidden; None without masks.

    Args:
        behavior: its name.
        action_mask: one (n, choices) array per branch, True = forbidden.
        branches: the branch sizes.
        agents: (n,) the agents' ids.

    Raises:
        UserError: the masks have another shape, or an agent may choose nothing in some branch.
    """
    if action_mask is None:
        return None
    shapes, expected = [mask.shape for mask in action_mask], [(len(agents), size) for size in branches]
    if shapes != expected:
        raise UserError(
            f"behavior {behavior}: expected action masks of shape {', '.join(map(str, expected)) or 'none'}, one for "
            f"each branch, got {', '.join(map(str, shapes)) or 'none'}"
        )
    for branch, mask in enumerate(action_mask):
        stuck = mask.all(axis=1)
        if stuck.any():
            raise UserError(
                f"behavior {behavior}, agent {agents[int(stuck.argmax())]}: the action mask forbids every action of "
                f"branch {branch}; leave one allowed, for example one that does nothing"
            )
    return np.concatenate(list(action_mask), axis=1).astype(np.bool_) if branches else None
