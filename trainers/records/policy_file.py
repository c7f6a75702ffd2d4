"""A policy as it stands in a checkpoint, usable without the run that made it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mlagents_envs.base_env import ActionTuple

from gym_adapters.errors import UserError
from trainers.config import catalogue
from trainers.networks.behavior_spec import spec_from
from trainers.networks.policy_network import PolicyNetwork, join_masks
from trainers.records.checkpoint import BEST, NEWEST, damage_named, load_state


def build_network(state: dict[str, Any]) -> PolicyNetwork:
    """The network of a checkpoint, with new weights.

    Raises:
        UserError: the checkpoint's `trainer_type` is not installed.
    """
    algorithm = catalogue.algorithm(state["trainer_type"])
    if algorithm is None or algorithm.place is None:
        raise UserError(
            f"trainer_type {state['trainer_type']} is not known; install the package that adds it"
        )
    network: PolicyNetwork = algorithm.load().network_class.build(
        spec_from(state["behavior"]), state["behavior"]
    )
    return network


def check_fits(path: Path, state: dict[str, Any], policy: PolicyNetwork) -> None:
    """Compare a checkpoint with the network it is to be loaded into.

    Raises:
        UserError: names the first parameter that differs, with both shapes.
    """
    expected = {name: tuple(tensor.shape) for name, tensor in policy.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in state["Policy"].items()}
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            raise UserError(
                f"{path}: a checkpoint of another network: {name} is {found.get(name, 'missing')}, "
                f"this run has {expected.get(name, 'no such parameter')}; "
                "use the network_settings and the environment it was trained with"
            )


def find_checkpoint(path: Path, which: str = "last") -> Path:
    """The checkpoint file that `path` means.

    Args:
        path: a .pt file, a run folder, or a behavior's folder inside one.
        which: `last`, `best`, or an agent-step count.

    Raises:
        UserError: there is none.
    """
    if path.suffix == ".pt" and not path.is_dir():
        return path
    if not path.is_dir():
        raise UserError(f"{path}: no such run folder or checkpoint")
    file = {"last": NEWEST, "best": BEST}.get(which, f"*-{which}.pt")
    found = sorted(path.glob(file)) or sorted(path.glob(f"*/{file}"))
    if not found:
        raise UserError(f"{path}: holds no checkpoint {which!r} (looked for {file})")
    if len(found) > 1:
        names = ", ".join(candidate.parent.name for candidate in found)
        raise UserError(f"{path}: holds several behaviors ({names}); give the folder of one of them")
    return found[0]


class LoadedPolicy:
    """A trained policy that acts on numpy arrays.

    Attributes:
        name: the behavior's name.
        spec: its observations and actions.
        step: agent steps it was trained for.
    """

    def __init__(self, state: dict[str, Any], path: Path) -> None:
        description = state["behavior"]
        self.name: str = description["name"]
        self.step: int = state["global_step"]
        self.policy = build_network(state)
        self.spec = self.policy.spec
        check_fits(path, state, self.policy)
        self.policy.load_state_dict(state["Policy"])
        self.policy.eval()
        self._generator = torch.Generator().manual_seed(0)

    def seed(self, seed: int) -> None:
        """Make the sampling of `act(..., deterministic=False)` repeatable."""
        self._generator.manual_seed(seed)

    def act(
        self,
        observations: np.ndarray | Sequence[np.ndarray],
        deterministic: bool = True,
        action_mask: Sequence[np.ndarray] | None = None,
    ) -> ActionTuple:
        """Actions for a batch of agents, as the environment takes them.

        Args:
            observations: one (n, *shape) array, or a list with one such array per observation.
            deterministic: the most likely action; else a sample.
            action_mask: one (n, choices) bool array per branch, True = forbidden.

        Returns:
            `.continuous` (n, size) float32 in [-1, 1] and `.discrete` (n, branches) int32.

        Raises:
            UserError: number or shape of the observations is not what the policy was trained on.
        """
        arrays = [observations] if isinstance(observations, np.ndarray) else list(observations)
        expected = [tuple(observation.shape) for observation in self.spec.observation_specs]
        if [array.shape[1:] for array in arrays] != expected:
            raise UserError(
                f"policy {self.name}: expected observations of shape "
                f"{', '.join(str(('n', *shape)) for shape in expected)}, "
                f"got {', '.join(str(array.shape) for array in arrays)}"
            )
        arrays = [
            array if array.dtype == np.uint8 else array.astype(np.float32, copy=False) for array in arrays
        ]
        sample = self.policy.choose(arrays, join_masks(action_mask), deterministic, self._generator)
        return self.policy.to_environment(sample)


def load_policy(run_or_checkpoint: str | Path, which: str = "last") -> LoadedPolicy:
    """Load a policy from a run folder, a behavior's folder, or a .pt file.

    Args:
        run_or_checkpoint: where to look.
        which: in a folder: `last`, `best`, or an agent-step count.

    Raises:
        UserError: there is no checkpoint, or it is damaged.
    """
    path = find_checkpoint(Path(run_or_checkpoint), which)
    state = load_state(path)
    with damage_named(path):
        return LoadedPolicy(state, path)
