"""The bridge as a Gymnasium vector environment: what it adds to the loop of `get_steps`, `set_actions` and `step`."""

from collections.abc import Iterator
from functools import partial

from tests.benchmarks.common import Options, Row, best, ours


def run(options: Options) -> Iterator[Row]:
    """Compare both on one player of zero cost, and on `bridge.player` with Walker2d-v5, with random actions."""
    for name, agents, steps, player in (
        ("a player of zero cost", 100, 200_000, ()),
        ("a player of zero cost", 1000, 200_000, ()),
        ("bridge.player Walker2d-v5", 32, 20_000, ("Walker2d-v5",)),
    ):
        measures = [
            partial(ours, "wire", kind, agents, options.work(steps), *player)
            for kind in ("vector_env", "unity_env")
        ]
        mine, loop = best(options.repeats, *measures)
        peer = "get_steps, set_actions, step"
        yield Row(f"{name}, {agents} agents", mine, "agent steps/s", loop, peer, mine / loop)
