"""Resuming a run: its checkpoints, and the device that it used."""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from gym_adapters.errors import UserError, place_named, unread_named
from trainers.algorithms.learner import Learner
from trainers.config import CheckpointSettings, RunSettings, TorchSettings
from trainers.optim.device import find_device
from trainers.records.checkpoint import NEWEST, damage_named, load_state
from trainers.records.checkpoint_content import require_alike
from trainers.records.mlagents_checkpoint import require_translatable
from trainers.records.policy_file import find_checkpoint
from trainers.training.loadable import require_loadable, require_same_task, signals_of

LESSON = "lesson"
"""Key of the lessons in which the newest episodes of a checkpoint were played."""

DEVICE = "device"
"""Key of a behavior's torch device in `training_status.json`."""

CHECKED_ELSEWHERE = ("Optimizer:value_optimizer", "generator")
"""Keys of a checkpoint of which `Learner.load_state_dict` and `generator_state` find out whether they fit."""


def check_start(settings: RunSettings) -> None:
    """Read the checkpoints that a run starts from, so that a wrong one is refused before an environment is started.

    Raises:
        UserError: there is no checkpoint, or one is damaged, or `mlagents-learn` wrote it and it cannot be used.
    """
    checkpoints = settings.checkpoint_settings
    for place, behavior in settings.behavior_blocks.items():
        given = behavior.init_path
        if given is not None and not checkpoints.resume and not is_of_run(given, checkpoints):
            with place_named(f"{place}.init_path"):
                _require_loadable_start(find_checkpoint(Path(given)))
    source = checkpoints.run_id if checkpoints.resume else checkpoints.initialize_from
    if source is None:
        return
    folder = named_run(source, checkpoints)
    with unread_named(folder):
        if not checkpoints.resume and not folder.is_dir():
            advice = (
                "; to start from a file, give it as init_path of the behavior" if folder.is_file() else ""
            )
            raise UserError(f"--initialize-from {source}: no run folder {folder}{advice}")
        found = sorted(folder.glob(f"*/{NEWEST}"))
    if not found and checkpoints.resume:
        raise UserError(f"{folder}: there is no checkpoint to resume; remove --resume or use --force")
    if not found:
        raise UserError(f"--initialize-from {source}: {folder} holds no checkpoint ({NEWEST})")
    for path in found:
        _require_loadable_start(path, theirs=not checkpoints.resume)


def named_run(source: str, checkpoints: CheckpointSettings) -> Path:
    """Return the folder of the run that is resumed or that `initialize_from` names.

    It lies in the folder of all runs. To start from, it may also be given as a path from the current folder, such as
    that of a kept policy.
    """
    named, here = Path(checkpoints.results_dir, source).absolute(), Path(source).absolute()
    with unread_named(named):
        is_start = here.is_file() or any(here.glob(f"*/{NEWEST}"))
        elsewhere = is_start and not checkpoints.resume and not named.is_dir()
    return here if elsewhere else named


def saved_behaviors(run: Path) -> str:
    """Return which behaviors a run has saved, for a message: the names of their folders."""
    return ", ".join(sorted(path.parent.name for path in run.glob(f"*/{NEWEST}")))


def is_of_run(init_path: str, checkpoints: CheckpointSettings) -> bool:
    """Whether an `init_path` is a checkpoint of the run that `initialize_from` names: a file name without a folder."""
    return checkpoints.initialize_from is not None and re.fullmatch(r"[^/\\:]+\.pt", init_path) is not None


def _require_loadable_start(path: Path, theirs: bool = True) -> None:
    """Read a checkpoint, which `mlagents-learn` may have written if `theirs` is true."""
    state = load_state(path, theirs=theirs)
    if "behavior" not in state:
        with damage_named(path):
            require_translatable(state)


def resumed_settings(wanted: TorchSettings, status: Mapping[str, Any]) -> tuple[TorchSettings, str]:
    """Return the `torch_settings` of a resumed run. If they leave the device open, it is the one used before.

    Args:
        wanted: the training file's `torch_settings`.
        status: the behavior's part of `training_status.json`.

    Returns:
        The settings, and a message for the user; empty unless the device used before is not available.
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
    """Return a state for `generator`: the saved one if it fits, else that of a seed computed from the saved one.

    A generator's state cannot be used on another kind of device, where it has another length.

    Args:
        saved: (n,) uint8, from `torch.Generator.get_state`.
        generator: not changed.

    Raises:
        ValueError: what is saved is no state of a generator.
    """
    if not isinstance(saved, torch.Tensor) or saved.dtype != torch.uint8 or saved.dim() != 1:
        raise ValueError("generator: expected bytes")
    if len(saved) == len(generator.get_state()):
        return saved
    seed = int.from_bytes(hashlib.sha256(saved.numpy().tobytes()).digest()[:7], "little")
    return torch.Generator(generator.device).manual_seed(seed).get_state()


def restore(learner: Learner, path: Path) -> list[str]:
    """Load a checkpoint into a learner, which goes on from it.

    Returns:
        Messages for the user.

    Raises:
        UserError: the file is damaged, or belongs to another network or algorithm.
    """
    state = load_state(path)
    with damage_named(path):
        before, now = state["trainer_type"], learner.kind
        if before != now:
            raise UserError(f"{path}: written by {before}, cannot be resumed with {now}")
        notes = require_same_task(learner, path, state)
        _check_resumable(learner, path, state)
        own = learner.state_dict().items()
        require_loadable(state, {key: value for key, value in own if key not in CHECKED_ELSEWHERE})
        _forget_other_lessons(learner, state)
        saved = state["generator"]
        state["generator"] = generator_state(saved, learner.generator)
        if state["generator"] is not saved:
            notes.append(
                "saved on another device; its random numbers go on from a seed made of the saved ones"
            )
        learner.load_state_dict(state)
    return notes


def _forget_other_lessons(learner: Learner, state: dict[str, Any]) -> None:
    """Drop a checkpoint's returns if the run is at other lessons, which another behavior may have reached later.

    A behavior that has had its `max_steps` learns no more, and what it has reached stays that of its own last lessons.
    """
    now = learner.metrics.standing
    before = state.get(LESSON, now)
    if before == now:
        return
    if learner.training and state["global_step"] >= learner.settings.max_steps:
        require_alike(before, dict.fromkeys(before, 0.0), LESSON)
        learner.metrics.standing = before
        state.update(lesson_returns=[])
    else:
        state.update(recent_returns=[], lesson_returns=[])


def _check_resumable(learner: Learner, path: Path, state: dict[str, Any]) -> None:
    """Require that the learner can resume from a checkpoint, and not only start from its weights."""
    if state["behavior"]["name"] != learner.name:
        raise UserError(
            f"{path}: written by the behavior {state['behavior']['name']}, cannot be resumed by {learner.name}; "
            "put the file back in its place, or use --initialize-from"
        )
    if "Optimizer:value_optimizer" not in state:
        raise UserError(
            f"{path}: a policy without the optimiser's state, which cannot be resumed; use --initialize-from"
        )
    before, now = signals_of(state), [signal.name for signal in learner.signals]
    if before and before != now and learner.policy.value_dimensions():
        raise UserError(
            f"{path}: its values are those of the reward signals {', '.join(before)}, this run has {', '.join(now)}; "
            "set reward_signals as they were, or use --initialize-from"
        )
    if key := _key_of_other_weights(learner, state):
        raise UserError(
            f"{path}: its optimiser trained other weights than this run would; set {key} as it was, or use "
            "--initialize-from"
        )


def _key_of_other_weights(learner: Learner, state: dict[str, Any]) -> str:
    """Return the key of the training file by which a checkpoint's optimiser moves other weights; empty if none does."""
    if not learner.optimizer.fits(state["Optimizer:value_optimizer"]):
        return "natural_gradient_kl"
    before, now = state["behavior"], learner.description()
    if bool(before.get("shared_critic")) != bool(now.get("shared_critic")):
        return "shared_critic"
    scheduled = [one["network_settings"].get("final_log_std") is not None for one in (before, now)]
    return (
        "final_log_std" if scheduled[0] != scheduled[1] and learner.spec.action_spec.continuous_size else ""
    )
