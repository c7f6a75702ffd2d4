"""Learning with four players of zero cost at the same time (`--num-envs 4`), with the Walker training file."""

from collections.abc import Iterator

from tests.benchmarks.common import Options, Row
from tests.benchmarks.protocol import AGENTS, compare


def run(options: Options) -> Iterator[Row]:
    """Four players of 10 and of 100 agents: this trainer against `mlagents-learn`."""
    for agents in AGENTS:
        yield compare(options, agents, players=4)
