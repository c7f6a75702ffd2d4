"""Numbers far from zero stay apart, in every type in which an environment may give them."""

import numpy as np
import pytest
from gymnasium import spaces
from small_envs import scripted

from gym_adapters import check_env
from gym_adapters.floats import as_floats
from gym_adapters.spaces import ObservationMapping

TIME = 1_700_000_000
WIDE = ["f8", ">f8", "g", "i8", ">i8", "u8", "i4", ">i4", "u4"]
NARROW = ["f4", ">f4", "f2", "i2", ">i2", "u2", "i1", "u1", "?"]


@pytest.mark.parametrize("kind", WIDE)
def test_wide_types_keep_neighbours_apart(kind):
    values = np.array([[TIME, 0], [TIME + 1, 5]], kind)
    seen = as_floats(values)
    assert seen.dtype.isnative
    assert seen.dtype == np.float64
    np.testing.assert_array_equal(seen, values)


@pytest.mark.parametrize("kind", [*WIDE, *NARROW])
def test_small_numbers_are_float32_and_copies(kind):
    values = np.array([[0, 1]], kind)
    seen = as_floats(values)
    assert (seen.dtype, seen.tolist()) == (np.float32, [[0, 1]])
    assert not np.shares_memory(values, seen)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e39])
def test_what_no_float32_reaches_is_left_to_those_who_refuse_it(bad):
    assert not np.isfinite(as_floats(np.array([[1e9, bad]]))).all()


def test_no_rows_are_float32():
    assert as_floats(np.empty((0, 2))).dtype == np.float32


@pytest.mark.parametrize("kind", [*(kind for kind in WIDE if kind != "g"), "f4", "f2", "i2", "u1"])
def test_environments_of_every_type_keep_the_contract(kind):
    dtype = np.dtype(kind)
    most = {"f2": 6e4, "i2": 3e4, "u1": 200}.get(kind, 2e9)
    space = spaces.Box(np.array([0, most * 0.9], dtype), np.array([1, most], dtype), dtype=dtype)
    check_env(scripted(space, spaces.Discrete(2)), steps=40)


@pytest.mark.parametrize("kind", ["f8", "i8"])
def test_parts_of_an_observation_keep_their_own_types(kind):
    dtype = np.dtype(kind)
    space = spaces.Dict({"clock": spaces.Box(0, 2**40, (1,), dtype), "speed": spaces.Box(0, 9, (1,), dtype)})
    rows = [{"clock": np.array([TIME + i], dtype), "speed": np.array([i], dtype)} for i in range(2)]
    clock, speed = ObservationMapping(space).convert_rows(rows)
    assert (clock.dtype, speed.dtype) == (np.float64, np.float32)
    assert clock[1] - clock[0] == 1
