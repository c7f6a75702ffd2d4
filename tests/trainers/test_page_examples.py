"""The Python of all pages runs as printed, and the tutorials lead where they say."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from command_tools import REPOSITORY
from plugin_sites import Site, good, installed

from gym_adapters import make_env
from tests.bridge.processes import write_player
from tests.needs import PETTINGZOO, SHELL
from trainers.config import load_settings
from trainers.playback import evaluation
from trainers.training import cli as training

DOCS = REPOSITORY / "docs"
TUTORIALS = DOCS / "tutorials"
TESTED = {
    "README.md": "newcomer/test_pages.py",
    "other-trainers.md": "newcomer/test_other_trainers.py",
    "unity.md": "trainers/test_page_examples.py",
    "watching.md": "trainers/test_page_examples.py",
    "extending.md": "trainers/test_page_examples.py",
    "pettingzoo.md": "trainers/test_page_examples.py",
    "your-environment.md": "trainers/test_page_examples.py",
    "your-algorithm.md": "trainers/test_page_examples.py",
}
"""Where the blocks of Python of a page are run that are no file of docs/examples."""

SMALL = {"trainer_type": "ppo", "max_steps": 300, "hyperparameters": {"batch_size": 32, "buffer_size": 128}}


def blocks(page: Path, language: str) -> list[str]:
    """The blocks of a page in a language."""
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


def changed(block: str, *changes: tuple[str, str]) -> str:
    """A block with other numbers or names, each of which is in it once."""
    for old, new in changes:
        assert block.count(old) == 1, old
        block = block.replace(old, new)
    return block


@pytest.mark.parametrize(
    "page", [REPOSITORY / "README.md", *sorted(DOCS.rglob("*.md"))], ids=lambda path: path.name
)
def test_every_block_of_python_is_a_file_that_is_tested_or_is_run_by_a_test(page: Path) -> None:
    files = [path.read_text(encoding="utf-8") for path in (DOCS / "examples").glob("*.py")]
    others = [block for block in blocks(page, "python") if block not in files]
    assert not others or (REPOSITORY / "tests" / TESTED[page.name]).is_file(), (
        "run them in a test, and list it here"
    )


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder, from which Python imports."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_the_callback_ends_the_run(here: Path) -> None:
    (block,) = [block for block in blocks(DOCS / "extending.md", "python") if "UntilItIsSure()" in block]
    settings = {"behaviors": {"CartPole-v1": {**SMALL, "max_steps": 4000, "summary_freq": 200}}}
    exec(changed(block, ("< 0.1", "< 10.0"), ('v1"), ', f'v1"), {settings}, ')), {})
    (checkpoint,) = (here / "runs").glob("*/CartPole-v1/CartPole-v1-*.pt")
    assert 200 <= int(checkpoint.stem.rpartition("-")[2]) < 400


def test_any_base_env_trains(here: Path) -> None:
    (block,) = [block for block in blocks(DOCS / "extending.md", "python") if "MyBaseEnv" in block]
    names = {"MyBaseEnv": lambda: make_env("CartPole-v1", num_envs=2)}
    exec(changed(block, ('"Walker"', '"CartPole-v1"'), ('"trainer_type": "awr"', f"**{SMALL}")), names)
    assert list((here / "runs").glob("*/CartPole-v1.onnx"))


def test_the_evaluated_run_and_the_run_of_a_notebook_train(here: Path) -> None:
    played, evaluated, _, _, shown = blocks(DOCS / "watching.md", "python")
    names: dict[str, list[float]] = {}
    exec(changed(played, ("num_envs=20", "num_envs=2"), ("docs/", f"{DOCS}/")), names)
    assert min(names["returns"]) > 5000
    exec(changed(evaluated, ("50_000", "600"), ("10_000", "200")), {})
    exec(changed(shown, ("50_000", "600"), ("5000", "200")), {})
    found = {path.parent.name for path in (here / "runs").glob("*/*/checkpoint.pt")}
    assert found == {"Pendulum-v1", "CartPole-v1"}


def test_a_machine_is_driven_at_the_rate_of_the_training(monkeypatch: pytest.MonkeyPatch) -> None:
    (block,) = [block for block in blocks(DOCS / "watching.md", "python") if "class Robot" in block]
    waited: list[float] = []
    monkeypatch.setattr("time.sleep", waited.append)
    names: dict[str, Any] = {}
    exec(changed(block, ("docs/", f"{DOCS}/"), ("decisions=100", "decisions=3")), names)
    assert len(waited) == 3
    assert max(waited) <= 3 * names["SECONDS"]
    robot = names["Robot"]()
    names["drive"](robot, names["load_policy"](DOCS / "policies" / "Walker2d-v5"), 1)
    assert robot.told.shape == (6,)
    assert abs(robot.told).max() <= 1.0


@SHELL
def test_the_player_of_the_page_is_trained_by_the_third_command(here: Path) -> None:
    page = (DOCS / "unity.md").read_text(encoding="utf-8")
    (line,) = re.findall(r"^make train (.*)$", page, re.MULTILINE)
    variables = dict(word.split("=", 1) for word in line.split())
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    (recipe,) = re.findall(r"-m trainers\.ppo (--env .*)$", makefile, re.MULTILINE)
    words = recipe.replace("$(ENV)", variables["ENV"]).replace("$(ARGS)", variables["ARGS"]).split()
    for name in variables.values():
        (here / name).parent.mkdir(parents=True)
        shutil.copy(REPOSITORY / name, here / name)
    script = (here / variables["ENV"]).read_text(encoding="utf-8")
    assert script in blocks(DOCS / "unity.md", "sh")
    (here / ".venv" / "bin").mkdir(parents=True)
    write_player(here).rename(here / ".venv" / "bin" / "python")
    assert training.main([*words, "--max-steps", "300"], "ppo") == 0
    assert list((here / "runs").glob("*/Walker2d-v5.onnx"))


@SHELL
def test_a_side_channel_speaks_to_the_player(here: Path) -> None:
    (block,) = blocks(DOCS / "unity.md", "python")
    player = write_player(here, "-m", "bridge.player", "--env", "CartPole-v1", "--agents", 2)
    (here / "Seeker.yaml").write_text(f"behaviors: {{CartPole-v1: {SMALL}}}", encoding="utf-8")
    names: dict[str, object] = {}
    exec(changed(block, ("Build/Seeker.x86_64", str(player))), names)
    assert list((here / "runs").glob("*/CartPole-v1.onnx"))


def test_the_environment_of_the_tutorial_keeps_the_contract_and_trains(here: Path) -> None:
    environment, check = blocks(TUTORIALS / "your-environment.md", "python")
    (here / "ball.py").write_text(environment, encoding="utf-8")
    exec(check, {})
    assert training.main(["--env", "ball:Ball-v0", "--max-steps", "600", "--run-id", "ball"], "ppo") == 0
    assert evaluation.main(["runs/ball", "--trust"]) == 0


@PETTINGZOO
def test_the_game_of_the_page_trains_and_is_played_against(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    game, player = blocks(DOCS / "pettingzoo.md", "python")
    (here / "runner.py").write_text(player, encoding="utf-8")
    (here / "my_games").mkdir()
    (here / "my_games" / "chase_v0.py").write_text(game, encoding="utf-8")
    short = ["--max-steps", "300", "--num-envs", "2", "--run-id", "chase"]
    assert training.main(["--env", "my_games/chase_v0", *short], "ppo") == 0
    assert {path.name for path in (here / "runs" / "chase").glob("*.onnx")} == {"cat.onnx", "mouse.onnx"}
    assert evaluation.main(["runs/chase", "--trust", "--against", "random", "--games", "20"]) == 0
    assert "20 games" in capsys.readouterr().out
    assert evaluation.main(["runs/chase", "--trust", "--against", "runner:Runner", "--games", "20"]) == 0
    assert "runs/chase against runner:Runner: 20 games" in capsys.readouterr().out


def test_the_training_file_of_the_scene_is_one() -> None:
    (file,) = blocks(TUTORIALS / "unity-scene.md", "yaml")
    assert load_settings(file).behaviors["Seeker"].max_steps == 100_000


def test_the_names_of_stable_baselines3_have_counterparts() -> None:
    """Each key in the table's right column is one of the reference, and the file has the values of its PPO."""
    page = TUTORIALS / "from-stable-baselines3.md"
    rows = re.findall(r"^\| (?!---).*? \| (.*) \|$", page.read_text(encoding="utf-8"), re.MULTILINE)
    keys = {word.split(".")[-1] for row in rows for word in re.findall(r"`([a-z][a-z_.]+)`", row)}
    reference = (DOCS / "configuration.md").read_text(encoding="utf-8")
    assert len(keys) > 20
    assert [key for key in sorted(keys) if f"| `{key}` |" not in reference] == []
    (file,) = blocks(page, "yaml")
    behavior = load_settings(file).behaviors["CartPole-v1"]
    hyper = behavior.hyperparameters.model_dump()
    assert {hyper[name] for name in ("beta_schedule", "epsilon_schedule")} == {"constant"}
    assert (hyper["buffer_size"], hyper["adam_epsilon"]) == (8 * 2048, 1e-5)


@pytest.fixture(scope="module")
def penalty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The package of the tutorial on algorithms, installed."""
    folder, page = tmp_path_factory.mktemp("penalty"), TUTORIALS / "your-algorithm.md"
    (folder / "files").mkdir()
    for name, language in (
        ("penalty_ppo.py", "python"),
        ("pyproject.toml", "toml"),
        ("penalty.yaml", "yaml"),
    ):
        (block,) = blocks(page, language)
        (folder / "files" / name).write_text(block, encoding="utf-8")
    with installed(folder / "files", folder) as site:
        yield site


def test_the_algorithm_of_the_tutorial_trains_and_plays(penalty: Site, tmp_path: Path) -> None:
    shutil.copy(penalty.folder / "files" / "penalty.yaml", tmp_path)
    short = ["--max-steps", 2500, "--run-id", "penalty", "--seed", 0]
    good(penalty.run("trainers", "penalty.yaml", *short, cwd=tmp_path))
    assert "episodes 20" in good(penalty.run("trainers.evaluate", "runs/penalty", cwd=tmp_path))


def test_the_loss_of_the_tutorial_is_the_papers() -> None:
    """At the old policy the gradient is the policy gradient; away from it, the price is that of the KL divergence."""
    names: dict[str, object] = {}
    exec(blocks(TUTORIALS / "your-algorithm.md", "python")[0], names)
    loss = names["penalty_loss"]
    old = torch.log_softmax(torch.tensor([0.3, -0.2, 0.5]), 0)
    new = torch.log_softmax(torch.tensor([0.1, 0.4, -0.3]), 0).requires_grad_()
    weights = (old.exp() * 1e6).round().long()  # as many rows of each action as the old policy takes
    taken = torch.repeat_interleave(torch.arange(3), weights)
    paid = loss(new[taken, None], old[taken, None], torch.zeros(len(taken)), 2.0)
    assert paid.item() == pytest.approx(2.0 * (old.exp() * (old - new)).sum().item(), rel=1e-4)
    same = old.clone().requires_grad_()
    loss(same[[0, 1], None], old[[0, 1], None], torch.tensor([1.0, -3.0]), 2.0).backward()
    torch.testing.assert_close(same.grad, torch.tensor([-0.5, 1.5, 0.0]))
