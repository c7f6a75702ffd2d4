"""Keep a trained policy in the repository: `python -m trainers.keep RUN [--checkpoint best]`.

Writes a small run folder, `docs/policies/<Behavior>/`, that `python -m trainers.evaluate` and `--initialize-from`
read as any other. It holds the settings, the weights, and the `.onnx`; what only training needs (such as the
optimiser's state and the target network) is left out. Weights that would take more than two million bytes are stored in
fewer bits, as many as fit: 16, or 8 with a scale for each row. An `.onnx` of more than that is stored in 8.
"""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bridge.onnx_compact import store_in_eight_bits
from bridge.onnx_export import export_policy
from gym_adapters.commands import CommandParser, add_checkpoint, module_command, program_name
from gym_adapters.errors import UserError, exit_status, refusal_named
from gym_adapters.files import DRAFT, write_atomically, write_text
from gym_adapters.text import printable
from trainers.config import CheckpointSettings, RunSettings, dump_settings, load_settings
from trainers.config.loader import CONFIGURATION
from trainers.config.options import path_option
from trainers.records.checkpoint import NEWEST, SCALES, load_state, state_bytes
from trainers.records.names import behavior_folder, file_name
from trainers.records.policy_file import LoadedPolicy, find_checkpoint

POLICIES = Path("docs", "policies")
REPLACED = ".replaced"
"""Ending of the folder of a policy that is being replaced; its name begins with a dot."""
MOST_BYTES = 2_000_000

KEPT = ("trainer_type", "global_step", "behavior", "Policy", "observation_moments")
KEPT_SIGNALS = ("extrinsic",)
"""The keys of a checkpoint, and of its `reward_signals`, that acting and `--initialize-from` need."""


def keep(run: Path, which: str = "last", policies: Path = POLICIES, force: bool = False) -> list[str]:
    """Write `<policies>/<Behavior>/` from a run.

    Args:
        run: run folder or behavior folder.
        which: `last`, `best`, or an agent-step count.
        policies: the folder of all kept policies.
        force: whether a kept policy of the same behavior is replaced, all of its files at once.

    Returns:
        A line for each file, with its size.

    Raises:
        UserError: there is no such checkpoint, its settings are missing, a policy of the behavior is kept already, or
            the system refuses to write, which leaves all as it was.
    """
    source = find_checkpoint(run, which)
    configuration = source.parent.parent / CONFIGURATION
    if not configuration.is_file():
        raise UserError(f"{configuration}: not found; give the folder of a whole run")
    settings = load_settings(configuration)
    state = load_state(source)
    loaded = LoadedPolicy(state, source)
    folder = behavior_folder(policies, loaded.name)
    draft, earlier = (folder.with_name(f".{folder.name}{ending}") for ending in (DRAFT, REPLACED))
    with refusal_named(folder):
        if earlier.exists() and not folder.exists():  # a process was killed between the two renames
            earlier.replace(folder)
    if folder.exists() and not force:
        raise UserError(
            f"{folder}: a policy is kept there already; use --force to overwrite it, or another --out"
        )
    settings = settings.model_copy(
        update={"checkpoint_settings": CheckpointSettings(run_id=folder.name), "wandb": None}
    )
    with refusal_named(folder):
        shutil.rmtree(draft, ignore_errors=True)  # of a process that was killed
        try:
            if folder.exists():
                shutil.copytree(folder, draft)  # with the files of others
            lines = _write(draft, folder, settings, state, loaded)
            _put_in_place(draft, folder, earlier)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    return lines


def _put_in_place(draft: Path, folder: Path, earlier: Path) -> None:
    """Rename a finished folder to its place; the one that is there is renamed first, and deleted in the end."""
    shutil.rmtree(earlier, ignore_errors=True)
    if folder.exists():
        folder.replace(earlier)
    try:
        draft.replace(folder)
    except OSError:
        if earlier.exists():
            earlier.replace(folder)
        raise
    shutil.rmtree(earlier, ignore_errors=True)


def _write(
    folder: Path, place: Path, settings: RunSettings, state: dict[str, Any], loaded: LoadedPolicy
) -> list[str]:
    """Write the three files of a kept policy into a folder; returns a line for each, with the place they will have."""
    write_text(folder / CONFIGURATION, dump_settings(settings))
    lines = [f"{place / CONFIGURATION}"]

    for bits, content in _in_fewer_bits(_kept(state)):
        if len(content) <= MOST_BYTES or bits == 8:
            break
    weights = folder / file_name(loaded.name) / NEWEST
    write_atomically(weights, lambda stream: stream.write(content))
    size = f"{len(content):,} bytes, {bits} bits to a weight"
    lines.append(f"{place / weights.relative_to(folder)}  {size}, {loaded.step:,} steps")

    model = folder / f"{file_name(loaded.name)}.onnx"
    export_policy(loaded.policy, loaded.spec, model, loaded.name)
    full, shown = model.stat().st_size, place / model.name
    if full <= MOST_BYTES:
        return [*lines, f"{shown}  {full:,} bytes"]
    store_in_eight_bits(model)
    again = f"in 32 bits, {full:,} bytes: {module_command('bridge.onnx_export', place)}"
    return [*lines, f"{shown}  {model.stat().st_size:,} bytes, 8 bits to a weight ({again})"]


def _kept(state: dict[str, Any]) -> dict[str, Any]:
    """What is kept of a checkpoint."""
    signals = state.get("reward_signals")
    if signals is None:  # written when extrinsic was the only signal
        signals = {"extrinsic": {"return_moments": state["return_moments"]}}
    return {
        **{key: state[key] for key in KEPT},
        "reward_signals": {name: signals[name] for name in KEPT_SIGNALS if name in signals},
    }


def _in_fewer_bits(state: dict[str, Any]) -> Iterator[tuple[int, bytes]]:
    """The bytes of the checkpoint's file with 32, 16 and 8 bits to a weight; biases and normaliser have 32 always.

    The parameters of a trained network are views of one long vector, and `torch.save` writes the whole vector for a
    view. So each is copied first. A parameter that actor and critic share is copied once, and written once.
    """
    own: dict[tuple[int, torch.Size], Tensor] = {}
    weights: dict[str, Tensor] = {
        name: own.setdefault((tensor.data_ptr(), tensor.shape), tensor.clone())
        for name, tensor in state["Policy"].items()
    }
    yield 32, state_bytes({**state, "Policy": weights})
    large = {id(tensor): tensor for tensor in weights.values() if tensor.dim() > 1}
    halves = {key: tensor.half() for key, tensor in large.items()}
    yield 16, state_bytes({**state, "Policy": {name: halves.get(id(w), w) for name, w in weights.items()}})
    scales = {
        key: tensor.abs().amax(tuple(range(1, tensor.dim())), keepdim=True).clamp(min=1e-12) / 127
        for key, tensor in large.items()
    }
    eighths = {key: (tensor / scales[key]).round().to(torch.int8) for key, tensor in large.items()}
    in_eight_bits = {name: eighths.get(id(w), w) for name, w in weights.items()}
    scales_by_name = {name: scales[id(w)] for name, w in weights.items() if id(w) in scales}
    yield 8, state_bytes({**state, "Policy": in_eight_bits, SCALES: scales_by_name})


def main(argv: Sequence[str] | None = None) -> int:
    """Keep a policy as the command line says; returns the exit status."""
    parser = CommandParser(prog=program_name("trainers.keep"), description="Keep a trained policy in docs/.")
    parser.add_argument("run", type=path_option, help="run folder or behavior folder")
    add_checkpoint(parser)
    parser.add_argument("--out", type=path_option, default=POLICIES, help=f"where to. Default: {POLICIES}.")
    parser.add_argument("--force", action="store_true", help="overwrite the policy that is kept there")
    arguments = parser.parse_args(argv)
    try:
        lines = keep(arguments.run, arguments.checkpoint, arguments.out, arguments.force)
    except (UserError, KeyboardInterrupt) as error:
        return exit_status(error)
    print(printable("\n".join(lines)))
    return 0
