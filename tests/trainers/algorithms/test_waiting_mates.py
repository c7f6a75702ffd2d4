"""Groups whose members decide at different steps: decisions that wait through an update keep their groupmates."""

import numpy as np
import pytest
from learner_tools import behavior_settings, drive, make_learner
from scripted_env import INDEX, LIFE, Behavior, Life, ScriptedEnv, Visit, make_spec

from trainers.algorithms.group_learner import GroupLearner
from trainers.experience.rollout import Columns
from trainers.experience.store import NO_ROW

STEPS = 60
PERIODS = (1, 2, 3, 7)
"""Member i decides at every step that its period divides."""
SPEC = make_spec((3,), continuous=1, branches=(3,))
LIVES = [
    Life(agent, tuple(Visit(step, 100.0 * agent + step, group=7) for step in range(0, 2 * STEPS, period)))
    for agent, period in enumerate(PERIODS)
]


def step_of(life: int, index: int) -> int:
    return LIVES[life].visits[index].step


def mates_at(life: int, step: int) -> set[tuple[int, int]]:
    """The newest decision of each other member, as (life, index)."""
    return {(other, step // period) for other, period in enumerate(PERIODS) if other != life}


@pytest.mark.parametrize(("trainer_type", "buffer_size"), [("poca", 7), ("poca", 4), ("mappo", 7)])
def test_every_decision_is_learned_with_its_mates_and_with_what_they_earn_at_its_step(
    trainer_type, buffer_size
) -> None:
    settings = behavior_settings(trainer_type, {"batch_size": 4, "buffer_size": buffer_size})
    learner = make_learner(SPEC, settings)
    assert isinstance(learner, GroupLearner)
    learned: list[tuple[int, int]] = []
    waited = 0
    optimise = learner.optimise

    def look(columns: Columns) -> None:
        nonlocal waited
        who = [tuple(pair) for pair in columns.observations[0][:, [LIFE, INDEX]].astype(int).tolist()]
        rewards = learner.rewards(columns)[:, 0]
        for row in np.flatnonzero(columns.settled).tolist():
            life, index = who[row]
            step = step_of(life, index)
            met = mates_at(life, step)
            assert {who[mate] for mate in columns.mates[row] if mate != NO_ROW} == met
            expected = LIVES[life].visits[index + 1].reward
            if trainer_type == "poca":
                expected += sum(
                    LIVES[other].visits[number + 1].reward
                    for other, number in met
                    if step_of(other, number) == step and step_of(other, number + 1) <= env.now
                )
            assert rewards[row] == expected
            learned.append((life, index))
            waited += row < columns.carried
        optimise(columns)

    learner.optimise = look  # type: ignore[method-assign]
    env = ScriptedEnv({"Test": Behavior(SPEC, LIVES)})
    assert len(drive(env, learner, STEPS)) > 10
    assert waited > 10
    assert len(learned) == len(set(learned)), "no decision is learned from twice"
