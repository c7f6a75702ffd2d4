"""Observation spaces become specs, and observations keep their values."""

from collections import OrderedDict

import numpy as np
import pytest
from gymnasium import spaces
from mlagents_envs.base_env import DimensionProperty
from small_envs import box, scripted

from gym_adapters import UserError, check_env
from gym_adapters.spaces import ObservationMapping

IMAGE_PROPERTIES = (
    DimensionProperty.NONE,
    DimensionProperty.TRANSLATIONAL_EQUIVARIANCE,
    DimensionProperty.TRANSLATIONAL_EQUIVARIANCE,
)


def image(*shape):
    return spaces.Box(0, 255, shape, np.uint8)


NESTED = spaces.Dict(
    OrderedDict(
        eye=image(16, 12, 3), body=spaces.Tuple((box(2), box(2, 2))), task=spaces.Dict({"goal": box(1)})
    )
)
OBSERVATIONS = {
    "scalar": (box(), [(1,)]),
    "vector": (box(5), [(5,)]),
    "doubles": (box(5, dtype=np.float64), [(5,)]),
    "bytes": (image(128), [(128,)]),
    "matrix": (box(3, 4), [(12,)]),
    "small byte matrix": (image(7, 8), [(56,)]),
    "grey image": (image(8, 9), [(1, 8, 9)]),
    "channels last": (image(20, 30, 3), [(3, 20, 30)]),
    "channels first": (image(4, 20, 30), [(4, 20, 30)]),
    "float image": (box(20, 30, 1), [(1, 20, 30)]),
    "small grid": (image(7, 7, 3), [(147,)]),
    "stacked colours": (image(4, 20, 30, 3), [(12, 20, 30)]),
    "stacked channels first": (image(4, 3, 20, 30), [(12, 20, 30)]),
    "five axes": (box(2, 2, 2, 2, 2), [(32,)]),
    "discrete": (spaces.Discrete(4, start=-1), [(4,)]),
    "multi-discrete": (spaces.MultiDiscrete([2, 3]), [(5,)]),
    "multi-binary": (spaces.MultiBinary([2, 3]), [(6,)]),
    "nested": (NESTED, [(3, 16, 12), (2,), (4,), (1,)]),
}


@pytest.mark.parametrize("case", OBSERVATIONS)
def test_observation_shapes(case):
    space, shapes = OBSERVATIONS[case]
    specs = ObservationMapping(space).specs
    assert [spec.shape for spec in specs] == shapes
    for spec in specs:
        expected = IMAGE_PROPERTIES if len(spec.shape) == 3 else (DimensionProperty.NONE,)
        assert spec.dimension_property == expected


@pytest.mark.parametrize("case", OBSERVATIONS)
def test_environments_of_every_observation_space_keep_the_contract(case):
    """Through the adapter, endings included; their vector environment reuses its buffers."""
    check_env(scripted(OBSERVATIONS[case][0], spaces.Discrete(2)), steps=40)


def test_nested_observations_are_named_and_keep_their_values():
    mapping = ObservationMapping(NESTED)
    assert [spec.name for spec in mapping.specs] == ["eye", "body/0", "body/1", "task/goal"]
    NESTED.seed(0)
    rows = [NESTED.sample() for _ in range(3)]
    eye, place, matrix, goal = mapping.convert_rows(rows)
    for i, row in enumerate(rows):
        np.testing.assert_array_equal(eye[i], row["eye"].transpose(2, 0, 1))
        np.testing.assert_array_equal(place[i], row["body"][0])
        np.testing.assert_array_equal(matrix[i], row["body"][1].ravel())
        np.testing.assert_array_equal(goal[i], row["task"]["goal"])
    assert (eye.dtype, place.dtype) == (np.uint8, np.float32)


def test_stacked_colour_images_put_the_colours_of_a_frame_together():
    space = image(2, 8, 9, 3)
    stack = space.sample()
    (converted,) = ObservationMapping(space).convert(stack[None])
    np.testing.assert_array_equal(converted[0, 3 + 1], stack[1, :, :, 1])


@pytest.mark.parametrize(
    ("low", "high", "pixels", "expected"),
    [
        (0, 255, [0, 51, 255], [0, 0.2, 1]),
        (-1, 1, [-1, 0, 1], [0, 0.5, 1]),
        (0, 1, [0, 0.25, 1], [0, 0.25, 1]),
    ],
)
def test_bounded_float_images_are_brought_to_zero_to_one(low, high, pixels, expected):
    batch = np.broadcast_to(np.array(pixels, np.float32), (1, 8, 9, 3))
    (converted,) = ObservationMapping(box(8, 9, 3, low=low, high=high)).convert(batch)
    assert converted.dtype == np.float32
    np.testing.assert_allclose(converted[0, :, 0, 0], expected, rtol=1e-6)


@pytest.mark.parametrize("bounds", [(-np.inf, np.inf), (0.0, np.inf), (-np.inf, 0.0)])
def test_images_of_floats_without_limits_are_taken_as_they_are(bounds):
    """And numpy warns of nothing."""
    mapping = ObservationMapping(spaces.Box(*bounds, (20, 20, 1), np.float32))
    (seen,) = mapping.convert(np.full((2, 20, 20, 1), 7.0, np.float32))
    assert seen.shape == (2, 1, 20, 20)
    assert (seen == 7.0).all()


@pytest.mark.parametrize(
    ("low", "high", "dtype"),
    [
        (np.finfo(np.float32).min, np.finfo(np.float32).max, np.float32),
        (0, np.finfo(np.float64).max, np.float64),
        (0, np.finfo(np.float16).max, np.float16),
        (np.iinfo(np.int64).min, np.iinfo(np.int64).max, np.int64),
        (0, np.iinfo(np.int32).max, np.int32),
    ],
)
def test_the_largest_numbers_of_a_type_limit_no_image(low, high, dtype):
    """Scaled by them, all pixels would be the same number."""
    mapping = ObservationMapping(spaces.Box(low, high, (20, 20, 3), dtype))
    pixels = np.arange(1200).reshape(1, 20, 20, 3)
    (seen,) = mapping.convert(pixels.astype(dtype))
    np.testing.assert_array_equal(seen, pixels.transpose(0, 3, 1, 2))


def test_images_of_flags_are_floats():
    """A network divides bytes by 255; zeros and ones are no such bytes."""
    space = spaces.Box(0, 1, (10, 10, 4), np.uint8)
    (converted,) = ObservationMapping(space).convert(np.ones((1, 10, 10, 4), np.uint8))
    assert (converted.dtype, converted.max()) == (np.float32, 1)


def test_integers_become_one_hot():
    (row,) = ObservationMapping(spaces.Discrete(4, start=-1)).convert(np.array([-1, 2]))
    assert row.tolist() == [[1, 0, 0, 0], [0, 0, 0, 1]]
    (rows,) = ObservationMapping(spaces.MultiDiscrete([2, 3], start=[0, 5])).convert(np.array([[1, 7]]))
    assert rows.tolist() == [[0, 1, 0, 0, 1]]


@pytest.mark.parametrize("case", OBSERVATIONS)
def test_converted_observations_are_copies(case):
    space, _ = OBSERVATIONS[case]
    mapping = ObservationMapping(space)
    if isinstance(space, spaces.Box):
        batch = np.stack([space.sample()] * 2)
        assert not any(np.shares_memory(batch, array) for array in mapping.convert(batch))


@pytest.mark.parametrize("space", [spaces.Text(4), spaces.Dict({"a": spaces.Text(4)}), spaces.Dict({})])
def test_other_observation_spaces_are_refused_by_name(space):
    with pytest.raises(UserError, match="observation space"):
        ObservationMapping(space)


@pytest.mark.parametrize("value", [-1, 4])
def test_integers_outside_their_space_are_refused(value):
    with pytest.raises(UserError, match=rf"{value} is outside 0 to 3"):
        ObservationMapping(spaces.Discrete(4)).convert(np.array([2, value]))


@pytest.mark.parametrize("high", [3, 19, 100])
def test_byte_maps_are_seen_on_the_scale_of_their_space(high):
    space = spaces.Box(0, high, (20, 20, 1), np.uint8)
    values = np.arange(400, dtype=np.uint8).reshape(1, 20, 20, 1) % (high + 1)
    (seen,) = ObservationMapping(space).convert(values)
    assert seen.dtype == np.uint8
    np.testing.assert_allclose(seen[0, 0] / 255.0, values[0, :, :, 0] / high, atol=0.5 / 255.0)
    with pytest.raises(UserError, match=f"outside 0 to {high}"):
        ObservationMapping(space).convert(values + np.uint8(high))


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((20, 20, 32), (32, 20, 20)),
        ((32, 20, 20), (32, 20, 20)),
        ((8, 8, 111), (111, 8, 8)),
        ((20, 20, 20), (20, 20, 20)),
        ((210, 160, 3), (3, 210, 160)),
        ((3, 210, 160), (3, 210, 160)),
        ((4, 20, 20, 32), (128, 20, 20)),
    ],
)
def test_equal_sides_are_height_and_width(shape, expected):
    """However many channels there are."""
    assert ObservationMapping(spaces.Box(0.0, 1.0, shape, np.float32)).specs[0].shape == expected


def test_a_few_vectors_of_bytes_are_no_picture():
    assert ObservationMapping(image(8, 128)).specs[0].shape == (1024,)


def test_numbers_that_float32_merges_are_said_once(caplog):
    mapping = ObservationMapping(spaces.Box(0, np.inf, (1,), np.float64))
    for value in (2.0**24, 1.7e9, 1.8e9):
        mapping.convert(np.array([[value]]))
    assert [record.getMessage()[:26] for record in caplog.records] == ["observations reach 1.7e+09"]


def test_an_empty_or_wrong_batch_of_a_vector_environment_is_refused():
    mapping = ObservationMapping(spaces.Dict({"a": spaces.Box(0, 1, (2,))}), "Env")
    for batch in (None, {}, {"a": np.zeros((3, 1))}, {"a": np.zeros((3, 2), complex)}):
        with pytest.raises(
            UserError, match=r"environment Env: observation/a: a batch is .* \(environments, 2\)"
        ):
            mapping.convert(batch)


@pytest.mark.parametrize(
    ("space", "given"),
    [
        (spaces.Box(0, 1, (4,)), (np.zeros(4), {})),  # what `reset` returns
        (spaces.Dict({"a": spaces.Box(0, 1, (2,))}), np.zeros(2)),
        (spaces.Dict({"a": spaces.Box(0, 1, (2,))}), {"b": np.zeros(2)}),
    ],
)
def test_what_has_another_form_is_not_one_observation_and_refused_as_a_batch(space, given):
    mapping = ObservationMapping(space)
    assert not mapping.is_one(given)
    with pytest.raises(UserError, match=r"a batch is .* as the observation space says"):
        mapping.convert(given)
