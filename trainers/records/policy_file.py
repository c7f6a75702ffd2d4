"""A policy loaded from a checkpoint; the run that made it is not needed."""

import operator
import os
from collections.abc import Hashable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mlagents_envs.base_env import ActionTuple

from gym_adapters.action_spaces import ActionMapping
from gym_adapters.errors import UserError, unread_named
from gym_adapters.floats import as_floats
from gym_adapters.masks import masks_by_branch, without_mask
from gym_adapters.space_description import space_from
from gym_adapters.spaces import ObservationMapping
from trainers.config import CheckpointSettings
from trainers.config.base import one_of
from trainers.networks.memories import Memories
from trainers.networks.policy_network import join_masks
from trainers.networks.usable_actions import usable_actions
from trainers.records.checkpoint import BEST, NEWEST, damage_named, load_state
from trainers.records.saved_network import build_network, check_fits


def find_checkpoint(path: Path, which: str = "last") -> Path:
    """Find a checkpoint file.

    Args:
        path: a .pt file, a run folder, or a behavior's folder inside one.
        which: in a folder: `last`, `best`, or an agent-step count.

    Raises:
        UserError: there is none, or the run has several behaviors.
    """
    found = find_checkpoints(path, which)
    if len(found) > 1:
        names = ", ".join(candidate.parent.name for candidate in found)
        raise UserError(f"{path}: holds several behaviors ({names}); give the folder of one of them")
    return found[0]


def find_checkpoints(path: Path, which: str = "last") -> list[Path]:
    """Find the checkpoint files of all behaviors. See `find_checkpoint`.

    Raises:
        UserError: there is none.
    """
    with unread_named(path):
        return _found(path, which)


def _found(path: Path, which: str) -> list[Path]:
    if path.suffix == ".pt" and not path.is_dir():
        return [path]
    if not path.is_dir():
        if path.is_file():
            raise UserError(f"{path}: expected a run folder or a checkpoint (.pt) here")
        meant = Path(CheckpointSettings().results_dir, path)
        raise UserError(
            f"{path}: no such run folder or checkpoint{f'; did you mean {meant}?' if meant.is_dir() else ''}"
        )
    file = {"last": NEWEST, "best": BEST}.get(which, f"*-{which}.pt")
    found = sorted(path.glob(file)) or sorted(path.glob(f"*/{file}"))
    if not found:
        raise UserError(f"{path}: holds no checkpoint {which!r} (looked for {file}){_others(path, which)}")
    return found


def _others(path: Path, which: str) -> str:
    """Return what is there in place of a checkpoint, in a run or in a folder of runs; empty if nothing is."""
    names = [file.stem for pattern in ("*.pt", "*/*.pt") for file in path.glob(pattern)]
    ends = {name.rpartition("-")[2] for name in names}
    steps = sorted(int(end) for end in ends if end.isdecimal())
    there = [word for word, name in (("last", NEWEST), ("best", BEST)) if Path(name).stem in names]
    there += map(str, steps)
    why = "the best is kept once 100 episodes have ended; " if which == "best" else ""
    if there:
        return f"; {why}choose {one_of(there)}"
    runs = [file.parents[1] for file in path.glob(f"*/*/{NEWEST}")]
    return f"; it holds runs: give one of them, such as {max(runs, key=os.path.getmtime)}" if runs else ""


class LoadedPolicy:
    """A trained policy that acts on numpy arrays. It can be pickled, with its random numbers and memories.

    Args:
        state: a checkpoint, from `load_state`.
        path: its file, for error lines.
        device: computes the network.

    Attributes:
        name: the behavior's name.
        spec: its observations and actions.
        step: agent steps it was trained for.
        policy: its network.

    Raises:
        UserError: the weights do not fit the network that the checkpoint describes.
    """

    def __init__(self, state: dict[str, Any], path: Path, device: torch.device | str = "cpu") -> None:
        self._description = description = state["behavior"]
        self._kind, self._path, self._device = state["trainer_type"], path, device
        self.name: str = description["name"]
        self.step: int = state["global_step"]
        self.policy = build_network(state).to(device)
        self.spec = self.policy.spec
        check_fits(path, state, self.policy)
        self.policy.load_state_dict(state["Policy"])
        self.policy.eval()
        self._generator = torch.Generator(device).manual_seed(0)
        self._memories = Memories(self.policy.memory_size)
        self._mappings: tuple[ObservationMapping, ActionMapping] | None = None
        if "spaces" in description:
            seen, done = (space_from(space) for space in description["spaces"])
            self._mappings = ObservationMapping(seen), ActionMapping(done)

    def __reduce__(self) -> tuple[Any, ...]:
        state = {
            "trainer_type": self._kind,
            "global_step": self.step,
            "Policy": {name: tensor.cpu() for name, tensor in self.policy.state_dict().items()},
            "behavior": self._description,
        }
        return type(self), (state, self._path, self._device), (self._generator.get_state(), self._memories)

    def __setstate__(self, kept: tuple[torch.Tensor, Memories]) -> None:
        self._generator.set_state(kept[0])
        self._memories = kept[1]

    def seed(self, seed: int) -> None:
        """Make the sampling of `act(..., deterministic=False)` repeatable.

        Raises:
            UserError: it is no whole number of 64 bits.
        """
        try:
            self._generator.manual_seed(operator.index(seed))
        except (TypeError, ValueError, OverflowError, RuntimeError):
            raise UserError(
                f"policy {self.name}: seed: expected a whole number from 0 to 2**64 - 1"
            ) from None

    def forget(self, agents: Iterable[Hashable] | str | int | None = None) -> None:
        """Forget what agents remember, as is due when their episodes end; without memory, nothing happens.

        Args:
            agents: see `act`; a text or a number is the name of one; None forgets all.
        """
        self._memories.forget(agents)

    def act(
        self,
        observations: np.ndarray | Sequence[np.ndarray],
        deterministic: bool = True,
        action_mask: Sequence[np.ndarray] | None = None,
        agents: Sequence[Hashable] | None = None,
    ) -> ActionTuple:
        """Choose actions for n agents.

        Args:
            observations: one (n, *shape) array, or a list with one such array per observation.
            deterministic: take the most likely action; else draw a sample.
            action_mask: one (n, choices) bool array per branch, True = forbidden.
            agents: names of the n agents, by which a policy with memory keeps what each remembers until `forget`; None
                for 0, 1 and so on.

        Returns:
            `.continuous` (n, size) float32 in [-1, 1] and `.discrete` (n, branches) int32.

        Raises:
            UserError: the observations or masks have another number or shape than those of the training, an image has
                another type of integers than bytes, there are not as many agents, an observation is not finite or so
                large that an action is no number, or a mask forbids an agent every action of a branch; agents are
                counted from 0.
        """
        given = [observations] if isinstance(observations, np.ndarray) else observations
        arrays = [np.asarray(array) for array in given]
        expected = [tuple(observation.shape) for observation in self.spec.observation_specs]
        if [array.shape[1:] for array in arrays] != expected:
            raise UserError(
                f"policy {self.name}: expected observations of shape "
                f"{', '.join(str(('n', *shape)) for shape in expected)}, "
                f"got {', '.join(str(array.shape) for array in arrays)}"
            )
        for array, observation in zip(arrays, self.spec.observation_specs, strict=True):
            if array.ndim == 4 and array.dtype.kind in "iu" and array.dtype != np.uint8:
                raise UserError(
                    f"policy {self.name}: {observation.name or 'observation'} is an image of type {array.dtype}; "
                    "expected uint8 from 0 to 255, or floats from 0 to 1; convert it"
                )
        arrays = [_as_stored(array) for array in arrays]
        for array, observation in zip(arrays, self.spec.observation_specs, strict=True):
            if array.dtype != np.uint8 and not np.isfinite(array).all():
                row, *place = np.argwhere(~np.isfinite(array))[0].tolist()
                raise UserError(
                    f"policy {self.name}: {observation.name or 'observation'} of agent {row}, counted from 0, is "
                    f"{array[row, *place]} at {place}; expected a finite number of at most 3.4e38"
                )
        branches = self.spec.action_spec.discrete_branches
        forbidden = join_masks(self.name, action_mask, branches, range(len(arrays[0])))
        agents = range(len(arrays[0])) if agents is None else agents
        if len(agents) != len(arrays[0]):
            raise UserError(
                f"policy {self.name}: agents: expected {len(arrays[0])} names, one for each observation, "
                f"got {len(agents)}"
            )
        memory = self._memories.of(agents) if self._memories.size else None
        choose = partial(self.policy.choose, arrays, forbidden, deterministic, self._generator, memory)
        sample = usable_actions(f"policy {self.name}", self.spec, arrays, choose)
        if sample.memory is not None:
            self._memories.keep(agents, sample.memory)
        return self.policy.to_environment(sample)

    def predict(
        self,
        observation: Any,
        deterministic: bool = True,
        action_mask: Any = None,
        agents: Any = None,
    ) -> Any:
        """Choose the action for one observation, or the actions for a batch, in the environment's own units.

        With a Gymnasium task, `env.step(policy.predict(observation))` takes what `env.reset()` and `env.step()` gave;
        so does a vector environment. A policy from elsewhere takes the arrays of `act`. It answers with an array, or
        with a pair of arrays if actions are both continuous and discrete. A policy with memory remembers what it was
        given before: call `forget()` when an episode begins, or `forget([i])` for episode i of a batch. If it acts for
        several agents in turn, give their names, here and to `forget`.

        Args:
            observation: of one agent, or with n of them along a first axis.
            deterministic: take the most likely action; else draw a sample.
            action_mask: with a task of Gymnasium or PettingZoo what the environment gives as `info["action_mask"]`, in
                which 1 allows an action; of a batch, one of these for each row. Else that of `act`, which every policy
                takes, for one observation with n = 1.
            agents: the name of the agent, or of a batch a list of names; see `act`.

        Raises:
            UserError: see `act`; a mask has another length, or holds other numbers than 0 and 1.
        """
        if self._mappings is None:
            arrays = [observation] if isinstance(observation, np.ndarray) else list(observation)
            one = np.ndim(arrays[0]) == len(self.spec.observation_specs[0].shape)
            arrays = [np.asarray(array)[None] if one else np.asarray(array) for array in arrays]
            action = self.act(arrays, deterministic, action_mask, _names(agents, one))
            parts = [
                part[0] if one else part for part in (action.continuous, action.discrete) if part.shape[1]
            ]
            return parts[0] if len(parts) == 1 else tuple(parts)
        observations, actions = self._mappings
        branches = self.spec.action_spec.discrete_branches
        observation, own = without_mask(observation, observations.space, branches)
        action_mask = own if action_mask is None else action_mask
        one = observations.is_one(observation)
        arrays = observations.convert_rows([observation]) if one else observations.convert(observation)
        masks = masks_by_branch(action_mask, one, branches, f"policy {self.name}")
        chosen = self.act(arrays, deterministic, masks, _names(agents, one))
        return actions.convert_each(chosen)[0] if one else actions.convert(chosen)


def _names(agents: Any, one: bool) -> list[Hashable] | None:
    """Return the names of the agents whose observations were given, of one or of a batch."""
    return None if agents is None else [agents] if one else list(agents)


def _as_stored(array: np.ndarray) -> np.ndarray:
    """Return an observation in the type in which the training kept it (`storage_type`)."""
    if array.dtype in (np.uint8, np.float32):
        return array
    return as_floats(array) if array.ndim == 2 else array.astype(np.float32)


def load_policy(run_or_checkpoint: str | Path, which: str = "last") -> LoadedPolicy:
    """Load a policy.

    Args:
        run_or_checkpoint: a run folder, a behavior's folder, or a .pt file.
        which: in a folder: `last`, `best`, or an agent-step count.

    Raises:
        UserError: there is no checkpoint, it is damaged, or the run has several behaviors.
    """
    if not isinstance(run_or_checkpoint, str | os.PathLike):
        raise UserError(
            f"load_policy: expected the path of a run or a checkpoint, got {type(run_or_checkpoint).__name__}"
        )
    path = find_checkpoint(Path(run_or_checkpoint), which)
    state = load_state(path)
    with damage_named(path):
        return LoadedPolicy(state, path)
