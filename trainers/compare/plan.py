"""What a comparison trains, where it is kept, and how far it is."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bridge.process import looks_like_player
from trainers.compare.events import PATTERN
from trainers.compare.runs import OURS, THEIRS
from trainers.config import BehaviorSettings, RunSettings, check_supported, dump_settings, load_settings

FOLDERS = {OURS: "runs", THEIRS: "results"}


@dataclass(frozen=True)
class Variant:
    """One setting of both trainers.

    Attributes:
        name: becomes the name of its runs.
        settings: ours; `mlagents-learn` gets them without extension keys.
    """

    name: str
    settings: RunSettings


@dataclass(frozen=True)
class Plan:
    """What is to be trained.

    Attributes:
        variants: each is trained by both trainers, with every seed.
        env: a Gymnasium id, or the path of a Unity player.
        agents: how many, where `env` is a Gymnasium id.
        seeds: of the runs.
        mlagents_learn: the other trainer's program.
        out: where runs, logs and the files given to the trainers go.
    """

    variants: tuple[Variant, ...]
    env: str
    agents: int
    seeds: tuple[int, ...]
    mlagents_learn: str | None
    out: Path

    def folder(self, side: str, variant: Variant, seed: int) -> Path:
        """The run folder of one run."""
        return self.out / FOLDERS[side] / f"{variant.name}-seed{seed}"

    def jobs(self) -> list[tuple[str, Variant, int]]:
        """All runs, in the order in which they are trained; the two trainers take turns."""
        return [(side, v, seed) for v in self.variants for seed in self.seeds for side in FOLDERS]


def is_player(env: str) -> bool:
    """Whether `--env` is a built player, not a Gymnasium id."""
    return looks_like_player(env)


def load_variant(name: str, source: Path, overrides: Sequence[str], env: str) -> Variant:
    """Read a training file for both trainers.

    A Gymnasium id is played by one player, whatever the file says of environments, and a built player is the one given.

    Raises:
        UserError: the file or an override is wrong.
    """
    place = {"env_path": str(Path(env).absolute())} if is_player(env) else {"env_path": None, "num_envs": 1}
    settings = load_settings(source, overrides, {"env_settings": place})
    check_supported(settings)
    return Variant(name, settings)


def removed_keys(settings: RunSettings) -> list[str]:
    """The keys that `mlagents-learn` does not get and whose values differ from their defaults, as `key: value`."""
    kept = load_settings(dump_settings(settings, for_mlagents=True))
    pairs = _pairs(settings.model_dump(mode="json"), kept.model_dump(mode="json"))
    return [f"{key}: {value}" for key, value, without in pairs if value != without]


def _pairs(ours: object, theirs: object, above: str = "") -> Iterator[tuple[str, object, object]]:
    if isinstance(ours, dict) and isinstance(theirs, dict) and ours:
        for key, value in ours.items():
            yield from _pairs(value, theirs.get(key), f"{above}.{key}" if above else str(key))
    else:
        yield above, ours, theirs


def max_steps(settings: RunSettings) -> int:
    """The steps that a run of these settings ends after."""
    behaviors = [*settings.behaviors.values()] or [settings.default_settings or BehaviorSettings()]
    return max(behavior.max_steps for behavior in behaviors)


def is_finished(plan: Plan, side: str, variant: Variant, seed: int) -> bool:
    """Whether a run reached its last step and was closed: its last checkpoint is of that step."""
    folder = plan.folder(side, variant, seed)
    if not (folder / "run_logs" / "timers.json").is_file():
        return False
    try:
        status = json.loads((folder / "run_logs" / "training_status.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    names = variant.settings.behaviors
    finals = [status.get(name, {}).get("final_checkpoint") for name in names]
    finals = [final for final in finals if final] or [
        entry["final_checkpoint"]
        for entry in status.values()
        if isinstance(entry, dict) and entry.get("final_checkpoint")
    ]
    return bool(finals) and all(int(final["steps"]) >= max_steps(variant.settings) for final in finals)


def begun(plan: Plan) -> list[Path]:
    """The run folders that have something to compare."""
    folders = [plan.folder(*job) for job in plan.jobs()]
    return [folder for folder in folders if any(folder.glob(f"*/{PATTERN}"))]
