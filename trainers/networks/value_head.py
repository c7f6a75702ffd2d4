"""What the outputs of SAC's critics mean: numbers, or probabilities of bins."""

from abc import abstractmethod

from torch import Tensor, nn

from trainers.maths.bins import centres, spread


class ValueHead(nn.Module):
    """What the outputs of a critic mean.

    Attributes:
        size: outputs for one value.
    """

    size: int

    @abstractmethod
    def values(self, outputs: Tensor) -> Tensor:
        """Return the values of outputs, (..., choices), from (..., size, choices)."""

    @abstractmethod
    def scores(self, outputs: Tensor) -> Tensor:
        """Return what `losses` compares, of the shape of the outputs. Branches are averaged in between."""

    @abstractmethod
    def losses(self, scores: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of each value, (..., n, streams).

        Args:
            scores: (..., n, streams, size) scores of the actions taken.
            targets: (n, streams) values to be learned.
        """


class NumberHead(ValueHead):
    """A critic's outputs are the values. The loss is half the squared error."""

    size = 1

    def values(self, outputs: Tensor) -> Tensor:
        """See `ValueHead.values`."""
        return outputs.squeeze(-2)

    def scores(self, outputs: Tensor) -> Tensor:
        """See `ValueHead.scores`; the outputs."""
        return outputs

    def losses(self, scores: Tensor, targets: Tensor) -> Tensor:
        """See `ValueHead.losses`."""
        return 0.5 * (scores.squeeze(-1) - targets).square()


class BinHead(ValueHead):
    """A critic's outputs are logits of bins over [-limit, limit], and the value is the mean (extension `critic_range`).

    Its loss is the cross entropy, whose gradient does not grow with the error.
    Source: Farebrother et al. 2024, "Stop Regressing"; see `trainers.maths.bins.spread`.

    Args:
        count: number of bins.
        limit: the end of the range.
    """

    centres: Tensor

    def __init__(self, count: int, limit: float) -> None:
        super().__init__()
        self.size, self.limit = count, limit
        self.register_buffer("centres", centres(count, limit), persistent=False)

    def values(self, outputs: Tensor) -> Tensor:
        """See `ValueHead.values`."""
        return (outputs.softmax(-2) * self.centres[:, None]).sum(-2)

    def scores(self, outputs: Tensor) -> Tensor:
        """See `ValueHead.scores`; log-probabilities."""
        return outputs.log_softmax(-2)

    def losses(self, scores: Tensor, targets: Tensor) -> Tensor:
        """See `ValueHead.losses`."""
        return -(spread(targets, self.size, self.limit) * scores).sum(-1)


def value_head(bins: int, limit: float | None) -> ValueHead:
    """Return the head for the extension keys `critic_bins` and `critic_range`; None is a head of numbers."""
    return NumberHead() if limit is None else BinHead(bins, limit)
