"""Advantages against plain loops over each agent's own list of steps, whoever shows up when."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from learner_tools import behavior_settings, drive, make_learner, scripted_critic
from scripted_env import Behavior, ScriptedEnv, make_spec
from trajectories import (
    GAMMA,
    LAMBD,
    SCRIPTS,
    STRENGTH,
    credits,
    plan_from_scripts,
    rewarded_by,
    rows_of,
    update_steps,
)

from trainers.algorithms.on_policy import OnPolicyLearner
from trainers.experience.batch import Batch

SPEC = make_spec((3,), continuous=1, branches=(3,))


def recorded_batches(learner: OnPolicyLearner) -> list[Batch]:
    """A list that grows by the batch of every update, in place of learning."""
    batches: list[Batch] = []

    def record(columns):
        batches.append(learner.prepare(columns, learner.policy.upload(columns.observations)))

    learner.optimise = record  # type: ignore[method-assign]
    return batches


@settings(deadline=None, max_examples=100)
@given(
    scripts=SCRIPTS,
    resets=st.frozensets(st.integers(1, 29), max_size=2),
    buffer_size=st.integers(1, 25),
    horizon=st.integers(1, 8),
    seed=st.integers(0, 1000),
)
@example(["aaTaIai.ta", "a.a..a.a.a"], frozenset({7}), 3, 2, 0)
@example(["a" * 30] * 3, frozenset(), 10, 64, 1)
@example(["a.." * 8, "Ta" * 12, "aI" * 12], frozenset({12}), 4, 3, 2)
def test_gae_matches_per_trajectory_oracle(scripts, resets, buffer_size, horizon, seed):
    lives = plan_from_scripts(scripts, resets, seed)
    env = ScriptedEnv({"Test": Behavior(SPEC, lives)})
    learner = make_learner(
        SPEC,
        behavior_settings(
            hyperparameters={"buffer_size": buffer_size, "lambd": LAMBD, "normalize_advantage": "none"},
            gamma=GAMMA,
            strength=STRENGTH,
            time_horizon=horizon,
        ),
    )
    scripted_critic(learner)
    batches = recorded_batches(learner)
    steps = len(scripts[0])

    updates = drive(env, learner, steps, resets=resets)

    assert updates == update_steps(lives, steps, buffer_size)
    expected = dict(credits(lives, updates, horizon))
    assert sum(len(batch) for batch in batches) == len(expected)
    for rollout, batch in enumerate(batches):
        value = batch.value[:, 0].tolist()
        returns = batch.returns[:, 0].tolist()
        for row, who in enumerate(rows_of(batch)):
            credit = expected.pop(who)
            assert credit.rollout == rollout
            assert value[row] == credit.value
            assert batch.advantage[row].item() == pytest.approx(credit.advantage, abs=1e-4)
            assert returns[row] == pytest.approx(credit.advantage + credit.value, abs=1e-4)
            continuous, discrete = env.behaviors["Test"].actions[who]
            assert np.clip(batch.actions.continuous[row].numpy(), -3, 3) / 3 == pytest.approx(continuous)
            assert batch.actions.discrete[row].numpy() == pytest.approx(discrete)
    assert not expected, "decisions that no rollout holds"


@settings(deadline=None, max_examples=50)
@given(scripts=SCRIPTS, resets=st.frozensets(st.integers(1, 29), max_size=2), seed=st.integers(0, 1000))
def test_steps_returns_and_lengths_count_every_rewarded_decision_once(scripts, resets, seed):
    lives = plan_from_scripts(scripts, resets, seed)
    env = ScriptedEnv({"Test": Behavior(SPEC, lives)})
    learner = make_learner(SPEC, behavior_settings(hyperparameters={"buffer_size": 7}, strength=STRENGTH))
    recorded_batches(learner)
    drive(env, learner, len(scripts[0]), resets=resets)

    lived = [life for life in lives if life.visits]
    ended = [life for life in lived if life.ending]
    assert learner.step == sum(len(rewarded_by(life)) for life in lived)
    returns = sorted(sum(later.reward for later in rewarded_by(life)) for life in ended)
    assert sorted(learner.metrics.episode_returns) == pytest.approx(returns)
    assert learner.metrics.episodes == len(ended)
    means, _, _ = learner.metrics.summarise()
    if ended:
        lengths = [len(life.visits) for life in ended]
        assert means["Environment/Episode Length"] == pytest.approx(np.mean(lengths))
        assert means["Environment/Cumulative Reward"] == pytest.approx(np.mean(returns))
    else:
        assert "Environment/Cumulative Reward" not in means


def test_every_behavior_and_team_is_credited_on_its_own():
    scripts = {"Walker?team=0": ["aaTaaa", "a.a.aa"], "Walker?team=1": ["aaaaIa"], "Flyer": [".aaata"]}
    plans = {name: plan_from_scripts(lines, frozenset(), 5) for name, lines in scripts.items()}
    env = ScriptedEnv({name: Behavior(SPEC, lives) for name, lives in plans.items()})
    settings = behavior_settings(
        hyperparameters={"buffer_size": 3, "lambd": LAMBD, "normalize_advantage": "none"},
        gamma=GAMMA,
        strength=STRENGTH,
    )
    for name, lives in plans.items():
        learner = make_learner(SPEC, settings)
        scripted_critic(learner)
        batches = recorded_batches(learner)
        updates = drive(env, learner, 6, name)
        expected = dict(credits(lives, updates, 64))
        found = {
            who: advantage
            for batch in batches
            for who, advantage in zip(rows_of(batch), batch.advantage.tolist(), strict=True)
        }
        assert found == {who: pytest.approx(credit.advantage, abs=1e-5) for who, credit in expected.items()}
        assert expected, name


def test_decisions_under_way_when_the_environment_is_reset_never_reach_an_update():
    lives = plan_from_scripts(["aaaaaaaa", "a.aaa.aa"], frozenset({4}), 3)
    env = ScriptedEnv({"Test": Behavior(SPEC, lives)})
    learner = make_learner(SPEC, behavior_settings(hyperparameters={"buffer_size": 2}))
    scripted_critic(learner)
    batches = recorded_batches(learner)
    drive(env, learner, 8, resets={4})
    last_before_reset = {
        (number, len(life.visits) - 1) for number, life in enumerate(lives) if life.ending is None
    }
    assert last_before_reset.isdisjoint({who for batch in batches for who in rows_of(batch)})


def test_rewards_are_clipped_and_scaled_for_learning_only():
    lives = plan_from_scripts(["aaaTaaaaTaaa", "a.aTa.aaTa.a"], frozenset(), 11)
    env = ScriptedEnv({"Test": Behavior(SPEC, lives)})
    learner = make_learner(
        SPEC,
        behavior_settings(
            hyperparameters={"buffer_size": 16, "lambd": 0.0, "normalize_advantage": "none"},
            gamma=GAMMA,
            reward_clip=0.5,
            normalize_reward=True,
        ),
    )
    scripted_critic(learner)
    batches = recorded_batches(learner)
    updates = drive(env, learner, 12)
    assert len(updates) == 1

    # The running discounted sum of each episode's clipped rewards, and its spread over all steps up to the update.
    discounted = []
    for life in lives:
        running = 0.0
        for later in rewarded_by(life):
            if later.step <= updates[0]:
                running = GAMMA * running + np.clip(later.reward + later.group_reward, -0.5, 0.5)
                discounted.append(running)
    discounted += [-1.0, 1.0]  # the moments start at mean 0 and variance 1, with the weight of one value
    weights = [1.0] * (len(discounted) - 2) + [0.5, 0.5]
    mean = np.average(discounted, weights=weights)
    variance = np.average(np.square(discounted), weights=weights) - mean**2
    scale = np.sqrt(variance + 1e-8)

    for row, (number, index) in enumerate(rows_of(batches[0])):
        life = lives[number]
        later = rewarded_by(life)[index]
        reward = np.clip(later.reward + later.group_reward, -0.5, 0.5) / scale
        truly_over = later is life.ending
        expected = reward + (0.0 if truly_over else GAMMA * later.value)
        assert batches[0].returns[row].item() == pytest.approx(expected, abs=1e-4)
    raw = sorted(sum(later.reward for later in rewarded_by(life)) for life in lives if life.ending)
    assert sorted(learner.metrics.episode_returns) == pytest.approx(raw)
