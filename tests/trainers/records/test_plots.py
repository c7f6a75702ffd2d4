"""Pictures of training are made of what `progress.csv` holds."""

from typing import Any

import pytest
from matplotlib.figure import Figure

from tests.pictures import draw_plots
from trainers.records.metrics import EVALUATION_RETURN, REWARD, REWARD_DEVIATION
from trainers.records.plots import draw_seeds


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
        "ticks": [tick.get_text() for tick in axes.get_xticklabels()],
    }


def row(step: int, value: float, loss: float) -> dict[str, str]:
    return {"step": str(step), REWARD: str(value), REWARD_DEVIATION: "2", "Losses/Value Loss": str(loss)}


def test_the_return_has_a_band_and_a_mark_at_its_best(seen, tmp_path):
    rows = [row(0, 1.0, 0.1), row(1_000_000, 9.0, 0.2), row(2_000_000, 3.0, 0.4)]
    draw_plots(rows, tmp_path, "Walker, ppo, seed 3")
    (returns, length), losses = seen
    assert returns["title"] == "Walker, ppo, seed 3"
    assert returns["bands"] == 1
    assert returns["lines"][1] == [[1_000_000.0, 9.0]]
    assert returns["words"] == ["best: 9"]
    assert "1M" in returns["ticks"]
    assert length["lines"] == [[]], "a tag without values"
    assert [plot["scale"] for plot in losses] == ["linear", "log", "linear", "linear"]


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
    assert seen[1][1]["scale"] == "linear"


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
