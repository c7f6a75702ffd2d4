"""``python -m trainers.config``."""

from pathlib import Path

import pytest

from trainers.config import load_settings
from trainers.config.__main__ import main
from trainers.config.docs import docs_text
from trainers.config.schema import schema_text


@pytest.fixture
def training_file(tmp_path: Path) -> Path:
    path = tmp_path / "walker.yaml"
    path.write_text("behaviors: {Walker: {max_steps: 1e6, reward_clip: 5}}")
    return path


def test_prints_the_resolved_file(training_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(training_file), "--set", "behaviors.Walker.time_horizon=9"]) == 0
    printed = load_settings(capsys.readouterr().out).behavior("Walker")
    assert (printed.max_steps, printed.time_horizon, printed.reward_clip) == (10**6, 9, 5.0)


def test_prints_the_file_for_mlagents(training_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(training_file), "--for-mlagents"]) == 0
    printed = capsys.readouterr()
    assert "reward_clip" not in printed.out
    assert printed.err == ""


def test_a_type_that_mlagents_lacks_is_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "soccer.yaml"
    path.write_text("{behaviors: {A: {trainer_type: mappo}, B: {trainer_type: dqn}, C: {trainer_type: sac}}}")
    assert main([str(path), "--for-mlagents"]) == 0
    assert capsys.readouterr().err.splitlines() == [
        "warning: behaviors.A.trainer_type: mlagents-learn 1.1.0 has no mappo",
        "warning: behaviors.B.trainer_type: mlagents-learn 1.1.0 has no dqn without a plugin",
    ]
    assert main([str(path)]) == 0
    assert capsys.readouterr().err == ""


def test_demonstrations_that_are_not_there_are_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("shown").mkdir()
    Path("crawler.yaml").write_text(
        "behaviors: {A: {behavioral_cloning: {demo_path: a.demo}, reward_signals: {gail: {demo_path: shown}}}, "
        "B: {reward_signals: {gail: {demo_path: b.demo}}}, C: {behavioral_cloning: {demo_path: 'minari:d'}}}"
    )
    assert main(["crawler.yaml"]) == 0
    assert [line.partition(": no such")[0] for line in capsys.readouterr().err.splitlines()] == [
        "warning: behaviors.A.behavioral_cloning.demo_path: a.demo",
        "warning: behaviors.B.reward_signals.gail.demo_path: b.demo",
    ]


def test_a_measure_that_mlagents_lacks_is_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    criteria = "completion_criteria: {behavior: A, measure: Elo, threshold: 1300}"
    path = tmp_path / "ladder.yaml"
    path.write_text(
        "{behaviors: {A: {self_play: {}}}, environment_parameters: {size: {curriculum: "
        f"[{{name: small, value: 1, {criteria}}}, {{name: big, value: 2}}]}}}}}}"
    )
    assert main([str(path), "--for-mlagents"]) == 0
    assert capsys.readouterr().err.splitlines() == [
        "warning: environment_parameters.size.curriculum, lesson small: mlagents-learn 1.1.0 does not measure Elo; "
        "choose reward or progress"
    ]


def test_errors_are_one_line_and_status_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "missing.yaml")]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("error: ")
    assert printed.err.count("\n") == 1


def test_nothing_to_do_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([])
    assert "give a training file" in capsys.readouterr().err


def test_writes_schema_and_reference_page(tmp_path: Path) -> None:
    schema, docs = tmp_path / "schema.json", tmp_path / "configuration.md"
    assert main(["--write-schema", str(schema), "--write-docs", str(docs)]) == 0
    assert schema.read_text(encoding="utf-8") == schema_text()
    assert docs.read_text(encoding="utf-8") == docs_text()


def test_a_path_that_cannot_be_written_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--write-schema", str(tmp_path)]) == 2
    assert "cannot be written" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ["--from-mlagents", "old.yaml", "--for-mlagents"],
            "--from-mlagents takes --curriculum and --sampler only",
        ),
        (
            ["new.yaml", "--from-mlagents", "old.yaml"],
            "--from-mlagents takes --curriculum and --sampler only",
        ),
        (["new.yaml", "--curriculum", "size.json"], "--curriculum and --sampler need --from-mlagents"),
        (["--write-docs", "page.md", "--set", "debug=true"], "give a training file"),
    ],
)
def test_options_that_would_do_nothing_are_refused(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert told in capsys.readouterr().err
