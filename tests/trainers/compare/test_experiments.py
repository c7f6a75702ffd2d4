"""Experiments: variants of a training file through both trainers, and what is said of them."""

import re
from pathlib import Path

import pytest

from tests.needs import PLOTLY
from tests.trainers.compare.synthetic import rewards, write_run
from trainers.compare.cli import main
from trainers.compare.experiments import change, load_experiments, slug, stability
from trainers.compare.numbers import Spread

EXPERIMENTS = Path(__file__).parents[3] / "unity_configs" / "experiments" / "walker.yaml"


def test_the_experiments_are_the_four_of_the_course(tmp_path: Path) -> None:
    plan = load_experiments(EXPERIMENTS, tmp_path, None).plan
    found = {}
    for variant in plan.variants:
        behavior = variant.settings.behaviors["Walker2d-v5"]
        h, n = behavior.hyperparameters, behavior.network_settings
        found[variant.name] = (h.buffer_size, h.batch_size, h.num_epoch, h.beta, n.hidden_units, n.num_layers)
        assert behavior.max_steps == 200_000
    assert found == {
        "base": (2540, 254, 3, 0.005, 256, 3),
        "smaller-network": (2540, 254, 3, 0.005, 64, 2),
        "larger-buffer-and-batch": (20480, 2048, 3, 0.005, 256, 3),
        "ten-epochs": (2540, 254, 10, 0.005, 256, 3),
        "ten-times-the-entropy-weight": (2540, 254, 3, 0.05, 256, 3),
    }
    assert (plan.env, plan.agents, plan.seeds) == ("Walker2d-v5", 10, (0, 1))
    assert len(plan.jobs()) == 20


@PLOTLY
def test_experiments_report_what_each_variant_did(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Runs that are there count; nothing is trained, because mlagents-learn is missing."""
    (tmp_path / "base.yaml").write_text("behaviors: {Task: {trainer_type: ppo}}")
    Path("few.yaml").write_text(
        "env: CartPole-v1\nbase: base.yaml\nvariants: {large beta: {behaviors.Task.hyperparameters.beta: 0.1}}\n"
    )
    for name, beta, top in (("base", 0.005, 10), ("large-beta", 0.1, 30)):
        for seed in (0, 1):
            for folder, ours in (("runs", True), ("results", False)):
                points = rewards(0, top, top + seed)
                where = tmp_path / "out" / folder / f"{name}-seed{seed}"
                write_run(where, points, seed, ours, hyperparameters={"beta": beta})
    assert main(["--experiments", "few.yaml", "--out", str(tmp_path / "out")]) == 2
    printed = " ".join(capsys.readouterr().out.split())
    assert "What changed: hyperparameters.beta 0.005 → 0.1." in printed
    assert "bridge-learn: final reward 10.5 → 30.5 (+190%), seeds do not overlap" in printed
    assert "mlagents-learn: final reward 10.5 → 30.5" in printed
    assert "large beta" in (tmp_path / "out" / "report.html").read_text()


def test_effects_in_words() -> None:
    assert change(Spread((10.0, 20.0)), Spread((15.0, 45.0))) == "15 → 30 (+100%), seeds overlap"
    assert change(Spread((-10.0,)), Spread((5.0,))) == "-10 → 5, with one seed"
    assert change(Spread((10.0, 12.0)), Spread((-2.0, 0.0))) == "11 → -1, seeds do not overlap"
    said = stability(Spread((1.0, 3.0)), Spread((2.0, 9.0)), Spread((0.0, 1.0)), Spread((4.0, 6.0)))
    assert said == "seeds lie 2 → 7 apart, runs end 0.5 → 5 below their best"
    assert slug("larger buffer, & batch") == "larger-buffer-batch"


def test_changed_keys_of_experiments_keep_their_type(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("behaviors: {Task: {trainer_type: ppo, reward_clip: 5}}")
    (tmp_path / "few.yaml").write_text(
        "env: CartPole-v1\nbase: base.yaml\n"
        "set: {behaviors.Task.reward_clip: null, checkpoint_settings.run_id: 'a: b'}\n"
        "variants: {other: {env_settings.env_options: {x: [1, yes]}}}\n"
    )
    base, other = load_experiments(tmp_path / "few.yaml", tmp_path, None, env="Player.exe").plan.variants
    assert base.settings.behavior("Task").reward_clip is None
    assert base.settings.checkpoint_settings.run_id == "a: b"
    assert other.settings.env_settings.env_options == {"x": [1, True]}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "env: A-v0\nbase: b.yaml\nagents: 0\nvariants: {a: {}}\n",
            "agents: expected a whole number >= 1, got 0",
        ),
        ("env: A-v0\nbase: b.yaml\n", "variants"),
        ("env: A-v0\nbase: b.yaml\nvariants: {}\n", "variants"),
        ("env: A-v0\nbase: absent.yaml\nvariants: {a: {}}\n", "absent.yaml"),
        ("env: A-v0\nbase: b.yaml\nvariants: {a: {}}\nagent: 3\n", "agent: unknown key"),
    ],
)
def test_a_wrong_file_of_experiments_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    (tmp_path / "b.yaml").write_text("behaviors: {A: {trainer_type: ppo}}")
    (tmp_path / "e.yaml").write_text(text)
    assert main(["--experiments", "e.yaml", "--mlagents-learn", "/bin/true"]) == 2
    error = capsys.readouterr().err
    assert re.fullmatch(r"error: [^\n]+\n", error)
    assert said in error
