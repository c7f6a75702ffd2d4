"""The ``self_play`` block: training against past versions of the policy."""

from pydantic import Field

from trainers.config.base import Count, Fraction, Real, Settings, Snapshots, Total


class SelfPlaySettings(Settings):
    """How past policies are saved and chosen as opponents."""

    save_steps: Total[Count] = Field(
        default=20000,
        description="Agent steps of the learning team between two saved policies. Typical: 10000-100000.",
    )
    team_change: Total[Count] = Field(
        default_factory=lambda data: 5 * data["save_steps"],
        description="Agent steps of the learning team before another team learns. Default: 5 x save_steps. "
        "Typical: 4-10 x save_steps.",
    )
    swap_steps: Total[Count] = Field(
        default=2000,
        description="Agent steps of the opponents before other past policies are chosen. Typical: 10000-100000.",
    )
    window: Snapshots = Field(default=10, description="Saved policies to choose from. Typical: 5-30.")
    play_against_latest_model_ratio: Fraction = Field(
        default=0.5, description="Probability that the opponent is the latest policy."
    )
    initial_elo: Real = Field(default=1200.0, description="Elo rating at the start.")
