"""A policy in an `.onnx` file, of this trainer or of `mlagents-learn`, which plays through onnxruntime."""

import re
from collections.abc import Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mlagents_envs.base_env import ActionSpec, ActionTuple, BehaviorSpec

from gym_adapters.commands import install_command
from gym_adapters.errors import UserError, unread_named
from gym_adapters.teams import parts_of
from gym_adapters.text import first_line
from trainers.networks.behavior_spec import require_same_actions
from trainers.networks.memories import Memories

MASKS, MEMORY_IN, MEMORY_OUT = "action_masks", "recurrent_in", "recurrent_out"
BEHAVIOR_NAME = "behavior_name"
OTHER_INPUTS = (MASKS, MEMORY_IN)


class OnnxPolicy:
    """An exported policy for one behavior of an environment.

    Args:
        path: the file.
        specs: the behaviors of the environment, by behavior id. One of them is the file's: the one that its metadata
            `behavior_name` or its own name names, with or without the steps of a checkpoint, or the only one.
        seed: of the noise by which actions are sampled.

    Attributes:
        name: the behavior's name.
        spec: its observations and actions.

    Raises:
        UserError: onnxruntime is not installed, the file cannot be read, or does not fit the environment.
    """

    def __init__(self, path: Path, specs: Mapping[str, BehaviorSpec], seed: int = 0) -> None:
        self.path = path
        self._session = _session(path, seed)
        self._inputs = {one.name: one.shape for one in self._session.get_inputs()}
        self._outputs = [one.name for one in self._session.get_outputs()]
        named = _behaviors_named(self._session, path)
        names = {parts_of(behavior_id)[0]: spec for behavior_id, spec in specs.items()}
        fitting = [name for name in named if name in names] or list(names)
        if not names or (fitting[0] not in named and len(names) > 1):
            raise UserError(
                f"{path}: is for {named[0]}, the environment has {', '.join(sorted(names)) or 'no behavior'}; "
                "name the file after one of its behaviors"
            )
        self.name = fitting[0]
        self.spec = names[self.name]
        self._memories = Memories(_size(self._inputs[MEMORY_IN][-1]) if MEMORY_IN in self._inputs else 0)
        self._check()
        self._check_actions()

    def forget(self, agents: Iterable[Hashable] | str | int | None = None) -> None:
        """See `LoadedPolicy.forget`."""
        self._memories.forget(agents)

    def act(
        self,
        observations: Sequence[np.ndarray],
        deterministic: bool = True,
        action_mask: Sequence[np.ndarray] | None = None,
        agents: Sequence[Hashable] | None = None,
    ) -> ActionTuple:
        """Choose actions for n agents. See `LoadedPolicy.act`.

        Raises:
            UserError: the file has no such actions, or onnxruntime fails.
        """
        count, actions = len(observations[0]), self.spec.action_spec
        agents = range(count) if agents is None else agents
        feed = {f"obs_{index}": _as_input(array) for index, array in enumerate(observations)}
        if MASKS in self._inputs:
            feed[MASKS] = _allowed(action_mask, count, sum(actions.discrete_branches))
        if self._memories.size:
            feed[MEMORY_IN] = self._memories.of(agents)[:, None]
        kinds = [kind for kind in ("continuous", "discrete") if getattr(actions, f"{kind}_size")]
        wanted = [f"{'deterministic_' * deterministic}{kind}_actions" for kind in kinds]
        if missing := [name for name in wanted if name not in self._outputs]:
            hint = "; --stochastic takes sampled actions" if deterministic else ""
            raise UserError(f"{self.path}: has no output {missing[0]}{hint}")
        fetched = [*wanted, *([MEMORY_OUT] if self._memories.size else [])]
        try:
            found = dict(zip(fetched, self._session.run(fetched, feed), strict=True))
        except Exception as error:  # onnxruntime raises classes of its own
            raise UserError(f"{self.path}: onnxruntime fails: {first_line(error)}") from error
        if self._memories.size:
            self._memories.keep(agents, found[MEMORY_OUT].reshape(count, self._memories.size))
        chosen = {kind: found[name].reshape(count, -1) for kind, name in zip(kinds, wanted, strict=True)}
        continuous = chosen.get("continuous", np.zeros((count, 0)))
        discrete = chosen.get("discrete", np.zeros((count, 0)))
        return ActionTuple(continuous.astype(np.float32), discrete.astype(np.int32))

    def _check(self) -> None:
        """Require that the file takes the behavior's observations.

        Raises:
            UserError: it takes others.
        """
        shapes = [tuple(observation.shape) for observation in self.spec.observation_specs]
        expected = {f"obs_{index}": shape for index, shape in enumerate(shapes)}
        given = {name: tuple(shape[1:]) for name, shape in self._inputs.items() if name not in OTHER_INPUTS}
        if given.keys() != expected.keys() or not all(_fits(given[name], expected[name]) for name in given):
            raise UserError(
                f"{self.path}: takes {_shown(given)}; {self.name} has {_shown(expected)}; give the environment that it "
                "was trained in, and a model of ML-Agents 2.0 or later"
            )

    def _check_actions(self) -> None:
        """Require that the file chooses the behavior's actions, as far as it tells how many.

        Raises:
            UserError: it chooses others.
        """
        sizes = {kind: f"{kind}_action_output_shape" for kind in ("continuous", "discrete")}
        told = [name for name in sizes.values() if name in self._outputs]
        feed = {
            name: np.zeros([1, *(_size(size) or 1 for size in shape[1:])], np.float32)
            for name, shape in self._inputs.items()
        }
        feed |= {
            f"obs_{index}": np.zeros((1, *one.shape), np.float32)
            for index, one in enumerate(self.spec.observation_specs)
        }
        try:
            found = dict(zip(told, self._session.run(told, feed) if told else [], strict=True))
        except Exception:  # onnxruntime raises classes of its own; `act` reports it
            return
        actions = self.spec.action_spec
        known = {"continuous": [actions.continuous_size], "discrete": list(actions.discrete_branches)}
        for kind, name in sizes.items():
            if name in found:
                known[kind] = [int(size) for size in found[name].ravel()]
            elif f"{kind}_actions" not in self._outputs:
                known[kind] = [0] if kind == "continuous" else []
        made = ActionSpec(known["continuous"][0], tuple(known["discrete"]))
        require_same_actions(str(self.path), made, actions, self.name)


def behaviors_named(path: Path) -> list[str]:
    """Return the behaviors that a file may be for, the likelier first; see `OnnxPolicy`.

    Raises:
        UserError: onnxruntime is not installed, or the file cannot be read.
    """
    return _behaviors_named(_session(path, 0), path)


def _behaviors_named(session: Any, path: Path) -> list[str]:
    named = session.get_modelmeta().custom_metadata_map.get(BEHAVIOR_NAME)
    if named is not None:
        return [named]
    without_steps = re.sub(r"-\d+$", "", path.stem)  # mlagents-learn writes 3DBall/3DBall-500000.onnx
    return list(dict.fromkeys([path.stem, without_steps]))


def _session(path: Path, seed: int) -> Any:
    """Return an onnxruntime session of a file.

    Raises:
        UserError: see `OnnxPolicy`.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise UserError(f"{path}: needs a package; run: {install_command('onnxruntime')}") from error
    with unread_named(path):
        content = path.read_bytes()
    onnxruntime.set_default_logger_severity(3)
    onnxruntime.set_seed(seed)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # the models are small, and others need the processor
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises classes of its own
        raise UserError(f"{path}: not an .onnx file that onnxruntime runs ({first_line(error)})") from error


def _as_input(array: np.ndarray) -> np.ndarray:
    """Return an observation as models take it: float32, images in [0, 1]."""
    return array.astype(np.float32) / 255.0 if array.dtype == np.uint8 else array.astype(np.float32)


def _allowed(masks: Sequence[np.ndarray] | None, count: int, choices: int) -> np.ndarray:
    """Return masks of the environment, True = forbidden, as models take them: (n, choices) float32, 1 = allowed."""
    if masks is None:
        return np.ones((count, choices), np.float32)
    return 1.0 - np.concatenate(masks, axis=1).astype(np.float32)


def _size(dimension: Any) -> int:
    """Return a dimension of a model's input; 0 if the file leaves it open."""
    return dimension if isinstance(dimension, int) else 0


def _fits(given: Sequence[Any], shape: Sequence[int]) -> bool:
    """Whether an input of these dimensions, of which some may be open, takes observations of a shape."""
    return len(given) == len(shape) and all(
        _size(dimension) in (0, size) for dimension, size in zip(given, shape, strict=True)
    )


def _shown(inputs: Mapping[str, tuple[Any, ...]]) -> str:
    return ", ".join(f"{name} {list(shape)}" for name, shape in sorted(inputs.items())) or "no observations"
