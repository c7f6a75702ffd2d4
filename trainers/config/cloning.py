"""The ``behavioral_cloning`` block: learning from demonstrations."""

from pydantic import Field

from trainers.config.base import Count, CountOrZero, NonNegative, Rows, RowsOrZero, Settings


class BehavioralCloningSettings(Settings):
    """Learning from demonstrations."""

    demo_path: str = Field(description="Path of a .demo file, or of a folder of them.")
    steps: CountOrZero = Field(
        default=0, description="Agent steps over which imitation decreases to none. 0: it does not decrease."
    )
    strength: NonNegative = Field(
        default=1.0, description="Learning rate of imitation, as a factor on the policy's."
    )
    samples_per_update: RowsOrZero = Field(
        default=0,
        description="Most samples in an imitation update. 0: all, up to buffer_size.",
    )
    num_epoch: Count | None = Field(
        default=None,
        description="Passes over the samples in an imitation update. null: that of hyperparameters.",
    )
    batch_size: Rows | None = Field(
        default=None, description="Samples in an imitation minibatch. null: that of hyperparameters."
    )
