"""How the cost of an agent step grows with agents and players: the bridge plus acting."""

from collections.abc import Iterator
from functools import partial

from tests.benchmarks.common import Options, Row, best, ours

AGENTS = (10, 100, 1000, 10_000)
WORKERS = (1, 2, 4, 8)


def run(options: Options) -> Iterator[Row]:
    """µs for an agent step, for agents in all and players that share them.

    In it: the players of zero cost themselves (on the same cores), gRPC, reading observations and rewards, merging the
    players' batches, seeing whose reward is whose, storing the decision, one pass of the Walker file's actor,
    sampling, and writing the actions. Not in it: updates, reports.
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
