"""What an environment returns fits its spaces, or one line names it."""

import copy
import logging

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given
from hypothesis import strategies as st

from gym_adapters import check_env, make_env
from gym_adapters.checked import fitted
from gym_adapters.masks import flat_mask
from tests.refusals import refused

ZEROS = np.zeros(2, np.float32)
TREE = spaces.Dict({"a": spaces.Box(-1, 1, (2,), np.float32), "b": spaces.Discrete(3)})


class Small(gymnasium.Env):
    """Returns what it is told to."""

    def __init__(self, result=None, start=(ZEROS, {}), space=None, actions=None) -> None:
        self.observation_space = spaces.Box(-1, 1, (2,), np.float32) if space is None else space
        self.action_space = actions or spaces.Discrete(3)
        self.result, self.start = result or (start[0], 1.0, False, False, {}), start

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return copy.deepcopy(self.start)

    def step(self, action):
        return copy.deepcopy(self.result)


@pytest.fixture
def make():
    """Makes an adapter around environments of a class, which has a time limit as most have."""
    made = []

    def register(entry_point, num_envs=2, **options):
        env_id = f"Checked{len(made)}-v0"
        gymnasium.register(env_id, entry_point, max_episode_steps=4)
        made.append(env_id)
        return make_env(env_id, num_envs, options=options)

    yield register
    for env_id in made:
        del gymnasium.registry[env_id]


def stepped(env, count: int = 1):
    """The steps after some random actions."""
    (name,) = env.behavior_specs
    env.reset()
    for _ in range(count):
        decision, _ = env.get_steps(name)
        actions = env.behavior_specs[name].action_spec.random_action(len(decision))
        env.set_actions(name, actions)
        env.step()
    return env.get_steps(name)


@pytest.mark.parametrize(
    ("result", "told"),
    [
        ((np.zeros(3, np.float32), 1.0, False, False, {}), "observation is array([0., 0., 0.]"),
        ((None, 1.0, False, False, {}), "observation is None"),
        (("text", 1.0, False, False, {}), "observation is 'text'"),
        (([[0.0], [0.0, 1.0]], 1.0, False, False, {}), "expected numbers of shape (2,)"),
        ((ZEROS + 1j, 1.0, False, False, {}), "expected numbers of shape (2,) and type float32"),
        ((ZEROS, np.zeros(2), False, False, {}), "the reward is array([0., 0.]); expected one number"),
        ((ZEROS, "1.0", False, False, {}), "the reward is '1.0'"),
        ((ZEROS, 1j, False, False, {}), "the reward is 1j"),
        ((ZEROS, 1.0, None, False, {}), "terminated is None; expected True or False"),
        ((ZEROS, 1.0, False, "False", {}), "truncated is 'False'"),
        ((ZEROS, 1.0, False, False, None), "step() returned None as info"),
        ((ZEROS, 1.0, False, {}), "step() returned 4 values; expected 5 values: observation, reward"),
        ((ZEROS, 1.0, False, False, {}, 0), "step() returned 6 values"),
    ],
)
def test_a_wrong_result_of_step_is_named(make, result, told):
    message = refused(lambda: stepped(make(Small, result=result)))
    assert message.startswith("environment 'Checked0-v0': ")
    assert told in message


class Old(Small):
    """As OpenAI's Gym had it."""

    def reset(self):
        return ZEROS


def test_a_reset_without_a_seed_is_told_how_it_begins(make):
    message = refused(make(Old).reset)
    assert message.startswith(
        "environment 'Checked0-v0': Old.reset() got an unexpected keyword argument 'seed'"
    )
    assert "def reset(self, *, seed=None, options=None)" in message


def test_a_reset_that_returns_only_the_observation_is_not_taken_apart(make):
    """Two numbers unpack as well as an observation and its info."""
    assert "reset() returned array([0., 0.]" in refused(make(Small, start=ZEROS).reset)


@pytest.mark.parametrize(
    "observation", [[0.0, 0.5], (0, 1), np.array([0.0, 0.5]), np.array([0.0, 0.5], object)]
)
@pytest.mark.parametrize("reward", [1, True, np.float32(1), np.ones(1), np.array(1.0)])
def test_the_right_numbers_in_another_form_are_taken(make, observation, reward):
    env = make(
        Small, start=(observation, {}), result=(observation, reward, 0, np.bool_(False), {3: object()})
    )
    decision, _ = stepped(env)
    assert decision.obs[0].dtype == np.float32
    assert decision.obs[0].tolist() == [[float(value) for value in observation]] * 2
    assert decision.reward.tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ({"a": ZEROS}, "a dictionary with the keys 'a'; expected the keys 'a', 'b'"),
        ({"a": ZEROS, "b": 1, "c": 1}, "the keys 'a', 'b', 'c'"),
        ({"a": ZEROS, "b": 0.5}, "observation 'b' is 0.5"),
        (ZEROS, "expected a dictionary with the keys 'a', 'b'"),
    ],
)
def test_parts_of_an_observation_are_named(value, told):
    assert told in refused(lambda: fitted(TREE, value, "observation"))


@given(st.integers(-300, 300))
def test_numbers_are_converted_only_without_loss(value):
    """Bytes hold 0 to 255, and nothing wraps around."""
    space = spaces.Box(0, 255, (1,), np.uint8)
    if 0 <= value <= 255:
        assert fitted(space, [value], "observation") == value
    else:
        assert "uint8" in refused(lambda: fitted(space, [value], "observation"))


class Clock(gymnasium.Env):
    """Counts in one array, which is everything that it ever returns."""

    observation_space, action_space = spaces.Box(-10, 10, (1,), np.float32), spaces.Discrete(2)

    def __init__(self) -> None:
        self.now = np.zeros(1, np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.now[:] = 0
        return self.now, {}

    def step(self, action):
        self.now += 1
        return self.now, 1.0, False, False, {}


def test_the_last_observation_of_an_episode_is_not_overwritten_by_the_next(make):
    decision, terminal = stepped(make(Clock), 4)
    assert terminal.obs[0].ravel().tolist() == [4.0, 4.0]
    assert decision.obs[0].ravel().tolist() == [0.0, 0.0]


class Masked(Small):
    """Forbids actions."""

    def __init__(self, mask, actions=None) -> None:
        super().__init__(start=(ZEROS, {"action_mask": mask}), actions=actions)
        self.result = (ZEROS, 1.0, False, False, {"action_mask": mask})


@pytest.mark.parametrize("mask", [[1, 0, 1], (1, 0, 1), np.array([1, 0, 1]), np.array([True, False, True])])
@pytest.mark.parametrize("num_envs", [3, 5])
def test_masks_of_any_form_hold(make, mask, num_envs):
    env = make(Masked, num_envs, mask=mask)
    check_env(env, steps=10)
    decision, _ = stepped(env)
    assert [branch.tolist() for branch in decision.action_mask] == [[[False, True, False]] * num_envs]


def seen_with(mask_space, mask) -> dict:
    """The arguments of an environment whose observations hold a mask, as those of PettingZoo do."""
    space = spaces.Dict({"observation": TREE["a"], "action_mask": mask_space})
    return {"space": space, "start": ({"observation": ZEROS, "action_mask": np.array(mask)}, {})}


@pytest.mark.parametrize(
    "mask_space", [spaces.Box(0, 1, (3,), np.int8), spaces.MultiBinary(3), spaces.MultiDiscrete([2] * 3)]
)
def test_a_mask_in_the_observation_holds_and_stays_there(make, mask_space):
    env = make(Small, **seen_with(mask_space, np.array([1, 0, 1], mask_space.dtype)))
    decision, _ = stepped(env, 5)
    assert [branch.tolist() for branch in decision.action_mask] == [[[False, True, False]] * 2]
    assert sum(rows.shape[1] for rows in decision.obs) == 2 + (
        6 if mask_space.dtype == np.int64 else 3
    )  # one-hot


@pytest.mark.parametrize(
    ("mask_space", "mask"),
    [
        (spaces.Box(-1, 1, (3,), np.float32), np.zeros(3, np.float32)),
        (spaces.MultiBinary(2), np.zeros(2, np.int8)),
    ],
)
def test_an_observation_of_that_name_that_is_no_mask_is_none(make, mask_space, mask):
    decision, _ = stepped(make(Small, **seen_with(mask_space, mask)))
    assert decision.action_mask is None


def test_a_mask_in_info_comes_before_that_of_the_observation(make):
    given = seen_with(spaces.MultiBinary(3), np.array([1, 0, 1], np.int8))
    observation, info = given["start"][0], {"action_mask": [0, 1, 0]}
    decision, _ = stepped(
        make(
            Small,
            space=given["space"],
            start=(observation, info),
            result=(observation, 1.0, False, False, info),
        )
    )
    assert [branch.tolist() for branch in decision.action_mask] == [[[True, False, True]] * 2]


@pytest.mark.parametrize("mask", [([1, 0, 1], [0, 1]), np.array([1, 0, 1, 0, 1]), [[1, 0, 1], [0, 1]]])
def test_every_branch_has_its_part_of_a_mask(make, mask):
    decision, _ = stepped(make(Masked, mask=mask, actions=spaces.MultiDiscrete([3, 2])))
    assert [branch[0].tolist() for branch in decision.action_mask] == [[False, True, False], [True, False]]


@pytest.mark.parametrize("mask", [[1, 0], [1, 0, 1, 1], "101", [0.0, -1e9, 0.0], 1, [[1, 0, 1], [1, 0, 1]]])
def test_a_mask_of_another_form_is_refused(mask):
    assert "expected 3 numbers, one per action" in refused(lambda: flat_mask(mask, (3,), "environment E"))


def test_a_mask_of_actions_that_have_none_is_said_to_be_ignored_once(make, caplog):
    env = make(Masked, mask=[1], actions=spaces.Box(-1, 1, (1,), np.float32))
    with caplog.at_level(logging.WARNING):
        decision, _ = stepped(env, 3)
    assert decision.action_mask is None
    assert [record.getMessage() for record in caplog.records] == [
        "environment Checked0-v0: info['action_mask'] is ignored; such actions have no mask"
    ]


@pytest.mark.parametrize("error", [ValueError("no licence"), SystemExit(0)])
def test_an_environment_that_cannot_be_made_is_named_with_the_place(make, error):
    def broken(**options):
        raise error

    message = refused(lambda: make(broken))
    assert message.startswith("environment 'Checked0-v0' cannot be made: ")
    assert "test_checked.py, line " in message
    assert message.endswith("; mend its code")


def test_an_environment_that_needs_an_option_says_where_it_goes(make):
    def needs(task: str) -> None:
        raise AssertionError(task)

    message = refused(lambda: make(needs))
    assert "missing 1 required positional argument: 'task'" in message
    assert message.endswith("; give it what it needs in env_settings.env_options")


@pytest.mark.parametrize(
    "space", [spaces.Text(3), spaces.Dict({}), spaces.Box(0, 1, (0,)), spaces.Sequence(TREE)]
)
def test_spaces_without_a_fixed_number_of_numbers_are_refused(make, space):
    assert "space" in refused(lambda: make(Small, space=space))


def test_infos_may_change_their_form(make):
    class Telling(Clock):
        def step(self, action):
            *result, _ = super().step(action)
            return (*result, {"seen": np.zeros(int(self.now[0])), "note": 1 if self.now[0] == 1 else "later"})

    _, terminal = stepped(make(Telling), 4)
    assert len(terminal) == 2


def test_every_copy_is_closed_and_that_is_tried_once(make):
    class Busy(Clock):
        closings = 0

        def close(self):
            Busy.closings += 1
            raise OSError("busy")

    env = make(Busy, 3)
    with pytest.raises(OSError, match="busy"):
        env.close()
    env.close()
    env.vector_env.close()
    assert Busy.closings == 3
