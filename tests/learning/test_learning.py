"""Small worlds are learned by every algorithm, kind of action and kind of observation, up to ML-Agents' thresholds.

A run ends as soon as its last episodes earn enough, and fails if they do not within ML-Agents' number of steps. The
quick cases are tried with one seed. This tries all of them with three seeds each:

    LEARNING_SEEDS=3 .venv/bin/python -m pytest tests/learning

In worlds of three and four lines, a policy that always walks one of them the same way earns about 0.8, and single
seeds stay there.
"""

import os
from pathlib import Path

import numpy as np
import pytest
from cases import DEMO, Case, all_cases
from expert import demonstrate
from worlds import Line, LineWorld

from trainers import train

SEEDS = os.environ.get("LEARNING_SEEDS")
CASES = [case for case in all_cases() if case.quick or SEEDS]


@pytest.mark.parametrize("seed", range(int(SEEDS or "1")))
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_small_world_is_learned(
    case: Case, seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if case.imitates:
        demonstrate(case.line, Path(DEMO))
    world = LineWorld(case.line, case.names, seed, enough=case.threshold)
    content = {
        "behaviors": {name.partition("?")[0]: case.settings for name in case.names},
        "env_settings": {"seed": seed},
        "torch_settings": {"device": "cpu", "num_threads": 1, "precision": "float32"},
        "checkpoint_settings": {"run_id": "line"},
    }
    train(world, content)
    assert min(world.earned().values()) > case.threshold, world.earned()


def test_the_best_that_can_be_earned_lies_above_the_thresholds() -> None:
    world = LineWorld(Line((1, 1), members=2), seed=3)
    world.reset()
    total = np.zeros(2)
    for _ in range(5):
        decision, _ = world.get_steps("Line")
        goals = decision.obs[0]
        action = world.spec.action_spec.empty_action(len(decision))
        action.add_continuous(goals)
        action.add_discrete((goals > 0).astype(np.int32))
        world.set_actions("Line", action)
        world.step()
        terminal = world.get_steps("Line")[1]
        total[: len(terminal)] += terminal.group_reward
    assert world.rewards["Line"] == [1.06, 1.06]
    assert total.tolist() == pytest.approx([0.0, 1.06])


def test_nothing_learned_earns_nothing() -> None:
    world = LineWorld(Line((0, 1)), seed=3)
    world.reset()
    rng = np.random.default_rng(0)
    while len(world.rewards["Line"]) < 300:
        action = world.spec.action_spec.empty_action(1)
        action.add_discrete(rng.integers(2, size=(1, 1), dtype=np.int32))
        world.set_actions("Line", action)
        world.step()
    assert abs(np.mean(world.rewards["Line"])) < 0.2
