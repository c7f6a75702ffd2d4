"""Sizes that no machine holds.

Every one is refused in one line and in little memory. `message_sizes` has those of a player's messages.
"""

import itertools
import pickle
import zipfile
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces
from mlagents_envs.base_env import (
    BehaviorSpec,
)

from gym_adapters import limits
from gym_adapters.action_spaces import ActionMapping
from gym_adapters.make import make_env
from gym_adapters.spaces import ObservationMapping
from tests.faults.fault import Fault
from tests.faults.tools.memory import refused
from tests.trainers.scripted_env import make_spec
from trainers.config import load_settings
from trainers.experience.replay import Replay
from trainers.experience.replay_file import load_replay, save_replay
from trainers.experience.rollout import Rollout
from trainers.records.checkpoint import load_state, state_bytes
from trainers.records.policy_file import load_policy

POLICY = Path(__file__).parents[2] / "docs" / "policies" / "Walker2d-v5" / "Walker2d-v5" / "checkpoint.pt"
"""A checkpoint to be made worse."""


def laughs(levels: int, item: str, joined: str) -> str:
    """Lines in which each stands for nine times as much as the one before."""
    lines = [f"a0: &a0 {item}"]
    for level in range(1, levels):
        lines.append(f"a{level}: &a{level} {joined % ', '.join([f'*a{level - 1}'] * 9)}")
    return "\n".join(lines)


YAML = {
    "aliases": laughs(30, "[x, x, x, x, x, x, x, x, x]", "[%s]"),
    "merges": laughs(30, "{x: 1}", "{<<: [%s], y: 1}"),
    "endless": "a: &a [*a]",
    "endless map": "a: &a {b: *a}",
    "chain of aliases": "\n".join(["a0: &a0 [x]", *(f"a{i}: &a{i} [*a{i - 1}]" for i in range(1, 200))]),
    "deep": f"a: {'[' * 200}{']' * 200}",
    "digits": f"a: {'9' * 200_000}",
    "base 60": f"a: 1{':59' * 60_000}",
    "long": f"a: {'x' * limits.TEXT_BYTES}",
    "many values": f"a: [{'1, ' * (limits.YAML_VALUES + 1)}]",
}

KEYS = (
    "behaviors.W.hyperparameters.batch_size",
    "behaviors.W.hyperparameters.buffer_size",
    "behaviors.W.hyperparameters.buffer_init_steps",
    "behaviors.W.hyperparameters.n_step",
    "behaviors.W.hyperparameters.dueling_units",
    "behaviors.W.hyperparameters.target_update_interval",
    "behaviors.W.max_steps",
    "behaviors.W.time_horizon",
    "behaviors.W.keep_checkpoints",
    "behaviors.W.network_settings.hidden_units",
    "behaviors.W.network_settings.critic_hidden_units",
    "behaviors.W.network_settings.num_layers",
    "behaviors.W.network_settings.conv_channels.0",
    "behaviors.W.network_settings.memory.memory_size",
    "behaviors.W.network_settings.memory.sequence_length",
    "behaviors.W.self_play.window",
    "env_settings.num_envs",
    "env_settings.num_areas",
    "env_settings.timeout_wait",
    "engine_settings.width",
    "torch_settings.num_threads",
)


def yaml_faults() -> Iterator[Fault]:
    """Training files, `--set` and a run's configuration."""
    for name, text in YAML.items():
        for place in ("a file", "--set", "a text")[: 1 if name == "many values" else 3]:
            yield Fault(f"yaml-{name}-in-{place}", partial(_yaml, text, place))
    for key in KEYS:
        yield Fault(f"key-{key.rpartition('.')[2]}", partial(_key, key))


def _yaml(text: str, place: str, folder: Path) -> None:
    if place == "--set":
        return refused(lambda: load_settings(None, [f"debug={text}"]), "--set debug")
    source: Path | str = f"{text}\n"
    if place == "a file":
        source = folder / "configuration.yaml"
        source.write_text(text)
    return refused(lambda: load_settings(source), str(source) if isinstance(source, Path) else "settings: ")


def _key(key: str, folder: Path) -> None:
    del folder
    network = {"conv_channels": [16, 32]}
    file = {"behaviors": {"W": {"trainer_type": "dqn", "network_settings": network}}}
    for value in ("1e18", "1e300", "1000000000000000001"):
        refused(lambda value=value: load_settings(file, [f"{key}={value}"]), key, "got")


class Made:
    """Is pickled as a call, which a checkpoint must not make."""

    def __init__(self, call: Any, *arguments: Any) -> None:
        self.call = (call, arguments)

    def __reduce__(self) -> Any:
        return self.call


def checkpoint_faults() -> Iterator[Fault]:
    """Files that end in .pt."""
    for name, change in {
        "bytearray": lambda state: state.update(extra=Made(bytearray, 10**12)),
        "tensor": lambda state: state.update(extra=Made(torch.Tensor, 10**12)),
        "one number, shown often": lambda state: state["Policy"].update(
            x=torch.zeros(1).expand(10**6, 10**6)
        ),
        "many views": lambda state: state["Policy"].update(_views()),
        "huge shape": lambda state: _observation(state, [2**64]),
        "negative shape": lambda state: _observation(state, [-1]),
        "wide image": lambda state: _observation(state, [3, 10**5, 10**5]),
        "many actions": lambda state: state["behavior"].update(continuous_size=2**31),
        "many choices": lambda state: state["behavior"].update(discrete_branches=[2**31]),
        "many branches": lambda state: state["behavior"].update(discrete_branches=[1] * 200_000),
        "wide": lambda state: state["behavior"]["network_settings"].update(hidden_units=10**9),
        "deep": lambda state: state["behavior"]["network_settings"].update(num_layers=10**9),
        "wide and deep": lambda state: state["behavior"]["network_settings"].update(
            hidden_units=2**14, num_layers=100
        ),
    }.items():
        yield Fault(f"pt-{name}", partial(_checkpoint, change))
    yield Fault("pt-zip bomb", partial(_zipped, "x.pt"))
    yield Fault("pt-two parts of one name", _twice)


def _views() -> dict[str, torch.Tensor]:
    whole = torch.zeros(200_000)
    return {f"x{start}": whole[start:] for start in range(1000)}


def _observation(state: dict[str, Any], shape: list[int]) -> None:
    state["behavior"]["observations"][0]["shape"] = shape


def _checkpoint(change: Callable[[dict[str, Any]], object], folder: Path) -> None:
    state = load_state(POLICY)
    change(state)
    (folder / "x.pt").write_bytes(state_bytes(state))
    refused(lambda: load_policy(folder / "x.pt"))


def _zipped(name: str, folder: Path) -> None:
    """A file of a few MB whose only part has 640 MB."""
    path = folder / name
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file,
        file.open("x/data.pkl", "w") as part,
    ):
        for _ in range(40):
            part.write(bytes(2**24))
    if name.endswith(".pt"):
        refused(lambda: load_policy(path), "larger than the file")
    else:
        refused(lambda: load_replay(Replay(spec((8,)), 10), path), "larger than the file")


def _twice(folder: Path) -> None:
    path = folder / "x.pt"
    path.write_bytes(POLICY.read_bytes())
    with zipfile.ZipFile(path, "a") as file:
        name = next(name for name in file.namelist() if name.endswith("data.pkl"))
        with pytest.warns(UserWarning, match="Duplicate name"):
            file.writestr(name, pickle.dumps({}, 2))
    refused(lambda: load_policy(path), "same name")


def replay_faults() -> Iterator[Fault]:
    """Files that end in .npz, and buffers."""
    yield Fault("npz-zip bomb", partial(_zipped, "x.npz"))
    for shape in ((10**9,), (10**6, 10**6), (-1,), (2**62, 2**62)):
        yield Fault(f"npz-shape {shape}", partial(_replay, shape))
    for name, store in {"replay": Replay, "rollout": Rollout}.items():
        for shapes in (((2**20,),), ((3, 4096, 4096),), ((8,), (2**16,))):
            yield Fault(f"{name}-{shapes}", partial(_buffer, store, shapes))


def _replay(shape: tuple[int, ...], folder: Path) -> None:
    replay = Replay(spec((8,)), 10)
    replay.append([np.zeros((5, 8), np.float32)])
    save_replay(replay, folder / "x.npz")
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    array = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode()
    with zipfile.ZipFile(folder / "x.npz", "a") as file:
        file.writestr("more.npy", array)
    refused(lambda: load_replay(replay, folder / "x.npz"), "more.npy is larger than its part")


def _buffer(store: Callable[..., Any], shapes: tuple[tuple[int, ...], ...], folder: Path) -> None:
    del folder
    refused(
        lambda: store(spec(*shapes), limits.ROWS), "hyperparameters.buffer_size", "GiB of memory", "lower it"
    )


def spec(*shapes: tuple[int, ...]) -> BehaviorSpec:
    """A behavior with these observations."""
    return make_spec(*shapes, continuous=1, branches=(2,))


def environment_faults() -> Iterator[Fault]:
    """Gymnasium's spaces, and numbers of environments."""
    for name, action in {
        "actions": lambda: ActionMapping(spaces.Discrete(2**31)),
        "branches": lambda: ActionMapping(spaces.MultiDiscrete([2**31, 2])),
        "flags": lambda: ActionMapping(spaces.MultiBinary(10**12)),
        "states": lambda: ObservationMapping(spaces.Discrete(2**40)),
        "seen flags": lambda: ObservationMapping(spaces.MultiBinary(10**12)),
        "environments": lambda: make_env("CartPole-v1", 10**9),
        "frames": lambda: make_env("ALE/Assault-v5", 1, options={"stack_num": 10**9}),
        "pixels": lambda: make_env("ALE/Assault-v5", 1, options={"img_height": 10**6, "img_width": 10**6}),
        "many games": lambda: make_env(
            "ALE/Assault-v5", 10_000, options={"img_height": 2000, "img_width": 2000}
        ),
    }.items():
        yield Fault(f"environment-{name}", partial(_environment, action))


def _environment(action: Callable[[], Any], folder: Path) -> None:
    del folder
    refused(action)


FEW = (
    "yaml-aliases-in-a file",
    "yaml-merges-in---set",
    "pt-bytearray",
    "pt-one number, shown often",
    "pt-wide",
    "npz-shape (1000000, 1000000)",
    "environment-flags",
)


def faults(whole: bool) -> Iterable[Fault]:
    """All of them, or one or two of each sort."""
    every = itertools.chain(yaml_faults(), checkpoint_faults(), replay_faults(), environment_faults())
    return [fault for fault in every if whole or fault.name in FEW]
