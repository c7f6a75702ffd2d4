"""Both sides of a match sample their actions independently, also if they are the same policy."""

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from test_match import Race, evaluated, race

from trainers import train
from trainers.playback.policies import loaded


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run that has hardly learned, so that it names all numbers with about the same probability."""
    module: Any = ModuleType("apart.race_v0")
    module.parallel_env = Race
    monkeypatch.setitem(sys.modules, "apart", ModuleType("apart"))
    monkeypatch.setitem(sys.modules, "apart.race_v0", module)
    options = {
        "default_settings": {
            "trainer_type": "ppo",
            "network_settings": {"hidden_units": 8, "num_layers": 1},
            "max_steps": 20,
        },
        "env_settings": {"seed": 1, "env_path": "apart/race_v0", "env_options": {"teams": True}},
        "checkpoint_settings": {"run_id": "race", "results_dir": str(tmp_path)},
    }
    train(race(4), options)
    return tmp_path / "race"


@pytest.mark.parametrize("exported", [False, True])
def test_a_policy_against_itself_wins_and_loses_games(
    exported: bool, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = next(run.glob("*.onnx")) if exported else run
    where = ["--env", "apart/race_v0"] if exported else ["--trust"]
    found = json.loads(evaluated(capsys, path, *where, "--against", path, "--games", 60, "--json"))
    assert min(found["won"], found["lost"]) > 10
    assert 0.3 < found["score"] < 0.7


def test_policies_that_play_together_have_random_numbers_of_their_own(run: Path) -> None:
    checkpoint = next(run.glob("*/checkpoint.pt"))
    alone, first, second = *loaded([checkpoint], 5), *loaded([checkpoint, checkpoint], 5)
    seen = [[[0.5, 0.5]] * 50]
    drawn = [policy.act(seen, deterministic=False).discrete.tolist() for policy in (alone, first, second)]
    assert drawn[0] == drawn[1], "the seed itself is that of the first"
    assert drawn[1] != drawn[2]
