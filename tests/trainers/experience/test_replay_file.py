"""Files of replay buffers that hold what no run can have written."""

import numpy as np
import pytest
from scripted_env import make_spec

from gym_adapters.errors import UserError
from trainers.experience.replay import Replay
from trainers.experience.replay_file import load_replay, save_replay
from trainers.experience.store import StepResult
from trainers.networks.policy_network import ActionSample

ROWS = 20
SPECS = {
    "vectors": make_spec((3,), continuous=1, branches=(2, 3)),
    "images": make_spec((3, 4, 4), branches=(2,)),
}


def filled(kind: str) -> Replay:
    """A buffer of one agent in one episode."""
    spec, rng = SPECS[kind], np.random.default_rng(0)
    replay, before = Replay(spec, 30), None
    branches = len(spec.action_spec.discrete_branches)
    stream = rng.integers(0, 255, (ROWS + 3, 4, 4)).astype(np.uint8)
    for number in range(ROWS):
        seen = (
            rng.normal(size=(1, 3)).astype(np.float32)
            if kind == "vectors"
            else stream[None, number : number + 3]
        )
        row = replay.append([seen], previous=before)
        actions = np.zeros((1, spec.action_spec.continuous_size)), np.ones((1, branches), np.int64)
        replay.decide(row, ActionSample(*actions, np.zeros((1, 0))))
        if before is not None:
            replay.settle(StepResult(before, np.ones(1), np.zeros(1), row, np.zeros(1, np.int8)))
        before = row
    return replay


@pytest.mark.parametrize("kind", SPECS)
def test_what_was_written_is_read(kind, tmp_path):
    replay, again = filled(kind), Replay(SPECS[kind], 30)
    save_replay(replay, tmp_path / "buffer.npz")
    load_replay(again, tmp_path / "buffer.npz")
    before, after = replay.state(), again.state()
    for name in before:
        if ".chunk" not in name:  # its places that were never written hold anything
            np.testing.assert_array_equal(before[name], after[name])
    places = np.arange(ROWS)
    np.testing.assert_array_equal(replay.read(places)[0], again.read(places)[0])


@pytest.mark.parametrize(
    ("kind", "name", "change"),
    [
        ("vectors", "discrete", lambda array: array + 2),
        ("vectors", "discrete", lambda array: array - 2),
        ("vectors", "discrete", lambda array: array + 0.5),
        ("vectors", "reward", lambda array: np.where(np.arange(ROWS) == 5, np.float32(np.nan), array)),
        ("vectors", "reward", lambda array: array.astype(str)),
        ("vectors", "continuous", lambda array: array[:, :0]),
        ("vectors", "next_row", lambda array: array + 1),
        ("vectors", "next_row", lambda array: array - 1),
        ("vectors", "ending", lambda array: array + np.int8(9)),
        ("vectors", "settled", lambda array: array.astype(np.int8) * 2),
        ("vectors", "forbidden", lambda array: array[:, :-1]),
        ("vectors", "rows", lambda array: array[::-1]),
        ("vectors", "rows", lambda array: array * 2),
        ("vectors", "rows", lambda array: array + (2**63 - ROWS)),
        ("vectors", "observation0.values", lambda array: array + np.float32(np.inf)),
        ("vectors", "observation0.values", lambda array: array.astype(np.uint8)),
        ("images", "observation0.numbers", lambda array: array + 10_000),
        ("images", "observation0.numbers", lambda array: array - 10_000),
        ("images", "observation0.floors", lambda array: array + 10_000),
        ("images", "observation0.counts", lambda array: array * 0),
        ("images", "observation0.counts", lambda array: array[:2]),
        ("images", "observation0.chunk00000", lambda array: array.astype(np.float64)),
        ("images", "observation0.chunk00000", lambda array: array[:, 1:]),
    ],
)
def test_what_no_run_can_have_written_is_refused(kind, name, change, tmp_path):
    path = tmp_path / "buffer.npz"
    arrays = filled(kind).state()
    np.savez(path, **{**arrays, name: change(arrays[name])})
    with pytest.raises(UserError, match=r"buffer\.npz: .*delete it to continue without it"):
        load_replay(Replay(SPECS[kind], 30), path)
