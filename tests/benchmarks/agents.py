"""Many agents: copies of a PettingZoo environment, against SuperSuit's vector environment."""

from collections.abc import Iterator
from functools import partial

from tests.benchmarks.common import Options, Row, best, side

TASK, COPIES = "mpe2/simple_spread_v3", 32


def run(options: Options) -> Iterator[Row]:
    """Compare the adapter with SuperSuit, both with random actions in one process of the peers' Python."""
    steps = options.work(500)
    measures = [
        partial(side, options.peers, "agents", kind, TASK, COPIES, steps) for kind in ("adapter", "supersuit")
    ]
    ours, peer = best(options.repeats, *measures)
    yield Row(f"{TASK}, {COPIES} copies", ours, "agent steps/s", peer, "SuperSuit", ours / peer, 1.5, 3.0)
