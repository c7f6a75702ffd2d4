"""Any Gymnasium environment as a Unity player: `python -m bridge.player --env Walker2d-v5 --agents 10`.

It connects to a trainer, this one or `mlagents-learn`, as the Unity Editor does when Play is pressed. A trainer can
also start it from a script in place of a built player:

    #!/bin/sh
    exec python -m bridge.player --env Walker2d-v5 --agents 10 "$@"

Its agents behave as Unity's do. Every episode has a new agent id. The message that reports the end of an episode holds
its last observation, and may also hold the first decision request of the next episode. Episodes that reach their
maximum length are interrupted. An agent asks for a decision every few steps and repeats its action in between.
"""

import argparse
import importlib
import itertools
import logging
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from mlagents_envs.base_env import ActionTuple

from bridge.player_connection import PlayerConnection, TrainerLeft
from bridge.ports import EDITOR_PORT, LAST_PORT
from gym_adapters.action_spaces import ActionMapping
from gym_adapters.commands import program_name
from gym_adapters.errors import UserError
from gym_adapters.limits import ENVIRONMENTS
from gym_adapters.make import behavior_name
from gym_adapters.spaces import ObservationMapping
from gym_adapters.text import log_to_terminal

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class PlayerSettings:
    """The settings of a player.

    Attributes:
        env_id: A Gymnasium id.
        agents: Number of environments in each training area; the trainer sets the number of areas.
        time_limit: Maximum number of steps of an episode; None means the environment's own.
        decision_period: Steps from one decision to the next; the action is repeated in between.
        stagger: Whether agents ask for decisions in different steps of the period instead of all at once.
        seed: Environment i is seeded with seed + i. None takes the trainer's seed, which differs between players.
    """

    env_id: str
    agents: int = 1
    time_limit: int | None = None
    decision_period: int = 1
    stagger: bool = False
    seed: int | None = None


class GymAgent:
    """One environment as an agent of the player.

    Args:
        env: The environment.
        connection: The connection to the trainer.
        behavior: Its behavior name.
        new_id: Returns a new agent id for each episode.
        seed: The seed of the environment's first reset.
    """

    def __init__(
        self,
        env: gymnasium.Env,
        connection: PlayerConnection,
        behavior: str,
        new_id: Callable[[], int],
        seed: int,
    ) -> None:
        self.env, self.connection, self.behavior, self.new_id = env, connection, behavior, new_id
        self.observations = ObservationMapping(env.observation_space)
        self.actions = ActionMapping(env.action_space)
        self.action: np.ndarray | None = None
        self._seed: int | None = seed

    def begin(self) -> None:
        """Begin an episode. The environment is not stepped before the first decision."""
        self.id = self.new_id()
        self.observation, self.info = self.env.reset(seed=self._seed)
        self._seed, self.action, self.reward = None, None, 0.0

    def ask(self) -> None:
        """Ask for a decision."""
        self._put(mask=self._mask())

    def decide(self, continuous: np.ndarray, discrete: np.ndarray) -> None:
        """Set the action for all steps up to the next decision."""
        self.action = self.actions.convert(ActionTuple(continuous[None], discrete[None]))[0]

    def act(self) -> None:
        """Step the environment. If the episode ends, report that and begin the next one."""
        if self.action is None:
            return
        action = int(self.action) if isinstance(self.env.action_space, spaces.Discrete) else self.action
        self.observation, reward, terminated, truncated, self.info = self.env.step(action)
        self.reward += float(reward)
        if terminated or truncated:
            self._put(done=True, interrupted=not terminated)
            self.begin()

    def _put(self, **fields: Any) -> None:
        rows = self.observations.convert_rows([self.observation])
        self.connection.put(self.behavior, self.id, [array[0] for array in rows], self.reward, **fields)
        self.reward = 0.0

    def _mask(self) -> np.ndarray | None:
        """True = forbidden, from Gymnasium's 1 = allowed."""
        allowed = self.info.get("action_mask")
        is_mask = allowed is not None and isinstance(self.env.action_space, spaces.Discrete)
        return np.asarray(allowed) == 0 if is_mask else None


def play(settings: PlayerSettings, connection: PlayerConnection) -> None:
    """Run the environments until the trainer ends the session.

    Raises:
        UserError: There is no such environment, or no trainer.
        TrainerLeft: The trainer ended the session, or is gone.
    """
    first = make_single(settings)
    setup = connection.connect()
    seed = setup.seed if settings.seed is None else settings.seed
    name = behavior_name(settings.env_id)
    count = settings.agents * max(1, setup.num_areas)
    if count > ENVIRONMENTS:
        raise UserError(
            f"--agents {settings.agents}: with the trainer's num_areas {setup.num_areas}, expected at most "
            f"{ENVIRONMENTS:,} environments, got {count:,}; lower one of them"
        )
    new_id = itertools.count().__next__
    envs = [first, *(make_single(settings) for _ in range(count - 1))]
    agents = [GymAgent(env, connection, name, new_id, seed + index) for index, env in enumerate(envs)]
    try:
        connection.add_behavior(name, agents[0].observations.specs, agents[0].actions.spec)
        for agent in agents:
            agent.begin()
        for step in itertools.count():
            _step(agents, connection, step, settings)
    finally:
        for agent in agents:
            agent.env.close()


def _step(agents: list[GymAgent], connection: PlayerConnection, step: int, settings: PlayerSettings) -> None:
    """Run one simulation step: ask for decisions, receive the actions, step the environments."""
    for index, agent in enumerate(agents):
        turn = index if settings.stagger else 0
        if (step - turn) % settings.decision_period == 0:
            agent.ask()
    if connection.has_batch:
        reply = connection.exchange()
        for agent in agents:
            if reply.reset:
                agent.begin()
            elif (agent.behavior, agent.id) in reply.actions:
                agent.decide(*reply.actions[agent.behavior, agent.id])
    for agent in agents:
        agent.act()


def make_single(settings: PlayerSettings) -> gymnasium.Env:
    """Make one environment.

    Raises:
        UserError: The id is unknown, or a package is missing.
    """
    try:
        if settings.env_id.startswith("ALE/"):
            importlib.import_module("gym_adapters.atari")
        return gymnasium.make(settings.env_id, max_episode_steps=settings.time_limit)
    except (gymnasium.error.Error, ImportError) as error:
        raise UserError(f"--env {settings.env_id}: {' '.join(str(error).split())}") from error


def parse(argv: Sequence[str] | None) -> tuple[PlayerSettings, PlayerConnection]:
    """Read the command line. Unknown arguments, such as those of Unity players, are ignored."""
    parser = argparse.ArgumentParser(
        prog=program_name("bridge.player"),
        description="Run a Gymnasium environment as a Unity ML-Agents player.",
        allow_abbrev=False,
    )
    parser.add_argument("--env", required=True, help="Gymnasium id, such as Walker2d-v5")
    parser.add_argument(
        "--agents", type=_at_least(1, ENVIRONMENTS), default=1, help="number of environments (default: 1)"
    )
    parser.add_argument(
        "--mlagents-port", type=_at_least(1, LAST_PORT), default=EDITOR_PORT, help="trainer's port (5004)"
    )
    parser.add_argument(
        "--time-limit", type=_at_least(1), metavar="STEPS", help="cut episodes at this length"
    )
    parser.add_argument(
        "--decision-period", type=_at_least(1), default=1, metavar="STEPS", help="steps per decision"
    )
    parser.add_argument("--stagger", action="store_true", help="agents decide in different steps")
    parser.add_argument(
        "--seed", type=_at_least(0), help="default: the trainer's, another one for each player"
    )
    parser.add_argument("--channels-last", action="store_true", help="images as Unity packages 2.x send them")
    parser.add_argument("--raw-images", action="store_true", help="images as floats instead of PNG")
    parser.add_argument("--wait", type=float, default=60.0, metavar="S", help="for the trainer (default: 60)")
    arguments, _ = parser.parse_known_args(argv)
    settings = PlayerSettings(
        arguments.env,
        arguments.agents,
        arguments.time_limit,
        arguments.decision_period,
        arguments.stagger,
        arguments.seed,
    )
    connection = PlayerConnection(
        arguments.mlagents_port,
        arguments.wait,
        channels_last=arguments.channels_last,
        compress=not arguments.raw_images,
    )
    return settings, connection


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
    settings, connection = parse(argv)
    try:
        play(settings, connection)
    except TrainerLeft as end:
        logger.info("%s", end)
    except UserError as error:
        logger.error("%s", error)
        return 2
    except KeyboardInterrupt:
        return 130
    finally:
        connection.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
