"""The policies that a command plays: those of a run, or of an `.onnx` file."""

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from gym_adapters.commands import LAST
from gym_adapters.errors import UserError, closed_after
from gym_adapters.make import make_env
from gym_adapters.pettingzoo import is_pettingzoo
from trainers.config.base import SentCountOrZero
from trainers.config.options import option_reader
from trainers.maths.seeds import behavior_seed
from trainers.playback.onnx_policy import OnnxPolicy
from trainers.playback.run_environment import environment_of
from trainers.records.policy_file import LoadedPolicy, find_checkpoint, find_checkpoints, load_policy

ONNX = ".onnx"


def add_playing(parser: argparse.ArgumentParser) -> None:
    """Add the options of how policies play: `--seed` and `--stochastic`."""
    parser.add_argument(
        "--seed",
        type=option_reader(SentCountOrZero),
        default=0,
        metavar="S",
        help="episode i is seeded S+i. Default: 0.",
    )
    parser.add_argument(
        "--stochastic", action="store_true", help="sample actions instead of taking the likeliest"
    )


def loaded(checkpoints: Iterable[Path], seed: int, first: int = 0) -> list[LoadedPolicy]:
    """Return the policies of checkpoints, each of which samples with random numbers of its own.

    Args:
        checkpoints: their files.
        seed: that of the samples.
        first: number of the first policy among all that play together.
    """
    policies = [load_policy(checkpoint) for checkpoint in checkpoints]
    for number, policy in enumerate(policies, start=first):
        policy.seed(behavior_seed(seed, number))
    return policies


def from_run(arguments: argparse.Namespace) -> tuple[str, dict[str, Any], list[LoadedPolicy]]:
    """Return the environment's id and options, and the policies, of a run or a checkpoint."""
    checkpoints = find_checkpoints(arguments.run, arguments.checkpoint)
    env_id, options = environment_of(checkpoints[0], arguments.env, arguments.trust)
    if not is_pettingzoo(env_id):
        checkpoints = [find_checkpoint(arguments.run, arguments.checkpoint)]
    return env_id, options, loaded(checkpoints, arguments.seed)


def from_file(arguments: argparse.Namespace) -> tuple[str, dict[str, Any], list[OnnxPolicy]]:
    """Return the environment's id and options, and the policy, of an `.onnx` file."""
    env_id = env_of_file(arguments)
    with closed_after(make_env(env_id, 1, arguments.seed)) as probe:
        specs = dict(probe.behavior_specs)
    return env_id, {}, [OnnxPolicy(arguments.run, specs, arguments.seed)]


def env_of_file(arguments: argparse.Namespace) -> str:
    """Return the environment of an `.onnx` file, which the option `--env` says.

    Raises:
        UserError: it is missing, or `--checkpoint` is given.
    """
    if arguments.checkpoint != LAST:
        raise UserError(
            f"--checkpoint {arguments.checkpoint}: {arguments.run} is one policy; name a run instead"
        )
    if arguments.env is None:
        raise UserError(
            f"{arguments.run}: an .onnx file names no environment; add --env, an id or a Unity player"
        )
    env: str = arguments.env
    return env
