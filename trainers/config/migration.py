"""Training files of ML-Agents 0.5 to 1.x, brought up to date: ``python -m trainers.config --from-mlagents OLD.yaml``.

Source: ML-Agents, docs/Migrating.md and the example files of its releases. In the old files a behavior is one flat map
of keys, at the top level or under ``behaviors``, and a block ``default`` has what the others leave out.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from gym_adapters.errors import UserError, place_named
from gym_adapters.text import one_line
from trainers.config import catalogue
from trainers.config.base import show
from trainers.config.behavior import BehaviorSettings
from trainers.config.lesson_files import lessons, samplers
from trainers.config.loader import load_settings
from trainers.config.network import MemorySettings, NetworkSettings
from trainers.config.reader import SETTINGS, FileKind, read_source
from trainers.config.run import deep_merge, inherit
from trainers.config.written import plain

_CURRICULUM = FileKind("a curriculum of an earlier release (.yaml or .json)", "parameters and thresholds")
_SAMPLERS = FileKind("a sampler file of an earlier release (.yaml)", "parameters, each with its sampler-type")

MOVED = {"curriculum", "parameter_randomization"}
"""Blocks that became ``environment_parameters``. In Releases 3 to 6 they stood beside behaviors in today's form."""

WHOLE = {"behaviors", "default", *MOVED}
"""Keys at the top of an old file that are not the name of a behavior."""

REMOVED_TRAINERS = ("offline_bc", "online_bc", "imitation")
NEW_NAMES = {"pretraining": "behavioral_cloning"}
LEFT_ALONE = {"trainer", "use_recurrent", "memory_size", "sequence_length", "train_interval", "num_update"}
SINGLE_SIGNAL = {"gamma", "use_curiosity", "curiosity_strength", "curiosity_enc_size"}
"""Keys of releases before 0.9, which had no block ``reward_signals``."""

LONGEST_NOTE = 300
SIGNAL_UPDATES = "reward_signal_num_update"

STEPS = (
    "releases before 0.14 counted steps of the environment: if the file is that old, multiply max_steps, summary_freq "
    "and the steps of behavioral_cloning by the number of agents in the scene"
)


def from_mlagents(
    source: Path, curricula: Sequence[Path] = (), sampler_file: Path | None = None
) -> tuple[str, list[str]]:
    """Return today's file for an old one, and what has no counterpart, a line each, which are comments in the file.

    Args:
        source: the old training file.
        curricula: files of the old option ``--curriculum``: YAML of all behaviors, or JSON named after one.
        sampler_file: the file of the old option ``--sampler``.

    Raises:
        UserError: a file cannot be read or is not an old one, or a value of it is refused.
    """
    _, content = read_source(source)
    old = plain(content)
    notes: list[str] = []
    with place_named(source):
        tree = _whole(old, bool(curricula or sampler_file), notes)
    parameters: dict[str, Any] = {}
    for path in curricula:
        content = read_source(path, _CURRICULUM)[1]
        with place_named(path):
            parameters |= lessons(plain(content), path.stem if path.suffix == ".json" else None, notes)
    if sampler_file is not None:
        content = read_source(sampler_file, _SAMPLERS)[1]
        with place_named(sampler_file):
            parameters |= samplers(plain(content), notes)
    parameters = deep_merge(tree.pop("environment_parameters", {}), parameters)
    tree |= {"environment_parameters": parameters} if parameters else {}
    try:
        settings = load_settings(tree)
    except UserError as error:
        raise UserError(f"{source}, brought up to date: {str(error).removeprefix(f'{SETTINGS}: ')}") from None
    lines = [one_line(note, LONGEST_NOTE) for note in notes]
    written = settings.model_dump(mode="json", exclude_unset=True)
    written |= {"environment_parameters": parameters} if parameters else {}  # as short as they came
    body = yaml.safe_dump(written, sort_keys=False, allow_unicode=True, width=100)
    return "".join(f"# {line}\n" for line in lines) + body, lines


def _whole(old: Mapping[str, Any], more: bool, notes: list[str]) -> dict[str, Any]:
    """Return today's tree for the whole of an old file.

    Args:
        old: its content.
        more: whether curricula or samplers come from other files.
        notes: get a line for each key without a counterpart.

    Raises:
        UserError: it is not an old file.
    """
    listed = old.get("behaviors", {})
    today = isinstance(listed, Mapping) and any(map(_is_of_today, listed.values()))
    kept = {name: block for name, block in old.items() if name not in MOVED}
    tree = kept if today and (more or MOVED & old.keys()) else _flat_behaviors(old, listed, notes)
    with place_named("curriculum"):
        parameters = lessons(old.get("curriculum", {}), None, notes)
    with place_named("parameter_randomization"):
        parameters |= samplers(old.get("parameter_randomization", {}), notes)
    return {**tree, **({"environment_parameters": parameters} if parameters else {})}


def _is_of_today(block: Any) -> bool:
    """Whether the block of a behavior has keys of today's files."""
    return isinstance(block, Mapping) and ("trainer_type" in block or "hyperparameters" in block)


def _flat_behaviors(old: Mapping[str, Any], listed: Any, notes: list[str]) -> dict[str, Any]:
    """Return today's tree for the behaviors of an old file, each of which is a flat map of keys.

    Raises:
        UserError: it is not an old file.
    """
    top = {name: block for name, block in old.items() if name not in WHOLE}
    default = old.get("default", {})
    flat = {**top, **(listed if isinstance(listed, Mapping) else {})}
    blocks = {name: _followed(flat, name) for name in flat}
    for name, block in {"default": default, **blocks}.items():
        if not isinstance(block, Mapping):
            raise UserError(f"{name}: expected the keys of a behavior, got {show(block)}")
        if _is_of_today(block):
            raise UserError(
                f"{name}: has keys of today's files already; --from-mlagents takes those of ML-Agents 0.5 to "
                "1.x"
            )
    tree: dict[str, Any] = {}
    if default:
        tree["default_settings"] = _behavior("default", {}, default, notes)
    if blocks:
        tree["behaviors"] = {name: _behavior(name, default, block, notes) for name, block in blocks.items()}
    for key in _mixed_in(tree):
        del tree["default_settings"][key]
        notes.append(
            f"default.{key}: left out of default_settings, which is mixed into the blocks of listed behaviors now"
        )
    if not tree:
        raise UserError(f"expected behaviors or a block default, got {', '.join(old) or 'nothing'}")
    if any("max_steps" in block for block in (default, *blocks.values())) and not listed:
        notes.append(STEPS)
    return tree


def _mixed_in(tree: Mapping[str, Any]) -> list[str]:
    """Return the keys of ``default_settings`` that would change a listed behavior, whose own block replaced them."""
    default, behaviors = tree.get("default_settings", {}), tree.get("behaviors", {})
    mixed = [(inherit(default, block), block) for block in behaviors.values()]
    return [key for key in default if any(both.get(key) != block.get(key) for both, block in mixed)]


def _followed(blocks: Mapping[str, Any], name: str) -> Any:
    """Return the block of a behavior; text in its place names another one, whose block it shares."""
    seen, block = {name}, blocks[name]
    while isinstance(block, str) and block in blocks:
        if block in seen:
            raise UserError(f"{name}: names {block}, which leads back to it")
        seen.add(block)
        block = blocks[block]
    return block


def _behavior(
    name: str, default: Mapping[str, Any], own: Mapping[str, Any], notes: list[str]
) -> dict[str, Any]:
    """Return today's block for the flat keys of a behavior. As then, its own keys replace whole blocks of the default.

    Args:
        name: the behavior, for notes.
        default: the file's block ``default``.
        own: the behavior's keys.
        notes: get a line for each key without a counterpart.
    """
    keys = {NEW_NAMES.get(key, key): value for key, value in {**default, **own}.items()}
    trainer = str(keys.get("trainer", catalogue.DEFAULT))
    if trainer in REMOVED_TRAINERS:
        notes.append(
            f"{name}: trainer {trainer} has no counterpart; ppo with behavioral_cloning, or trainers.clone"
        )
        trainer = catalogue.DEFAULT
    algorithm = catalogue.algorithm(trainer)
    if algorithm is None:
        raise UserError(
            f"{name}.trainer: expected {', '.join(catalogue.algorithm_names())}, got {show(trainer)}"
        )
    signals = _signals(name, keys, notes)
    memory = {key: keys[key] for key in MemorySettings.model_fields if key in keys}
    network = {key: keys[key] for key in NetworkSettings.model_fields if key in keys}
    if keys.get("use_recurrent"):
        network["memory"] = memory
    hyper = {key: keys[key] for key in algorithm.settings.model_fields if key in keys}
    hyper |= dict(_updates(keys)) if trainer == "sac" else {}
    rest = {key: keys[key] for key in BehaviorSettings.model_fields if key in keys and key not in NEW_BLOCKS}
    placed = {*hyper, *network, *rest, *LEFT_ALONE, *SINGLE_SIGNAL, "reward_signals"}
    for key in own:
        if NEW_NAMES.get(key, key) not in placed:
            notes.append(f"{name}.{key}: {trainer} has no such key; left out ({show(own[key])})")
        elif key in SINGLE_SIGNAL and keys.get("reward_signals") is not None:
            notes.append(f"{name}.{key}: had no effect beside reward_signals; left out ({show(own[key])})")
    play = rest.get("self_play")
    if isinstance(play, Mapping) and "play_against_current_self_ratio" in play:
        renamed = {"play_against_current_self_ratio": "play_against_latest_model_ratio"}
        rest["self_play"] = {renamed.get(key, key): value for key, value in play.items()}
    blocks = {"hyperparameters": hyper, "network_settings": network, "reward_signals": signals}
    return {"trainer_type": trainer, **{key: block for key, block in blocks.items() if block}, **rest}


NEW_BLOCKS = ("trainer_type", "hyperparameters", "network_settings", "reward_signals")


def _updates(keys: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Yield today's keys for the number of SAC's updates: every `train_interval` steps there were `num_update`."""
    interval, updates = _number(keys, "train_interval"), _number(keys, "num_update")
    if {"train_interval", "num_update"} & keys.keys():
        yield "steps_per_update", interval / updates
    signals = keys.get("reward_signals")
    if isinstance(signals, Mapping) and SIGNAL_UPDATES in signals:
        yield "reward_signal_steps_per_update", interval / _number(signals, SIGNAL_UPDATES)


def _number(keys: Mapping[str, Any], key: str) -> float:
    """Return the number > 0 of a key, 1 without it.

    Raises:
        UserError: it is none.
    """
    try:
        number = float(keys.get(key, 1))
    except (TypeError, ValueError):
        number = math.nan
    if not 0.0 < number < math.inf:
        raise UserError(f"{key}: expected a number > 0, got {show(keys[key])}")
    return number


def _signals(name: str, keys: Mapping[str, Any], notes: list[str]) -> dict[str, Any]:
    """Return today's block ``reward_signals``."""
    given = keys.get("reward_signals")
    if given is None:
        extrinsic = {"gamma": keys["gamma"]} if "gamma" in keys else {}
        found: dict[str, Any] = {"extrinsic": extrinsic} if extrinsic else {}
        if keys.get("use_curiosity"):
            strength, size = keys.get("curiosity_strength", 0.01), keys.get("curiosity_enc_size")
            curiosity = {"strength": strength, **extrinsic} | (
                {} if size is None else {"encoding_size": size}
            )
            found = {"extrinsic": extrinsic, "curiosity": curiosity}
        given = found
    if not isinstance(given, Mapping):
        raise UserError(f"{name}.reward_signals: expected a map of signals, got {show(given)}")
    signals = {}
    for signal, block in given.items():
        if signal == SIGNAL_UPDATES:
            continue
        if catalogue.signal(signal) is None:
            notes.append(f"{name}.reward_signals.{signal}: there is no such signal; left out")
            continue
        if not isinstance(block, Mapping):
            raise UserError(f"{name}.reward_signals.{signal}: expected a map, got {show(block)}")
        settings = dict(block)
        size = settings.pop("encoding_size", None)
        if size is not None and signal != "extrinsic":
            settings["network_settings"] = {"hidden_units": size}
        signals[signal] = settings
    return signals
