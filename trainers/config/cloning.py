"""The ``behavioral_cloning`` block: learning from demonstrations."""

from pydantic import Field

from trainers.config.base import Count, CountOrZero, NonNegative, PathText, Rows, RowsOrZero, Settings, Total
from trainers.config.signals import DEMO_PATH


class BehavioralCloningSettings(Settings):
    """Learning from demonstrations."""

    demo_path: PathText = Field(description=DEMO_PATH)
    steps: Total[CountOrZero] = Field(
        default=0,
        description="Agent steps over which imitation fades: its learning rate falls linearly to none. 0: it stays.",
    )
    strength: NonNegative = Field(
        default=1.0, description="Learning rate of imitation, as a factor on the policy's."
    )
    samples_per_update: Total[RowsOrZero] = Field(
        default=0,
        description="Most samples in one pass of an imitation update; fewer than a minibatch mean no limit. 0: all.",
    )
    num_epoch: Count | None = Field(
        default=None,
        description="Passes over the samples in an imitation update. null: 3, as in ML-Agents.",
    )
    batch_size: Total[Rows | None] = Field(
        default=None, description="Samples in an imitation minibatch. null: that of hyperparameters."
    )
