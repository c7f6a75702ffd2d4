"""`python -m tests.same_numbers record|check [RUN …]`: short trainings in which every number is compared.

`record` trains, and writes a digest of all weights, of all returns and of each TensorBoard tag to `digests.json`.
`check` trains again and names every digest that differs. A change that does not affect learning changes none of them.
Digests depend on the processor and on the versions of packages. So record them before a change, on the machine that
checks them.
"""

import argparse
import hashlib
import json
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.same_numbers.runs import RUNS
from trainers.records.metrics import SPEED

DIGESTS = Path(__file__).with_name("digests.json")
Digests = dict[str, str]


def main() -> int:
    """Record or check digests. Return 1 if a digest differs."""
    parser = argparse.ArgumentParser(prog="python -m tests.same_numbers", description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["record", "check"])
    parser.add_argument("runs", nargs="*", metavar="RUN", help=f"of {', '.join(RUNS)}. Default: all.")
    arguments = parser.parse_args()
    names = arguments.runs or list(RUNS)
    if unknown := set(names) - set(RUNS):
        parser.error(f"{', '.join(sorted(unknown))}: expected some of {', '.join(RUNS)}")
    recorded = json.loads(DIGESTS.read_text()) if DIGESTS.is_file() else {}
    found = {name: train(name) for name in names}
    if arguments.what == "record":
        DIGESTS.write_text(json.dumps({**recorded, **found}, indent=1, sort_keys=True) + "\n")
        return 0
    different = {name: differences(recorded.get(name, {}), found[name]) for name in names}
    for name, parts in different.items():
        print(f"{name}: {'the same' if not parts else 'different: ' + ', '.join(parts)}")
    return int(any(different.values()))


def train(name: str) -> Digests:
    """Train one run in a separate process and return its digests."""
    with tempfile.TemporaryDirectory() as results:
        command = [sys.executable, "-m", "tests.same_numbers.runs", name, results]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{name}: training failed\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
        return {key: value for folder in behaviors(Path(results, name)) for key, value in digests(folder)}


def behaviors(run: Path) -> list[Path]:
    """Return the folders of a run's behaviors."""
    return sorted(path.parent for path in run.glob("*/checkpoint.pt"))


def digests(folder: Path) -> Iterable[tuple[str, str]]:
    """Yield the name and digest of a behavior's weights, of its returns, and of each TensorBoard tag."""
    state = torch.load(folder / "checkpoint.pt", weights_only=True)
    weights = hashlib.sha256()
    for name, tensor in sorted(state["Policy"].items()):
        weights.update(name.encode() + tensor.numpy().tobytes())
    yield f"{folder.name}: weights", weights.hexdigest()[:16]
    yield f"{folder.name}: returns", _digest(state["recent_returns"])
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    events.Reload()
    for tag in sorted(set(events.Tags()["scalars"]) - {SPEED}):
        points = events.Scalars(tag)
        yield (
            f"{folder.name}: {tag}",
            _digest([part for point in points for part in (point.step, point.value)]),
        )


def differences(recorded: Digests, found: Digests) -> list[str]:
    """Return the names of digests that differ, are missing or are new."""
    return sorted(key for key in recorded.keys() | found.keys() if recorded.get(key) != found.get(key))


def _digest(numbers: Iterable[float]) -> str:
    return hashlib.sha256(b"".join(struct.pack("<d", number) for number in numbers)).hexdigest()[:16]


if __name__ == "__main__":
    raise SystemExit(main())
