"""``python -m trainers.config``."""

import errno
import os
from pathlib import Path

import pytest

from gym_adapters.files import write_text
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


def test_what_training_would_refuse_in_this_folder_is_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("runs", "there").mkdir(parents=True)
    Path("here.pt").touch()

    def told(text: str) -> list[str]:
        Path("a.yaml").write_text(text)
        assert main(["a.yaml"]) == 0
        return capsys.readouterr().err.splitlines()

    blocks = (
        "behaviors: {A: {init_path: %s, evaluation_freq: 100}}\ncheckpoint_settings: {%s}\nenv_settings: {%s}"
    )
    assert told(blocks % ("here.pt", "", "env_path: A-v0")) == []
    assert told(blocks % ("A-5.pt", "initialize_from: there", "env_path: A-v0")) == [], "of that run"
    assert told(blocks % ("gone.pt", "resume: true, run_id: a", "env_path: A-v0")) == [], "without effect"
    first, second, third = told(blocks % ("runs/gone.pt", "initialize_from: gone", ""))
    assert first.startswith("warning: behaviors.A.init_path: runs/gone.pt: no such file")
    assert second.startswith("warning: behaviors.A.evaluation_freq: the Unity Editor is only one environment")
    assert third.startswith("warning: checkpoint_settings.initialize_from: gone: no such run")


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


def test_a_full_disk_leaves_the_files_that_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    files = tmp_path / "schema.json", tmp_path / "configuration.md"
    for path in files:
        path.write_text("the earlier one", encoding="utf-8")
    monkeypatch.setattr(os, "fsync", full)
    for option, path in zip(("--write-schema", "--write-docs"), files, strict=True):
        assert main([option, str(path)]) == 2
        assert "cannot be written (No space left on device)" in capsys.readouterr().err
    assert {path.read_text(encoding="utf-8") for path in files} == {"the earlier one"}
    assert sorted(tmp_path.iterdir()) == sorted(files)


@pytest.mark.skipif(os.name == "nt", reason="Windows has neither")
def test_links_and_pipes_stay_what_they_are(tmp_path: Path) -> None:
    link, target, pipe = (tmp_path / name for name in ("link.json", "target.json", "pipe"))
    link.symlink_to(target)
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert main(["--write-schema", str(link)]) == 0
        assert link.is_symlink()
        assert target.read_text(encoding="utf-8") == schema_text()
        write_text(pipe, "some text")
        assert os.read(reader, 100) == b"some text"
        assert pipe.is_fifo()
    finally:
        os.close(reader)


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
