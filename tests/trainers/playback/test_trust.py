"""A run folder of somebody else: what it names is started only with `--trust`, and resuming it says what it starts."""

import logging
import shutil
import sys
from pathlib import Path

import pytest
import yaml
from command_tools import the_error

from trainers.playback.evaluation import main as evaluate_main
from trainers.playback.gallery import main as gallery_main
from trainers.training.cli import main as train_main

MODULE = """
import gymnasium
from gymnasium.envs.classic_control import CartPoleEnv
gymnasium.register("Strange-v0", CartPoleEnv, max_episode_steps=5)
open("executed", "w").close()
"""


@pytest.fixture
def strange(cartpole, tmp_path, monkeypatch) -> Path:
    """A run that names a module of the current folder, which leaves a file when it is imported."""
    run = Path(shutil.copytree(cartpole / "pole", tmp_path / "results" / "strange"))
    rename(run, env_path="strange_module:Strange-v0")
    (tmp_path / "strange_module.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    yield run
    sys.modules.pop("strange_module", None)


def rename(run: Path, **env_settings) -> None:
    path = run / "configuration.yaml"
    tree = yaml.safe_load(path.read_text())
    tree["env_settings"] |= env_settings
    path.write_text(yaml.safe_dump(tree))


def test_a_module_of_the_run_is_imported_with_trust_alone(strange, tmp_path, capfd):
    assert evaluate_main([str(strange), "--episodes", "1"]) == 2
    message = the_error(capfd)
    for word in (
        "configuration.yaml",
        "'strange_module'",
        str(tmp_path / "strange_module.py"),
        "--trust",
        "--env",
    ):
        assert word in message
    assert gallery_main([str(strange), "--out", str(tmp_path / "films")]) == 2
    assert "--trust" in the_error(capfd)
    assert not Path("executed").exists()

    assert evaluate_main([str(strange), "--episodes", "1", "--trust"]) == 0
    assert Path("executed").exists()
    assert "trusted to import the module 'strange_module'" in capfd.readouterr().err


def test_an_environment_that_was_typed_is_started_as_it_was_typed(strange, capfd):
    assert evaluate_main([str(strange), "--episodes", "1", "--env", "strange_module:Strange-v0"]) == 0
    assert "--trust" not in capfd.readouterr().err
    assert Path("executed").exists()
    assert evaluate_main([str(strange), "--episodes", "1", "--env", "CartPole-v1"]) == 0


def test_options_with_text_need_trust_and_numbers_do_not(strange, capfd):
    rename(strange, env_path="CartPole-v1", env_options={"render_mode": "human"})
    assert evaluate_main([str(strange), "--episodes", "1"]) == 2
    assert "the text 'human' as 'render_mode'; add --trust" in the_error(capfd)
    rename(strange, env_options={"sutton_barto_reward": False})
    assert evaluate_main([str(strange), "--episodes", "1"]) == 0


def test_resume_names_what_it_starts_and_stays_in_the_run(strange, tmp_path, caplog):
    rename(strange, env_path="CartPole-v1")
    tree = yaml.safe_load((strange / "configuration.yaml").read_text())
    tree["checkpoint_settings"]["results_dir"] = str(tmp_path / "elsewhere")
    tree["default_settings"] |= {"max_steps": 500, "evaluation_freq": 200}
    (strange / "configuration.yaml").write_text(yaml.safe_dump(tree))
    with caplog.at_level(logging.INFO):
        assert train_main(["--resume", "--run-id", "strange", "--results-dir", "results"]) == 0
    assert caplog.messages.count("--resume starts the Gymnasium environment 'CartPole-v1'") == 1
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize(
    ("env_settings", "words"),
    [
        (
            {"env_path": "strange_module:Strange-v0"},
            "'strange_module:Strange-v0', which will import the module",
        ),
        (
            {"env_path": "./gone.x86_64", "env_args": ["--a\x1b[2J"]},
            r"the Unity player './gone.x86_64' '--a\x1b[2J'",
        ),
    ],
)
def test_resume_names_modules_and_programs(strange, caplog, env_settings, words):
    rename(strange, **env_settings)
    with caplog.at_level(logging.INFO):
        train_main(["--resume", "--run-id", "strange", "--results-dir", "results"])
    assert any("--resume starts " in line and words in line for line in caplog.messages)
