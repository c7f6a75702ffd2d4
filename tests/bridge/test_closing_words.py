"""The last words of a Unity run are what its developer wants; a start without an environment names all kinds."""

import logging
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from processes import free_port, write_player

from bridge.onnx_check import check_file
from gym_adapters.commands import interpreter, shell_line
from trainers.records.checkpoint import load_state
from trainers.training.cli import main

FILE = """\
behaviors:
  CartPole-v1:
    trainer_type: ppo
    max_steps: 200
    summary_freq: 100
    hyperparameters: {batch_size: 32, buffer_size: 64}
    network_settings: {hidden_units: 8, num_layers: 1}
"""


@pytest.fixture(autouse=True)
def in_its_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def words_after(line: str) -> list[str]:
    """The arguments of the training command in a line."""
    start = f"{shell_line(interpreter())} -m trainers "
    return shlex.split(line.split(start)[1])


def test_a_players_run_names_its_model_where_it_goes_and_how_to_watch_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("file.yaml").write_text(FILE)
    player = write_player(tmp_path, "-m", "bridge.player", "--env", "CartPole-v1", "--agents", 2)
    places = ["--results-dir", "my runs", "--run-id", "a b", "--base-port", str(free_port())]
    assert main(["file.yaml", "--env", str(player), "--no-graphics", *places]) == 0
    text = capsys.readouterr().out
    said = dict(
        line.split(maxsplit=1) for line in text.splitlines() if line.startswith("  ") and line[2] != " "
    )
    model = Path(said["model"])
    assert model == Path("my runs", "a b", "CartPole-v1.onnx")
    assert check_file(model).refused == []
    assert "Drag it into Assets, and choose it under Behavior Parameters > Model." in text
    assert "trainers.evaluate" not in text, "which plays no players"

    watch = words_after(said["watch"])
    assert watch[-2:] == ["--resume", "--inference"]
    checkpoint = Path("my runs", "a b", "CartPole-v1", "checkpoint.pt")
    before = load_state(checkpoint)["global_step"]
    turns: Iterator[bool] = iter([False] * 20)
    with monkeypatch.context() as patched:
        patched.setattr(
            "trainers.training.session.Session.finished", property(lambda session: next(turns, True))
        )
        assert main([*watch, "--base-port", str(free_port())]) == 0
    text = capsys.readouterr().out
    assert "  Ctrl-C   stops; nothing is learned or saved" in text.splitlines()
    assert f"  model      {model}" in text.splitlines()
    assert f"plays the policy of step {before}" in text
    assert "goes on at" not in text
    assert load_state(checkpoint)["global_step"] == before


@pytest.mark.parametrize("trainer_type", ["ppo", "a2c", "dqn", None])
def test_without_an_environment_the_editor_is_waited_for_and_the_others_are_named(
    trainer_type: str | None,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bridge.make.EDITOR_PORT", free_port())
    with caplog.at_level(logging.INFO):
        assert main(["--timeout-wait", "1"], trainer_type) == 2
    (line,) = [message for message in caplog.messages if "--env" in message]
    for part in ("Unity Editor", "--env CartPole-v1", "--env my_module:MyEnv-v0", "--env PATH"):
        assert part in line
    assert capsys.readouterr().err.splitlines()[-1].startswith("error: ")
