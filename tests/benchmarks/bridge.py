"""The bridge alone: messages read and actions written, without training."""

from collections.abc import Iterator
from functools import partial

from tests.benchmarks.common import Options, Row, best, ours


def run(options: Options) -> Iterator[Row]:
    """Compare this bridge with `mlagents_envs.UnityEnvironment` on one player of zero cost, with random actions."""
    for agents in (100, 1000):
        measures = [
            partial(ours, "wire", kind, agents, options.work(200_000))
            for kind in ("unity_env", "mlagents_envs")
        ]
        mine, theirs = best(options.repeats, *measures)
        peer = "mlagents_envs on the same protobuf"
        yield Row(f"{agents} agents", mine, "agent steps/s", theirs, peer, mine / theirs, 3.0, 8.0)
