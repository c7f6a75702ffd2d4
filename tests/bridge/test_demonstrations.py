"""Demonstration files: what is written is read again, here and by ML-Agents' messages."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from demo_tools import make_run, make_spec, moment, parameters, record
from google.protobuf.internal.decoder import _DecodeVarint32
from hypothesis import given, settings
from hypothesis import strategies as st
from mlagents_envs.base_env import (
    ActionSpec,
)
from mlagents_envs.communicator_objects.agent_info_action_pair_pb2 import AgentInfoActionPairProto
from mlagents_envs.communicator_objects.brain_parameters_pb2 import BrainParametersProto
from mlagents_envs.communicator_objects.demonstration_meta_pb2 import DemonstrationMetaProto

from bridge import wire
from bridge.demonstrations import (
    Demonstrations,
    Trajectory,
    load_demonstrations,
    main,
    write_demonstrations,
)
from bridge.images import encode_png
from gym_adapters.errors import UserError


def assert_same(found: Trajectory, expected: Trajectory) -> None:
    for one, other in zip(found.observations, expected.observations, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    for field in ("continuous", "discrete", "forbidden", "reward"):
        np.testing.assert_array_equal(getattr(found, field), getattr(expected, field), field)
    assert (found.ended, found.interrupted) == (expected.ended, expected.interrupted)


@settings(deadline=None, max_examples=60)
@given(data=st.data(), seed=st.integers(0, 2**32))
def test_what_is_written_is_read_again(data: st.DataObject, seed: int, tmp_path_factory: Any) -> None:
    shape = st.sampled_from([(1,), (5,), (3, 8, 9), (1, 8, 8), (4, 9, 8)])
    continuous = data.draw(st.integers(0, 4))
    branches = data.draw(st.lists(st.integers(1, 300), min_size=0 if continuous else 1, max_size=3))
    spec = make_spec(data.draw(st.lists(shape, min_size=1, max_size=3)), continuous, tuple(branches))
    rng = np.random.default_rng(seed)
    endings = st.sampled_from([(True, False), (True, True), (False, False)])
    runs = tuple(
        make_run(rng, spec, data.draw(st.integers(1, 5)), *data.draw(endings))
        for _ in range(data.draw(st.integers(1, 4)))
    )
    path = tmp_path_factory.mktemp("demo") / "round.demo"
    write_demonstrations(path, Demonstrations("test", "Walker", spec, runs))
    found = load_demonstrations(path)
    assert (found.name, found.spec) == ("Walker", spec)
    assert len(found.trajectories) == len(runs)
    for one, other in zip(found.trajectories, runs, strict=True):
        assert_same(one, other)
    assert found.steps == len(found.decisions) == sum(map(len, runs))
    assert found.returns == pytest.approx([float(run.reward.sum(dtype=float)) for run in runs if run.ended])
    expected = np.concatenate([run.observations[0][:-1] for run in runs])
    np.testing.assert_array_equal(found.decisions.observations[0], expected)


def test_ml_agents_messages_read_the_file_and_the_parameters_begin_at_byte_33(tmp_path: Path) -> None:
    spec = make_spec([(2,), (3, 8, 8)], 2, (3, 2))
    run = make_run(np.random.default_rng(0), spec, 3, interrupted=True)
    path = tmp_path / "An expert's wälk of sixteen letters.demo"
    write_demonstrations(path, Demonstrations("test", "Walker", spec, (run,)))
    content = path.read_bytes()
    length, start = _DecodeVarint32(content, 0)
    header = DemonstrationMetaProto.FromString(content[start : start + length])
    assert (header.api_version, header.demonstration_name) == (1, "An experts wlk o")
    assert (header.number_steps, header.number_episodes) == (4, 1)
    assert header.mean_reward == pytest.approx(run.reward.sum())
    assert content[start + length : 33] == bytes(33 - start - length)
    length, place = _DecodeVarint32(content, 33)
    brain = BrainParametersProto.FromString(content[place : place + length])
    assert brain.brain_name == "Walker"
    assert (brain.action_spec.num_continuous_actions, list(brain.action_spec.discrete_branch_sizes)) == (
        2,
        [3, 2],
    )
    place += length
    pairs = []
    while place < len(content):
        length, place = _DecodeVarint32(content, place)
        pairs.append(AgentInfoActionPairProto.FromString(content[place : place + length]))
        place += length
    assert [pair.agent_info.reward for pair in pairs] == [0.0, *run.reward.tolist()]
    assert [pair.agent_info.done for pair in pairs] == [False, False, False, True]
    assert [pair.agent_info.max_step_reached for pair in pairs] == [False, False, False, True]
    for step, pair in enumerate(pairs[:-1]):
        assert list(pair.action_info.continuous_actions) == run.continuous[step].tolist()
        assert list(pair.action_info.discrete_actions) == run.discrete[step].tolist()
        assert list(pair.agent_info.action_mask) in (run.forbidden[step].tolist(), [])
        assert list(pair.agent_info.observations[0].float_data.data) == run.observations[0][step].tolist()


def test_a_decision_has_the_reward_and_the_ending_of_the_next_moment(tmp_path: Path) -> None:
    pairs = [
        moment(0, 99.0, continuous=[0.5]),
        moment(1, 1.0, continuous=[0.6]),
        moment(2, 2.0, done=True, continuous=[9.0]),
        moment(3, 50.0, continuous=[0.7]),
        moment(4, 3.0, agent=8, continuous=[0.8]),  # the episode of agent 7 was lost: one moment, no decision
        moment(5, 4.0, agent=8),
    ]
    found = load_demonstrations(record(tmp_path / "a.demo", pairs))
    assert [len(run) for run in found.trajectories] == [2, 1]
    first, second = found.trajectories
    assert first.observations[0].ravel().tolist() == [0, 1, 2]
    assert first.reward.tolist() == [1, 2]
    assert first.continuous.ravel().tolist() == pytest.approx([0.5, 0.6])
    assert (first.ended, second.ended) == (True, False)
    assert second.observations[0].ravel().tolist() == [4, 5]
    assert second.reward.tolist() == [4]
    assert found.decisions.observations[0].ravel().tolist() == [0, 1, 4]
    assert found.returns == [3.0]
    assert found.name == "Ball"


@pytest.mark.parametrize("kind", [0, 1])
def test_old_files_are_read(tmp_path: Path, kind: int) -> None:
    sizes, action = ([2], [0.25, -0.5]) if kind else ([3, 2], [2.0, 1.0])
    brain = wire.BrainParameters(
        brain_name="Old", vector_action_size_deprecated=sizes, vector_action_space_type_deprecated=kind
    )
    pairs = [moment(0, vector_actions_deprecated=action), moment(1, 1.0, done=True)]
    found = load_demonstrations(record(tmp_path / "old.demo", pairs, brain))
    if kind:
        assert found.spec.action_spec == ActionSpec(2, ())
        assert found.decisions.continuous.tolist() == [[0.25, -0.5]]
    else:
        assert found.spec.action_spec == ActionSpec(0, (3, 2))
        assert found.decisions.discrete.tolist() == [[2, 1]]


def test_a_folder_is_read_in_order_and_the_tail_that_unity_leaves_is_not(tmp_path: Path) -> None:
    for name, value in (("b", 3.0), ("a", 1.0), ("c", 5.0)):
        path = record(tmp_path / f"{name}.demo", [moment(value, continuous=[0.0]), moment(0, done=True)])
        with path.open("ab") as stream:
            stream.write(wire.RecordingHeader(api_version=1, demonstration_name="test").SerializeToString())
    (tmp_path / "notes.txt").write_text("not a demonstration")
    found = load_demonstrations(tmp_path)
    assert found.decisions.observations[0].ravel().tolist() == [1, 3, 5]


def test_a_png_with_mapped_channels_is_decoded_as_in_training(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (3, 8, 8)).astype(np.uint8)
    pairs = []
    for number in range(2):
        pair = moment(number, done=number == 1, continuous=[0.0])
        pair.agent_info.observations.add(
            shape=(1, 8, 8),
            dimension_properties=[1, 2, 2],
            compression_type=wire.PNG,
            compressed_data=encode_png(image),
            compressed_channel_mapping=[0, 0, 0],
        )
        pairs.append(pair)
    found = load_demonstrations(record(tmp_path / "grey.demo", pairs))
    expected = image.mean(0, dtype=np.float32) / np.float32(255)
    np.testing.assert_allclose(found.decisions.observations[1][0, 0], expected, rtol=1e-6)


def test_an_action_that_was_taken_is_never_forbidden(tmp_path: Path) -> None:
    pair = moment(0, discrete_actions=[1])
    pair.agent_info.action_mask = bytes([1, 1, 0])
    path = record(tmp_path / "mask.demo", [pair, moment(1, done=True)], parameters(0, (3,)))
    assert load_demonstrations(path).decisions.forbidden.tolist() == [[True, False, False]]


def test_the_command_prints_what_is_in_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pairs = [moment(0, continuous=[0.0]), moment(1, 2.5, continuous=[0.0]), moment(2, 1.0, done=True)]
    assert main([str(record(tmp_path / "a.demo", pairs))]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "behavior      Ball",
        "observations  body (1,)",
        "actions       1 continuous actions and discrete branches ()",
        "episodes      1 ended, mean return 3.5; 0 cut off",
        "steps         2",
    ]


def test_no_episode_is_no_file(tmp_path: Path) -> None:
    path = tmp_path / "none.demo"
    with pytest.raises(UserError, match=r"none\.demo: no episode of behavior Walker was recorded"):
        write_demonstrations(path, Demonstrations("test", "Walker", make_spec([(2,)], 1, ()), ()))
    assert not path.exists()
