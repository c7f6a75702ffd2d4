"""Two reward signals: two discounts, two values, two streams of advantages, of which the policy sees the mean."""

import sys
from dataclasses import replace
from importlib import invalidate_caches
from textwrap import dedent

import numpy as np
import pytest
import torch
from learner_tools import SMALL_NETWORK, drive, make_learner
from scripted_env import VALUE, Behavior, ScriptedEnv, crowd, make_spec
from task_envs import TaskEnv

from trainers.algorithms.on_policy import OnPolicyLearner
from trainers.config import load_settings, plugins
from trainers.experience.batch import Batch
from trainers.experience.rollout import Columns
from trainers.maths.returns import gae

SPEC = make_spec((3,), continuous=1, branches=(3,))
LAMBD = 0.8
STREAMS = {"extrinsic": {"gamma": 0.9, "strength": 0.5}, "scripted": {"gamma": 0.6, "strength": 2.0}}


@pytest.fixture
def scripted_signal(tmp_path, monkeypatch):
    """An installed package whose signal pays what the observation says, for ever, and counts the rows it learns of."""
    package = tmp_path / "site"
    information = package / "scripted_signal-1.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: scripted-signal\nVersion: 1\n")
    (information / "entry_points.txt").write_text(
        f"[{plugins.REWARD_SIGNAL}]\nscripted = scripted_signal:Scripted\n"
    )
    (package / "scripted_signal.py").write_text(
        dedent("""\
        from trainers.config import RewardSignalSettings
        from trainers.rewards.signal import RewardSignal


        class Scripted(RewardSignal):
            settings_class = RewardSignalSettings
            beyond_the_end = True

            def rewards(self, rows):
                return self.strength * rows.observations[0][:, 2]

            def update(self, rows):
                return {"Losses/Scripted Loss": float(rows.settled.sum())}
        """)
    )
    monkeypatch.syspath_prepend(str(package))
    plugins.look_again()
    invalidate_caches()
    yield
    sys.modules.pop("scripted_signal", None)
    monkeypatch.undo()
    plugins.look_again()


def two_streams(trainer_type: str = "ppo", **hyper) -> OnPolicyLearner:
    content = {
        "trainer_type": trainer_type,
        "hyperparameters": {"buffer_size": 20, "batch_size": 10, "lambd": LAMBD, **hyper},
        "network_settings": SMALL_NETWORK,
        "reward_signals": STREAMS,
        "time_horizon": 5,
    }
    return make_learner(SPEC, load_settings({"behaviors": {"Test": content}}).behavior("Test"))


def lived(learner: OnPolicyLearner) -> list[int]:
    """Six agents, of whom three end truly."""
    others = (replace(life, agent=life.agent + 3) for life in crowd(3, 40, 6, seed=2, interrupted=True))
    lives = [*crowd(3, 40, 6, seed=1), *others]
    return drive(ScriptedEnv({"Test": Behavior(SPEC, lives)}), learner, 40)


@pytest.mark.usefixtures("scripted_signal")
@pytest.mark.parametrize("trainer_type", ["ppo", "a2c"])
def test_advantages_are_those_of_each_stream_alone_averaged(trainer_type):
    learner = two_streams(trainer_type, normalize_advantage="none")
    assert learner.policy.value_head.out_features == 2
    compared: list[int] = []
    prepare = learner.prepare

    def compare(columns: Columns, inputs: tuple[torch.Tensor, ...]) -> Batch:
        batch = prepare(columns, inputs)
        with torch.no_grad():
            values = learner.policy.value(inputs).numpy()
        paid = [(columns.reward + columns.group_reward) * 0.5, columns.observations[0][:, VALUE] * 2.0]
        alone = [
            gae(
                paid[stream][:, None],
                values[:, stream : stream + 1],
                columns.next_row,
                columns.ending,
                columns.settled,
                columns.starts,
                np.array([gamma], np.float32),
                LAMBD,
                np.array([beyond]),
            )[columns.settled, 0]
            for stream, (gamma, beyond) in enumerate([(0.9, False), (0.6, True)])
        ]
        np.testing.assert_allclose(batch.advantage.numpy(), (alone[0] + alone[1]) / 2, rtol=1e-5, atol=1e-5)
        own = values[columns.settled]
        np.testing.assert_array_equal(batch.value.numpy(), own)
        np.testing.assert_allclose(batch.returns.numpy(), np.stack(alone, 1) + own, rtol=1e-5, atol=1e-5)
        compared.append(len(batch))
        return batch

    learner.prepare = compare  # type: ignore[method-assign]
    updates = lived(learner)
    assert len(compared) >= len(updates) >= 4
    assert min(compared) >= 20


@pytest.mark.usefixtures("scripted_signal")
def test_each_stream_is_reported_and_learns_after_the_policy():
    learner = two_streams()
    updates = lived(learner)
    means, _, _ = learner.metrics.summarise()
    assert {"Policy/Extrinsic Value Estimate", "Policy/Scripted Value Estimate"} <= means.keys()
    assert means["Losses/Scripted Loss"] >= 20
    assert updates


@pytest.mark.usefixtures("scripted_signal")
@pytest.mark.parametrize("trainer_type", ["ppo", "a2c", "poca", "sac", "dqn", "pqn"])
def test_what_is_reported_of_a_stream_is_its_sum_over_each_ended_episode(trainer_type):
    """Of every episode that ended before the newest rows were looked at, also those over several rollouts."""
    spec = make_spec((3,), branches=(3,))
    small = {"batch_size": 4, "buffer_size": 40 if trainer_type in ("sac", "dqn") else 12}
    content = {"trainer_type": trainer_type, "hyperparameters": small, "network_settings": SMALL_NETWORK}
    content |= {"reward_signals": STREAMS, "time_horizon": 3}
    learner = make_learner(spec, load_settings({"behaviors": {"Test": content}}).behavior("Test"))
    reported: list[float] = []
    extend = learner.metrics.extend

    def record(tag, values):
        if tag == "Policy/Scripted Reward":
            reported.extend(values.tolist())
        extend(tag, values)

    learner.metrics.extend = record  # type: ignore[method-assign]
    others = (replace(life, agent=life.agent + 2) for life in crowd(2, 90, 20, seed=2, interrupted=True))
    lives = [*crowd(2, 90, 20, seed=1), *others]
    drive(ScriptedEnv({"Test": Behavior(spec, lives)}), learner, 90)
    ended = sorted((life for life in lives if life.ending is not None), key=lambda life: life.ending.step)
    sums = [2.0 * sum(visit.value for visit in life.visits) for life in ended if life.ending.step < 90]
    assert len(sums) - 4 <= len(reported) <= len(sums)
    np.testing.assert_allclose(sorted(reported), sorted(sums[: len(reported)]), rtol=1e-5)


@pytest.mark.usefixtures("scripted_signal")
def test_two_heads_learn_two_values():
    """Episodes of one decision, paid 1: worth 0.5 with `strength`; for ever 2 a decision: worth 2 / (1 - 0.6)."""

    def look(rng: np.random.Generator, age: np.ndarray):
        return [np.ones((len(age), 3), np.float32)], None

    hyper = {"buffer_size": 64, "batch_size": 64, "num_epoch": 8, "clip_value_loss": False}
    learner = two_streams(**hyper, learning_rate=0.03, learning_rate_schedule="constant")
    drive(TaskEnv(SPEC, look, lambda obs, action: np.ones(16), length=1, name="Test"), learner, 160)
    inputs = learner.policy.upload([np.ones((1, 3), np.float32)])
    with torch.no_grad():
        assert learner.policy.value(inputs)[0].tolist() == pytest.approx([0.5, 5.0], rel=0.03)


@pytest.mark.usefixtures("scripted_signal")
def test_a_checkpoint_s_network_has_as_many_heads():
    learner = two_streams()
    assert learner.description()["reward_streams"] == 2
    again = type(learner.policy).build(SPEC, learner.description())
    again.load_state_dict(learner.policy.state_dict())
    inputs = learner.policy.upload([np.ones((4, 3), np.float32)])
    with torch.no_grad():
        assert torch.equal(again.value(inputs), learner.policy.value(inputs))
        assert again.value(inputs).shape == (4, 2)
