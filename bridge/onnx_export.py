"""Exports a policy as the `.onnx` file that Unity runs: `python -m bridge.onnx_export RUN`.

The file holds everything between a sensor and an action: normalisation, network, sampling, masks and scaling. Names,
shapes and types are those that Unity packages 2.x to 4.x expect, and `bridge.onnx_check` checks them.

    python -m bridge.onnx_export runs/walker                      every behavior of a run
    python -m bridge.onnx_export runs/walker --checkpoint best
    python -m bridge.onnx_export --check Walker.onnx              what Unity would refuse
"""

import argparse
import copy
import io
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import onnx
import torch
from mlagents_envs.base_env import ActionSpec, BehaviorSpec
from torch import Tensor, nn

from bridge.onnx_check import FLOAT, check_file
from gym_adapters.commands import CommandParser, add_checkpoint, program_name
from gym_adapters.errors import NoModelError, UserError, exit_status, raised, refusal_named
from gym_adapters.files import write_atomically
from gym_adapters.text import printable
from trainers.config.options import path_option
from trainers.networks.policy_network import PolicyNetwork
from trainers.records.names import file_name
from trainers.records.policy_file import load_policy

OPSET = 9
API_VERSION = 3.0
"""The model's `version_number`: ML-Agents 2.0 and later."""

_DEPRECATIONS = ("You are using the legacy TorchScript-based ONNX export", "The feature will be removed")
_LSTM_WARNING = "Exporting a model to ONNX with a batch_size other than 1"
"""It asks for initial states as inputs of the model, which `recurrent_in` holds."""
_LSTM_CHECKS = "Converting a tensor to a Python boolean"
"""What the tracer says of torch's checks of shapes, which are no part of the model."""


class UnityModel(nn.Module):
    """A policy with the inputs and outputs that Unity expects.

    Args:
        policy: On the CPU. The critic is not used.
        actions: The behavior's actions.

    Attributes:
        output_names: The names of what `forward` returns, in its order.
    """

    version_number: Tensor
    memory_size: Tensor
    continuous_shape: Tensor
    discrete_shape: Tensor

    def __init__(self, policy: PolicyNetwork, actions: ActionSpec) -> None:
        super().__init__()
        self.policy, self.actions = policy, actions
        self.register_buffer("version_number", torch.tensor([API_VERSION]))
        self.register_buffer("memory_size", torch.tensor([float(policy.memory_size)]))
        self.register_buffer("continuous_shape", torch.tensor([float(actions.continuous_size)]))
        branches = [float(size) for size in actions.discrete_branches]
        self.register_buffer("discrete_shape", torch.tensor([branches]))
        self.output_names = ["version_number", "memory_size"]
        for kind, size in (("continuous", actions.continuous_size), ("discrete", actions.discrete_size)):
            if size:
                self.output_names += [
                    f"{kind}_actions",
                    f"{kind}_action_output_shape",
                    f"deterministic_{kind}_actions",
                ]
        if policy.memory_size:
            self.output_names.append("recurrent_out")

    def forward(
        self, observations: list[Tensor], allowed: Tensor | None, recurrent: Tensor | None
    ) -> tuple[Tensor, ...]:
        """Compute all outputs that Unity reads.

        Args:
            observations: One (batch, *shape) float tensor per sensor; images channel-first, in [0, 1].
            allowed: (batch, sum of branch sizes), 1 = allowed; None without discrete actions.
            recurrent: (batch, 1, memory_size) What the agents remember; None without memory.
        """
        outputs = [self.version_number, self.memory_size]
        inputs = self.policy.prepare(observations)
        forbidden = None if allowed is None else allowed < 0.5
        memory = None if recurrent is None else recurrent.flatten(1)
        actions = self.policy.exported_actions(inputs, forbidden, memory)
        if actions.continuous is not None:
            sampled, likeliest = actions.continuous
            outputs += [sampled, self.continuous_shape, likeliest]
        if actions.discrete is not None:
            sampled, likeliest = actions.discrete
            outputs += [sampled, self.discrete_shape, likeliest]
        if actions.memory is not None:
            outputs.append(actions.memory.unsqueeze(1))
        return tuple(outputs)


def export_policy(policy: PolicyNetwork, spec: BehaviorSpec, path: Path, behavior: str = "") -> None:
    """Write a policy's `.onnx` atomically. The policy itself is not changed.

    Args:
        policy: On any device.
        spec: The behavior that it was made for.
        path: The file to write.
        behavior: The behavior's name, for the metadata `behavior_name`, which Unity does not look at.

    Raises:
        OSError: The file cannot be written.
        NoModelError: The network computes what such a file cannot hold.
    """
    model = UnityModel(copy.deepcopy(policy).cpu(), spec.action_spec).eval()
    observations = [torch.zeros(1, *observation.shape) for observation in spec.observation_specs]
    choices = sum(spec.action_spec.discrete_branches)
    allowed = torch.ones(1, choices) if choices else None
    recurrent = torch.zeros(1, 1, policy.memory_size) if policy.memory_size else None
    inputs = [f"obs_{index}" for index in range(len(observations))] + (["action_masks"] if choices else [])
    inputs += ["recurrent_in"] if policy.memory_size else []
    outputs = [name for name in model.output_names if name.endswith("_actions") or name == "recurrent_out"]
    content: Any = io.BytesIO()  # in memory: the folder of temporary files may be full where the run's is not
    with _exporter_silent(), _refusal_told(behavior):
        torch.onnx.export(
            model,
            (observations, allowed, recurrent),
            content,
            opset_version=OPSET,
            input_names=inputs,
            output_names=model.output_names,
            dynamic_axes={name: {0: "batch"} for name in (*inputs, *outputs)},
            dynamo=False,
        )
    exported = onnx.load_model_from_string(content.getvalue())
    for value in exported.graph.output:
        if value.name == "recurrent_out":  # the exporter does not know its shape
            value.CopyFrom(
                onnx.helper.make_tensor_value_info(value.name, FLOAT, ["batch", 1, policy.memory_size])
            )
    if behavior:
        onnx.helper.set_model_props(exported, {"behavior_name": behavior})
    write_atomically(path, lambda file: file.write(exported.SerializeToString()))


def export_run(run: Path, which: str = "last") -> list[Path]:
    """Write `<run>/<Behavior>.onnx` for every behavior of a run.

    Args:
        run: A run folder, a behavior's folder in one, or a .pt file, beside which the `.onnx` is written.
        which: `last`, `best`, or an agent-step count.

    Returns:
        The files written.

    Raises:
        UserError: There is no such run or checkpoint, or the file cannot be written.
    """
    folders = sorted({path.parent for path in run.glob("*/*.pt")}) if run.is_dir() else []
    written = []
    for source in folders or [run]:
        loaded = load_policy(source, which)
        name = source.name if folders else file_name(loaded.name)
        path = run / f"{name}.onnx" if run.is_dir() else run.with_suffix(".onnx")
        with refusal_named(path):
            export_policy(loaded.policy, loaded.spec, path, loaded.name)
        written.append(path)
    return written


@contextmanager
def _refusal_told(behavior: str) -> Iterator[None]:
    """Say in one line why a network cannot be exported, such as one with layers that another package adds."""
    try:
        yield
    except Exception as error:  # the exporter runs the network, which may raise anything
        refused = isinstance(error, torch.onnx.errors.OnnxExporterError)
        reason = str(error).partition("\n")[0] if refused else raised(error)
        owner = f"behavior {behavior}" if behavior else "policy"
        raise NoModelError(
            f"{owner}: its network has no .onnx: {reason}; opset {OPSET}, which Unity reads, has convolutions, "
            "pooling, matrix products and the usual activations"
        ) from error


@contextmanager
def _exporter_silent() -> Iterator[None]:
    """Let the TorchScript exporter, the only one that writes opset 9, say nothing.

    It warns of its deprecation and of an LSTM, and prints the whole graph of a network that it refuses.
    """
    internals, name = torch._C, "_jit_onnx_log"  # noqa: SLF001 - no option of the exporter turns it off
    with warnings.catch_warnings(), ExitStack() as stack:
        stack.callback(setattr, internals, name, getattr(internals, name, None))
        setattr(internals, name, lambda *_: None)
        warnings.filterwarnings("ignore", _LSTM_WARNING, UserWarning)
        warnings.filterwarnings("ignore", _LSTM_CHECKS, module=r"torch\.nn\.modules\.rnn")
        for message in _DEPRECATIONS:
            warnings.filterwarnings("ignore", message, DeprecationWarning)
        yield


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return the exit status, which is 1 if Unity would refuse a checked file."""
    parser = CommandParser(
        prog=program_name("bridge.onnx_export"),
        description="Write the .onnx files that Unity runs, or check one.",
    )
    parser.add_argument("run", nargs="?", type=path_option, help="run folder, behavior folder or .pt file")
    add_checkpoint(parser)
    parser.add_argument("--which", dest="checkpoint", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    parser.add_argument("--check", type=path_option, metavar="FILE.onnx", help="say what Unity would refuse")
    arguments = parser.parse_args(argv)
    if (arguments.run is None) == (arguments.check is None):
        parser.error("give either a run or --check FILE.onnx")
    try:
        if arguments.check is not None:
            report = check_file(arguments.check)
            sys.stdout.write(printable(report.text(arguments.check)))
            return 1 if report.refused else 0
        for path in export_run(arguments.run, arguments.checkpoint):
            sys.stdout.write(printable(f"{path}\n"))
    except (UserError, KeyboardInterrupt) as error:
        return exit_status(error)
    return 0


if __name__ == "__main__":
    sys.exit(main())
