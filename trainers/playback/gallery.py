"""Short films of trained policies for the README: `python -m trainers.gallery [RUN ...]`, or `make gallery`.

Writes `docs/gallery/<Behavior>.mp4` and a smaller `.gif` for each run. Without a run, it takes policies that are kept
in `docs/policies/`.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from mlagents_envs.base_env import ActionTuple

from gym_adapters.commands import CommandParser, add_checkpoint, module_command, program_name
from gym_adapters.errors import closed_after, exit_status
from gym_adapters.make import make_env
from gym_adapters.text import one_line
from trainers.config.base import SentCountOrZero
from trainers.config.options import option_reader, path_option
from trainers.playback.evaluation import evaluate
from trainers.playback.keep import POLICIES
from trainers.playback.run_environment import environment_of
from trainers.playback.video import Episode, Look, check_video, write_video
from trainers.records.names import file_name
from trainers.records.policy_file import find_checkpoint, load_policy

GALLERY = Path("docs", "gallery")
TASKS = ("Walker2d-v5", "Humanoid-v5", "Assault-v5-pqn")
MOST_BYTES = 3_000_000
"""Limit on the size of all files of the gallery together."""

FILM = Look(width=400, seconds=8, most_fps=34)
PREVIEW = Look(width=400, seconds=3, most_fps=13, colours=32)


def film(run: Path, folder: Path, checkpoint: str, seed: int, trust: bool) -> list[Path]:
    """Play one episode and write its `.mp4` and `.gif`.

    Args:
        run: run folder, behavior folder or kept policy.
        folder: where the files go.
        checkpoint: `last`, `best`, or an agent-step count.
        seed: the episode's seed.
        trust: see `environment_of`.

    Returns:
        The two files.

    Raises:
        UserError: the run cannot be played, is not trusted, or its environment draws no pictures.
    """
    path = find_checkpoint(run, checkpoint)
    env_id, options = environment_of(path, trust=trust)
    policy = load_policy(path)
    files = [folder / f"{file_name(policy.name)}{suffix}" for suffix in (".mp4", ".gif")]
    check_video(files[0], env_id, options)
    played: dict[int, list[ActionTuple]] = {}
    with closed_after(make_env(env_id, 1, seed, options)) as env:
        returns = evaluate(env, policy, played=played)
    for file, look in zip(files, (FILM, PREVIEW), strict=True):
        write_video(file, env_id, options, [Episode(seed, played[0], returns[0])], look)
    print(f"{one_line(policy.name)}: {policy.step:,} steps, this episode's return is {returns[0]:,.1f}")
    return files


def main(argv: Sequence[str] | None = None) -> int:
    """Film as the command line says; returns the exit status, 2 if the files are too large."""
    parser = CommandParser(prog=program_name("trainers.gallery"), description="Film trained policies.")
    parser.add_argument(
        "runs", nargs="*", type=path_option, help=f"run folders. Default: {', '.join(TASKS)} in {POLICIES}."
    )
    add_checkpoint(parser)
    parser.add_argument(
        "--seed", type=option_reader(SentCountOrZero), default=0, help="of the episode. Default: 0."
    )
    parser.add_argument("--out", type=path_option, default=GALLERY, help=f"where to. Default: {GALLERY}.")
    parser.add_argument(
        "--trust", action="store_true", help="let a run's configuration import a module or name a file"
    )
    arguments = parser.parse_args(argv)
    try:
        for run in arguments.runs or [POLICIES / task for task in TASKS]:
            if not arguments.runs and not run.is_dir():
                add = module_command("trainers.keep", "RUN")
                print(f"{run.name}: left out, no policy is kept in {run}; add one: {add}")
                continue
            for file in film(run, arguments.out, arguments.checkpoint, arguments.seed, arguments.trust):
                print(f"  {file}  {file.stat().st_size:,} bytes")
    except BaseException as error:  # libraries in other languages raise their own
        return exit_status(error)
    total = sum(file.stat().st_size for file in arguments.out.glob("*.*"))
    print(f"{arguments.out}: {total:,} bytes in all")
    if total > MOST_BYTES:
        print(f"error: {arguments.out}: more than {MOST_BYTES:,} bytes; remove some", file=sys.stderr)
        return 2
    return 0
