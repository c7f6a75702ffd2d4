"""The runs of a comparison: their settings, folders and progress."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bridge.process import looks_like_player
from trainers.compare.events import event_files
from trainers.compare.runs import OURS, THEIRS
from trainers.config import BehaviorSettings, RunSettings, dump_settings, load_settings
from trainers.config.dump import as_yaml
from trainers.config.overrides import flatten
from trainers.training.environments import environment_options

FOLDERS = {OURS: "runs", THEIRS: "results"}


@dataclass(frozen=True)
class Variant:
    """Settings that both trainers train with.

    Attributes:
        name: First part of the run ids.
        settings: The settings. `mlagents-learn` gets them without extension keys.
    """

    name: str
    settings: RunSettings


@dataclass(frozen=True)
class Plan:
    """All runs to train: each variant with each seed by both trainers.

    Attributes:
        variants: The variants.
        env: A Gymnasium or PettingZoo id, or the path of a Unity player.
        agents: Number of environments if `env` is an id.
        seeds: The seeds.
        mlagents_learn: The program `mlagents-learn`.
        out: Folder of runs, logs and training files.
    """

    variants: tuple[Variant, ...]
    env: str
    agents: int
    seeds: tuple[int, ...]
    mlagents_learn: str | None
    out: Path

    def folder(self, side: str, variant: Variant, seed: int) -> Path:
        """Return the run folder of a run."""
        return self.out / FOLDERS[side] / f"{variant.name}-seed{seed}"

    def jobs(self) -> list[tuple[str, Variant, int]]:
        """Return all runs as (side, variant, seed), in the order of training. The trainers take turns."""
        return [(side, v, seed) for v in self.variants for seed in self.seeds for side in FOLDERS]


def load_variant(name: str, source: Path, overrides: Sequence[str], env: str) -> Variant:
    """Read a training file for both trainers.

    `env` replaces the file's `env_path`. A Gymnasium or PettingZoo id runs in one player, so it replaces `num_envs` as
    well. The player gets the `env_options` as arguments, which `mlagents-learn` passes on too.

    Raises:
        UserError: The file or an override is invalid.
    """
    place = (
        {"env_path": str(Path(env).absolute())}
        if looks_like_player(env)
        else {"env_path": None, "num_envs": 1}
    )
    settings = load_settings(source, overrides, {"env_settings": place})
    return Variant(name, settings if looks_like_player(env) else _with_arguments(settings, env))


def _with_arguments(settings: RunSettings, env: str) -> RunSettings:
    """Return the settings with the options of an environment as arguments of the player that runs it."""
    options = environment_options(settings, env)
    words = [word for key, value in options.items() for word in ("--option", f"{key}={as_yaml(value)}")]
    arguments = (*(settings.env_settings.env_args or ()), *words)
    return settings.changed(env_settings={"env_options": {}, "env_args": arguments or None})


def removed_keys(settings: RunSettings) -> list[str]:
    """Return the keys that `mlagents-learn` does not get and that differ from their defaults, as `key: value`."""
    kept = flatten(load_settings(dump_settings(settings, for_mlagents=True)).model_dump(mode="json"))
    ours = flatten(settings.model_dump(mode="json"))
    return [f"{key}: {value}" for key, value in ours.items() if value != kept.get(key)]


def max_steps(settings: RunSettings) -> int:
    """Return the agent steps after which a run with these settings ends."""
    behaviors = [*settings.behaviors.values()] or [settings.default_settings or BehaviorSettings()]
    return max(behavior.max_steps for behavior in behaviors)


def begun(plan: Plan) -> list[Path]:
    """Return the run folders that have TensorBoard files."""
    folders = [plan.folder(*job) for job in plan.jobs()]
    return [folder for folder in folders if any(map(event_files, folder.glob("*/")))]
