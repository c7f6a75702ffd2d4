"""What a run says when it begins and when it ends, and that each command it names works when it is pasted."""

import ast
import importlib.util
from pathlib import Path

import pytest
from command_tools import REPOSITORY, write_file
from printed_commands import printed_commands, run_printed
from run_tools import Listener, Stopwatch, options

from gym_adapters import make_env
from gym_adapters.commands import module_command
from trainers import train
from trainers.config import load_settings
from trainers.records.checkpoint import load_state
from trainers.training.announcements import closing_lines, run_lines
from trainers.training.cli import main
from trainers.training.outcome import Outcome

SMALL = ["--env", "CartPole-v1", "--seed", "1"]


@pytest.fixture
def small() -> str:
    return str(write_file(Path("small file.yaml")))


def test_a_run_says_what_it_is_and_its_commands_work(small, capsys):
    results = ["--results-dir", "my results", "--run-id=-a b"]
    assert main([small, *SMALL, *results]) == 0
    text = capsys.readouterr().out
    lines = text.splitlines()
    assert lines[0] == "CartPole-v1, settings of small file.yaml, seed 1"
    assert f"  run      {Path('my results', '-a b')}" in lines
    assert "CartPole-v1: 4 numbers → 2 discrete actions; 1 agent; ppo, 1 × 8, on cpu" in lines, text
    assert "steps/s on average" in text
    commands = printed_commands(text)
    assert {words[0] for words in commands} == {"tensorboard.main", "trainers.evaluate"}
    for words in commands:
        assert run_printed(words) == 0, words
    assert capsys.readouterr().out.startswith("mean ")

    # A finished run says so, and how to train it further.
    assert main([*results, "--resume"]) == 0
    text = capsys.readouterr().out
    assert "had already reached max_steps (400), so nothing was trained" in text
    (further,) = [words for words in printed_commands(text) if words[0] == "trainers"]
    assert run_printed(further) == 0
    assert 800 <= load_state(Path("my results", "-a b", "CartPole-v1", "checkpoint.pt"))["global_step"] < 810

    # So does one that is past the max_steps of its file, and the command still trains it further.
    assert main([*results, "--resume", "--max-steps", "300"]) == 0
    text = capsys.readouterr().out
    assert "had already reached max_steps (300), so nothing was trained" in text
    (further,) = [words for words in printed_commands(text) if words[0] == "trainers"]
    assert int(further[-1]) >= 1600


@pytest.mark.parametrize(("self_play", "best"), [({"self_play": {}}, "best Elo 1,235"), ({}, "best 1,235")])
def test_the_best_of_self_play_is_a_rating(self_play, best):
    outcome = Outcome(800, 200, -0.14, 1235.0, Path("runs", "a", "Task"), 400, 2.0, True)
    settings = load_settings({"behaviors": {"Task": self_play}})
    (line,) = [line for line in closing_lines("Task", outcome, settings) if line.startswith("Task:")]
    assert line == f"Task: 800 steps, 200 episodes, mean return of the last 100: -0.140, {best}"


def test_inference_names_no_policy_that_was_not_saved(tmp_path):
    folder = tmp_path / "runs" / "a" / "Task"
    folder.mkdir(parents=True)
    outcome = Outcome(800, 200, -0.14, 1235.0, folder, 400, 2.0, True)
    settings = load_settings({"behaviors": {"Task": {}}, "checkpoint_settings": {"inference": True}})
    commands = ("model", "watch")
    for expected in ([], list(commands)):
        said = [line.split()[0] for line in closing_lines("Task", outcome, settings) if line.split()]
        assert [word for word in said if word in commands] == expected
        (folder / "checkpoint.pt").touch()
        (folder.parent / "Task.onnx").touch()


def test_an_environment_that_was_made_in_python_is_called_by_its_name():
    env = make_env("CartPole-v1", num_envs=1)
    try:
        assert next(run_lines(load_settings({"env_settings": {"seed": 0}}), env)) == "CartPole-v1, seed 0"
    finally:
        env.close()


def test_keys_that_only_players_have_a_use_for_are_told():
    unused = {"env_args": ["--speed"], "num_areas": 2}
    said = {}
    for path in ("CartPole-v1", "builds/Seeker.x86_64", None):
        settings = load_settings({"env_settings": {"env_path": path, "seed": 0, **unused}})
        said[path] = [line for line in run_lines(settings, None) if "no effect here" in line]
    assert [line.split()[0] for line in said["CartPole-v1"]] == ["env_args", "num_areas"]
    assert said["builds/Seeker.x86_64"] == said[None] == []
    engine = {"time_scale": 3, "no_graphics": True}
    for env_settings, engine_settings, told in [
        ({"base_port": 6000, "listen": "0.0.0.0"}, engine, "base_port, listen, time_scale, no_graphics are"),
        ({}, {"width": 84, "height": 100}, "height is"),
    ]:
        content = {"env_settings": {"env_path": "CartPole-v1", "seed": 0, **env_settings}}
        settings = load_settings({**content, "engine_settings": engine_settings})
        said = [line.strip() for line in run_lines(settings, None) if "no effect here" in line]
        assert [line.partition(" for Unity players")[0] for line in said] == [told]
    plain = load_settings({"env_settings": {"env_path": "CartPole-v1", "seed": 0}})
    assert not any("no effect here" in line for line in run_lines(plain, None))


def test_a_stopped_run_says_where_it_is_and_how_to_go_on(small, capsys, monkeypatch):
    def stop(session: object) -> bool:
        return bool(session.learners and session.learners[0].step >= 200)  # type: ignore[attr-defined]

    with monkeypatch.context() as patched:
        patched.setattr("trainers.training.session.Session.finished", property(stop))
        assert main([small, *SMALL, "--run-id", "stopped"]) == 0
    text = capsys.readouterr().out
    assert f"  saved      {Path('runs', 'stopped', 'CartPole-v1')} at 200 of 400 steps" in text
    (on,) = [words for words in printed_commands(text) if words[0] == "trainers"]
    assert run_printed(on) == 0
    assert "goes on at 200 of 400 steps" in capsys.readouterr().out
    assert load_state(Path("runs", "stopped", "CartPole-v1", "checkpoint.pt"))["global_step"] >= 400


@pytest.mark.parametrize(("scaled", "most"), [(False, "1,000"), (True, "4,000")])
def test_the_end_of_a_run_counts_the_steps_of_all_ranks(scaled, most, monkeypatch):
    for name, value in {"RANK": 0, "WORLD_SIZE": 4, "MASTER_ADDR": "here", "MASTER_PORT": 1}.items():
        monkeypatch.setenv(name, str(value))
    content = {"default_settings": {"max_steps": 1000}, "rank_settings": {"scale_batch": scaled}}
    outcome = Outcome(800, 9, 1.0, 1.0, Path("runs", "a", "Task"), 800, 2.0, False)
    lines = closing_lines("Task", outcome, load_settings(content))
    assert any(line.endswith(f"at 800 of {most} steps") for line in lines)


def test_too_short_to_learn_is_said(small, capsys):
    arguments = [small, *SMALL, "--run-id", "a", "--max-steps", "100"]
    assert main([*arguments, "--set", "behaviors.*.hyperparameters.buffer_size=10240"]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "nothing was learned" in line]
    assert "buffer_size (10,240)" in line


@pytest.mark.parametrize("trained", [True, False])
def test_nothing_is_said_of_learning_where_it_was_learned_or_not_asked_for(trained, tmp_path):
    listener = Listener()
    train(Stopwatch().env(), options(tmp_path, behavior={"max_steps": 600}), display=listener)
    if not trained:
        listener.said.clear()
        env = Stopwatch(stop_after=60).env()
        train(env, options(tmp_path, resume=True, inference=True), display=listener)
        assert "  Ctrl-C   stops; nothing is learned or saved" in listener.said
    assert not [line for line in listener.said if "nothing was learned" in line]


def test_settings_of_a_behavior_that_does_not_appear_are_told(tmp_path):
    listener = Listener()
    settings = options(tmp_path, behavior={"max_steps": 64})
    settings["behaviors"]["task"] = settings["behaviors"]["Task"]
    train(Stopwatch().env(), settings, display=listener)
    (line,) = [line for line in listener.said if line.startswith("task ")]
    assert line == (
        "task is among the settings, but the environment has no such behavior so far; it has Task; did you mean Task?"
    )


def sources() -> list[Path]:
    return [
        path
        for package in ("bridge", "gym_adapters", "trainers")
        for path in (REPOSITORY / package).rglob("*.py")
    ]


WRITTEN_BY_HAND = {
    ("trainers/playback/results_table.py", "<!-- begin: python -m trainers.benchmark --table -->"),
    ("trainers/playback/results_table.py", ".venv/bin/python -m trainers.benchmark"),
    ("trainers/compare/cli.py", "Both trainers started the same player: python -m bridge.player, "),
    ("trainers/compare/page.py", " by <code>python -m trainers.compare</code>.</p>"),
}
"""Texts of documents, which name a command for readers elsewhere, as config/docs.py does, which writes a page."""


def texts(path: Path) -> set[str]:
    """The texts in a source file, without docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = [node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)]
    constants = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and node not in skipped]
    return {node.value for node in constants if isinstance(node.value, str)}


def test_every_command_is_printed_by_one_function():
    by_hand = {
        (path.relative_to(REPOSITORY).as_posix(), text)
        for path in sources()
        for text in texts(path)
        if ("python -m" in text or "pip install" in text) and path.name != "docs.py"
    }
    assert by_hand == WRITTEN_BY_HAND


NAMING = ("module_command", "program_name")


def test_every_printed_command_names_a_module_that_can_be_run():
    named = set()
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in NAMING:
                named |= {part.value for part in node.args[:1] if isinstance(part, ast.Constant)}
    assert {"trainers", "bridge.onnx_export", "trainers.keep", "trainers.benchmark"} <= named
    for module in named - {"pip"}:  # whose spec setuptools makes, with a warning
        spec = importlib.util.find_spec(module)
        assert spec is not None, module
        if spec.submodule_search_locations is not None:
            assert importlib.util.find_spec(f"{module}.__main__") is not None, module


def test_commands_inside_a_sentence_are_read():
    text = (
        f"a; run: {module_command('pip', 'install', 'a[b]>=2', 'c')}\nuse {module_command('trainers')}, which"
    )
    assert printed_commands(text) == [["pip", "install", "a[b]>=2", "c"], ["trainers"]]
