"""The command line of the training commands: the options of mlagents-learn, ``--max-steps`` and ``--set``."""

import argparse
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo

from gym_adapters.commands import CommandParser
from trainers.config import BehaviorSettings, NetworkSettings, RunSettings
from trainers.config.options import add_overrides, option_reader, path_option
from trainers.config.overrides import place_of, put

logger = logging.getLogger(__name__)

# Each option, and the key of the training file that it sets. Its help, type and default are those of the key.
_OPTIONS = {
    "Run": {
        "--run-id": "checkpoint_settings.run_id",
        "--results-dir": "checkpoint_settings.results_dir",
        "--resume": "checkpoint_settings.resume",
        "--initialize-from": "checkpoint_settings.initialize_from",
        "--force": "checkpoint_settings.force",
        "--inference": "checkpoint_settings.inference",
        "--deterministic": "behaviors.*.network_settings.deterministic",
        "--max-steps": "behaviors.*.max_steps",
        "--monitor": "monitor",
        "--wandb": "wandb",
        "--debug": "debug",
    },
    "Environment": {
        "--env": "env_settings.env_path",
        "--num-envs": "env_settings.num_envs",
        "--seed": "env_settings.seed",
    },
    "Unity player": {
        "--num-areas": "env_settings.num_areas",
        "--base-port": "env_settings.base_port",
        "--listen": "env_settings.listen",
        "--timeout-wait": "env_settings.timeout_wait",
        "--max-lifetime-restarts": "env_settings.max_lifetime_restarts",
        "--restarts-rate-limit-n": "env_settings.restarts_rate_limit_n",
        "--restarts-rate-limit-period-s": "env_settings.restarts_rate_limit_period_s",
        "--env-args": "env_settings.env_args",
    },
    "Engine": {
        "--width": "engine_settings.width",
        "--height": "engine_settings.height",
        "--quality-level": "engine_settings.quality_level",
        "--time-scale": "engine_settings.time_scale",
        "--target-frame-rate": "engine_settings.target_frame_rate",
        "--capture-frame-rate": "engine_settings.capture_frame_rate",
        "--no-graphics": "engine_settings.no_graphics",
        "--no-graphics-monitor": "engine_settings.no_graphics_monitor",
    },
    "Torch": {
        "--torch-device": "torch_settings.device",
        "--scale-batch": "rank_settings.scale_batch",
        "--rank-timeout": "rank_settings.timeout",
        "--rank-preemption": "rank_settings.preemption",
    },
}

_WITHOUT = re.compile(r" null: (?P<value>[^.]+)\.")
"""What a description says of a key that is not given; on the command line that is part of the default."""

_EXAMPLES = """examples:
  %(prog)s --env CartPole-v1 --seed 0
        A Gymnasium environment, with the training file that is tuned for it.
  %(prog)s seeker.yaml --run-id seeker
        Waits until you press Play in the Unity Editor.
  %(prog)s seeker.yaml --env builds/Seeker --num-envs 4 --no-graphics
        Four players of a build.
  %(prog)s --resume --run-id seeker --max-steps 2e6
        Goes on with a run, with the settings that it had.
"""

_OLD_OPTIONS = {
    "--load": "use --resume",
    "--train": "training is the default, and --inference turns it off",
    "--torch": "PyTorch is always used",
    "--tensorflow": "PyTorch is always used",
}
"""Options that are read and have no effect."""

_GONE_OPTIONS = {
    **dict.fromkeys(
        ("--curriculum", "--sampler"),
        "it is part of the training file now, and trainers.config --from-mlagents writes it there",
    ),
    "--lesson": "--resume goes on at the lesson of the run",
    "--slow": "use --time-scale 1",
    "--save-freq": 'use --set "behaviors.*.checkpoint_interval=STEPS"',
    "--num-runs": "start the command once for each --seed",
    "--worker-id": "use --base-port",
    "--cpu": "use --torch-device cpu",
    "--multi-gpu": "start it with torchrun, as docs/scale.md says",
    "--docker-target-name": "use --results-dir",
}
"""Options of ML-Agents 0.x that no release has today, and what serves instead."""

_OTHER_WORDS = {
    **dict.fromkeys(("--total-timesteps", "--timesteps", "--steps"), "use --max-steps"),
    **dict.fromkeys(("--gpu", "--cuda"), "use --torch-device cuda"),
    "--lr": 'use --set "behaviors.*.hyperparameters.learning_rate=VALUE"',
}
"""Options of other trainers, and what they are called here."""

_KNOWN_ELSEWHERE = {**_GONE_OPTIONS, **_OTHER_WORDS}


@dataclass(frozen=True)
class ParsedArguments:
    """The content of a command line. The fields are the arguments of ``load_settings``."""

    config_path: Path | None
    overrides: tuple[str, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)


class _Ignored(argparse.Action):
    """An option of old ML-Agents releases. It logs a warning and does nothing else."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        logger.warning("%s has no effect: %s", option_string, _OLD_OPTIONS[str(option_string)])


class _TrainingParser(CommandParser):
    """A parser that knows the keys of the training file, most of which have no option of their own."""

    def advice(self, typed: str) -> str:
        """Return how the key that has an option's name is set, or what serves for an option of others."""
        if typed in _KNOWN_ELSEWHERE:
            return _KNOWN_ELSEWHERE[typed]
        key = place_of(typed.removeprefix("--").replace("-", "_"))
        return f'a key of the training file is set by --set "{key}=VALUE"' if key else super().advice(typed)


def build_parser(prog: str, trainer_type: str | None = None) -> argparse.ArgumentParser:
    """Return the parser of a training command.

    Args:
        prog: Name of the command in its help.
        trainer_type: The only algorithm that the command trains. None: that of the training file.
    """
    algorithm = trainer_type.upper() if trainer_type else "the trainer_type of each behavior"
    parser = _TrainingParser(
        prog=prog,
        usage="%(prog)s [trainer_config_path] [options]",
        description=f"Train with {algorithm}. An option takes precedence over the training file.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
    )
    parser.add_argument(
        "trainer_config_path",
        nargs="?",
        type=path_option,
        default=None,
        help="Training file (.yaml). Default: that of the run to resume, or the one tuned for the Gymnasium "
        "environment.",
    )
    parser.add_argument("--version", action="version", version=_version(), help="Show the version and exit.")
    groups = {title: parser.add_argument_group(title) for title in _OPTIONS}
    for title, options in _OPTIONS.items():
        for option, key in options.items():
            add_option(groups[title], option, key)
    add_overrides(
        groups["Run"],
        "Set any key of the training file, for example behaviors.Walker.max_steps=1e6. It may be repeated. "
        "behaviors.* stands for every behavior.",
    )
    for option in _OLD_OPTIONS:
        parser.add_argument(option, action=_Ignored, nargs=0, help=argparse.SUPPRESS)
    return parser


def parse(argv: Sequence[str] | None, prog: str, trainer_type: str | None = None) -> ParsedArguments:
    """Read a command line. ``options`` of the result has only the options that were given.

    As in mlagents-learn, ``--resume`` takes precedence over ``--initialize-from``. Each of them takes precedence over
    the other one's key in the training file.
    """
    given = vars(build_parser(prog, trainer_type).parse_args(argv))
    path = given.pop("trainer_config_path")
    overrides = tuple(given.pop("overrides"))
    if given.get("checkpoint_settings.resume"):
        given["checkpoint_settings.initialize_from"] = None
    elif "checkpoint_settings.initialize_from" in given:
        given["checkpoint_settings.resume"] = False
    return ParsedArguments(path, overrides, settings_of(given))


def settings_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return options in the structure of the training file. ``given`` has them by the keys that they set."""
    options: dict[str, Any] = {}
    for key, value in given.items():
        options = put(options, tuple(key.split(".")), value, key)
    return options


def _version() -> str:
    try:
        return f"mlagents-bridge {metadata.version('mlagents-bridge')}"
    except metadata.PackageNotFoundError:
        return "mlagents-bridge, not installed"


def add_option(parser: argparse._ActionsContainer, option: str, key: str) -> None:
    """Add an option that sets ``key``, with the type, description and default of that key."""
    setting = _setting(key)
    without = _WITHOUT.search(str(setting.description))
    described = _WITHOUT.sub("", str(setting.description))
    value = without["value"] if without else "" if setting.default in (None, False) else setting.default
    otherwise = f", else {value}" if value != "" else ""
    default = "" if setting.annotation is bool else f" Default: from the training file{otherwise}."
    description = f"{described}{default}".replace("%", "%%")
    if setting.annotation is bool:
        parser.add_argument(option, dest=key, action="store_true", help=description)
    elif option == "--env-args":
        rest = f"{description} It must be the last option: it takes all further arguments."
        parser.add_argument(option, dest=key, nargs=argparse.REMAINDER, metavar="ARG", help=rest)
    else:
        name = "PROJECT" if key == "wandb" else key.rpartition(".")[2].upper()
        read = option_reader(setting.rebuild_annotation())
        parser.add_argument(option, dest=key, type=read, metavar=name, help=description)


def _setting(key: str) -> FieldInfo:
    """Return the field of the settings that ``key`` is the path of."""
    block, _, name = key.rpartition(".")
    owners = {
        "": RunSettings,
        "behaviors.*": BehaviorSettings,
        "behaviors.*.network_settings": NetworkSettings,
    }
    owner: Any = owners.get(block) or RunSettings.model_fields[block].annotation
    setting: FieldInfo = owner.model_fields[name]
    return setting
