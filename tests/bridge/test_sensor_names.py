"""The keys of several observations: each sensor has one of its own."""

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st
from mlagents_envs.base_env import ActionSpec, BehaviorSpec

from bridge.gym_spaces import Observations
from tests.trainers.scripted_env import make_spec


@given(
    st.lists(st.sampled_from(["", "a", "b", "a_0", "a_1", "a_0_", "observation_0"]), min_size=2, max_size=6)
)
@example(["a", "a", "a_0"])
@example(["", "observation_0"])
def test_every_sensor_has_a_key_of_its_own(names: list[str]) -> None:
    specs = make_spec(*[(1,)] * len(names), continuous=1).observation_specs
    named = [spec._replace(name=name) for spec, name in zip(specs, names, strict=True)]
    dtypes = [np.dtype(np.float32)] * len(names)
    found = Observations(BehaviorSpec(named, ActionSpec(1, ())), dtypes)
    rows = found.of([np.full((1, 1), index, np.float32) for index in range(len(names))])
    assert sorted(int(value[0, 0]) for value in rows.values()) == list(range(len(names)))
    assert set(rows) == set(found.space.spaces)
    alone = [index for index, name in enumerate(names) if name and names.count(name) == 1]
    assert all(rows[names[index]][0, 0] == index for index in alone), "it keeps its own name"
