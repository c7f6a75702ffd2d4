"""Finite observations and rewards that are too large for float32 networks, such as Unity's float.MaxValue."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from messages import agent, opening, step, vector
from speaker import MAX_STEPS, SETTINGS, train_on

from bridge import unity_env
from gym_adapters import UserError
from trainers import load_policy

LARGEST = float(np.finfo(np.float32).max)


def changed(trainer_type: str = "ppo", **network: Any) -> dict[str, Any]:
    settings = copy.deepcopy(SETTINGS)
    default = settings["default_settings"]
    default["trainer_type"] = trainer_type
    default["hyperparameters"] = {"batch_size": 8, "buffer_size": 32}
    default["network_settings"] |= network
    return settings


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[np.ndarray]:
    """The continuous actions that players are sent."""
    actions: list[np.ndarray] = []
    write = unity_env.write_actions

    def spy(values: Any, action: Any) -> None:
        actions.append(np.array(action.continuous))
        write(values, action)

    monkeypatch.setattr(unity_env, "write_actions", spy)
    return actions


@pytest.mark.parametrize(("kind", "branches"), [("ppo", ()), ("ppo", (3,)), ("poca", (3,))])
def test_an_observation_that_gives_no_action_is_named(
    kind: str, branches: tuple[int, ...], sent: list[np.ndarray], tmp_path: Path
) -> None:
    good, large = [0.0, 1.0], [LARGEST, -LARGEST]
    messages = [
        *opening(agent(1), continuous=0 if branches else 1, branches=branches),
        *(step(agent(1, vector(good), reward=1.0)) for _ in range(20)),
        step(agent(1, vector(large), reward=1.0)),
    ]
    with pytest.raises(UserError, match=r"3\.4e\+38, in observation 0 \(body\); scale it .*normalize: true"):
        train_on(messages, tmp_path, settings=changed(kind, hidden_units=64, num_layers=2))
    assert len(sent) == 21  # what came before was answered
    assert np.isfinite(np.concatenate(sent)).all()
    run = tmp_path / "run" / "Walker"
    assert list(run.glob("Walker-*.pt"))  # what was learned until then
    policy = load_policy(run)
    with pytest.raises(UserError, match="policy Walker: the policy gives no number"):
        policy.act([np.array([good, large], np.float32)])
    policy.act([np.array([good], np.float32)])


def test_values_that_are_no_numbers_are_refused_too(tmp_path: Path) -> None:
    large = step(agent(1, vector([LARGEST, -LARGEST]), reward=1.0))
    messages = [*opening(agent(1), continuous=0, branches=(3,)), large]
    with pytest.raises(UserError, match=r"3\.4e\+38, in observation 0 \(body\)"):
        train_on(messages, tmp_path, settings=changed("pqn", hidden_units=64))


def test_normalised_observations_may_be_large(sent: list[np.ndarray], tmp_path: Path) -> None:
    large = step(agent(1, vector([LARGEST, -LARGEST]), reward=1.0))
    outcomes = train_on([*opening(agent(1)), large], tmp_path, settings=changed(normalize=True))
    assert outcomes["Walker"].steps >= MAX_STEPS
    assert np.isfinite(np.concatenate(sent)).all()


@pytest.mark.parametrize("kind", ["ppo", "sac"])
def test_rewards_that_add_up_to_infinity_end_the_run_with_one_line(kind: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"training diverged at step .* scale rewards and observations down"):
        train_on([*opening(agent(1)), step(agent(1, reward=LARGEST))], tmp_path, settings=changed(kind))


@pytest.mark.parametrize("kind", ["ppo", "sac"])
def test_a_reward_and_a_group_s_that_add_up_to_infinity_are_named(kind: str, tmp_path: Path) -> None:
    both = step(agent(1, reward=LARGEST, group_id=1, group_reward=LARGEST))
    told = r"signal extrinsic: gives a reward that is not finite; lower its strength, or scale"
    with pytest.raises(UserError, match=told):
        train_on([*opening(agent(1, group_id=1)), both], tmp_path, settings=changed(kind))
