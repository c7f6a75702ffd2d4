"""The installed command `bridge`: every program of the project by its name, such as `bridge train --env Walker2d-v5`.

Each is also a module, such as `python -m trainers.evaluate`, which does the same.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from trainers import run_command


class Program(NamedTuple):
    """A program: the module whose `main` it is, what it does in a few words, and its only algorithm, if any."""

    module: str
    does: str
    trainer_type: str | None = None


TRAINING = "trainers.training.cli"
PROGRAMS = {
    "train": Program(TRAINING, "train with the algorithm that the training file names"),
    "ppo": Program(TRAINING, "train with PPO", "ppo"),
    "a2c": Program(TRAINING, "train with A2C", "a2c"),
    "dqn": Program(TRAINING, "train with DQN", "dqn"),
    "pqn": Program(TRAINING, "train with PQN", "pqn"),
    "sac": Program(TRAINING, "train with SAC", "sac"),
    "poca": Program(TRAINING, "train groups of agents with POCA", "poca"),
    "mappo": Program(TRAINING, "train groups of agents with MAPPO", "mappo"),
    "evaluate": Program(
        "trainers.playback.evaluation", "play episodes with a trained policy, or games of two"
    ),
    "demonstrate": Program("trainers.playback.demonstrate", "record a trained policy as a .demo file"),
    "demonstrations": Program("bridge.demonstrations", "print what a .demo file holds"),
    "clone": Program("trainers.training.clone_command", "train a policy on demonstrations alone"),
    "compare": Program("trainers.compare.cli", "compare runs of this trainer and of mlagents-learn"),
    "search": Program("trainers.search.cli", "search for the settings that train best"),
    "config": Program("trainers.config.__main__", "check a training file and print it with all defaults"),
    "export": Program("bridge.onnx_export", "write the .onnx of a policy, or check one"),
    "doctor": Program("bridge.doctor", "check the installed packages, the ports, rendering and the devices"),
    "player": Program(
        "bridge.player", "be a Unity player whose scene is a Gymnasium or PettingZoo environment"
    ),
    "keep": Program("trainers.playback.keep", "keep a trained policy in the repository"),
    "gallery": Program("trainers.playback.gallery", "film the kept policies"),
    "benchmark": Program("trainers.playback.benchmark", "train and evaluate the tasks of docs/results.md"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program that the first argument names, with the other arguments; returns the exit status.

    Args:
        argv: the arguments without the program's name; None takes those of the process.
    """
    name, *rest = [*(sys.argv[1:] if argv is None else argv)] or ["--help"]
    if name in ("-h", "--help", "help"):
        sys.stdout.write(_help())
        return 0
    if name == "--version":
        name, rest = "train", [name]
    if name not in PROGRAMS:
        from gym_adapters.commands import shell_line
        from trainers.config.base import suggestion

        meant = suggestion(name, PROGRAMS)
        if name.startswith("-") or Path(name).suffix in (".yaml", ".yml"):
            meant = f"; to train: {shell_line('bridge', 'train', name, *rest)}"
        sys.stderr.write(f"error: bridge {name}: expected one of {', '.join(PROGRAMS)}{meant}\n")
        return 2
    import_from_here()
    program = PROGRAMS[name]
    options = {} if program.trainer_type is None else {"trainer_type": program.trainer_type}
    return run_command(program.module, f"bridge {name}", argv=rest, **options)


def import_from_here() -> None:
    """Make the modules in the current folder importable, as `python -m` does, for environments of the user's own."""
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)


def _help() -> str:
    width = max(map(len, PROGRAMS))
    lines = [f"  {name:{width}}  {program.does}" for name, program in PROGRAMS.items()]
    return "\n".join(
        ["usage: bridge PROGRAM [options]", "", *lines, "", "bridge PROGRAM --help lists its options.", ""]
    )
