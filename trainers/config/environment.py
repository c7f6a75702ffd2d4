"""The environments of a run, and the engine of its Unity players."""

from typing import Any, Self

from pydantic import Field, PrivateAttr, field_validator, model_validator
from pydantic_core import to_json

from trainers.config.base import (
    Count,
    CountOrUnlimited,
    Environments,
    Flag,
    PathText,
    Pixels,
    Port,
    Seed,
    SentCountOrUnlimited,
    SentCountOrZero,
    SentPositive,
    Settings,
    extension,
    problem,
)
from trainers.config.written import plain


class EnvSettings(Settings):
    """The environment: a Unity player, the Unity Editor or a Gymnasium id."""

    env_path: PathText | None = Field(
        default=None,
        description="Path of a Unity player. As an extension, the id of a Gymnasium or PettingZoo environment. "
        "null: the Editor.",
    )
    env_args: tuple[str, ...] | None = Field(
        default=None, description="Command line arguments of the player."
    )
    base_port: Port = Field(
        default=5005, description="Port of the first player. Each further player takes the next port."
    )
    num_envs: Environments = Field(
        default=1, description="Environments that run at the same time. More than 1 needs env_path."
    )
    num_areas: Environments = Field(default=1, description="Training areas in each player.")
    timeout_wait: Count = Field(
        default=60,
        description="Seconds to wait for each message of a player. With the default, the wait for the Editor has "
        "no limit.",
    )
    seed: Seed = Field(default=-1, description="Seed of all random numbers. -1: a random one from 0 to 9999.")
    max_lifetime_restarts: CountOrUnlimited = Field(
        default=10, description="Times one player may be restarted in a run. -1: no limit."
    )
    restarts_rate_limit_n: CountOrUnlimited = Field(
        default=1, description="Times one player may be restarted in each period. -1: no limit."
    )
    restarts_rate_limit_period_s: Count = Field(default=60, description="Length of that period in seconds.")
    listen: str = extension(
        "127.0.0.1",
        description="Address on which the trainer waits for players. Any other than the default lets other "
        "machines connect.",
    )
    reorder_raw_images: Flag = extension(
        True,
        description="Whether raw images of com.unity.ml-agents 3.0.0 to 4.0.0, which arrive pixel by pixel although "
        "their shape is channel-first, are put in order. PNG images are not affected.",
    )
    env_options: dict[str, Any] = extension(
        default_factory=dict,
        description="Keyword arguments of a Gymnasium or PettingZoo environment. For Atari, life_loss_info: true ends "
        "an episode with each life. Evaluation still plays whole games, and Environment/Game Score reports them.",
    )

    _first_env: int = PrivateAttr(0)

    @property
    def first_env(self) -> int:
        """Number of the first environment of this process. It is above 0 in the later ranks of a run."""
        return self._first_env

    def numbered_from(self, first: int, seed: int) -> "EnvSettings":
        """Return these settings for a process whose first environment has this number."""
        numbered = self.model_copy(update={"seed": seed})
        numbered._first_env = first  # noqa: SLF001 - of this class
        return numbered

    @field_validator("env_options", mode="after")
    @classmethod
    def _fit_into_the_run_folder(cls, options: dict[str, Any]) -> dict[str, Any]:
        try:
            to_json(options)
        except ValueError as error:
            reason = str(error).removeprefix("Error serializing to JSON: ").removeprefix("ValueError: ")
            raise problem(f"expected values that a YAML file can hold; {reason}") from None
        return {key: plain(value) for key, value in options.items()}

    @model_validator(mode="after")
    def _several_need_a_path(self) -> Self:
        if self.num_envs > 1 and self.env_path is None:
            raise problem(f"num_envs is {self.num_envs}: more than one environment needs env_path")
        return self


class EngineSettings(Settings):
    """How the Unity player runs."""

    width: Pixels = Field(default=84, description="Width of the player's window in pixels.")
    height: Pixels = Field(default=84, description="Height of the player's window in pixels.")
    quality_level: SentCountOrZero = Field(default=5, description="Unity's quality level, 0 to 5.")
    time_scale: SentPositive = Field(
        default=20.0, description="Game seconds per real second. Unity allows 1 to 100."
    )
    target_frame_rate: SentCountOrUnlimited = Field(
        default=-1, description="Target of the frames per second. -1: no limit."
    )
    capture_frame_rate: SentCountOrZero = Field(
        default=60, description="Frames per second of game time. 0: not fixed."
    )
    no_graphics: Flag = Field(default=False, description="Whether players run without a graphics device.")
    no_graphics_monitor: Flag = Field(
        default=False, description="Whether all players but the first run without a graphics device."
    )
