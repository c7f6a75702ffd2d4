"""Counts of agent steps of a training file, multiplied by the number of ranks."""

from typing import Any, TypeVar

from trainers.config.base import TOTAL, Settings

Block = TypeVar("Block", bound=Settings)


def scaled(block: Block, ranks: int) -> Block:
    """Return a block with every key that is a `Total` times the number of ranks, in the blocks below it too.

    Args:
        block: the settings of a behavior, or a part of them.
        ranks: the number of processes that train together (option `--scale-batch`).
    """
    totals = {
        name
        for one in type(
            block
        ).__mro__  # a class may give a key another default and leave out that it is a total
        if issubclass(one, Settings)
        for name, field in one.model_fields.items()
        if TOTAL in field.metadata
    }
    update: dict[str, Any] = {}
    for name, value in block:
        if isinstance(value, Settings):
            update[name] = scaled(value, ranks)
        elif name in totals and value is not None:
            update[name] = value * ranks
    return block.model_copy(update=update)
