"""Any Gymnasium or PettingZoo environment as a Unity player: `python -m bridge.player --env Walker2d-v5 --agents 10`.

It connects to a trainer, this one or `mlagents-learn`, as the Unity Editor does when Play is pressed. A trainer can
also start it from a script in place of a built player:

    #!/bin/sh
    exec .venv/bin/python -m bridge.player --env mpe2/simple_spread_v3 --agents 10 "$@"

Its agents behave as Unity's do. Every episode has a new agent id. The message that reports the end of an episode holds
its last observation, and may also hold the first decision request of the next episode. Episodes that reach their
maximum length are interrupted. An agent asks for a decision every few steps and repeats its action in between.
"""

import argparse
import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from mlagents_envs.base_env import BaseEnv
from mlagents_envs.exception import UnityActionException

from bridge.player_connection import PlayerConnection, TrainerLeft
from bridge.ports import EDITOR_PORT, HIGHEST_PORT
from bridge.scene import serve
from gym_adapters.commands import program_name
from gym_adapters.errors import UserError, close_all, close_reported, from_environment, raised
from gym_adapters.limits import ENVIRONMENTS
from gym_adapters.make import SEED_LIMIT, make_env
from gym_adapters.pettingzoo import is_pettingzoo
from gym_adapters.text import log_to_terminal

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class PlayerSettings:
    """The settings of a player.

    Attributes:
        env_id: A Gymnasium id, or a PettingZoo environment such as `mpe2/simple_spread_v3`.
        num_envs: Number of environments in each training area; the trainer sets the number of areas.
        options: Keyword arguments of the environment; those of PettingZoo also have the options of `make_pettingzoo`.
        decision_period: Steps from one decision to the next; the action is repeated in between.
        stagger: Whether environments ask for decisions in different steps of the period instead of all at once.
        seed: Environment i is seeded with seed + i. None takes the trainer's seed, which differs between players.
        port: The trainer's port.
        wait: Seconds to wait for the trainer.
        channels_last: Whether images are sent as Unity packages 2.x do.
        compress: Whether images are sent as PNG instead of floats.
    """

    env_id: str
    num_envs: int = 1
    options: Mapping[str, Any] = field(default_factory=dict)
    decision_period: int = 1
    stagger: bool = False
    seed: int | None = None
    port: int = EDITOR_PORT
    wait: float = 60.0
    channels_last: bool = False
    compress: bool = True


def play(settings: PlayerSettings, connection: PlayerConnection) -> None:
    """Run the environments until the trainer ends the session.

    Raises:
        UserError: The environment cannot be made, or fails, or there is no trainer.
        TrainerLeft: The trainer ended the session, or is gone.
    """
    check_environment(settings)
    setup = connection.connect()
    count = settings.num_envs * max(1, setup.num_areas)
    if count > ENVIRONMENTS:
        raise UserError(
            f"--agents {settings.num_envs}: with the trainer's num_areas {setup.num_areas}, expected at most "
            f"{ENVIRONMENTS:,} environments, got {count:,}; lower one of them"
        )
    seed = (setup.seed if settings.seed is None else settings.seed) % (SEED_LIMIT - count + 1)
    together = count if settings.decision_period == 1 else 1
    envs: list[BaseEnv] = []
    try:
        for first in range(0, count, together):
            envs.append(make_env(settings.env_id, together, seed + first, settings.options))
        serve(envs, connection, settings.decision_period, settings.stagger)
    finally:
        close_reported(partial(close_all, envs))


def check_environment(settings: PlayerSettings) -> None:
    """Make one environment and close it.

    Raises:
        UserError: The id is unknown, a package is missing, or the environment refuses its options.
    """
    close_reported(make_env(settings.env_id, 1, 0, settings.options).close)


def parse(argv: Sequence[str] | None) -> PlayerSettings:
    """Read the command line. Unknown arguments, such as those of Unity players, are ignored.

    Raises:
        UserError: An `--option` is not of the form KEY=VALUE, or the environment has no `--time-limit`.
    """
    given, _ = _parser().parse_known_args(argv)
    options = _options(given.option)
    if given.time_limit is not None:
        if is_pettingzoo(given.env):
            raise UserError("--time-limit: is for Gymnasium ids; PettingZoo's take --option max_cycles=STEPS")
        options["max_episode_steps"] = given.time_limit
    return PlayerSettings(
        given.env,
        given.agents,
        options,
        given.decision_period,
        given.stagger,
        given.seed,
        given.mlagents_port,
        given.wait,
        given.channels_last,
        not given.raw_images,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=program_name("bridge.player"),
        description="Run a Gymnasium or PettingZoo environment as a Unity ML-Agents player.",
        allow_abbrev=False,
    )
    parser.add_argument("--env", required=True, help="id, such as Walker2d-v5 or mpe2/simple_spread_v3")
    parser.add_argument(
        "--agents", "--num-envs", type=_at_least(1, ENVIRONMENTS), default=1, metavar="N",
        help="number of environments (default: 1)",
    )  # fmt: skip
    parser.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="keyword argument of the environment; it may be repeated",
    )
    parser.add_argument(
        "--mlagents-port",
        type=_at_least(1, HIGHEST_PORT),
        default=EDITOR_PORT,
        metavar="PORT",
        help=f"port of the trainer (default: {EDITOR_PORT}, that of the Editor)",
    )
    parser.add_argument(
        "--time-limit",
        type=_at_least(1),
        metavar="STEPS",
        help="interrupt the episodes of a Gymnasium id at this length",
    )
    parser.add_argument(
        "--decision-period",
        type=_at_least(1),
        default=1,
        metavar="STEPS",
        help="steps from one decision of an agent to the next (default: 1)",
    )
    parser.add_argument(
        "--stagger", action="store_true", help="ask for decisions in different steps, not all at once"
    )
    parser.add_argument(
        "--seed",
        type=_at_least(0),
        metavar="S",
        help="default: that of the trainer, which differs between players",
    )
    parser.add_argument("--channels-last", action="store_true", help="send images as Unity packages 2.x do")
    parser.add_argument("--raw-images", action="store_true", help="send images as floats instead of PNG")
    parser.add_argument(
        "--wait",
        type=float,
        default=60.0,
        metavar="SECONDS",
        help="how long to wait for the trainer (default: 60)",
    )
    return parser


def _options(texts: Sequence[str]) -> dict[str, Any]:
    """Return the options of an environment as a training file's `env_options` give them."""
    if not texts:
        return {}
    for text in texts:
        if "=" not in text:
            raise UserError(f"--option {text}: expected KEY=VALUE")
    from trainers.config import load_settings  # takes a moment, which most players save

    settings = load_settings(None, [f"env_settings.env_options.{text}" for text in texts])
    return dict(settings.env_settings.env_options)


def _at_least(least: int, most: int | None = None) -> Callable[[str], int]:
    """Return the function that reads an option's whole number and checks its range."""
    expected = f"{least} or more" if most is None else f"{least} to {most}"

    def read(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if value < least or (most is not None and value > most):
            raise argparse.ArgumentTypeError(f"expected a whole number, {expected}, got {text}")
        return value

    return read


def main(argv: Sequence[str] | None = None) -> int:
    """Run the player and return the exit status."""
    log_to_terminal()
    try:
        settings = parse(argv)
        with closing(_connection(settings)) as connection:
            play(settings, connection)
    except TrainerLeft as end:
        logger.info("%s", end)
    except (UserError, UnityActionException) as error:
        logger.error("%s", error)
        return 2
    except KeyboardInterrupt:
        return 130
    except BaseException as error:  # a library in another language may raise its own
        if not from_environment(error):
            raise
        logger.error("the environment raised %s", raised(error))
        return 2
    return 0


def _connection(settings: PlayerSettings) -> PlayerConnection:
    return PlayerConnection(
        settings.port, settings.wait, channels_last=settings.channels_last, compress=settings.compress
    )


if __name__ == "__main__":
    sys.exit(main())
