"""What a run goes on from: the checkpoint, the best return so far, and the device of before."""

import hashlib
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from gym_adapters.errors import UserError
from trainers.algorithms.learner import Learner
from trainers.config import TorchSettings
from trainers.optim.device import find_device
from trainers.records.checkpoint import damage_named, load_state
from trainers.records.policy_file import check_fits

BEST_RETURN = "best_return"
"""In `best.pt` and `training_status.json`: the mean return that made the policy the best one."""

DEVICE = "device"
"""In `training_status.json`: the torch device that a behavior was computed on."""


def best_return_of(path: Path, status: dict[str, Any]) -> float:
    """The mean return that a resumed run has to exceed; minus infinity where there is no best policy yet.

    The file itself counts. `training_status.json` is written with each checkpoint only, and so may be older.

    Args:
        path: the run's `best.pt`.
        status: the behavior's part of `training_status.json`, for a file of an older version, which has no score.

    Raises:
        UserError: the file is damaged.
    """
    if not path.is_file():
        return -math.inf
    try:
        state = load_state(path)
        with damage_named(path):
            best = state.get(BEST_RETURN, status.get(BEST_RETURN))
            return -math.inf if best is None else float(best)
    except UserError as error:
        raise UserError(f"{error}, or delete it: a run goes on without a best policy") from error


def resumed_settings(wanted: TorchSettings, status: Mapping[str, Any]) -> tuple[TorchSettings, str]:
    """The `torch_settings` of a resumed run: what they leave open is the device that it was computed on before.

    Args:
        wanted: the training file's `torch_settings`.
        status: the behavior's part of `training_status.json`.

    Returns:
        The settings, and a line for the user if this machine has no such device; else an empty one.
    """
    device = status.get(DEVICE)
    if device is None or wanted.device not in (None, "auto"):
        return wanted, ""
    try:
        find_device(str(device))
    except UserError:
        return wanted, f"so far computed on {device}, which is not available here; the device is chosen anew"
    return wanted.model_copy(update={"device": str(device)}), ""


def generator_state(saved: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """The state that `generator` goes on from: the saved one if it can, else that of a seed made of the saved one.

    The state of a random generator means nothing on another kind of device, where it has another length.

    Args:
        saved: uint8, shape (n,), from `torch.Generator.get_state`.
        generator: the one that is to go on; it is left as it is.
    """
    if len(saved) == len(generator.get_state()):
        return saved
    seed = int.from_bytes(hashlib.sha256(saved.numpy().tobytes()).digest()[:7], "little")
    return torch.Generator(generator.device).manual_seed(seed).get_state()


def restore(learner: Learner, path: Path, only_weights: bool = False) -> list[str]:
    """Load a checkpoint into a learner.

    Returns:
        Lines that the user should see.

    Raises:
        UserError: the file is damaged, or belongs to another network or algorithm.
    """
    notes = []
    state = load_state(path)
    with damage_named(path):
        check_fits(path, state, learner.policy)
        if not only_weights:
            _check_resumable(learner, path, state)
            saved = state["generator"]
            state["generator"] = generator_state(saved, learner.generator)
            if state["generator"] is not saved:
                notes.append(
                    "saved on another device; its random numbers go on from a seed made of the saved ones"
                )
        learner.load_state_dict(state, only_weights)
    return notes


def _check_resumable(learner: Learner, path: Path, state: dict[str, Any]) -> None:
    """Refuse what a learner can start from but not go on with."""
    if state["trainer_type"] != learner.kind:
        raise UserError(f"{path}: written by {state['trainer_type']}, cannot be resumed with {learner.kind}")
    if "Optimizer:value_optimizer" not in state:
        raise UserError(f"{path}: a kept policy, without the optimiser's state; use --initialize-from")
    if not learner.optimizer.fits(state["Optimizer:value_optimizer"]):
        raise UserError(
            f"{path}: its optimiser moved other weights than this one would; set natural_gradient_kl as it was, "
            "or use --initialize-from"
        )
