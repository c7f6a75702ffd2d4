"""What came of a trial."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trainers.config.dump import as_yaml

COMPLETE, ENDED_EARLY = "complete", "ended early"


@dataclass(frozen=True)
class Result:
    """One trial.

    Attributes:
        number: Its number in the study, from 0.
        state: `complete`, `ended early`, `failed`, `begun again`, `running` or `waiting`.
        value: Mean of the seeds' measures; of a trial that ended early, its last summary. None: there is none.
        seeds: The measure of each seed, in the order of the file; empty unless complete.
        values: The value of each key: a number, or a choice as YAML.
        seconds: How long it took.
        reason: Why it failed.
    """

    number: int
    state: str
    value: float | None
    seeds: tuple[float, ...]
    values: Mapping[str, Any]
    seconds: float | None = None
    reason: str = ""

    @property
    def texts(self) -> dict[str, str]:
        """The value of each key as YAML."""
        return {
            key: value if isinstance(value, str) else as_yaml(value) for key, value in self.values.items()
        }


def ranked(trials: Sequence[Result]) -> list[Result]:
    """Return the complete trials, the best one first."""
    complete = [trial for trial in trials if trial.state == COMPLETE and trial.value is not None]
    return sorted(complete, key=lambda trial: -(trial.value or 0.0))


def short(key: str) -> str:
    """Return the last part of a key."""
    return key.rpartition(".")[2]


def shown(value: Any) -> str:
    """Return a value of a key with at most four digits."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
