"""Random actions are allowed, and each as likely as the others."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from mlagents_envs.base_env import ActionSpec

from gym_adapters.actions import random_actions


@given(st.data(), st.lists(st.integers(1, 5), max_size=3), st.integers(0, 3), st.integers(0, 6))
def test_no_forbidden_action_is_chosen(
    data: st.DataObject, branches: list[int], continuous: int, agents: int
) -> None:
    forbidden = []
    for choices in branches:
        allowed = data.draw(st.lists(st.integers(0, choices - 1), min_size=agents, max_size=agents))
        mask = data.draw(
            st.lists(st.booleans(), min_size=agents * choices, max_size=agents * choices).map(np.array)
        )
        mask = mask.astype(bool).reshape(agents, choices)
        mask[np.arange(agents), np.array(allowed, int)] = False
        forbidden.append(mask)
    spec = ActionSpec(continuous, tuple(branches))
    action = random_actions(np.random.default_rng(0), spec, agents, forbidden)
    assert action.continuous.shape == (agents, continuous)
    assert action.discrete.shape == (agents, len(branches))
    assert (np.abs(action.continuous) <= 1).all()
    for branch, mask in enumerate(forbidden):
        assert not mask[np.arange(agents), action.discrete[:, branch]].any()


def test_each_allowed_action_is_as_likely() -> None:
    agents = 30_000
    forbidden = [np.tile([False, True, False, False], (agents, 1)), np.zeros((agents, 2), bool)]
    action = random_actions(np.random.default_rng(0), ActionSpec(1, (4, 2)), agents, forbidden)
    shares = np.bincount(action.discrete[:, 0] * 2 + action.discrete[:, 1], minlength=8) / agents
    np.testing.assert_allclose(shares, np.repeat([1 / 6, 0, 1 / 6, 1 / 6], 2), atol=0.01)
    np.testing.assert_allclose(np.histogram(action.continuous, 4, (-1, 1))[0] / agents, 0.25, atol=0.01)
    free = random_actions(np.random.default_rng(0), ActionSpec(0, (2,)), agents, None)
    np.testing.assert_allclose(free.discrete.mean(), 0.5, atol=0.01)
