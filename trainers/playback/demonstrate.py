"""Record a trained policy as demonstrations: `python -m trainers.demonstrate RUN --out expert.demo [options]`."""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from mlagents_envs.base_env import BaseEnv, DecisionSteps, TerminalSteps

from bridge.demonstration_file import SUFFIX
from bridge.demonstrations import Demonstrations, Trajectory, describe, write_demonstrations
from bridge.process import looks_like_player
from gym_adapters.commands import CommandParser, add_checkpoint, program_name
from gym_adapters.errors import UserError, closed_after, exit_status
from gym_adapters.limits import ENVIRONMENTS
from gym_adapters.make import make_env
from gym_adapters.text import printable
from trainers.config import CheckpointSettings, EnvSettings, load_settings
from trainers.config.base import PathText, Whole
from trainers.config.loader import CONFIGURATION
from trainers.config.options import option_reader, path_option
from trainers.experience.playing import Acted, match_behaviors, play
from trainers.networks.policy_network import join_masks
from trainers.playback.evaluation import EPISODES
from trainers.playback.policies import add_playing, from_run, loaded
from trainers.playback.run_environment import require_trust
from trainers.records.names import file_name
from trainers.records.policy_file import LoadedPolicy, find_checkpoints


@dataclass
class _Episode:
    """An episode while it is recorded; the lists grow by each decision."""

    observations: list[list[np.ndarray]] = field(default_factory=list)
    continuous: list[np.ndarray] = field(default_factory=list)
    discrete: list[np.ndarray] = field(default_factory=list)
    forbidden: list[np.ndarray] = field(default_factory=list)
    rewards: list[float] = field(default_factory=list)
    interrupted: bool = False


class Recording:
    """Records the episodes of a behavior that count."""

    def __init__(self) -> None:
        self._running: dict[tuple[str, int], _Episode] = {}
        self._all: list[_Episode] = []

    def take(self, acted: Acted[LoadedPolicy]) -> None:
        """Take in what agents earned and saw, and what they then did.

        Raises:
            UserError: a mask does not fit the actions.
        """
        name, decision, terminal, actions = acted.behavior_id, acted.decision, acted.terminal, acted.actions
        for row in acted.ended:
            episode = self._running.pop((name, int(terminal.agent_id[row])))
            self._see(episode, terminal, row)
            episode.interrupted = bool(terminal.interrupted[row])
        branches = acted.policy.spec.action_spec.discrete_branches
        masks = decision.action_mask if acted.counted else None
        forbidden = join_masks(name, masks, branches, decision.agent_id)
        for row in acted.counted:
            agent = name, int(decision.agent_id[row])
            if agent not in self._running:
                self._running[agent] = _Episode()
                self._all.append(self._running[agent])
            episode = self._running[agent]
            self._see(episode, decision, row)
            episode.continuous.append(actions.continuous[row].copy())
            episode.discrete.append(actions.discrete[row].astype(np.int64))
            nothing = np.zeros(sum(branches), np.bool_)
            episode.forbidden.append(nothing if forbidden is None else forbidden[row].copy())

    def trajectories(self) -> tuple[Trajectory, ...]:
        """Return the episodes that ended, in the order in which they began."""
        return tuple(
            Trajectory(
                tuple(np.stack(column) for column in zip(*one.observations, strict=True)),
                np.stack(one.continuous),
                np.stack(one.discrete),
                np.stack(one.forbidden),
                np.array(one.rewards, np.float32),
                True,
                one.interrupted,
            )
            for one in self._all
        )

    @staticmethod
    def _see(episode: _Episode, steps: DecisionSteps | TerminalSteps, row: int) -> None:
        if episode.observations:
            episode.rewards.append(float(steps.reward[row]) + float(steps.group_reward[row]))
        episode.observations.append([column[row].copy() for column in steps.obs])


def record(
    env: BaseEnv, policies: Sequence[LoadedPolicy], limit: int | None = None, deterministic: bool = True
) -> dict[str, Demonstrations]:
    """Play episodes and record them, each to its end, so that long ones are not missed.

    Args:
        env: an environment with the policies' behaviors; it is reset, and left open.
        policies: one for each behavior that acts.
        limit: episodes of each behavior id; None records the first of every agent (see `FirstEpisodes`).
        deterministic: take the most likely actions; else draw samples.

    Raises:
        UserError: see `playing.play`.
    """
    recordings = {policy.name: Recording() for policy in policies}
    for step in play(env, policies, deterministic, limit):
        for acted in step:
            recordings[acted.policy.name].take(acted)
    return {
        policy.name: Demonstrations(
            "the recording", policy.name, policy.spec, recordings[policy.name].trajectories()
        )
        for policy in policies
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Record as the command line says; returns the exit status."""
    arguments = _parser().parse_args(argv)
    try:
        lines = _record_run(arguments)
    except BaseException as error:  # libraries in other languages raise their own
        return exit_status(error)
    sys.stdout.write(printable("\n".join(lines)) + "\n")
    return 0


def _record_run(arguments: argparse.Namespace) -> list[str]:
    """Record, write a file for each behavior, and return the lines to print."""
    if not 1 <= arguments.episodes <= ENVIRONMENTS:
        raise UserError(f"--episodes {arguments.episodes}: expected 1 to {ENVIRONMENTS:,}")
    checkpoints = find_checkpoints(arguments.run, arguments.checkpoint)
    player = _player_of(arguments, checkpoints[0])
    make: Callable[[], BaseEnv]
    if player is None:
        env_id, options, policies = from_run(arguments)
        make, limit = partial(make_env, env_id, arguments.episodes, arguments.seed, options), None
    else:
        policies = loaded(checkpoints, arguments.seed)
        make, limit = partial(_start_player, arguments, checkpoints[0], player), arguments.episodes
    paths = _files(arguments, [policy.name for policy in policies])
    with closed_after(make()) as env:
        if player is None:
            match_behaviors(env, policies)
        found = record(env, policies, limit, not arguments.stochastic)
    lines = []
    for path, demonstrations in zip(paths.values(), found.values(), strict=True):
        write_demonstrations(path, demonstrations)
        lines += [f"{path}", *(f"  {line}" for line in describe(demonstrations))]
    return lines


def _files(arguments: argparse.Namespace, names: Sequence[str]) -> Mapping[str, Path]:
    """Return the file of each behavior: `--out` itself, or with the behavior's name in it if there are several."""
    out: Path = arguments.out
    if out.suffix != SUFFIX:
        raise UserError(f"--out {out}: expected a name that ends in {SUFFIX}")
    paths = {
        name: out if len(names) == 1 else out.with_name(f"{out.stem}-{file_name(name)}{SUFFIX}")
        for name in names
    }
    for path in paths.values():
        if path.is_dir():
            raise UserError(f"--out {path}: is a folder; give the name of a file")
        if path.exists() and not arguments.force:
            raise UserError(f"{path} exists already; use --force to overwrite it, or another --out")
    return paths


def _player_of(arguments: argparse.Namespace, checkpoint: Path) -> str | None:
    """Return the Unity player to record in, that of `--env` or that of the run; None for other environments.

    Raises:
        UserError: the run names a player, which is a program, and it is not trusted.
    """
    if arguments.env is not None:
        return arguments.env if looks_like_player(arguments.env) else None
    configuration = checkpoint.parent.parent / CONFIGURATION
    env_path = load_settings(configuration).env_settings.env_path if configuration.is_file() else None
    if not looks_like_player(env_path):
        return None
    require_trust(configuration, f"start the program {env_path}", arguments.trust, "the player")
    return env_path


def _start_player(arguments: argparse.Namespace, checkpoint: Path, player: str) -> BaseEnv:
    """Start one Unity player with the engine settings of the run; with its arguments if the run itself names it.

    Its log goes to the run's folder.
    """
    from bridge.make import make_unity

    run = checkpoint.absolute().parent.parent
    settings = load_settings(run / CONFIGURATION if (run / CONFIGURATION).is_file() else None)
    place = CheckpointSettings(results_dir=str(run.parent), run_id=run.name)
    env = settings.env_settings if arguments.env is None else EnvSettings(env_path=player)
    env = env.model_copy(update={"num_envs": 1, "seed": arguments.seed})
    return make_unity(settings.model_copy(update={"env_settings": env, "checkpoint_settings": place}))


def _parser() -> argparse.ArgumentParser:
    parser = CommandParser(
        prog=program_name("trainers.demonstrate"),
        description="Play episodes with a trained policy and record them as a .demo file.",
    )
    parser.add_argument("run", type=path_option, help="run folder, behavior folder or .pt file")
    parser.add_argument(
        "--out", type=path_option, required=True, metavar="FILE.demo", help="the file to write"
    )
    parser.add_argument("--force", action="store_true", help="overwrite the file if it is there")
    add_checkpoint(parser)
    parser.add_argument(
        "--episodes",
        type=option_reader(Whole),
        default=EPISODES,
        help=f"number of episodes. Default: {EPISODES}.",
    )
    add_playing(parser)
    parser.add_argument(
        "--trust",
        action="store_true",
        help="let the run's configuration import a module, name a file or start a player",
    )
    parser.add_argument(
        "--env",
        type=option_reader(PathText),
        help="Gymnasium id, PettingZoo environment or Unity player, if not the one the run was trained on",
    )
    return parser
