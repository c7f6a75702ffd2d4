"""Learning with four players of zero cost at the same time (`--num-envs 4`), with the Walker training file."""

from tests.benchmarks.common import Options, Row
from tests.benchmarks.protocol import AGENTS, compare


def run(options: Options) -> list[Row]:
    """Four players of 10 and of 100 agents: this trainer against `mlagents-learn`."""
    return [compare(options, agents, players=4) for agents in AGENTS]
