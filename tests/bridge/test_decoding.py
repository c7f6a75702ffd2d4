"""Messages to arrays: images in every form, and what must not pass."""

from typing import Any

import numpy as np
import pytest
from mlagents_envs.base_env import ActionTuple

from bridge import wire
from bridge.decoding import BehaviorDecoder
from bridge.encoding import write_actions
from bridge.images import decode_png, encode_png
from bridge.packages import sends_images_pixelwise
from gym_adapters import UserError

RNG = np.random.default_rng(0)


def behavior(
    info: Any, continuous: int = 1, branches: tuple[int, ...] = (), pixelwise: bool = False
) -> BehaviorDecoder:
    parameters = wire.BrainParameters()
    parameters.action_spec.num_continuous_actions = continuous
    parameters.action_spec.num_discrete_actions = len(branches)
    parameters.action_spec.discrete_branch_sizes.extend(branches)
    return BehaviorDecoder("Walker", parameters, info, pixelwise)


def vector_info(values: Any, **fields: Any) -> Any:
    info = wire.AgentInfo(**fields)
    array = np.array(values, np.float32)
    info.observations.add(shape=array.shape, name="body").float_data.data = array.tobytes()
    return info


def image_info(image: np.ndarray, properties: tuple[int, ...] = ()) -> Any:
    info = wire.AgentInfo()
    proto = info.observations.add(shape=image.shape, dimension_properties=properties)
    proto.float_data.data = image.astype(np.float32).tobytes()
    return info


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 7])
def test_png_round_trip(channels: int) -> None:
    image = RNG.integers(0, 256, (channels, 5, 6), dtype=np.uint8)
    data = encode_png(image)
    np.testing.assert_array_equal(decode_png(data, image.shape), image)


def test_png_signature_inside_a_png_is_no_new_one() -> None:
    image = np.frombuffer(b"\x89PNG\r\n\x1a\n" * 36, np.uint8).reshape(3, 8, 12)
    np.testing.assert_array_equal(decode_png(encode_png(image), image.shape), image)


def test_channel_mapping_averages_and_drops() -> None:
    image = np.stack([np.full((2, 2), value, np.uint8) for value in (10, 20, 31, 40, 50, 60)])
    decoded = decode_png(encode_png(image), (2, 2, 2), [1, 0, 0, -1, 1, -1])
    np.testing.assert_allclose(decoded[:, 0, 0] * 255, [25.5, 30], rtol=1e-6)
    assert decode_png(encode_png(image), (2, 2, 2), [-1, 0, 1, -1, -1, -1])[:, 0, 0].tolist() == [20, 31]


def test_a_grey_camera_keeps_its_fractions() -> None:
    colours = np.stack([np.full((2, 3), value, np.uint8) for value in (10, 10, 11)])
    info = wire.AgentInfo()
    proto = info.observations.add(shape=(1, 2, 3), dimension_properties=(1, 2, 2), compression_type=wire.PNG)
    proto.compressed_data = encode_png(colours)
    proto.compressed_channel_mapping.extend([0, 0, 0])
    image = behavior(info).decode([info])[0].obs[0]
    assert (image.shape, image.dtype) == ((1, 1, 2, 3), np.float32)
    np.testing.assert_allclose(image, 31 / 3 / 255, rtol=1e-6)


@pytest.mark.parametrize(
    ("package", "pixelwise"),
    [
        ("2.3.0", False),
        ("3.0.0", True),
        ("3.1.4", True),
        ("4.0.0", True),
        ("4.0.0-pre.2", True),
        ("4.0.1", False),
        ("4.10.0", False),
        ("", False),
        ("zero", False),
    ],
)
def test_raw_images_are_in_the_order_of_the_package(package: str, pixelwise: bool) -> None:
    assert sends_images_pixelwise(package) == pixelwise
    channel, height, width = np.indices((3, 6, 5), np.float32)
    image = height * 100 + width * 10 + channel
    numbers = image.transpose(1, 2, 0) if pixelwise else image
    info = wire.AgentInfo()
    info.observations.add(
        shape=(3, 6, 5), dimension_properties=(1, 2, 2)
    ).float_data.data = np.ascontiguousarray(numbers).tobytes()
    decoder = behavior(info, pixelwise=pixelwise)
    assert decoder.reordered == pixelwise
    assert decoder.spec.observation_specs[0].shape == (3, 6, 5)
    np.testing.assert_array_equal(decoder.decode([info])[0].obs[0], image[None])


def test_only_raw_images_of_channel_first_shape_are_reordered() -> None:
    image = RNG.random((6, 5, 3)).astype(np.float32)
    assert not behavior(image_info(image, (2, 2, 1)), pixelwise=True).reordered
    assert not behavior(vector_info([1, 2]), pixelwise=True).reordered
    info = wire.AgentInfo()
    proto = info.observations.add(shape=(3, 6, 5), dimension_properties=(1, 2, 2), compression_type=wire.PNG)
    proto.compressed_data = encode_png(RNG.integers(0, 256, (3, 6, 5), dtype=np.uint8))
    assert not behavior(info, pixelwise=True).reordered


@pytest.mark.parametrize(
    ("data", "channels", "mapping", "words"),
    [
        (b"junk", 3, (), "no PNG where one should begin"),
        (encode_png(np.zeros((3, 2, 2), np.uint8))[:-5], 3, (), "ends too early"),
        (encode_png(np.zeros((3, 2, 2), np.uint8)), 4, (), "3 channels where 4 are expected"),
        (encode_png(np.zeros((3, 2, 2), np.uint8)), 2, (0, 1), "a mapping of 2 channels for 3"),
        (encode_png(np.zeros((3, 2, 2), np.uint8)), 2, (0, 0, 2), "to channel 2 of an observation with 2"),
        (encode_png(np.zeros((3, 2, 2), np.uint8)), 2, (0, 0, 0), "leaves out channel 1"),
    ],
)
def test_bad_png(data: bytes, channels: int, mapping: tuple[int, ...], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        decode_png(data, (channels, 2, 2), mapping)


def test_a_png_of_another_size_is_not_decompressed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("PIL.Image.open", lambda _: pytest.fail("was opened"))
    data = encode_png(np.zeros((3, 2, 2), np.uint8))
    with pytest.raises(ValueError, match="a PNG of 2 x 2 pixels, expected 3 x 2"):
        decode_png(data, (3, 2, 3))


def test_more_pngs_than_channels_are_refused() -> None:
    data = encode_png(np.zeros((6, 2, 2), np.uint8))
    with pytest.raises(ValueError, match="more than 1 PNGs for 1 channels"):
        decode_png(data, (1, 2, 2))


@pytest.mark.parametrize(
    ("shape", "properties", "expected"),
    [
        ((8, 10, 3), (2, 2, 1), (3, 8, 10)),
        ((3, 8, 10), (1, 2, 2), (3, 8, 10)),
        ((9, 8, 2), (1, 2, 2), (9, 8, 2)),
        ((2, 8, 9), (2, 2, 1), (9, 2, 8)),
        ((8, 10, 3), (), (3, 8, 10)),
        ((3, 8, 10), (0, 0, 0), (3, 8, 10)),
    ],
)
def test_where_channels_are(
    shape: tuple[int, ...], properties: tuple[int, ...], expected: tuple[int, ...]
) -> None:
    image = RNG.random(shape).astype(np.float32)
    info = image_info(image, properties)
    decoder = behavior(info)
    array = decoder.decode([info])[0].obs[0]
    assert decoder.spec.observation_specs[0].shape == expected
    assert array.shape == (1, *expected)
    np.testing.assert_array_equal(array[0], image if shape == expected else image.transpose(2, 0, 1))


def test_decisions_and_endings_are_told_apart() -> None:
    infos = [
        vector_info([1, 2], id=4, reward=0.5, group_id=2, group_reward=3),
        vector_info([3, 4], id=5, reward=1.5, done=True, max_step_reached=True),
        vector_info([5, 6], id=6, reward=2.5, done=True),
    ]
    decisions, terminals = behavior(infos[0]).decode(infos)
    assert decisions.agent_id.tolist() == [4]
    assert (decisions.group_id.tolist(), decisions.group_reward.tolist()) == ([2], [3.0])
    assert terminals.agent_id.tolist() == [5, 6]
    assert terminals.interrupted.tolist() == [True, False]
    assert terminals.reward.tolist() == [1.5, 2.5]
    assert terminals.obs[0].tolist() == [[3, 4], [5, 6]]
    decisions.obs[0][0, 0] = 9  # the array belongs to the caller


def test_masks_true_is_forbidden() -> None:
    infos = [vector_info([0], id=1, action_mask=bytes([0, 1, 0, 0, 1])), vector_info([0], id=2)]
    mask = behavior(infos[0], 0, (3, 2)).decode(infos)[0].action_mask
    assert mask[0].tolist() == [[False, True, False], [False] * 3]
    assert mask[1].tolist() == [[False, True], [False] * 2]


@pytest.mark.parametrize(
    ("info", "words"),
    [
        (
            vector_info([0, float("nan")], id=7),
            r"Walker, agent 7: observation 0 \(body\) is nan at index 1",
        ),
        (vector_info([0, float("-inf")], id=7, done=True), "observation 0 .* is -inf at index 1"),
        (vector_info([0, 0], id=7, reward=float("inf")), "Walker, agent 7: reward is inf"),
        (vector_info([0, 0], id=7, group_reward=float("nan")), "agent 7: group reward is nan"),
        (
            vector_info([0, 0, 0], id=7),
            r"agent 7: observation 0 is of shape \(3,\) now, of shape \(2,\) before",
        ),
        (wire.AgentInfo(id=7), "agent 7: 0 observations now, 1 before"),
        (vector_info([0, 0], id=7, action_mask=b"\0"), "agent 7: an action mask of 1, expected 2"),
    ],
)
def test_what_must_not_pass(info: Any, words: str) -> None:
    with pytest.raises(UserError, match=words):
        behavior(vector_info([0, 0]), 1, (2,)).decode([vector_info([0, 0], id=1), info])


def test_actions_are_what_mlagents_reads() -> None:
    from mlagents_envs.communicator_objects.unity_rl_input_pb2 import UnityRLInputProto

    message = wire.message().unity_input.rl_input
    action = ActionTuple(np.array([[0.5, -1], [0, 1]], np.float32), np.array([[2], [0]], np.int32))
    write_actions(message.agent_actions["Walker"], action)
    values = UnityRLInputProto.FromString(message.SerializeToString()).agent_actions["Walker"].value
    assert [list(value.continuous_actions) for value in values] == [[0.5, -1], [0, 1]]
    assert [list(value.discrete_actions) for value in values] == [[2], [0]]


def test_side_channels_round_trip_and_damage() -> None:
    import uuid

    messages = [(uuid.UUID(int=1), b"abc"), (uuid.UUID(int=2), b"")]
    data = wire.pack_side_channels(messages)
    assert wire.unpack_side_channels(data) == messages
    for end in (5, 21, len(data) - 1):
        with pytest.raises(ValueError, match="side channel"):
            wire.unpack_side_channels(data[:end])
