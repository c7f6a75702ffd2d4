"""Resuming a run: its checkpoint, the best return so far, and the device that it used."""

import hashlib
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from gym_adapters.errors import UserError, unread_named
from trainers.algorithms.learner import CLONING, Learner
from trainers.config import CheckpointSettings, TorchSettings
from trainers.networks.behavior_spec import require_same_actions, spec_from
from trainers.optim.device import find_device
from trainers.records.checkpoint import NEWEST, damage_named, load_state
from trainers.records.checkpoint_content import require_alike
from trainers.records.mlagents_checkpoint import require_translatable
from trainers.records.policy_file import check_fits, first_difference
from trainers.training.starting import changed_observations, signals_of, take_values_by_name, translated

BEST_RETURN = "best_return"
"""Key of the mean return of the best policy, in `best.pt` and `training_status.json`."""

BEST_EVALUATION = "best_evaluation"
"""The same for a behavior with `evaluation_freq`: the mean return of its best evaluation."""

BEST_ELO = "best_elo"
"""The same for a behavior with self-play: its highest Elo rating."""

BEST_LESSON = "best_lesson"
"""Key of the lessons in which the best policy was the best, in `best.pt`."""

LESSON = "lesson"
"""Key of the lessons in which the newest episodes of a checkpoint were played."""

NEXT_EVALUATION = "next_evaluation"
"""Key of the agent step of a behavior's next evaluation in `training_status.json`."""

DEVICE = "device"
"""Key of a behavior's torch device in `training_status.json`."""


STARTING = ("observation_moments", "reward_signals")
"""What `--initialize-from` takes of a checkpoint besides the policy."""

LATER = ("reward_signals", "lesson_returns", "updates", "row_generator", CLONING)
"""What checkpoints of earlier versions lack, and those of runs that did not imitate or had another device."""


def best_key(learner: Learner) -> str:
    """Return the key of what a learner's best policy is chosen by. Values under different keys do not compare."""
    if learner.settings.evaluation_freq is not None:
        return BEST_EVALUATION
    return BEST_RETURN if learner.opponents is None else BEST_ELO


def check_start(checkpoints: CheckpointSettings) -> None:
    """Read the checkpoints that a run starts from, so that a wrong one is refused before an environment is started.

    Raises:
        UserError: there is no checkpoint, or one is damaged, or `mlagents-learn` wrote it and it cannot be used.
    """
    source = checkpoints.run_id if checkpoints.resume else checkpoints.initialize_from
    if source is None:
        return
    folder = Path(checkpoints.results_dir, source).absolute()
    with unread_named(folder):
        if not checkpoints.resume and not folder.is_dir():
            raise UserError(f"--initialize-from {source}: no run folder {folder}")
        found = sorted(folder.glob(f"*/{NEWEST}"))
    if not found and checkpoints.resume:
        raise UserError(f"{folder}: there is no checkpoint to resume; remove --resume or use --force")
    if not found:
        raise UserError(f"--initialize-from {source}: {folder} holds no checkpoint ({NEWEST})")
    for path in found:
        state = load_state(path, theirs=not checkpoints.resume)
        if "behavior" not in state:
            with damage_named(path):
                require_translatable(state)


def best_return_of(
    path: Path, status: dict[str, Any], key: str = BEST_RETURN, lesson: Mapping[str, float] | None = None
) -> float:
    """Return the mean return that a resumed run has to exceed, or -inf if there is no best policy of its lesson yet.

    `best.pt` takes precedence, because `training_status.json` is written only with a checkpoint and may be older.

    Args:
        path: the run's `best.pt`.
        status: the behavior's part of `training_status.json`, for an older `best.pt` that does not hold the return.
        key: `BEST_RETURN`, `BEST_EVALUATION` or `BEST_ELO`, by which the policy was chosen. Another does not count.
        lesson: the present lessons by tag; None if any will do.

    Raises:
        UserError: the file is damaged.
    """
    if not path.is_file():
        return -math.inf
    try:
        state = load_state(path)
        with damage_named(path):
            best = state.get(key, status.get(key))
            if best is None or (lesson is not None and state.get(BEST_LESSON, lesson) != lesson):
                return -math.inf
            require_alike(best, 0.0, key)
            return float(best)
    except UserError as error:
        raise UserError(f"{error}, or delete it to continue without a best policy") from error


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


def restore(learner: Learner, path: Path, only_weights: bool = False) -> list[str]:
    """Load a checkpoint into a learner.

    Args:
        learner: the learner.
        path: the checkpoint.
        only_weights: see `Learner.load_state_dict`.

    Returns:
        Messages for the user.

    Raises:
        UserError: the file is damaged, or belongs to another network or algorithm.
    """
    notes = []
    state = load_state(path, theirs=only_weights)
    with damage_named(path):
        if "behavior" not in state:
            state = translated(learner, state)
        if only_weights:
            notes += take_values_by_name(learner, state)
        _require_usable_kind(learner, path, state, only_weights)
        check_fits(path, state, learner.policy)
        before = spec_from(state["behavior"])
        require_same_actions(str(path), before.action_spec, learner.spec.action_spec, "this run")
        notes += changed_observations(before, learner.spec)
        if not only_weights:
            _check_resumable(learner, path, state)
        _require_sound(learner, state, only_weights)
        if not only_weights:
            _forget_other_lessons(learner, state)
            saved = state["generator"]
            state["generator"] = generator_state(saved, learner.generator)
            if state["generator"] is not saved:
                notes.append(
                    "saved on another device; its random numbers go on from a seed made of the saved ones"
                )
        learner.load_state_dict(state, only_weights)
    return notes


def _forget_other_lessons(learner: Learner, state: dict[str, Any]) -> None:
    """Let a checkpoint have no returns if the run's lessons are others now: of another behavior's later checkpoint."""
    now = learner.metrics.standing
    if state.get(LESSON, now) != now:
        state.update(recent_returns=[], lesson_returns=[])


def _require_sound(learner: Learner, state: dict[str, Any], only_weights: bool) -> None:
    """Require that a checkpoint's values have the kinds and shapes of the learner's.

    The optimisers and the moments check their own.

    Raises:
        ValueError: a value differs; the message names it.
        UserError: a reward signal's network is another one.
    """
    expected = learner.state_dict()
    known = state.get("reward_signals", {})
    require_alike(known, {}, "reward_signals")
    expected["reward_signals"] = {
        name: {key: value for key, value in signal.items() if key != "optimizer"}
        for name, signal in expected["reward_signals"].items()
        if name in known
    }
    for name, signal in expected["reward_signals"].items():
        if "network" in signal:
            _require_same_network(name, known[name], signal["network"])
    for key, value in expected.items():
        is_used = key in STARTING or (
            not only_weights and key not in ("Optimizer:value_optimizer", "generator")
        )
        if is_used and (key in state or key not in LATER):
            require_alike(state.get(key), value, key)


def _require_same_network(name: str, found: Any, expected: Mapping[str, torch.Tensor]) -> None:
    """Require that the saved network of a reward signal has the parameters of the signal's, if it is one at all.

    Raises:
        UserError: a parameter is missing, too many, or has another shape.
    """
    network = found.get("network") if isinstance(found, dict) else None
    if not isinstance(network, dict) or not all(isinstance(one, torch.Tensor) for one in network.values()):
        return  # damaged, which `require_alike` reports
    difference = first_difference(network, expected)
    if difference:
        raise UserError(
            f"reward_signals.{name}.network is another one: {difference}; use the block reward_signals.{name} and "
            "the environment it was trained with"
        )


def _require_usable_kind(learner: Learner, path: Path, state: dict[str, Any], only_weights: bool) -> None:
    """Require that a checkpoint is of the learner's algorithm, or of one with the same network if weights are enough.

    Raises:
        UserError: it is of another one.
    """
    before, now = state.get("trainer_type", learner.kind), learner.kind  # those of mlagents-learn have none
    if before == now:
        return
    if not only_weights:
        raise UserError(f"{path}: written by {before}, cannot be resumed with {now}")
    if difference := first_difference(state["Policy"], learner.policy.state_dict()):
        raise UserError(
            f"{path}: written by {before}, whose network is another one than that of {now} ({difference}); "
            f"use trainer_type {before}, or another run for --initialize-from"
        )


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
