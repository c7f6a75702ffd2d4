"""The kept results: their files, and the page that is made from them."""

import json

import pytest
from command_tools import REPOSITORY, the_error

from gym_adapters.errors import UserError
from trainers.playback.benchmark import main
from trainers.playback.results_table import (
    BEGIN,
    END,
    Evaluation,
    SeedScore,
    TaskScores,
    read_scores,
    save_scores,
    tables,
    write_page,
)

DOCS = REPOSITORY / "docs"
KEPT = sorted((DOCS / "results").glob("*.json"))


def scores(**changes) -> TaskScores:
    seeds = [SeedScore(seed=k, steps=500, seconds=10 * k, mean_return=100.0 * k, std=None) for k in (1, 2, 6)]
    plain = {"task": "Cart-v1", "trainer": "a2c", "date": "2026-01-02", "machine": "a machine", "steps": 500}
    evaluation = Evaluation(episodes=20, first_seed=7)
    return TaskScores.model_validate({**plain, "evaluation": evaluation, "seeds": seeds, **changes})


def write_results(folder, **files: TaskScores) -> None:
    (folder / "results.md").write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    for name, content in files.items():
        save_scores(folder / "results" / f"{name}.json", content)


def test_the_kept_page_is_made_from_the_kept_files(tmp_path):
    page = tmp_path / "results.md"
    page.write_bytes((DOCS / "results.md").read_bytes())
    write_page(page, DOCS / "results")
    assert page.read_text(encoding="utf-8") == (DOCS / "results.md").read_text(encoding="utf-8"), (
        "run python -m trainers.benchmark --table"
    )


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.stem)
def test_a_kept_file_is_as_the_command_writes_it_and_has_its_curves(path, tmp_path):
    kept = read_scores(path)
    save_scores(tmp_path / path.name, kept)
    assert (tmp_path / path.name).read_text(encoding="utf-8") == path.read_text(encoding="utf-8")
    assert path.stem.endswith(f"-{kept.trainer}")
    assert all((DOCS / "curves" / f"{path.stem}.{kind}").is_file() for kind in ("csv", "png"))


def test_means_are_over_seeds():
    assert scores().mean == 300.0
    assert scores().seconds == 30.0


def test_seconds_of_all_seeds_together_stand_in_for_those_of_each():
    unknown = [SeedScore(seed=0, steps=500, seconds=None, mean_return=1.0, std=None)]
    assert scores(seeds=unknown, mean_seconds=12.0).seconds == 12.0
    assert scores(seeds=unknown).seconds is None


def test_the_tables_hold_every_seed_and_the_command():
    text = tables({"Cart-v1-a2c": scores(options=["--max-steps", "500"], notes=["One note."])})
    assert "| [Cart-v1, A2C](#cart-v1-a2c) | 500 | 3 | 300.0 | 100.0 to 600.0 |" in text
    assert "python -m trainers.benchmark a2c/Cart-v1 --seeds 1,2,6 --max-steps 500" in text
    assert "| 6 | 500 | 60 | 600.0 | – |" in text
    assert text.endswith("- One note.")


def test_only_the_part_between_the_marks_changes(tmp_path):
    write_results(tmp_path, first=scores())
    assert main(["--table", "--out", str(tmp_path)]) == 0
    text = (tmp_path / "results.md").read_text(encoding="utf-8")
    assert text.startswith(f"before\n{BEGIN}\n| task |")
    assert text.endswith(f"{END}\nafter\n")
    assert "old" not in text
    assert main(["--table", "--out", str(tmp_path)]) == 0
    assert (tmp_path / "results.md").read_text(encoding="utf-8") == text


def test_a_new_run_keeps_aim_and_notes(tmp_path):
    file = tmp_path / "Cart-v1-a2c.json"
    save_scores(file, scores(aim="> 1", notes=["By hand."]))
    save_scores(file, scores(date="2026-03-04"))
    assert read_scores(file) == scores(date="2026-03-04", aim="> 1", notes=["By hand."])


def test_without_results_one_line_says_what_to_do(tmp_path, capfd):
    (tmp_path / "results.md").write_text(f"{BEGIN}\n{END}\n")
    assert main(["--table", "--out", str(tmp_path)]) == 2
    said = the_error(capfd)
    assert str(tmp_path / "results") in said
    assert "python -m trainers.benchmark TASK" in said


@pytest.mark.parametrize(("text", "named"), [("no marks\n", END), (None, "no such page")])
def test_a_page_without_marks_is_refused(text, named, tmp_path, capfd):
    write_results(tmp_path, first=scores())
    (tmp_path / "results.md").unlink()
    if text is not None:
        (tmp_path / "results.md").write_text(text)
    assert main(["--table", "--out", str(tmp_path)]) == 2
    said = the_error(capfd)
    assert str(tmp_path / "results.md") in said
    assert named in said


@pytest.mark.parametrize(
    ("change", "named"),
    [({"steps": "many"}, "steps"), ({"colour": 1}, "colour"), ({"seeds": []}, "seeds"), (None, "JSON")],
)
def test_a_damaged_file_is_named_with_its_key(change, named, tmp_path):
    file = tmp_path / "Cart-v1-a2c.json"
    save_scores(file, scores())
    if change is None:
        file.write_text("{")
    else:
        file.write_text(json.dumps({**json.loads(file.read_text(encoding="utf-8")), **change}))
    with pytest.raises(UserError, match=f"Cart-v1-a2c.json: .*{named}"):
        read_scores(file)


def test_tables_are_asked_for_alone():
    with pytest.raises(SystemExit, match="2"):
        main(["CartPole-v1", "--table"])
