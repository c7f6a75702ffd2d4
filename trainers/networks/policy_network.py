"""The interface of a network that chooses actions."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import torch
from mlagents_envs.base_env import ActionTuple, BehaviorSpec
from torch import Tensor

from gym_adapters.errors import UserError
from gym_adapters.values import as_numbers
from trainers.config import NetworkSettings
from trainers.networks.behavior_spec import describe_spec
from trainers.networks.exported import ExportedActions
from trainers.networks.memory import Memory
from trainers.networks.noise import Noise
from trainers.networks.perception import Perception, as_tensor


@dataclass(frozen=True)
class ActionSample:
    """The actions chosen for n agents.

    Attributes:
        continuous: (n, size) float32 raw samples, before clipping and scaling.
        discrete: (n, branches) int64.
        log_prob: (n, parts) float32 log-probability of each continuous dimension and branch; (n, 0) if the algorithm
            does not use it.
        memory: (n, memory_size) float32, what the agents remember from now on; None for a network without memory.
        noise: (n, size) float32, the noise in the continuous actions; None unless the next one is correlated with it.
    """

    continuous: np.ndarray
    discrete: np.ndarray
    log_prob: np.ndarray
    memory: np.ndarray | None = None
    noise: np.ndarray | None = None


class PolicyNetwork(Perception):
    """A network that chooses actions.

    A checkpoint holds the weights and what `description` returns. `build` makes the network again from the description.

    Args:
        spec: observations and actions of the behavior.
        settings: ML-Agents' `network_settings`.

    Attributes:
        action_limit: a raw continuous action is clipped to this size and divided by it for the environment.
        gives_log_prob: whether `choose` computes log-probabilities.
        takes_memory: whether the network implements the ML-Agents key `memory`.
    """

    action_limit: ClassVar[float] = 1.0
    gives_log_prob: ClassVar[bool] = True
    takes_memory: ClassVar[bool] = False

    def __init__(self, spec: BehaviorSpec, settings: NetworkSettings) -> None:
        super().__init__(spec, settings)
        self.spec = spec

    @property
    def memory_size(self) -> int:
        """Length of the vector that an agent remembers from one decision to the next; 0 without memory."""
        memory = self.settings.memory
        return memory.memory_size if self.takes_memory and memory is not None else 0

    @property
    def critic_memories(self) -> int:
        """Number of the critic's own memories of an agent; 0 without a critic that remembers."""
        return 0

    def make_memory(self, inputs: int) -> Memory | None:
        """Return a new memory over features of this length; None for a network without memory."""
        return Memory(inputs, self.memory_size, self.settings) if self.memory_size else None

    @abstractmethod
    def choose(
        self,
        observations: Sequence[np.ndarray],
        forbidden: np.ndarray | None,
        deterministic: bool,
        generator: torch.Generator | None,
        memory: np.ndarray | None = None,
        noise: Noise | None = None,
    ) -> ActionSample:
        """Choose actions for n agents.

        Args:
            observations: one (n, *shape) array per observation.
            forbidden: (n, sum of branch sizes) bool, True where an action is forbidden; None if none is.
            deterministic: whether to take the most likely actions instead of samples.
            generator: the source of randomness, on the network's device; None takes torch's global one.
            memory: (n, memory_size) float32, what the agents remember; None without memory, or for agents whose
                episodes begin.
            noise: what the noise of continuous actions follows; None for independent noise.
        """

    @abstractmethod
    def to_environment(self, sample: ActionSample) -> ActionTuple:
        """Return the actions in the form that the environment takes; continuous ones lie in [-1, 1].

        An exported model returns its actions in the same form.
        """

    @abstractmethod
    def exported_actions(
        self, inputs: Sequence[Tensor], forbidden: Tensor | None, memory: Tensor | None = None
    ) -> ExportedActions:
        """Return the actions of an exported model, and what the agents then remember.

        Args:
            inputs: what `prepare` returned.
            forbidden: (n, sum of branch sizes) bool, True where an action is forbidden; None if none is.
            memory: (n, memory_size), what the agents remember; None for a network without memory.
        """

    @abstractmethod
    def trial_loss(self, inputs: Sequence[Tensor]) -> Tensor:
        """Return a scalar that depends on every weight. The time of its gradient decides which device is used."""

    def value_dimensions(self) -> dict[str, int]:
        """Return the parameters that end in a value of each reward signal, and the dimension of the signals in each."""
        return {}

    def set_deviation(self, deviation: Tensor) -> None:
        """Set the standard deviation of raw continuous actions, (size,), if it is the same for all observations."""

    @classmethod
    @abstractmethod
    def build(cls, spec: BehaviorSpec, description: dict[str, Any]) -> Self:
        """Return a network with new weights.

        Args:
            spec: observations and actions of the behavior.
            description: what `description` returned.
        """

    def description(self) -> dict[str, Any]:
        """Return what `build` needs, as plain types. Subclasses add their own keys."""
        return {**describe_spec(self.spec), "network_settings": self.settings.model_dump(mode="json")}

    def upload_mask(self, forbidden: np.ndarray | Tensor | None) -> Tensor | None:
        """Copy an action mask to the network's device."""
        return None if forbidden is None else as_tensor(forbidden).to(self.device)


def join_masks(
    behavior: str, action_mask: Sequence[np.ndarray] | None, branches: Sequence[int], agents: Sequence[int]
) -> np.ndarray | None:
    """Concatenate the action masks of all branches.

    Args:
        behavior: name for the error message.
        action_mask: one (n, choices) array per branch, True where an action is forbidden; None without masks.
        branches: the branch sizes.
        agents: (n,) ids of the agents, for the error message.

    Returns:
        (n, sum of branch sizes) bool; None without masks.

    Raises:
        UserError: the masks have another shape, or every action of a branch is forbidden for an agent.
    """
    if action_mask is None:
        return None
    masks = [mask if isinstance(mask, np.ndarray) else as_numbers(mask) for mask in action_mask]
    if not len(agents) and len(masks) == len(branches):
        return None
    action_mask = [np.zeros(0) if mask is None or mask.dtype.kind not in "biuf" else mask for mask in masks]
    shapes, expected = [mask.shape for mask in action_mask], [(len(agents), size) for size in branches]
    if shapes and not branches:
        raise UserError(f"behavior {behavior}: expected no action mask, since it has no discrete actions")
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
