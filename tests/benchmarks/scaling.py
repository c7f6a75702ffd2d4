"""The cost of an agent step by the number of agents and players: the bridge and the choice of actions."""

from collections.abc import Iterator
from functools import partial

from tests.benchmarks.common import Options, Row, best, ours

AGENTS = (10, 100, 1000, 10_000)
WORKERS = (1, 2, 4, 8)


def run(options: Options) -> Iterator[Row]:
    """Measure µs per agent step, with all agents divided among the players.

    The cost includes the players of zero cost (on the same cores), gRPC, reading observations and rewards, merging the
    players' batches, assigning rewards to agents, storing the decision, one pass of the Walker file's actor, sampling,
    and writing the actions. It excludes updates and reports.
    """
    for workers in WORKERS:
        before = None
        for agents in AGENTS:
            steps = options.work(10_000 if agents == 10 else 40_000 if agents < 10_000 else 200_000)
            (cost,) = best(options.repeats, partial(ours, "wire", f"workers-{workers}", agents, steps))
            row = Row(
                f"{agents:,} agents over {workers} player{'s' if workers > 1 else ''}",
                1e6 / cost,
                "µs per agent step",
                peer=before,
                peer_name="a tenth of the agents" if before else "",
                ratio=before and before * cost / 1e6,
                at_least=before and 0.9,
            )
            before = 1e6 / cost
            yield row
