"""What was learned, task by task: a JSON file for each task and algorithm, and the tables made from all of them.

`python -m trainers.benchmark` writes `docs/results/<task>-<trainer>.json`; with `--table` it writes the part of
`docs/results.md` between two marks.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gym_adapters.commands import module_command
from gym_adapters.errors import UserError, refusal_named
from gym_adapters.files import write_text
from trainers.config import catalogue

BEGIN = "<!-- begin: python -m trainers.benchmark --table -->"
END = "<!-- end -->"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Evaluation(_Strict):
    """How a final policy is judged: whole episodes, episode i seeded with `first_seed` + i."""

    episodes: int
    first_seed: int
    deterministic: bool = True


class SeedScore(_Strict):
    """One training seed: its agent steps, training seconds, and mean and deviation of its returns.

    Seconds and deviation are None where they were not recorded.
    """

    seed: int
    steps: int
    seconds: float | None
    mean_return: float
    std: float | None


class TaskScores(_Strict):
    """All seeds of one task with one algorithm.

    Attributes:
        task: as the command takes it, without the algorithm: a Gymnasium id or the name of a tuned file.
        trainer: the algorithm.
        date: of the last run, YYYY-MM-DD.
        machine: processor, cores, versions, and what ran beside.
        steps: agent steps of each seed.
        evaluation: the protocol.
        seeds: one or more.
        aim: what was aimed for.
        mean_seconds: training seconds of a seed on average, where those of each were not recorded.
        options: what the training command was given besides the seed.
        notes: Markdown, one item of a list each.
    """

    task: str
    trainer: str
    date: str
    machine: str
    steps: int
    evaluation: Evaluation
    seeds: list[SeedScore] = Field(min_length=1)
    aim: str = ""
    mean_seconds: float | None = None
    options: list[str] = []
    notes: list[str] = []

    @property
    def mean(self) -> float:
        """Mean over the seeds of their mean returns."""
        return float(np.mean([score.mean_return for score in self.seeds]))

    @property
    def seconds(self) -> float | None:
        """Training seconds, mean over the seeds; None where they were not recorded."""
        known = [score.seconds for score in self.seeds if score.seconds is not None]
        return float(np.mean(known)) if len(known) == len(self.seeds) else self.mean_seconds

    @property
    def heading(self) -> str:
        """Such as `Walker2d-v5, PPO`."""
        return f"{self.task}, {self.trainer.upper()}"

    @property
    def command(self) -> str:
        """What makes these figures again."""
        task = self.task if self.trainer == catalogue.DEFAULT else f"{self.trainer}/{self.task}"
        seeds = ",".join(str(score.seed) for score in self.seeds)
        return " ".join([".venv/bin/python -m trainers.benchmark", task, "--seeds", seeds, *self.options])


def save_scores(path: Path, scores: TaskScores) -> None:
    """Write a task's file; the aim and the notes of the file that is there are kept.

    Raises:
        UserError: the file that is there is damaged, or the system refuses to write.
    """
    if path.is_file():
        earlier = read_scores(path)
        scores = scores.model_copy(update={"aim": earlier.aim, "notes": earlier.notes})
    with refusal_named(path):
        write_text(path, json.dumps(scores.model_dump(), indent=2, ensure_ascii=False) + "\n")


def read_scores(path: Path) -> TaskScores:
    """Read a task's file.

    Raises:
        UserError: it is not JSON, or a key is missing, unknown or of another type.
    """
    try:
        return TaskScores.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise UserError(f"{path}: {key + ': ' if key else ''}{first['msg']}; mend it or delete it") from None


def write_page(page: Path, folder: Path) -> None:
    """Write the part of `page` between the marks from all the files in `folder`.

    Raises:
        UserError: there is no file, one is damaged, the page or its marks are missing, or the system refuses to write.
    """
    paths = sorted(folder.glob("*.json"), key=lambda path: path.stem)
    if not paths:
        raise UserError(
            f"{folder}: holds no .json of results; set --out, or run: {module_command('trainers.benchmark', 'TASK')}"
        )
    part = tables({path.stem: read_scores(path) for path in paths})
    with refusal_named(page):
        write_text(page, _with_part(page, part))


def tables(results: Mapping[str, TaskScores]) -> str:
    """Markdown: one table of all tasks, then a section for each.

    Args:
        results: by title, which names the curves, such as `Walker2d-v5-ppo`.
    """
    lines = [
        "| task | steps | seeds | mean return | lowest and highest seed | aimed for | training seconds | date |"
    ]
    lines += ["|---|---|---|---|---|---|---|---|", *map(_line, results.values())]
    return "\n\n".join(["\n".join(lines), *(_section(title, scores) for title, scores in results.items())])


def seed_table(scores: TaskScores) -> str:
    """Markdown: one line for each seed, and the mean over the seeds."""
    lines = ["| seed | steps | training seconds | mean return | std over episodes |", "|---|---|---|---|---|"]
    lines += [
        f"| {one.seed} | {one.steps:,} | {_number(one.seconds, 0)} | {_number(one.mean_return)} | {_number(one.std)} |"
        for one in scores.seeds
    ]
    lines.append(f"| mean | | {_number(scores.seconds, 0)} | {_number(scores.mean)} | |")
    return "\n".join(lines)


def _line(scores: TaskScores) -> str:
    means = [one.mean_return for one in scores.seeds]
    anchor = re.sub(r"[^\w -]", "", scores.heading.lower()).replace(" ", "-")  # as GitHub makes it
    spread = f"{_number(min(means))} to {_number(max(means))}" if len(means) > 1 else "one seed"
    cells = [
        f"[{scores.heading}](#{anchor})",
        f"{scores.steps:,}",
        str(len(means)),
        _number(scores.mean),
        spread,
    ]
    return f"| {' | '.join([*cells, scores.aim, _number(scores.seconds, 0), scores.date])} |"


def _section(title: str, scores: TaskScores) -> str:
    how = scores.evaluation
    episodes = f"{how.episodes} {'deterministic' if how.deterministic else 'sampled'} episodes"
    parts = [
        f"### {scores.heading}",
        f"```sh\n{scores.command}\n```",
        f"{scores.date}; {scores.machine}. {episodes}, seeded {how.first_seed}+i. "
        f"Curves: [picture](curves/{title}.png), [numbers](curves/{title}.csv).",
        seed_table(scores),
    ]
    if scores.notes:
        parts.append("\n".join(f"- {note}" for note in scores.notes))
    return "\n\n".join(parts)


def _number(value: float | None, digits: int = 1) -> str:
    return "–" if value is None else f"{value:,.{digits}f}"


def _with_part(page: Path, part: str) -> str:
    """The page's text with another part between the marks."""
    if not page.is_file():
        raise UserError(f"{page}: no such page; set --out to the folder that has it")
    text = page.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise UserError(
            f"{page}: lacks the line {BEGIN} or, after it, {END}; put both where the tables belong"
        )
    return f"{before}{BEGIN}\n{part}\n{END}{after}"
