"""What changes with the agent-step count, or with how far the policy moved."""

import numpy as np
import pytest
from learner_tools import log_ratio, scripted_run
from scripted_env import crowd

from trainers.maths.schedules import decayed, linear


@pytest.mark.parametrize(
    ("schedule", "step", "expected"),
    [
        ("constant", 500, 1.0),
        ("linear", 0, 1.0),
        ("linear", 250, 0.1 + 0.9 * 0.75),
        ("linear", 1000, 0.1),
        ("linear", 5000, 0.1),
        ("adaptive", 500, 1.0),
    ],
)
def test_schedules_fall_to_their_floor_at_max_steps_and_stay(schedule, step, expected):
    assert decayed(1.0, 0.1, schedule, step, 1000) == pytest.approx(expected)
    assert decayed(0.05, 0.1, schedule, step, 1000) == 0.05, "already under the floor"


@pytest.mark.parametrize(("step", "expected"), [(0, 0.5), (250, 0.1), (1000, -1.1), (5000, -1.1)])
def test_a_line_goes_to_its_end_and_stays(step, expected):
    assert linear(0.5, -1.1, step, 1000) == pytest.approx(expected)


@pytest.mark.parametrize("schedule", ["linear", "constant"])
def test_learning_rate_epsilon_and_beta_follow_their_schedules(schedule):
    learner, _, updates = scripted_run(
        steps=60,
        max_steps=200,
        learning_rate=1e-3,
        epsilon=0.3,
        beta=0.01,
        learning_rate_schedule=schedule,
    )
    assert len(updates) >= 4
    # A summary holds the mean over its updates.
    found, _, _ = learner.metrics.summarise()
    steps = steps_at_updates(updates)
    left = [max(0.0, 1.0 - step / 200) if schedule == "linear" else 1.0 for step in steps]
    for tag, initial, floor in (
        ("Policy/Learning Rate", 1e-3, 1e-10),
        ("Policy/Epsilon", 0.3, 0.1),
        ("Policy/Beta", 0.01, 1e-5),
    ):
        assert found[tag] == pytest.approx(np.mean([floor + (initial - floor) * share for share in left])), (
            tag
        )


@pytest.mark.parametrize("trainer_type", ["ppo", "a2c"])
def test_a_deviation_with_an_end_is_not_learned_but_goes_there(trainer_type):
    network = {"initial_log_std": 0.4, "final_log_std": -1.0}
    learner, seen, updates = scripted_run(
        60, trainer_type, network=network, max_steps=200, learning_rate=0.02, beta=0.1
    )
    assert len(updates) >= 4
    expected = 0.4 - 1.4 * min(steps_at_updates(updates)[-1] / 200, 1.0)
    assert learner.policy.log_std.tolist() == pytest.approx([expected])
    passes = len(seen) // len(updates)
    assert max(log_ratio(minibatch).max().item() for minibatch in seen[1:passes]) > 1e-3, (
        "the means are learned"
    )


def steps_at_updates(updates: list[int]) -> list[int]:
    """Agent steps when `scripted_run` updated: every decision of its crowd is rewarded one step later."""
    lives = crowd(4, 60, 7)
    paid = [later.step for life in lives for later in (*life.visits[1:], life.ending)]
    return [sum(step <= update for step in paid) for update in updates]


@pytest.mark.parametrize(("trainer_type", "passes"), [("ppo", {"num_epoch": 2}), ("a2c", {})])
@pytest.mark.parametrize(("target", "factor"), [(1e-9, 1 / 1.5), (100.0, 1.5)])
def test_adaptive_learning_rate_follows_the_divergence_within_bounds(target, factor, trainer_type, passes):
    learner, _, updates = scripted_run(
        steps=60,
        trainer_type=trainer_type,
        learning_rate=1e-3,
        learning_rate_schedule="adaptive",
        target_kl=target,
        **passes,
    )
    judged = passes.get("num_epoch", 1) * len(updates)
    expected = min(max(1e-3 * factor**judged, 1e-6), 1e-2)
    assert learner.optimizer.learning_rate == pytest.approx(expected)
