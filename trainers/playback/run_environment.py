"""The environment that a run was trained in."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bridge.process import is_env_id
from gym_adapters.commands import module_command, option
from gym_adapters.errors import UserError
from gym_adapters.make import with_whole_episodes
from gym_adapters.text import printable
from gym_adapters.trust import needs_trust
from trainers.config import load_settings
from trainers.config.loader import CONFIGURATION
from trainers.records.checkpoint import load_state
from trainers.training.environments import environment_options


def environment_of(
    checkpoint: Path, env_id: str | None = None, trust: bool = False
) -> tuple[str, dict[str, Any]]:
    """The Gymnasium id and options that a checkpoint was trained with.

    Options that end an episode with each life of a game are left out: whole games are evaluated. PettingZoo's agents
    form groups and teams as in training.

    Args:
        checkpoint: `<run>/<Behavior>/<file>.pt`.
        env_id: another id to take instead; it has no options.
        trust: whether the run may import modules and open files; what it would do is then printed.

    Raises:
        UserError: the run's configuration is missing, the run was trained in Unity, or it is not trusted and names
            more than a registered Gymnasium id.
    """
    options: dict[str, Any] = {}
    shown: list[str] = []
    typed = env_id is not None
    configuration = checkpoint.parent.parent / CONFIGURATION
    if env_id is None:
        if not configuration.is_file():
            raise UserError(f"{configuration}: not found, so the environment is not known; give --env")
        run = load_settings(configuration)
        env_id = run.env_settings.env_path
        options = with_whole_episodes({} if env_id is None else environment_options(run, env_id))
        shown = ["--no-graphics"] if run.engine_settings.no_graphics else []
    if not is_env_id(env_id):
        load_state(checkpoint)  # commands for a run of this trainer do not help with one of mlagents-learn
        place = "the Unity Editor" if env_id is None else "a Unity player"
        raise UserError(
            f"{checkpoint}: trained in {place}; watch it there: {_watch_command(checkpoint)}; returns in a player: "
            f"{_measure_command(checkpoint, env_id, shown)}"
        )
    asked = "" if typed else needs_trust(env_id, options)
    if asked:
        require_trust(configuration, asked, trust, "an environment")
    return env_id, options


def require_trust(configuration: Path, asked: str, trust: bool, instead: str) -> None:
    """Require that a run is trusted with what it would do, and print that.

    Args:
        configuration: names it, and is a file of the run.
        asked: what it would do, to go after "it would".
        trust: whether the run is trusted.
        instead: what `--env` may name in place of it.

    Raises:
        UserError: it is not.
    """
    if not trust:
        raise UserError(
            f"{configuration}: it would {asked}; add --trust if you trust this run, or name {instead} with --env"
        )
    print(printable(f"{configuration}: trusted to {asked}"), file=sys.stderr)


def _watch_command(checkpoint: Path) -> str:
    """Return the command that plays the run of `<results>/<run>/<Behavior>/<file>.pt` in its player."""
    run = checkpoint.parent.parent
    where = [*option("--results-dir", run.parent), *option("--run-id", run.name)]
    return module_command("trainers", *where, "--resume", "--inference", "--deterministic")


def _measure_command(checkpoint: Path, player: str | None, shown: Sequence[str]) -> str:
    """Return the command that plays episodes with the run's newest exported policy in the run's player.

    For a run of the Editor, which has no player, a word stands in place of a path. `shown` are options of its display.
    """
    model = checkpoint.parent.with_name(f"{checkpoint.parent.name}.onnx")
    return module_command("trainers.evaluate", model, *option("--env", player or "PLAYER"), *shown)
