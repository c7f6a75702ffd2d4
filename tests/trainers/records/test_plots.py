"""Pictures of training are made of what `progress.csv` holds."""

from typing import Any

import pytest
from matplotlib.figure import Figure

from tests.pictures import draw_plots
from trainers.records.metrics import ELO, EVALUATION_RETURN, GROUP_REWARD, REWARD, REWARD_DEVIATION
from trainers.records.plots import LOSS_PLOTS, draw_seeds


@pytest.fixture
def seen(monkeypatch) -> list[list[dict[str, Any]]]:
    """What each picture shows, plot by plot, when it is saved."""
    pictures: list[list[dict[str, Any]]] = []
    save = Figure.savefig

    def watch(figure: Figure, *arguments, **options) -> None:
        save(figure, *arguments, **options)
        pictures.append([content(axes, figure) for axes in figure.axes])

    monkeypatch.setattr(Figure, "savefig", watch)
    return pictures


def content(axes, figure: Figure) -> dict[str, Any]:
    legend = axes.get_legend()
    return {
        "title": figure.get_suptitle(),
        "words": [text.get_text() for text in legend.get_texts()] if legend else [],
        "bands": len(axes.collections),
        "lines": [line.get_xydata().tolist() for line in axes.lines],
        "scale": axes.get_yscale(),
        "label": axes.get_ylabel(),
        "ticks": [tick.get_text() for tick in axes.get_xticklabels()],
    }


def row(step: int, value: float, loss: float) -> dict[str, str]:
    return {"step": str(step), REWARD: str(value), REWARD_DEVIATION: "2", "Losses/Value Loss": str(loss)}


def test_the_return_has_a_band_and_a_mark_at_its_best(seen, tmp_path):
    rows = [row(0, 1.0, 0.1), row(1_000_000, 9.0, 0.2), row(2_000_000, 3.0, 0.4)]
    draw_plots(rows, tmp_path, "Walker, ppo, seed 3")
    (returns, length), (loss,) = seen
    assert returns["title"] == "Walker, ppo, seed 3"
    assert returns["bands"] == 1
    assert returns["lines"][1] == [[1_000_000.0, 9.0]]
    assert returns["words"] == ["best: 9"]
    assert "1M" in returns["ticks"]
    assert length["lines"] == [[]], "a tag without values"
    assert loss["scale"] == "log"


def test_evaluations_are_a_curve_beside_the_return(seen, tmp_path):
    rows = [row(0, 1.0, 0.1), {"step": "500", EVALUATION_RETURN: "7"}, row(1000, 9.0, 0.2)]
    draw_plots(rows, tmp_path, "Walker")
    returns = seen[0][0]
    assert returns["lines"][0] == [[0.0, 1.0], [1000.0, 9.0]]
    assert returns["lines"][1] == [[500.0, 7.0]]
    assert returns["words"] == ["evaluation", "best: 9"]


@pytest.mark.parametrize("title", ["$^$\ntwo lines", "x" * 1000])
def test_any_name_can_stand_above_a_picture(title, seen, tmp_path):
    draw_plots([row(0, 1.0, 0.1)], tmp_path, title)
    assert [picture[0]["title"] for picture in seen] == [title] * 2


def test_losses_that_are_not_all_positive_are_drawn_on_a_linear_scale(seen, tmp_path):
    draw_plots([row(0, 1.0, 0.0), row(10, 1.0, 2.0)], tmp_path, "Walker")
    assert seen[1][0]["scale"] == "linear"


def test_groups_ratings_and_exploration_are_drawn_where_there_are_any(seen, tmp_path):
    """Of a game with group rewards, and of an algorithm without an entropy."""
    points = [{"step": str(step), REWARD: "0", GROUP_REWARD: str(step), ELO: "1200"} for step in (1, 2, 3)]
    points[1][ELO] = "1300"
    for point in points:
        point |= {"Policy/epsilon": "0.5", "Losses/Value Loss": "2", "Policy/Learning Rate": "1"}
    draw_plots(points, tmp_path, "Striker")
    rewards, losses = seen
    assert [plot["label"] for plot in rewards] == [
        "mean return of training episodes",
        "mean return of groups",
        "Elo rating",
        "episode length, decisions",
    ]
    assert [plot["words"] for plot in rewards] == [["best: 0"], ["best: 3"], ["best: 1,300"], []]
    assert [plot["label"] for plot in losses] == ["value loss", "chance of a random action", "learning rate"]


def test_before_the_first_update_all_losses_have_a_place(seen, tmp_path):
    draw_plots([{"step": "1", REWARD: "0"}], tmp_path, "Walker")
    assert len(seen[1]) == len(LOSS_PLOTS)


def test_many_seeds_are_a_mean_and_a_band_and_two_are_two_curves(seen, tmp_path):
    curves = {seed: {0: 0.0, 100: float(seed), 200: 2.0 * seed} for seed in range(5)}
    draw_seeds("Task", curves, tmp_path / "five.png")
    draw_seeds("Task", {0: curves[0], 1: curves[1]}, tmp_path / "two.png")
    (five,), (two,) = seen
    assert five["words"] == ["lowest to highest", "mean of 5 seeds"]
    assert five["bands"] == 1
    assert five["lines"][0][-1] == [200.0, 4.0]
    assert two["words"] == ["seed 0", "seed 1"]
    assert two["bands"] == 0
