"""Every ending of an episode leaves a row with its last observation, in a rollout as in a replay buffer."""

import numpy as np
import pytest
from learner_tools import behavior_settings, drive, make_learner
from scripted_env import INDEX, LIFE, Behavior, Life, ScriptedEnv, Visit, make_spec

from trainers.maths.returns import Ending

SPEC = make_spec((3,), branches=(2,))
LIVES = [
    Life(0, (Visit(0), Visit(1, 1.0), Visit(2, 2.0)), Visit(3, 3.0)),
    Life(1, (Visit(0), Visit(2, 1.0)), Visit(3, 2.0), interrupted=True),
    Life(0, (Visit(3), Visit(4, 5.0)), Visit(5, 7.0)),
    Life(2, (Visit(1),), Visit(2, 9.0)),
    Life(3, (Visit(0), Visit(1, 1.0))),  # never heard of again
    Life(4, (), Visit(2, 4.0)),  # ends without ever having been seen
]
HORIZON = 2


def stored(trainer_type: str) -> dict[str, np.ndarray]:
    """Everything that was kept: the life and visit of each row and of its next one, rewards, endings."""
    hyper = {"buffer_size": 1000, "batch_size": 500}
    learner = make_learner(SPEC, behavior_settings(trainer_type, hyper, time_horizon=HORIZON))
    drive(ScriptedEnv({"Test": Behavior(SPEC, LIVES)}), learner, 7)
    if trainer_type == "dqn":
        places = np.arange(learner.replay.total)
        rows = learner.replay.rows(places)
        observations, following = rows.observations[0], rows.next_observations[0]
        columns = {name: learner.replay.column(name, places) for name in ("ending", "settled", "next_row")}
    else:
        rows = learner.rollout.columns()
        observations, following = rows.observations[0], rows.next_observations[0]
        columns = {name: getattr(rows, name) for name in ("ending", "settled", "next_row")}
    columns["here"], columns["there"] = (
        one[:, [LIFE, INDEX]].astype(int) for one in (observations, following)
    )
    return {**columns, "reward": rows.reward}


@pytest.mark.parametrize("trainer_type", ["ppo", "a2c", "dqn"])
def test_rows_are_decisions_and_last_observations(trainer_type):
    kept = stored(trainer_type)
    decisions = {(life, index) for life, one in enumerate(LIVES) for index in range(len(one.visits))}
    lasts = {(life, len(one.visits)) for life, one in enumerate(LIVES) if one.visits and one.ending}
    here = [tuple(row) for row in kept["here"].tolist()]
    assert len(here) == len(set(here))
    assert set(here) == decisions | lasts
    settled = {who for who, one in zip(here, kept["settled"], strict=True) if one}
    assert settled == decisions - {(4, 1)}, "all but the one whose reward never came"


@pytest.mark.parametrize("trainer_type", ["ppo", "a2c", "dqn"])
def test_every_settled_row_leads_to_what_its_agent_saw_next(trainer_type):
    kept = stored(trainer_type)
    for row in np.flatnonzero(kept["settled"]):
        life, index = kept["here"][row].tolist()
        one = LIVES[life]
        later = (*one.visits, one.ending)[index + 1]
        assert kept["there"][row].tolist() == [life, index + 1]
        assert kept["next_row"][row] > row
        assert kept["reward"][row] == later.reward
        ending = Ending.CUT if (index + 1) % HORIZON == 0 else Ending.GOES_ON
        if later is one.ending:
            ending = Ending.INTERRUPTED if one.interrupted else Ending.TERMINATED
        assert kept["ending"][row] == ending


@pytest.mark.parametrize("trainer_type", ["ppo", "dqn"])
def test_the_last_observation_of_a_life_is_no_decision_of_the_next(trainer_type):
    """Agent 0 ends and begins again in step 3: its last row there and its first one are two."""
    kept = stored(trainer_type)
    here = [tuple(row) for row in kept["here"].tolist()]
    assert {(0, 3), (2, 0)} <= set(here)
    last = here.index((0, 3))
    assert kept["next_row"][last] == -1
    assert not kept["settled"][last]
