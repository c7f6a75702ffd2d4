"""The option `--against` of `python -m trainers.evaluate`."""

import argparse
import importlib
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mlagents_envs.base_env import BehaviorSpec

from gym_adapters.errors import UserError, closed_after, raised
from gym_adapters.limits import ENVIRONMENTS
from gym_adapters.make import make_env
from gym_adapters.pettingzoo import is_pettingzoo
from gym_adapters.roles import TEAMS
from gym_adapters.teams import parts_of
from trainers.experience.playing import Policy
from trainers.maths.seeds import behavior_seed
from trainers.playback.match import OwnSide, PolicySide, RandomSide, Side, play_games, report, teams_in, text
from trainers.playback.onnx_policy import OnnxPolicy
from trainers.playback.policies import ONNX, env_of_file, loaded
from trainers.playback.run_environment import environment_of
from trainers.records.policy_file import find_checkpoints

GAMES = 200
RANDOM = "random"
"""Stands for a player that takes any allowed action with the same probability."""
CLASS = re.compile(r"(?P<module>[A-Za-z_][\w.]*):(?P<name>[A-Za-z_]\w*)")
"""A module and a class of it that is a `match.Side` and is made from the behaviors and a seed, as `RandomSide` is."""


def show_match(arguments: argparse.Namespace) -> int:
    """Play a match as the command line says, print its result and return the exit status."""
    found = _play_match(arguments)
    if arguments.json:
        print(json.dumps(found))
    else:
        sys.stdout.write(text(found))
    return 0


def _play_match(arguments: argparse.Namespace) -> dict[str, Any]:
    """Play games of a run against another one. Each plays every team in the same number of games.

    The games of a team begin with the seeds S, S + 1 and so on, so that both sides meet the same starts.
    """
    if arguments.video is not None or arguments.episodes is not None:
        raise UserError("--against: --video and --episodes do not fit; --games is the number of games")
    games = GAMES if arguments.games is None else arguments.games
    options: dict[str, Any] = {}
    if arguments.run.suffix == ONNX:
        env_id = env_of_file(arguments)
    else:
        checkpoint = find_checkpoints(arguments.run, arguments.checkpoint)[0]
        env_id, options = environment_of(checkpoint, arguments.env, arguments.trust)
    if not is_pettingzoo(env_id):
        raise UserError(
            f"--against: expected an environment of PettingZoo, whose agents can compete, got {env_id}"
        )
    options = {TEAMS: True, **options}
    with closed_after(make_env(env_id, 1, arguments.seed, options)) as probe:
        probe.reset()
        teams, specs = teams_in(probe), dict(probe.behavior_specs)
    most = len(teams) * ENVIRONMENTS
    if not len(teams) <= games <= most:
        raise UserError(f"--games {games}: expected {len(teams)}, one for each team, to {most:,}")
    names = {parts_of(behavior_id)[0]: spec for behavior_id, spec in specs.items()}
    sides = _side(arguments.run, names, arguments, 0), _other_side(names, arguments)
    scores = []
    for index, team in enumerate(teams):
        for side in sides:
            if isinstance(side, PolicySide):
                side.forget()
        copies = games // len(teams) + (index < games % len(teams))
        with closed_after(make_env(env_id, copies, arguments.seed, options)) as env:
            scores.append(play_games(env, copies, sides[0], sides[1], team))
    return report(np.concatenate(scores), str(arguments.run), str(arguments.against))


def _other_side(specs: dict[str, BehaviorSpec], arguments: argparse.Namespace) -> Side:
    """Return the side that `--against` names.

    Raises:
        UserError: there is no such run, file, module or class, or the class cannot be made.
    """
    if arguments.against == RANDOM:
        return RandomSide(specs, arguments.seed)
    if (named := CLASS.fullmatch(arguments.against)) is None:
        return _side(Path(arguments.against), specs, arguments, len(specs))
    try:
        player = getattr(importlib.import_module(named["module"]), named["name"])(specs, arguments.seed)
    except (Exception, SystemExit) as error:
        raise UserError(
            f"--against {arguments.against}: {raised(error)}; name a class as module:Class, which is made from "
            "behaviors and a seed"
        ) from error
    return OwnSide(f"--against {arguments.against}", player, specs)


def _side(
    path: Path, specs: dict[str, BehaviorSpec], arguments: argparse.Namespace, first: int
) -> PolicySide:
    """Return the side of a run or an `.onnx` file.

    Args:
        path: the run or the file.
        specs: the behaviors by name.
        arguments: those of the command line.
        first: number of its first policy; those of the other side have others, so that both sample independently.
    """
    policies: Sequence[Policy]
    if path.suffix == ONNX:
        policies = [OnnxPolicy(path, specs, behavior_seed(arguments.seed, first))]
    else:
        policies = loaded(find_checkpoints(path, arguments.checkpoint), arguments.seed, first)
    return PolicySide(policies, arguments.deterministic)
