"""Training with four players of zero cost at the same time (`--num-envs 4`) and the Walker training file."""

from collections.abc import Iterator

from tests.benchmarks.common import Options, Row
from tests.benchmarks.protocol import AGENTS, compare


def run(options: Options) -> Iterator[Row]:
    """Compare this trainer with `mlagents-learn` on four players, with 10 and with 100 agents per player."""
    for agents in AGENTS:
        yield compare(options, agents, players=4)
