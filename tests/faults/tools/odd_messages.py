"""Messages that a player should not send, and what training on them must come to."""

import dataclasses
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from bridge import wire
from gym_adapters import UserError
from tests.faults.fault import (
    Fault,  # before those below, so that the tools of the tests of `bridge` are found
)

# isort: split
from messages import Message, opening, vector
from speaker import MAX_STEPS, train_on

SURVIVED = ""
"""The training goes on to its end."""
LONGEST = 700
"""The most letters of a refusal."""

NASTY = "\x1b[31mred\x1b]0;title\x07\u202e\x00\n\r\x9b1m"


@dataclasses.dataclass(frozen=True)
class Odd:
    """Messages that a player should not send first.

    Attributes:
        name: what is odd.
        messages: what the player sends; it repeats the last message.
        says: words of the one line that refuses it, or `SURVIVED`.
        timeout: seconds after which a player that is not heard of is given up.
    """

    name: str
    messages: list[Message | bytes]
    says: str
    timeout: float = 3.0

    def attempt(self, folder: Path) -> None:
        """Train on the messages."""
        said = self._train(folder)
        assert said.isprintable(), f"not one line of printable text: {said!r}"
        assert len(said) <= LONGEST, f"{len(said)} letters: {said!r}"
        assert self.says in said if self.says else not said, f"said {said!r}, not {self.says!r}"

    def _train(self, folder: Path) -> str:
        """Return why the training ended early, or nothing."""
        with warnings.catch_warnings(), mock.patch("trainers.records.plots.draw_plots"):
            warnings.simplefilter("error")
            try:
                outcomes = train_on(self.messages, folder, self.timeout)
            except UserError as error:
                return str(error)
        finished = outcomes and all(outcome.steps >= MAX_STEPS for outcome in outcomes.values())
        return "" if finished else "it was stopped"


def faults_of(kinds: Sequence[Callable[[], Iterator[Odd]]], whole: bool) -> Iterator[Fault]:
    """All messages of these kinds, or the first of each."""
    for kind in kinds:
        for number, odd in enumerate(kind()):
            if whole or number == 0:
                yield Fault(f"{kind.__name__}-{odd.name}", odd.attempt)


def odd_opening(name: str, says: str, /, *infos: Any, **fields: Any) -> Odd:
    """The usual introduction, then agents of one behavior."""
    return Odd(name, opening(*infos, **fields), says)


def shaped(shape: tuple[int, ...], count: int | None = None, properties: Iterable[int] = ()) -> Any:
    """An observation of zeros, `count` of them or as many as its shape needs."""
    proto = vector(np.zeros(int(np.prod(shape)) if count is None else count), dimension_properties=properties)
    proto.shape[:] = shape
    return proto


def image(data: bytes) -> Any:
    """A compressed observation of shape (3, 20, 20)."""
    return wire.AgentInfo().observations.add(
        shape=[3, 20, 20], dimension_properties=[1, 2, 2], compression_type=wire.PNG, compressed_data=data
    )
