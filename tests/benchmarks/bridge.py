"""The bridge alone: messages read and actions written, nothing learned."""

from collections.abc import Iterator
from functools import partial

from tests.benchmarks.common import Options, Row, best, ours


def run(options: Options) -> Iterator[Row]:
    """One player of zero cost with random actions: this bridge against `mlagents_envs.UnityEnvironment`."""
    for agents in (100, 1000):
        measures = [
            partial(ours, "wire", kind, agents, options.work(200_000))
            for kind in ("unity_env", "mlagents_envs")
        ]
        mine, theirs = best(options.repeats, *measures)
        peer = "mlagents_envs on the same protobuf"
        yield Row(f"{agents} agents", mine, "agent steps/s", theirs, peer, mine / theirs, 3.0, 8.0)
