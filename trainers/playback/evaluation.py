"""Play episodes with a trained policy: `python -m trainers.evaluate RUN [options]`."""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mlagents_envs.base_env import ActionTuple, BaseEnv

from bridge.ports import BASE_PORT
from bridge.process import looks_like_player
from gym_adapters.commands import CommandParser, add_checkpoint, program_name
from gym_adapters.errors import UserError, closed_after, exit_status
from gym_adapters.limits import ENVIRONMENTS
from gym_adapters.make import make_env
from gym_adapters.pettingzoo import is_pettingzoo
from gym_adapters.teams import parts_of
from gym_adapters.text import printable
from trainers.config import load_settings
from trainers.config.base import PathText, Port, Whole
from trainers.config.options import option_reader, path_option
from trainers.experience.playing import Policy, match_behaviors, play_all, play_ids, specs_with
from trainers.playback.match_command import GAMES, show_match
from trainers.playback.onnx_policy import OnnxPolicy, behaviors_named
from trainers.playback.policies import ONNX, add_playing, env_of_file, from_file, from_run
from trainers.playback.video import Episode, check_video, film_agents, write_video
from trainers.records.words import three_digits
from trainers.training.environments import make_environment

EPISODES = 20


def evaluate(env: BaseEnv, policy: Policy, played: dict[int, list[ActionTuple]] | None = None) -> list[float]:
    """Play the first episode of every agent by the likeliest actions of one policy, and return the raw returns.

    See `play_all`.
    """
    return [episode.total for episode in play_all(env, [policy], played=played)[policy.name]]


def main(argv: Sequence[str] | None = None) -> int:
    """Evaluate as the command line says; returns the exit status."""
    arguments = _parser().parse_args(argv)
    try:
        if arguments.against is not None:
            return show_match(arguments)
        found = _evaluate_run(arguments)
    except BaseException as error:  # libraries in other languages raise their own
        return exit_status(error)
    figures = _figures(found)
    if arguments.json:
        print(json.dumps(figures if len(figures) > 1 else next(iter(figures.values()))))
    else:
        lines = []
        for name, figure in figures.items():
            lines += [name] if len(figures) > 1 else []
            lines.append(_line(figure))
            lines += [f"team {team}: {_line(own)}" for team, own in figure.get("teams", {}).items()]
            lines += [f"{index:4d}  {_shown(value)}" for index, value in enumerate(figure["returns"])]
        if arguments.video is not None:
            lines.append(f"video {arguments.video}")
        # in one write: a reader may close after the first line
        sys.stdout.write(printable("\n".join(lines)) + "\n")
    return 0


def _evaluate_run(arguments: argparse.Namespace) -> dict[str, list[float]]:
    """Play as the command line says, one environment for each episode; environment i is seeded S + i.

    All behaviors of a run play together if their environment has several agents.

    Returns:
        The raw returns by behavior id.
    """
    if arguments.games is not None:
        raise UserError("--games: needs --against; --episodes is the number of episodes of one run")
    video: Path | None = arguments.video
    is_model = arguments.run.suffix == ONNX
    episodes = (1 if video else EPISODES) if arguments.episodes is None else arguments.episodes
    if not 1 <= episodes <= ENVIRONMENTS:
        raise UserError(
            f"--episodes {episodes}: expected 1 to {ENVIRONMENTS:,}, which are played at the same time"
        )
    if is_model and looks_like_player(env_of_file(arguments)):
        return _play_in_player(arguments, episodes)
    policies: Sequence[Policy]
    env_id, options, policies = from_file(arguments) if is_model else from_run(arguments)
    if video is None:
        with closed_after(make_env(env_id, episodes, arguments.seed, options)) as env:
            return _played(env, policies, arguments)
    seeds = range(arguments.seed, arguments.seed + episodes)
    if is_pettingzoo(env_id):
        found = film_agents(video, env_id, options, seeds, lambda env: _played(env, policies, arguments))
        filmed: dict[str, list[float]] = {}
        for one in found:
            for name, values in one.items():
                filmed.setdefault(name, []).extend(values)
        return filmed
    check_video(video, env_id, options)
    played: dict[int, list[ActionTuple]] = {}
    with closed_after(make_env(env_id, episodes, arguments.seed, options)) as env:
        returns = _played(env, policies, arguments, played)
    actions, own = [played[agent] for agent in sorted(played)], next(iter(returns.values()))
    write_video(video, env_id, options, [Episode(*one) for one in zip(seeds, actions, own, strict=True)])
    return returns


def _played(
    env: BaseEnv,
    policies: Sequence[Policy],
    arguments: argparse.Namespace,
    played: dict[int, list[ActionTuple]] | None = None,
) -> dict[str, list[float]]:
    """Return the raw returns by behavior id, in an environment of this process, which knows all from the start."""
    match_behaviors(env, policies)
    found = play_ids(env, policies, not arguments.stochastic, played)
    return {
        name: [episode.total for episode in found[name]]
        for policy in policies
        for name in found
        if parts_of(name)[0] == policy.name
    }


def _play_in_player(arguments: argparse.Namespace, episodes: int) -> dict[str, list[float]]:
    """Play an `.onnx` file in a Unity player, until the agents of each team have ended the number of episodes."""
    if arguments.video is not None:
        raise UserError("--video: expected a Gymnasium or PettingZoo environment, not a Unity player")
    wanted = behaviors_named(arguments.run)
    place = {"env_path": arguments.env, "seed": arguments.seed, "base_port": arguments.base_port}
    engine = {"no_graphics": arguments.no_graphics}
    settings = load_settings({"env_settings": place, "engine_settings": engine})
    returns: dict[str, list[float]] = {}
    short = True
    with closed_after(make_environment(settings)) as env:
        policy = OnnxPolicy(arguments.run, specs_with(env, wanted), arguments.seed)
        while short:
            played = play_ids(env, [policy], not arguments.stochastic)
            for behavior_id, found in played.items():
                returns.setdefault(behavior_id, []).extend(episode.total for episode in found)
            short = any(len(returns[behavior_id]) < episodes for behavior_id in played)
    return {behavior_id: found[:episodes] for behavior_id, found in sorted(returns.items())}


def _figures(found: Mapping[str, Sequence[float]]) -> dict[str, dict[str, Any]]:
    """Return the figures of each behavior for `--json`, and those of its teams if it has several.

    Args:
        found: the returns by behavior id.
    """
    by_name: dict[str, dict[int, Sequence[float]]] = {}
    for behavior_id, returns in found.items():
        name, team = parts_of(behavior_id)
        by_name.setdefault(name, {})[team] = returns
    figures = {}
    for name, teams in by_name.items():
        figures[name] = _figure([value for returns in teams.values() for value in returns])
        if len(teams) > 1:
            figures[name]["teams"] = {str(team): _figure(returns) for team, returns in teams.items()}
    return figures


def _figure(returns: Sequence[float]) -> dict[str, Any]:
    return {"mean": float(np.mean(returns)), "std": float(np.std(returns)), "returns": list(returns)}


def _line(figure: Mapping[str, Any]) -> str:
    return f"mean {_shown(figure['mean'])}  std {_shown(figure['std'])}  episodes {len(figure['returns'])}"


def _shown(value: float) -> str:
    """Return a return with two decimals, and with three significant digits if it is small."""
    return f"{value:.2f}" if abs(value) >= 1.0 else three_digits(value)


def _parser() -> argparse.ArgumentParser:
    parser = CommandParser(
        prog=program_name("trainers.evaluate"),
        description="Play episodes with a trained policy and print the returns.",
    )
    parser.add_argument("run", type=path_option, help="run folder, behavior folder, .pt file or .onnx file")
    add_checkpoint(parser)
    parser.add_argument(
        "--episodes",
        type=option_reader(Whole),
        help=f"number of episodes. Default: {EPISODES}, with --video 1.",
    )
    add_playing(parser)
    parser.add_argument(
        "--against",
        metavar="OTHER|random|module:Class",
        help="play games against another run or .onnx file, a random player or one of your own, with sides swapped; "
        "actions are sampled",
    )
    parser.add_argument(
        "--games", type=option_reader(Whole), help=f"number of games with --against. Default: {GAMES}."
    )
    parser.add_argument(
        "--deterministic",
        action="store_true",
        help="with --against, take the likeliest actions instead of sampling",
    )
    parser.add_argument(
        "--trust", action="store_true", help="let the run's configuration import a module or name a file"
    )
    parser.add_argument(
        "--env",
        type=option_reader(PathText),
        help="Gymnasium id, if not the one the run was trained on; for an .onnx file also a Unity player",
    )
    parser.add_argument(
        "--base-port",
        type=option_reader(Port),
        default=BASE_PORT,
        metavar="PORT",
        help=f"port for a Unity player. Default: {BASE_PORT}.",
    )
    parser.add_argument("--no-graphics", action="store_true", help="start a Unity player without a display")
    parser.add_argument(
        "--video",
        type=path_option,
        metavar="FILE.mp4",
        help="also write the episodes as a video, .mp4 or .gif",
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help='print {"mean": …, "std": …, "returns": […]}, with several teams "teams" too',
    )
    return parser
