"""Action masks that leave nothing to choose, or are of another shape, are one clear line."""

import numpy as np
import pytest
from learner_tools import behavior_settings, drive, make_learner, whole_state
from scripted_env import make_spec
from task_envs import TaskEnv, one_hot

from trainers import UserError, load_policy
from trainers.records.checkpoint import save_state

AGENTS, STUCK = 6, 4


def masked_env(branches: tuple[int, ...], branch: int, from_step: int = 2) -> TaskEnv:
    """After a while one agent may choose nothing in one branch."""
    steps = iter(range(10**6))

    def look(rng: np.random.Generator, age: np.ndarray):
        masks = [np.zeros((len(age), size), bool) for size in branches]
        if next(steps) >= from_step:
            masks[branch][STUCK] = True
        return [one_hot(age % 3, 3)], masks

    spec = make_spec((3,), branches=branches)
    return TaskEnv(spec, look, lambda obs, action: np.ones(AGENTS), agents=AGENTS, length=50, name="Test")


@pytest.mark.parametrize(
    ("trainer_type", "in_numpy", "branches", "branch"),
    [
        ("ppo", True, (2, 3), 1),
        ("ppo", False, (2, 3), 0),
        ("a2c", True, (3,), 0),
        ("dqn", False, (3,), 0),
        ("pqn", False, (3,), 0),
    ],
)
@pytest.mark.parametrize("training", [True, False])
def test_a_row_without_an_allowed_action_names_behavior_agent_and_branch(
    trainer_type, in_numpy, branches, branch, training
):
    env = masked_env(branches, branch)
    learner = make_learner(env.spec, behavior_settings(trainer_type))
    learner.training = training
    if trainer_type not in ("dqn", "pqn"):
        assert learner.numpy_path is not None
        if not in_numpy:
            learner.numpy_path = None
    told = (
        rf"^behavior Test, agent {STUCK}: the action mask forbids every action of branch {branch}; leave one"
    )
    with pytest.raises(UserError, match=told) as caught:
        drive(env, learner, 10)
    assert "\n" not in str(caught.value)
    assert learner.step == AGENTS, "the two steps before were fine"


@pytest.fixture(params=["ppo", "dqn"])
def loaded(request, tmp_path):
    """A policy over branches of 2 and 3 actions, or of 3 alone, read from its checkpoint."""
    branches = (3,) if request.param == "dqn" else (2, 3)
    learner = make_learner(make_spec((3,), branches=branches), behavior_settings(request.param))
    save_state(tmp_path / "here.pt", whole_state(learner))
    return load_policy(tmp_path / "here.pt")


def masks_for(policy, rows: int) -> list[np.ndarray]:
    return [np.zeros((rows, size), bool) for size in policy.spec.action_spec.discrete_branches]


@pytest.mark.parametrize("deterministic", [True, False])
def test_a_loaded_policy_says_so_as_well(loaded, deterministic):
    seen, masks = np.zeros((5, 3), np.float32), masks_for(loaded, 5)
    last = len(masks) - 1
    masks[last][2] = True
    told = rf"^behavior Test, agent 2: the action mask forbids every action of branch {last}; leave one"
    with pytest.raises(UserError, match=told):
        loaded.act(seen, deterministic, masks)
    masks[last][2, 1] = False
    assert loaded.act(seen, deterministic, masks).discrete[2, last] == 1


@pytest.mark.parametrize("wrong", ["rows", "choices", "branches"])
def test_masks_of_another_shape_are_refused_with_both_shapes(loaded, wrong):
    masks = masks_for(loaded, 4)
    if wrong == "rows":
        masks[0] = masks[0][:3]
    elif wrong == "choices":
        masks[0] = masks[0][:, :1]
    else:
        masks.append(masks[0])
    with pytest.raises(
        UserError, match=r"^behavior Test: expected action masks of shape \(4, \d\).*, got \("
    ):
        loaded.act(np.zeros((4, 3), np.float32), action_mask=masks)


def test_a_policy_without_branches_takes_no_masks(tmp_path):
    learner = make_learner(make_spec((3,), continuous=1), behavior_settings())
    save_state(tmp_path / "here.pt", whole_state(learner))
    policy, seen = load_policy(tmp_path / "here.pt"), np.zeros((4, 3), np.float32)
    assert policy.act(seen, action_mask=[]).continuous.shape == (4, 1)
    with pytest.raises(UserError, match="expected no action mask, since it has no discrete actions"):
        policy.act(seen, action_mask=[np.zeros((4, 2), bool)])
