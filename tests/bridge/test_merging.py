"""Ids of several players in one batch."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlagents_envs.base_env import ActionSpec, BehaviorSpec, DecisionSteps, TerminalSteps
from scripted_player import vector

from bridge.merging import OwnIds, Steps, merge

LIVES = st.lists(st.lists(st.integers(0, 5), min_size=1, max_size=4), min_size=1, max_size=4)
"""For each life of a player, and for each of its messages, the largest id."""


def steps(largest: int) -> Steps:
    """Agents 0 to `largest`, of which the last one ends; agent i is in group i."""
    ids = np.arange(largest + 1, dtype=np.int32)
    obs, zeros = np.zeros((len(ids), 1), np.float32), np.zeros(len(ids), np.float32)
    going, last = slice(0, largest), slice(largest, None)
    return (
        DecisionSteps([obs[going]], zeros[going], ids[going], None, ids[going], zeros[going]),
        TerminalSteps([obs[last]], zeros[last], np.zeros(1, np.bool_), ids[last], ids[last], zeros[last]),
    )


@pytest.mark.parametrize("kind", ["agent_id", "group_id"])
@given(players=st.lists(LIVES, min_size=1, max_size=3))
def test_an_id_belongs_to_one_life_of_one_player(kind: str, players: list[list[list[int]]]) -> None:
    owners: dict[int, tuple[int, int, int]] = {}
    for worker, lives in enumerate(players):
        ids = OwnIds(worker, len(players))
        for life, messages in enumerate(lives):
            if life:
                ids.restart()
            for largest in messages:
                given_out = [getattr(batch, kind).tolist() for batch in ids.convert(steps(largest))]
                for number, own in enumerate(given_out[0] + given_out[1]):
                    if kind == "group_id" and number == 0:
                        assert own == 0
                    else:
                        assert owners.setdefault(own, (worker, life, number)) == (worker, life, number)
    if kind == "group_id":
        assert 0 not in owners


def test_a_single_player_keeps_its_ids() -> None:
    given = steps(3)
    assert OwnIds(0, 1).convert(given) is given


def test_a_player_without_agents_leaves_the_masks_of_the_others() -> None:
    spec = BehaviorSpec([vector(1)], ActionSpec(0, (3,)))
    masks = [np.array([[True, False, False], [False, True, True]])]
    zeros = np.zeros(2, np.float32)
    ids = np.arange(2, dtype=np.int32)
    nobody = DecisionSteps.empty(spec), TerminalSteps.empty(spec)
    agents = DecisionSteps([np.zeros((2, 1), np.float32)], zeros, ids, masks, ids, zeros), nobody[1]
    for parts in ([nobody, agents], [agents, nobody], [nobody, agents, nobody]):
        decisions, _ = merge(parts)
        np.testing.assert_array_equal(decisions.action_mask, masks)
    assert merge([nobody, nobody])[0].action_mask is None
