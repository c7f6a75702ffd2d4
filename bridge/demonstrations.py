"""Demonstrations: reads and writes the .demo files of Unity's Demonstration Recorder.

`python -m bridge.demonstrations FILE` prints what is in one.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from mlagents_envs.base_env import ActionSpec, BehaviorSpec

from bridge import wire
from bridge.decoding import BehaviorDecoder
from bridge.demonstration_file import files_of, read_recording, write_recording
from bridge.encoding import write_observation, write_parameters
from gym_adapters.commands import CommandParser, program_name
from gym_adapters.errors import UserError, exit_status, place_named
from gym_adapters.teams import parts_of
from gym_adapters.text import one_line


@dataclass(frozen=True)
class Trajectory:
    """What one agent did in one episode: t decisions, and the t + 1 observations before, between and after them.

    Attributes:
        observations: One array per observation. Shape: (t + 1, *shape)
        continuous: In the units that the environment takes. Shape: (t, size), float32
        discrete: Shape: (t, branches), int64
        forbidden: True where an action was forbidden; never where it was taken. Shape: (t, sum of branch sizes), bool
        reward: What the agent earned by each decision, its group's rewards included. Shape: (t,), float32
        ended: Whether the episode ended; otherwise the recording ended before it.
        interrupted: Whether it ended at its maximum length.
    """

    observations: tuple[np.ndarray, ...]
    continuous: np.ndarray
    discrete: np.ndarray
    forbidden: np.ndarray
    reward: np.ndarray
    ended: bool
    interrupted: bool = False

    def __len__(self) -> int:
        return len(self.reward)


@dataclass(frozen=True)
class Decisions:
    """The n decisions of all trajectories, one after another; see `Trajectory`.

    Attributes:
        trajectory: The number of each decision's trajectory. Shape: (n,)
    """

    observations: tuple[np.ndarray, ...]
    continuous: np.ndarray
    discrete: np.ndarray
    forbidden: np.ndarray
    trajectory: np.ndarray

    def __len__(self) -> int:
        return len(self.continuous)

    def take(self, rows: np.ndarray) -> "Decisions":
        """Return some of the decisions, by number."""
        parts = tuple(column[rows] for column in self.observations)
        others = (self.continuous, self.discrete, self.forbidden, self.trajectory)
        return Decisions(parts, *(column[rows] for column in others))


@dataclass(frozen=True)
class Demonstrations:
    """What agents of one behavior were seen to do.

    Attributes:
        source: Where they come from, for messages.
        name: The behavior's name.
        spec: Its observations and actions; images are channel-first.
        trajectories: At least one.
    """

    source: str
    name: str
    spec: BehaviorSpec
    trajectories: tuple[Trajectory, ...]

    @property
    def steps(self) -> int:
        """Number of decisions."""
        return sum(map(len, self.trajectories))

    @cached_property
    def decisions(self) -> Decisions:
        """All decisions, one after another."""
        runs = self.trajectories
        observations = zip(*(run.observations for run in runs), strict=True)
        return Decisions(
            tuple(np.concatenate([column[:-1] for column in columns]) for columns in observations),
            np.concatenate([run.continuous for run in runs]),
            np.concatenate([run.discrete for run in runs]),
            np.concatenate([run.forbidden for run in runs]),
            np.repeat(np.arange(len(runs)), [len(run) for run in runs]),
        )

    @property
    def returns(self) -> list[float]:
        """The return of each episode that ended."""
        return [float(run.reward.sum(dtype=np.float64)) for run in self.trajectories if run.ended]

    def require_fit(self, behavior: str, spec: BehaviorSpec) -> None:
        """Require that these are demonstrations of a behavior. Names are not compared.

        Raises:
            UserError: The actions, the number of observations or a shape differ; the line names both sides.
        """
        reason = _difference(self.spec, f"behavior {behavior}", spec)
        if reason:
            raise UserError(f"{self.source}: {reason}; record that behavior's own agents")


def load_demonstrations(path: Path) -> Demonstrations:
    """Read a .demo file, or all of a folder in the order of their names.

    A decision is paired with the reward and the ending that the next moment brings. The last moment of a recording,
    whose reward never came, is only an observation, and so is the last moment of an episode.

    Raises:
        UserError: There is no file, one is damaged or holds no decision, or two of a folder are of different behaviors.
    """
    read = [_read(file) for file in files_of(path)]
    first = read[0]
    for other in read[1:]:
        reason = _difference(other.spec, first.source, first.spec)
        if reason:
            raise UserError(
                f"{other.source}: {reason}; keep the files of one behavior in a folder of their own"
            )
    runs = tuple(run for one in read for run in one.trajectories)
    return Demonstrations(str(path), first.name, first.spec, runs)


def write_demonstrations(path: Path, demonstrations: Demonstrations) -> None:
    """Write a .demo file, which this trainer, ML-Agents and Unity read. Images of bytes are written as PNG.

    Raises:
        UserError: There is no trajectory to write, or the system refuses.
    """
    spec, runs = demonstrations.spec, demonstrations.trajectories
    if not runs:
        raise UserError(
            f"{path}: no episode of behavior {demonstrations.name} was recorded; record one or more"
        )
    total = sum(float(run.reward.sum(dtype=np.float64)) for run in runs)
    header = wire.RecordingHeader(
        demonstration_name=path.stem,
        number_steps=demonstrations.steps + len(runs),
        number_episodes=len(runs),
        mean_reward=total / len(runs),
    )
    parameters = wire.BrainParameters()
    write_parameters(parameters, demonstrations.name, spec.action_spec)
    pairs = (
        _pair(spec, number, run, step) for number, run in enumerate(runs) for step in range(len(run) + 1)
    )
    write_recording(path, header, parameters, pairs)


def _read(path: Path) -> Demonstrations:
    recording = read_recording(path)
    infos = [pair.agent_info for pair in recording.pairs]
    with place_named(path):
        decoder = BehaviorDecoder(recording.parameters.brain_name, recording.parameters, infos[0])
        observations = decoder.observations(infos)
        reward = decoder.rewards(infos, "reward") + decoder.rewards(infos, "group_reward")
        masks = decoder.masks(infos)
        spans = recording.spans()
        continuous, discrete = recording.actions(decoder.spec.action_spec, spans)
    forbidden = np.concatenate(masks, axis=1) if masks else np.zeros((len(infos), 0), np.bool_)
    branches = np.array(decoder.spec.action_spec.discrete_branches, np.int64)
    np.put_along_axis(forbidden, discrete + np.cumsum(branches) - branches, False, axis=1)
    runs = tuple(
        Trajectory(
            tuple(column[start:end] for column in observations),
            continuous[start : end - 1],
            discrete[start : end - 1],
            forbidden[start : end - 1],
            reward[start + 1 : end],
            bool(infos[end - 1].done),
            bool(infos[end - 1].max_step_reached),
        )
        for start, end in spans
    )
    if not runs:
        raise UserError(f"{path}: holds no decision whose outcome was recorded; record whole episodes")
    name = one_line(parts_of(recording.parameters.brain_name)[0], 100)
    return Demonstrations(str(path), name, decoder.spec, runs)


def _pair(spec: BehaviorSpec, number: int, run: Trajectory, step: int) -> Any:
    """Return a moment of a trajectory as a message. Its agent's id is the trajectory's number."""
    pair, last = wire.RecordedPair(), step == len(run)
    info = pair.agent_info
    info.id, info.reward = number, float(run.reward[step - 1]) if step else 0.0
    info.done, info.max_step_reached = last and run.ended, last and run.interrupted
    for column, one in zip(run.observations, spec.observation_specs, strict=True):
        write_observation(info.observations.add(), column[step], one)
    if not last:
        if run.forbidden[step].any():
            info.action_mask = run.forbidden[step].tobytes()
        pair.action_info.continuous_actions = np.ascontiguousarray(run.continuous[step], np.float32).tobytes()
        pair.action_info.discrete_actions.extend(run.discrete[step].tolist())
    else:
        pair.action_info.continuous_actions = bytes(4 * spec.action_spec.continuous_size)
        pair.action_info.discrete_actions.extend([0] * spec.action_spec.discrete_size)
    return pair


def _difference(found: BehaviorSpec, other: str, expected: BehaviorSpec) -> str:
    """Return how two specs differ, in words that name both; nothing if they do not."""
    shapes, wanted = _shapes(found), _shapes(expected)
    if _acts(found.action_spec) != _acts(expected.action_spec):
        return f"recorded with {_acts(found.action_spec)}, {other} has {_acts(expected.action_spec)}"
    if len(shapes) != len(wanted):
        return f"recorded with {len(shapes)} observations {shapes}, {other} has {len(wanted)} {wanted}"
    for index, (shape, needed) in enumerate(zip(shapes, wanted, strict=True)):
        if shape != needed:
            return f"observation {index} was recorded with shape {shape}, {other} has {needed}"
    return ""


def _shapes(spec: BehaviorSpec) -> list[tuple[int, ...]]:
    return [tuple(observation.shape) for observation in spec.observation_specs]


def _acts(spec: ActionSpec) -> str:
    return f"{spec.continuous_size} continuous actions and discrete branches {tuple(spec.discrete_branches)}"


def describe(demonstrations: Demonstrations) -> list[str]:
    """Return the lines that say what demonstrations hold."""
    runs, returns = demonstrations.trajectories, demonstrations.returns
    names = [one_line(one.name, 60) for one in demonstrations.spec.observation_specs]
    shown = ", ".join(
        f"{name} {shape}".strip() for name, shape in zip(names, _shapes(demonstrations.spec), strict=True)
    )
    mean = f", mean return {np.mean(returns):.6g}" if returns else ""
    return [
        f"behavior      {demonstrations.name}",
        f"observations  {shown}",
        f"actions       {_acts(demonstrations.spec.action_spec)}",
        f"episodes      {len(returns)} ended{mean}; {len(runs) - len(returns)} cut off",
        f"steps         {demonstrations.steps:,}",
    ]


def main(argv: Sequence[str] | None = None) -> int:
    """Print what is in a .demo file or a folder of them, and return the exit status."""
    parser = CommandParser(
        prog=program_name("bridge.demonstrations"),
        description="Print what a .demo file, or a folder of them, holds.",
    )
    parser.add_argument("path", type=Path, metavar="FILE", help=".demo file, or a folder of them")
    arguments = parser.parse_args(argv)
    try:
        lines = describe(load_demonstrations(arguments.path))
    except (UserError, KeyboardInterrupt) as error:
        return exit_status(error)
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
