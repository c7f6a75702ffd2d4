"""What a PQN learns from and when: Q(lambda) returns, exploration, masks, gradient steps, resume."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from learner_tools import (
    assert_goes_on_the_same,
    behavior_settings,
    crowded_env,
    drive,
    hand_over,
    make_learner,
)
from reference_adam import ReferenceAdam
from scripted_env import INDEX, VALUE, Behavior, Life, ScriptedEnv, Visit, make_spec
from trajectories import GAMMA, LAMBD, SCRIPTS, STRENGTH, credits, plan_from_scripts, rows_of

from trainers import UserError
from trainers.algorithms.pqn import PQN
from trainers.experience.batch import Batch
from trainers.networks.q_network import NEVER

SPEC = make_spec((4,), branches=(3,))


def make_pqn(hyper: dict | None = None, network: dict | None = None, seed: int = 0, **keys) -> PQN:
    defaults = {"batch_size": 8, "buffer_size": 24, "lambd": LAMBD, "exploration_initial_eps": 1.0}
    options = {"gamma": GAMMA, "strength": STRENGTH, **keys}
    learner = make_learner(
        SPEC, behavior_settings("pqn", {**defaults, **(hyper or {})}, network, **options), seed
    )
    assert isinstance(learner, PQN)
    return learner


def recorded_batches(learner: PQN) -> list[Batch]:
    """A list that grows by the batch of every update, in place of learning."""
    batches: list[Batch] = []
    learner.optimise = lambda columns: batches.append(learner.prepare(columns))  # type: ignore[method-assign]
    return batches


def scripted_values(learner: PQN) -> None:
    """Make the value of the best action what the scripted observation holds."""

    def values(inputs, forbidden):
        best = inputs[0][:, VALUE : VALUE + 1]
        return torch.cat([best - 2.0, best, best - 1.0], 1)

    learner.policy.values = values  # type: ignore[method-assign]
    learner.choose = make_pqn().choose  # type: ignore[method-assign]


@pytest.mark.parametrize("interrupted", [False, True])
def test_returns_follow_the_recursion_of_q_lambda(interrupted):
    """R + gamma ((1 - lambda) max Q(next) + lambda return(next)), written out from the end of one life on."""
    rewards, best = [1.0, -2.0, 0.5, 3.0], [0.25, -1.0, 2.0, 0.75, 4.0]
    visits = [
        Visit(step, reward, value)
        for step, (reward, value) in enumerate(zip([0.0, *rewards], best, strict=True))
    ]
    learner = make_pqn({"buffer_size": 4, "batch_size": 4})
    scripted_values(learner)
    batches = recorded_batches(learner)
    life = Life(0, tuple(visits[:-1]), visits[-1], interrupted)
    drive(ScriptedEnv({"Test": Behavior(SPEC, [life])}), learner, 6)
    following = best[4] if interrupted else 0.0
    expected = [STRENGTH * rewards[3] + GAMMA * following]
    for step in (2, 1, 0):
        mixed = (1.0 - LAMBD) * best[step + 1] + LAMBD * expected[0]
        expected.insert(0, STRENGTH * rewards[step] + GAMMA * mixed)
    (batch,) = batches
    found = batch.returns[batch.inputs[0][:, INDEX].argsort(), 0]
    assert found.tolist() == pytest.approx(expected, abs=1e-5)


@settings(deadline=None, max_examples=40)
@given(scripts=SCRIPTS, buffer_size=st.integers(1, 25), horizon=st.integers(1, 8), seed=st.integers(0, 1000))
def test_agents_may_come_go_and_skip_steps(scripts, buffer_size, horizon, seed):
    """Against plain loops over each agent's own list of steps."""
    lives = plan_from_scripts(scripts, frozenset(), seed)
    learner = make_pqn({"buffer_size": buffer_size}, time_horizon=horizon)
    scripted_values(learner)
    batches = recorded_batches(learner)
    updates = drive(ScriptedEnv({"Test": Behavior(SPEC, lives)}), learner, len(scripts[0]))
    expected = dict(credits(lives, updates, horizon))
    for batch in batches:
        for who, found in zip(rows_of(batch), batch.returns[:, 0].tolist(), strict=True):
            credit = expected.pop(who)
            assert found == pytest.approx(credit.advantage + credit.value, abs=1e-4)
    assert not expected, "decisions that no rollout holds"


def test_forbidden_actions_are_neither_taken_nor_counted_as_the_best():
    learner = make_pqn()
    batches = recorded_batches(learner)
    env = crowded_env(SPEC)
    drive(env, learner, 20)
    assert len(batches) > 2
    for batch in batches:
        assert batch.forbidden is not None
        assert not batch.forbidden.gather(1, batch.actions.discrete).any()
        with torch.no_grad():
            values = learner.policy(batch.inputs).masked_fill(batch.forbidden, NEVER)
        assert batch.value[:, 0].tolist() == pytest.approx(values.amax(1).tolist(), abs=1e-6)


def test_a_gradient_step_is_adam_s_on_the_squared_error_of_the_actions_taken():
    """Against the same mathematics written out with plain tensors."""
    learner = make_pqn({"buffer_size": 30, "batch_size": 30, "learning_rate": 0.01})
    batches = recorded_batches(learner)
    drive(crowded_env(SPEC), learner, 12)
    batch, reference = batches[0], copy.deepcopy(learner.policy).requires_grad_(True)
    values = reference(batch.inputs)[torch.arange(len(batch)), batch.actions.discrete[:, 0]]
    loss = ((values - batch.returns[:, 0]) ** 2).mean()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(reference.parameters(), 10.0)
    ReferenceAdam(reference.parameters(), lr=0.01).step()
    assert learner.learn(batch)[0].item() == pytest.approx(loss.item(), rel=1e-5)
    for name, tensor in reference.state_dict().items():
        torch.testing.assert_close(learner.policy.state_dict()[name], tensor, atol=1e-6, rtol=1e-4)


def test_the_returns_stay_the_same_in_all_epochs_of_an_update():
    learner = make_pqn({"num_epoch": 3, "batch_size": 8, "buffer_size": 24, "learning_rate": 0.01})
    prepared: list[Batch] = []
    learned: list[Batch] = []
    prepare, learn = learner.prepare, learner.learn

    def watch_prepare(columns):
        prepared.append(prepare(columns))
        return prepared[-1]

    def watch_learn(minibatch):
        learned.append(minibatch)
        return learn(minibatch)

    learner.prepare, learner.learn = watch_prepare, watch_learn  # type: ignore[method-assign]
    drive(crowded_env(SPEC), learner, 8)
    (batch,) = prepared
    assert len(learned) == 3 * (len(batch) // 8)
    returns = dict(zip(batch.rows.tolist(), batch.returns[:, 0].tolist(), strict=True))
    for minibatch in learned:
        assert minibatch.returns[:, 0].tolist() == [returns[row] for row in minibatch.rows.tolist()]


def test_the_next_updates_after_loading_are_bit_for_bit_the_same(tmp_path):
    hyper = {
        "dueling": True,
        "dueling_units": 8,
        "exploration_raise_interval": 3,
        "exploration_initial_eps": 0.5,
    }
    hyper |= {"batch_size": 4, "buffer_size": 8}
    network = {"normalize": True, "layer_norm": True}
    env, learner = crowded_env(SPEC), make_pqn(hyper, network, 3, normalize_reward=True, max_steps=1000)
    updates = drive(env, learner, 30)
    while learner.rollout.settled_rows:  # rows are not saved
        updates += drive(env, learner, 1, begin=False)
    loaded = make_pqn(hyper, network, 4, normalize_reward=True, max_steps=1000)
    hand_over(learner, loaded, tmp_path)
    assert learner.exploration.raises == loaded.exploration.raises > 0
    loaded.rollout = copy.deepcopy(learner.rollout)
    assert_goes_on_the_same(env, learner, loaded)


def test_inference_explores_nothing_and_keeps_nothing():
    learner = make_pqn()
    learner.training = False
    assert drive(crowded_env(SPEC), learner, 30) == []
    assert learner.rollout.rows == 0
    assert learner.epsilon == 0.0
    assert learner.metrics.episodes > 0


def test_what_an_update_reports():
    learner = make_pqn({"exploration_initial_eps": 0.5, "exploration_final_eps": 0.5})
    assert drive(crowded_env(SPEC), learner, 20)
    means, _, _ = learner.metrics.summarise()
    assert means["Policy/epsilon"] == 0.5
    assert {"Losses/Value Loss", "Losses/Gradient Norm", "Policy/Learning Rate"} <= means.keys()
    assert {"Policy/Extrinsic Value Estimate", "Policy/Extrinsic Explained Variance"} <= means.keys()


def test_weights_that_are_no_longer_finite_are_a_user_error():
    learner = make_pqn({"buffer_size": 200})
    assert not drive(crowded_env(SPEC), learner, 10)
    learner.policy.head.weight.data[0, 0] = float("nan")
    with pytest.raises(UserError, match="no longer finite"):
        learner.update()
