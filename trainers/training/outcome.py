"""What a run reached for one behavior."""

import math
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Outcome:
    """What a run reached for one behavior.

    Attributes:
        steps: agent steps trained in total.
        episodes: episodes ended in total.
        mean_return: mean return of the last 100 training episodes; NaN without any.
        best_return: the highest such mean at any summary, whose policy `best.pt` holds; NaN before 100 episodes. With
            `evaluation_freq`, the highest mean return of an evaluation. With self-play, the highest Elo rating.
        folder: holds checkpoints and curves.
        trained: agent steps of this session.
        seconds: wall-clock time of this session.
        finished: whether training is complete: `max_steps` was reached, or `stop_at_reward` or `patience` ended it.
    """

    steps: int
    episodes: int
    mean_return: float
    best_return: float
    folder: Path
    trained: int = 0
    seconds: float = math.nan
    finished: bool = False
