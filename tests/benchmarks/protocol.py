"""Training over Unity's protocol with a player of zero cost and the Walker training file."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from tests.benchmarks.common import ROOT, Options, Row, SkippedError, best
from tests.benchmarks.players import WALKER, train

AGENTS = (10, 100)
BUFFER = 20480
LEAD_IN = 100
"""Average steps of an agent until its first trajectory is complete. `mlagents-learn` counts its steps only then."""


def run(options: Options) -> Iterator[Row]:
    """Compare this trainer with `mlagents-learn` on one player with 10 and with 100 agents."""
    for agents in AGENTS:
        yield compare(options, agents, players=1)


def compare(options: Options, agents: int, players: int) -> Row:
    """Measure agent steps per second of both trainers over the same work, which includes several updates of each.

    Raises:
        SkippedError: there is no `mlagents-learn`, or a trainer failed.
    """
    if options.mlagents_learn is None:
        raise SkippedError("give the real mlagents-learn with --mlagents-learn PATH")
    steps = int(BUFFER * (3.6 if options.quick else 6.6)) + LEAD_IN * agents * players
    with tempfile.TemporaryDirectory() as folder:
        theirs = Path(folder, "walker.yaml")
        command = [sys.executable, "-m", "trainers.config", str(WALKER), "--for-mlagents"]
        theirs.write_text(
            subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        )
        ours, peer = best(
            options.repeats,
            partial(train, [sys.executable, "-m", "trainers.ppo", str(WALKER)], agents, players, steps),
            partial(train, [str(options.mlagents_learn), str(theirs)], agents, players, steps),
        )
    path = f"{players} × {agents} agents" if players > 1 else f"{agents} agents"
    return Row(path, ours, "agent steps/s", peer, "mlagents-learn 1.1.0", ours / peer, 4.0, 5.0)
