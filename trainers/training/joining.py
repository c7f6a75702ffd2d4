"""Joins the ranks that `torchrun` started, and agrees with them on one run before the first step."""

import hashlib
import json
import platform
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

from gym_adapters.errors import UserError, cause_of, raised
from trainers.config import CheckpointSettings, RankSettings, RunSettings
from trainers.config.overrides import flatten
from trainers.optim.collective import Alone, Collective, JointError
from trainers.optim.launch import launched, recall, remember
from trainers.optim.ranks import PeerError, Ranks
from trainers.records.run_folder import has_checkpoint

PACKAGES = ("torch", "numpy", "gymnasium", "mlagents-envs", "mujoco", "ale-py", "protobuf")
"""Packages of which all ranks must have the same version."""
OWN = ("trainers", "bridge", "gym_adapters")
"""The packages of this project, whose code must be the same too."""
RUN = "run"
"""Key under which `torchrun` remembers the run from one restart to the next."""
MOST_DIFFERENCES = 3
"""The most differences that a message names."""


@contextmanager
def joined(
    load: Callable[[], RunSettings], prepare: Callable[[RunSettings], RunSettings]
) -> Iterator[tuple[RunSettings, Collective]]:
    """Yield the settings of the run, and the ranks that train it: those of `torchrun`, or this process alone.

    A failure of any rank ends all of them with one line, which names the rank, its machine and the cause. After a
    restart by `torchrun`, the settings say to go on from the newest checkpoint, if there is one.

    Args:
        load: returns the settings, or raises what is wrong with them.
        prepare: completes the settings with what may be drawn at random. Only rank 0 calls it.

    Raises:
        UserError: the settings are wrong, or differ from rank to rank, or another rank failed.
    """
    launch = launched()
    if launch is None:
        yield prepare(load()), Alone()
        return
    settings, mistake = None, None
    try:
        settings = load()
    except UserError as error:
        mistake = str(error)
    timeout = RankSettings() if settings is None else settings.rank_settings
    ranks = Ranks(launch, timeout.timeout)
    try:
        _require_alike(ranks, settings, mistake)
        assert settings is not None
        chosen = None
        if ranks.rank == 0:
            settings = prepare(_resumed(settings) if launch.restarts else settings)
            remember(RUN, json.dumps([settings.checkpoint_settings.run_id, settings.env_settings.seed]))
            chosen = [settings.checkpoint_settings.model_dump(mode="json"), settings.env_settings.seed]
        checkpoints, seed = ranks.gather_values(chosen)[0]
        yield _with(settings, CheckpointSettings.model_validate(checkpoints), seed), ranks
    except BaseException as error:
        raise _told(ranks, error) from error.__cause__
    finally:
        ranks.leave()


def _resumed(settings: RunSettings) -> RunSettings:
    """Return the settings with which a run goes on after a restart."""
    known = recall(RUN)
    checkpoints, seed = settings.checkpoint_settings, settings.env_settings.seed
    if known is not None:
        run_id, seed = json.loads(known)
        checkpoints = checkpoints.model_copy(update={"run_id": run_id})
    if checkpoints.run_id is not None and has_checkpoint(checkpoints.folder):
        changes = {"resume": True, "force": False, "initialize_from": None}
        checkpoints = checkpoints.model_copy(update=changes)
    return _with(settings, checkpoints, seed)


def _with(settings: RunSettings, checkpoints: CheckpointSettings, seed: int) -> RunSettings:
    env = settings.env_settings.model_copy(update={"seed": seed})
    return settings.model_copy(update={"checkpoint_settings": checkpoints, "env_settings": env})


def _require_alike(ranks: Ranks, settings: RunSettings | None, mistake: str | None) -> None:
    """Require that all ranks read the same settings, and run the same code.

    Raises:
        JointError: they do not; the message names the ranks and what differs.
    """
    own = {
        "mistake": mistake,
        "software": software(),
        "settings": None if settings is None else flatten(settings.model_dump(mode="json")),
    }
    told = ranks.gather_values(own)
    wrong = {rank: each["mistake"] for rank, each in enumerate(told) if each["mistake"] is not None}
    if wrong:
        everywhere = len(wrong) == ranks.size and len(set(wrong.values())) == 1
        rank = min(wrong)
        raise JointError(wrong[rank] if everywhere else f"{ranks.named(rank)}: {wrong[rank]}")
    for what, advice in (
        ("software", "install the same everywhere"),
        ("settings", "give all ranks the same training file and options"),
    ):
        for rank, each in enumerate(told):
            differences = _differences(told[0][what], each[what])
            if differences:
                raise JointError(
                    f"{ranks.named(rank)} differs from {ranks.named(0)}: {'; '.join(differences)}; {advice}"
                )


def _differences(first: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Return what differs between two maps, a text each, at most `MOST_DIFFERENCES`."""
    keys = [key for key in {**first, **other} if first.get(key) != other.get(key)]
    return [
        f"{key} is {other.get(key)!s:.80} instead of {first.get(key)!s:.80}"
        for key in keys[:MOST_DIFFERENCES]
    ]


def software() -> dict[str, str | None]:
    """Return what all ranks must have the same of: Python, packages, and this project's own code."""
    found: dict[str, str | None] = {"Python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = None
    place = Path(__file__).parents[2]
    return {**found, **{f"{name}/": code_hash(place / name) for name in OWN}}


def code_hash(folder: Path) -> str:
    """Return a hash of the Python files in a folder and in those inside it."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(path.relative_to(folder).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _told(ranks: Ranks, error: BaseException) -> BaseException:
    """Let the other ranks know of a failure, and return the error with which this rank ends.

    The first rank that fails tells the user, or another one if it cannot.
    """
    cause = str(error) if isinstance(error, UserError) else cause_of(error)
    if cause is None or isinstance(error, KeyboardInterrupt):
        ranks.report_failure("interrupted" if isinstance(error, KeyboardInterrupt) else raised(error))
        return error
    if isinstance(error, PeerError | JointError):
        line = cause
    else:
        ranks.report_failure(cause)
        line = f"{ranks.named(ranks.rank)}: {cause}"
    final = UserError(line)
    final.told = not ranks.may_speak()
    for note in getattr(error, "__notes__", ()):
        final.add_note(note)
    return final
