"""What a search leaves."""

import csv
import io
from pathlib import Path

from PIL import Image
from rich.console import Console

from tests.trainers.search.search_tools import write_space
from trainers.config import load_settings
from trainers.search.report import print_table, write_results
from trainers.search.result import Result, ranked
from trainers.search.space import load_search

RATE, LAYERS = "behaviors.*.hyperparameters.learning_rate", "behaviors.*.network_settings.num_layers"
TRIALS = [
    Result(0, "complete", 1.5, (1.0, 2.0), {RATE: 1e-3, LAYERS: "2"}, 3.0),
    Result(1, "ended early", 0.5, (), {RATE: 1e-2, LAYERS: "1"}, 1.0),
    Result(2, "failed", None, (), {RATE: 3e-3, LAYERS: "3"}, 0.5, "seed 0: exit status 2"),
    Result(3, "complete", 7.0, (6.0, 8.0), {RATE: 1.25e-5 * 16, LAYERS: "1"}, 3.0),
    Result(4, "running", None, (), {}),
]


def test_only_complete_trials_are_ranked():
    assert [trial.number for trial in ranked(TRIALS)] == [3, 0]


def test_the_files(tmp_path: Path):
    search = load_search(write_space(tmp_path))
    paths = write_results(TRIALS, search, "my study", tmp_path / "out")
    assert [path.name for path in paths] == ["best.yaml", "trials.csv", "trials.png"]
    best = load_settings(paths[0])
    assert best == search.settings({RATE: "0.0002", LAYERS: "1"})
    assert (
        paths[0]
        .read_text()
        .startswith("# Trial 3 of the study my study: final mean return 7 (seeds: 6, 8).\n")
    )
    with paths[1].open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["state"] for row in rows] == [trial.state for trial in TRIALS]
    assert rows[3]["seed 1"] == "8"
    assert rows[2]["reason"] == "seed 0: exit status 2"
    assert float(rows[1][RATE]) == 1e-2
    with Image.open(paths[2]) as image:
        image.verify()


def test_the_rating_of_self_play_is_called_so(tmp_path: Path):
    content = write_space(tmp_path).read_text()
    path = tmp_path / "games.yaml"
    path.write_text(content.replace("max_steps: 400", "max_steps: 400, self_play: {}"))
    written = write_results(TRIALS, load_search(path), "games", tmp_path / "out")[0]
    assert ": final Elo rating 7 " in written.read_text()


def test_without_a_complete_trial_there_is_no_best(tmp_path: Path):
    paths = write_results(TRIALS[1:3], load_search(write_space(tmp_path)), "study", tmp_path / "out")
    assert [path.name for path in paths] == ["trials.csv"]


def test_the_table_begins_with_the_best(tmp_path: Path):
    output = io.StringIO()
    print_table(TRIALS, load_search(write_space(tmp_path)), Console(file=output, width=120))
    lines = [line.split() for line in output.getvalue().splitlines() if "│" in line]
    assert [line[1] for line in lines] == ["3", "0"]
    assert "2 complete, 1 ended early, 1 failed, 1 running" in " ".join(output.getvalue().split())


def test_without_a_complete_trial_a_line_takes_the_place_of_the_table(tmp_path: Path):
    output = io.StringIO()
    print_table(TRIALS[1:3], load_search(write_space(tmp_path)), Console(file=output, width=120))
    assert output.getvalue() == "No trial is complete: 1 ended early, 1 failed\n"
