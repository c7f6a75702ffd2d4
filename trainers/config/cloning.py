"""The ``behavioral_cloning`` block: learning from demonstrations."""

from pydantic import Field

from trainers.config.base import Count, CountOrZero, NonNegative, Settings


class BehavioralCloningSettings(Settings):
    """How strongly and how long demonstrations are imitated."""

    demo_path: str = Field(description="Path of a .demo file, or of a folder of them.")
    steps: CountOrZero = Field(
        default=0, description="Agent steps over which imitation fades out. 0: it never fades."
    )
    strength: NonNegative = Field(
        default=1.0, description="Learning rate of imitation as a share of the policy's."
    )
    samples_per_update: CountOrZero = Field(
        default=0,
        description="Most samples taken for one imitation update. 0: all, at most the buffer's size.",
    )
    num_epoch: Count | None = Field(
        default=None, description="Passes in one imitation update. null: the trainer's."
    )
    batch_size: Count | None = Field(
        default=None, description="Steps in one imitation minibatch. null: the trainer's."
    )
