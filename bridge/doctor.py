"""Checks whether the installed packages work together: `python -m bridge.doctor`.

The exit status is 1 if training would fail. Lesser problems are notes.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module, metadata
from typing import Literal

from rich.console import Console
from rich.text import Text

from bridge.ports import BASE_PORT, EDITOR_PORT, is_free, port_owner
from gym_adapters.commands import CommandParser, install_command, program_name
from gym_adapters.text import first_line, one_line

REQUIRED = ("mlagents-envs", "protobuf", "grpcio", "numpy", "torch", "gymnasium", "onnx", "tensorboard")
OPTIONAL = {
    "mujoco": f"Walker2d and its like do not run; run: {install_command('gymnasium[mujoco]')}",
    "ale-py": f"Atari games do not run; run: {install_command('ale-py')}",
    "onnxruntime": f"exported models cannot be tried out here; run: {install_command('onnxruntime')}",
}
MLAGENTS_ENVS = "0.28.0"
RENDER_SECONDS = 20
STYLES = {"ok": "green", "note": "yellow", "fails": "bold red"}


@dataclass(frozen=True)
class Finding:
    """One line of the answer.

    Attributes:
        subject: What was checked.
        found: The result.
        verdict: `fails` means that training would fail.
        advice: What the user should do.
    """

    subject: str
    found: str
    verdict: Literal["ok", "note", "fails"] = "ok"
    advice: str = ""


def examine() -> Iterator[Finding]:
    """Yield each finding when its check ends."""
    yield python_version()
    yield from (package(name) for name in REQUIRED)
    yield from (package(name, missing) for name, missing in OPTIONAL.items())
    yield messages()
    yield from (port(number, use) for number, use in ((EDITOR_PORT, "Editor"), (BASE_PORT, "first player")))
    yield rendering()
    yield devices()


def python_version(version: tuple[int, ...] = sys.version_info[:3]) -> Finding:
    """Check the Python version."""
    found = ".".join(map(str, version))
    if version < (3, 11):
        return Finding("Python", found, "fails", "use Python 3.11 or newer")
    return Finding("Python", found)


def package(name: str, missing: str | None = None) -> Finding:
    """Check an installed package.

    Args:
        name: The package.
        missing: What does not work without it; None means that training does not.
    """
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        if missing is None:
            return Finding(name, "missing", "fails", f"run: {install_command(name)}")
        return Finding(name, "missing", "note", missing)
    if name == "mlagents-envs" and version != MLAGENTS_ENVS:
        return Finding(name, version, "note", f"tested with {MLAGENTS_ENVS}")
    if name == "numpy" and int(version.split(".")[0]) < 2:
        return Finding(name, version, "fails", f"run: {install_command('numpy>=2')}")
    return Finding(name, version)


def messages(load: Callable[[str], object] = import_module) -> Finding:
    """Check whether Unity's messages load under the installed protobuf, and whether it is its fast implementation."""
    try:
        load("bridge.wire")
        implementation = import_module("google.protobuf.internal.api_implementation").Type()
    except Exception as error:
        reason = first_line(error, typed=True)
        return Finding("Unity's messages", reason, "fails", "reinstall mlagents-envs, protobuf and grpcio")
    if implementation == "python":
        advice = "slow; unset PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION, or update protobuf"
        return Finding("Unity's messages", "protobuf in pure Python", "note", advice)
    return Finding("Unity's messages", f"load ({implementation})")


def port(number: int, use: str) -> Finding:
    """Check whether a port that a trainer listens on by default is free."""
    if is_free(number):
        return Finding(f"port {number} ({use})", "free")
    owner = port_owner(number)
    found = f"taken by {owner}" if owner else "taken"
    if number == EDITOR_PORT:
        return Finding(f"port {number} ({use})", found, "fails", "end that process to train with the Editor")
    return Finding(f"port {number} ({use})", found, "note", "players get other ports")


def rendering() -> Finding:
    """Check whether MuJoCo can render, in a separate process, because a faulty driver may crash it."""
    backend = os.environ.get("MUJOCO_GL", "default")
    code = "import mujoco; context = mujoco.GLContext(64, 64); context.make_current(); context.free()"
    try:
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=RENDER_SECONDS)
        works = done.returncode == 0
    except subprocess.TimeoutExpired:
        works = False
    if works:
        return Finding("rendering", f"works (MUJOCO_GL {backend})")
    advice = "training needs none; for videos try MUJOCO_GL=egl or osmesa; Unity players need --no-graphics"
    return Finding("rendering", f"does not work (MUJOCO_GL {backend})", "note", advice)


def devices() -> Finding:
    """List the devices on which torch can compute."""
    try:
        torch = import_module("torch")
    except ImportError as error:
        return Finding("devices", str(error), "fails", f"run: {install_command('torch')}")
    found = [f"cpu ({os.cpu_count()} cores)"]
    found += [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        found.append("mps")
    return Finding("devices", ", ".join(found))


def main(argv: Sequence[str] | None = None) -> int:
    """Print a line when each check ends, then the verdict, and return the exit status."""
    CommandParser(
        prog=program_name("bridge.doctor"),
        description="Check the installed packages, the ports, rendering and the devices. The exit status is 1 if "
        "training would fail.",
    ).parse_args(argv)
    console = Console(highlight=False)
    findings: list[Finding] = []
    for finding in examine():
        findings.append(finding)
        console.print(
            Text(f"{finding.verdict:6}", STYLES[finding.verdict]),
            f"{finding.subject:24}",
            one_line("; ".join(filter(None, (finding.found, finding.advice)))),
            markup=False,
            soft_wrap=True,
        )
    console.print(f"\n{verdict(findings)}", markup=False, soft_wrap=True)
    return int(any(finding.verdict == "fails" for finding in findings))


def verdict(findings: Sequence[Finding]) -> str:
    """Return the sentence that sums up the findings."""
    failing = [finding.subject for finding in findings if finding.verdict == "fails"]
    notes = [finding.subject for finding in findings if finding.verdict == "note"]
    noted = f" To note: {', '.join(notes)}." if notes else ""
    if failing:
        return f"Training would fail: {', '.join(failing)}.{noted}"
    return f"Ready to train.{noted}"


if __name__ == "__main__":
    sys.exit(main())
