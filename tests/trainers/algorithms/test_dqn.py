"""What a DQN learns from and when: targets, heads, exploration, target network, masks, resume."""

import copy

import numpy as np
import pytest
import torch
from learner_tools import (
    assert_goes_on_the_same,
    behavior_settings,
    crowded_env,
    drive,
    hand_over,
    make_learner,
    whole_state,
)
from reference_adam import ReferenceAdam
from scripted_env import INDEX, Behavior, Life, ScriptedEnv, Visit, make_spec

from trainers import UserError
from trainers.algorithms.dqn import DQN
from trainers.algorithms.exploration import Exploration
from trainers.config import DQNSettings, NetworkSettings
from trainers.maths.losses import q_loss, q_target
from trainers.networks.q_network import NEVER, DuelingHead, QNetwork, epsilon_greedy
from trainers.records.checkpoint import save_state
from trainers.training.resuming import restore

SPEC = make_spec((4,), branches=(3,))


def make_dqn(hyper: dict | None = None, network: dict | None = None, seed: int = 0, **keys) -> DQN:
    defaults = {"batch_size": 8, "buffer_size": 200, "steps_per_update": 5, "exploration_initial_eps": 1.0}
    settings = behavior_settings("dqn", {**defaults, **(hyper or {})}, network, **keys)
    learner = make_learner(SPEC, settings, seed)
    assert isinstance(learner, DQN)
    return learner


def test_the_target_network_values_the_action_and_double_lets_the_online_network_choose_it():
    reward, discount = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([0.9, 0.0, 0.81])
    target = torch.tensor([[1.0, 5.0], [9.0, 9.0], [2.0, NEVER]])
    online = torch.tensor([[3.0, 2.0], [0.0, 0.0], [-7.0, NEVER]])
    assert q_target(reward, discount, target).tolist() == pytest.approx([1 + 4.5, 2.0, 3 + 1.62])
    assert q_target(reward, discount, target, online).tolist() == pytest.approx([1 + 0.9, 2.0, 3 + 1.62])


def test_the_loss_is_squared_up_to_an_error_of_one_and_linear_beyond():
    value = torch.tensor([0.5, -3.0], requires_grad=True)
    loss = q_loss(value, torch.zeros(2))
    assert loss.item() == pytest.approx((0.125 + 2.5) / 2)
    loss.backward()
    assert value.grad.tolist() == pytest.approx([0.25, -0.5])


@pytest.mark.parametrize("units", [None, 6])
def test_a_dueling_head_gives_the_state_s_value_on_average(units):
    head = DuelingHead(5, 4, NetworkSettings(), units)
    features = torch.randn(7, 5)
    with torch.no_grad():
        torch.testing.assert_close(head(features).mean(1, keepdim=True), head.value(features))
        advantage = head.advantage(features)
        torch.testing.assert_close(
            head(features) - head(features)[:, :1], advantage - advantage[:, :1], atol=1e-5, rtol=1e-4
        )


def test_epsilon_greedy_explores_that_often_among_allowed_actions():
    values = torch.tensor([[1.0, 3.0, NEVER, 2.0]]).repeat(30_000, 1)
    chosen = epsilon_greedy(values, 0.3, torch.Generator().manual_seed(0))
    shares = torch.bincount(chosen[:, 0], minlength=4) / len(values)
    assert shares.tolist() == pytest.approx([0.1, 0.8, 0.0, 0.1], abs=0.01)
    assert (epsilon_greedy(values, 0.0) == 1).all()


def test_exploration_falls_from_start_to_end_and_begins_at_random():
    hyper = DQNSettings(exploration_initial_eps=0.8, exploration_final_eps=0.2, exploration_steps=1000)
    exploration = Exploration(hyper, 5000, random_until=10)
    assert [exploration.epsilon(step) for step in (0, 9)] == [1.0, 1.0]
    assert exploration.epsilon(500) == pytest.approx(0.5)
    assert [exploration.epsilon(step) for step in (1000, 4000)] == pytest.approx([0.2, 0.2])
    by_default = Exploration(DQNSettings(), 5000)
    assert by_default.epsilon(0) == pytest.approx(0.1)
    assert by_default.epsilon(2500) == pytest.approx(0.075)
    constant = DQNSettings(exploration_schedule="constant", exploration_initial_eps=0.3)
    assert Exploration(constant, 5000).epsilon(4000) == 0.3


def test_exploration_is_raised_every_so_many_episodes_and_fades_again():
    hyper = DQNSettings(
        exploration_initial_eps=0.1,
        exploration_final_eps=0.1,
        exploration_raise_interval=200,
        exploration_raise_eps=1.0,
        exploration_raise_steps=100,
    )
    exploration = Exploration(hyper, max_steps=10_000)
    exploration.notice(1000, 199)
    assert exploration.epsilon(1000) == pytest.approx(0.1)
    exploration.notice(1000, 201)
    assert exploration.epsilon(1000) == pytest.approx(0.8)  # 1 - 2 · 0.1
    assert exploration.epsilon(1050) == pytest.approx(0.45)
    exploration.notice(1050, 399)  # only once for an interval
    assert exploration.epsilon(1100) == pytest.approx(0.1)
    exploration.notice(2000, 400)
    assert exploration.epsilon(2000) == pytest.approx(0.6)
    exploration.notice(6000, 600)
    assert exploration.epsilon(6000) == pytest.approx(0.1)


@pytest.mark.parametrize(("every", "batches"), [(5, 40), (0.5, 400), (16, 12)])
def test_there_is_an_update_for_every_so_many_agent_steps(every, batches):
    learner = make_dqn({"steps_per_update": every, "batch_size": 1})
    drawn = []
    draw = learner.replay.draw
    learner.replay.draw = lambda count, generator: drawn.append(count) or draw(count, generator)
    env = crowded_env(SPEC)
    drive(env, learner, 41)
    assert learner.step == pytest.approx(200, abs=10)
    assert len(drawn) == pytest.approx(batches, rel=0.06, abs=1)
    assert set(drawn) == {1}


def test_learning_begins_when_the_buffer_has_its_first_decisions():
    learner = make_dqn({"buffer_init_steps": 60})
    env = crowded_env(SPEC)
    updates = drive(env, learner, 30)
    assert updates
    steps = []
    env, learner = crowded_env(SPEC), make_dqn({"buffer_init_steps": 60})
    for step in range(30):
        drive(env, learner, 1, begin=step == 0)
        steps.append(learner.step)
    assert steps[updates[0] - 1] >= 60 - 5
    assert steps[updates[0]] >= 65


def test_a_full_buffer_is_enough_whatever_was_asked_for():
    learner = make_dqn({"buffer_size": 60, "buffer_init_steps": 60})
    assert drive(crowded_env(SPEC), learner, 60)


def test_the_target_network_moves_by_tau_at_each_update():
    learner = make_dqn({"tau": 0.25, "steps_per_update": 1e9})
    drive(crowded_env(SPEC), learner, 10)
    learner.hyper = learner.hyper.model_copy(update={"steps_per_update": float(learner.step)})
    learner.learned_until = 0.0
    old = learner.target.state_dict()["head.weight"].clone()
    learner.update()
    new = learner.policy.head.weight
    assert not torch.equal(old, new)
    torch.testing.assert_close(learner.target.head.weight, old + 0.25 * (new - old))


def test_with_tau_1_the_target_network_is_copied_every_so_many_agent_steps():
    learner = make_dqn({"tau": 1, "target_update_interval": 50})
    env, copies = crowded_env(SPEC), []
    env.reset()
    before = learner.target.state_dict()["head.weight"].clone()
    for _ in range(60):
        drive(env, learner, 1, begin=False)
        if not torch.equal(before, learner.target.head.weight):
            copies.append(learner.step)
            before = learner.target.head.weight.clone()
    assert len(copies) == pytest.approx(learner.step / 50, abs=1)
    assert np.diff(copies) == pytest.approx(50, abs=6)


def test_a_gradient_step_is_adam_s_on_the_loss_of_the_sampled_decisions():
    """Against the same mathematics written out with plain tensors."""
    learner = make_dqn({"double": False, "learning_rate": 0.01, "steps_per_update": 1e9}, gamma=0.5)
    drive(crowded_env(SPEC), learner, 20)
    reference = copy.deepcopy(learner.policy).requires_grad_(True)
    generator = torch.Generator()
    generator.set_state(learner.generator.get_state())
    batch = learner.replay.transitions(learner.replay.draw(8, generator), [0.5])
    following = reference(reference.upload(batch.next_observations)).detach()
    following[torch.from_numpy(batch.next_forbidden)] = -np.inf
    target = (
        torch.from_numpy(batch.reward[:, 0])
        + torch.from_numpy(batch.discount[:, 0]) * following.max(1).values
    )
    values = reference(reference.upload(batch.observations))
    error = values[torch.arange(8), torch.from_numpy(batch.discrete[:, 0])] - target
    loss = torch.where(error.abs() < 1, 0.5 * error**2, error.abs() - 0.5).mean()
    adam = ReferenceAdam(reference.parameters(), lr=0.01)
    loss.backward()
    adam.step()
    assert learner.learn(learner.draw())["Losses/Value Loss"].item() == pytest.approx(loss.item(), rel=1e-5)
    for name, tensor in reference.state_dict().items():
        torch.testing.assert_close(learner.policy.state_dict()[name], tensor, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("n_step", [1, 3])
@pytest.mark.parametrize("interrupted", [False, True])
def test_a_true_end_is_worth_nothing_more_and_an_interrupted_one_what_follows(n_step, interrupted):
    learner = make_dqn({"batch_size": 1, "steps_per_update": 1e9, "n_step": n_step, "learning_rate": 0.01})
    lives = [Life(0, (Visit(0),), Visit(1, reward=1.0), interrupted)]
    drive(ScriptedEnv({"Test": Behavior(SPEC, lives)}), learner, 3)
    batch = learner.replay.transitions(np.array([0]), [0.9], n_step)
    assert batch.reward[0, 0] == 1.0
    assert batch.discount[0, 0] == pytest.approx(0.9 if interrupted else 0.0)
    assert batch.next_observations[0][0, INDEX] == 1  # the last observation of that life
    for _ in range(300):
        learner.learn(learner.draw())
    with torch.no_grad():
        seen = learner.policy(learner.policy.upload(batch.observations))[0, batch.discrete[0, 0]]
        after = learner.target(learner.policy.upload(batch.next_observations))
    expected = q_target(torch.ones(1), torch.from_numpy(batch.discount[:, 0]), after)
    assert seen.item() == pytest.approx(expected.item(), abs=0.2)


def test_a_decision_lost_in_a_reset_is_not_learned_from():
    learner = make_dqn({"batch_size": 1, "steps_per_update": 1e9})
    lives = [Life(0, (Visit(0), Visit(1, 1.0), Visit(2, 1.0), Visit(3, 1.0)))]
    drive(ScriptedEnv({"Test": Behavior(SPEC, lives)}), learner, 4, resets=[2])
    assert learner.replay.settled_rows == 2  # of four decisions; one was lost in the reset, one still waits


def test_the_next_updates_after_loading_are_bit_for_bit_the_same(tmp_path):
    hyper = {"dueling": True, "dueling_units": 8, "n_step": 2, "exploration_raise_interval": 3}
    hyper |= {
        "save_replay_buffer": True,
        "exploration_initial_eps": 0.5,
        "tau": 1,
        "target_update_interval": 30,
    }
    network = {"normalize": True, "dropout": 0.2}
    keys = {"normalize_reward": True, "max_steps": 1000}
    env, learner = crowded_env(SPEC), make_dqn(hyper, network, 3, **keys)
    drive(env, learner, 30)
    loaded = make_dqn(hyper, network, 4, **keys)
    hand_over(learner, loaded, tmp_path)
    assert_goes_on_the_same(env, learner, loaded)


def test_without_its_buffer_a_run_fills_it_again_before_it_learns_on(tmp_path):
    learner = make_dqn({"buffer_init_steps": 40})
    drive(crowded_env(SPEC), learner, 30)
    save_state(tmp_path / "here.pt", whole_state(learner))
    learner.save_store(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["here.pt"]
    loaded = make_dqn({"buffer_init_steps": 40})
    restore(loaded, tmp_path / "here.pt")
    loaded.load_store(tmp_path)
    assert loaded.epsilon < 1.0  # it acts as it had learned to
    updates = drive(crowded_env(SPEC), loaded, 30)
    assert updates[0] >= 40 // 5
    assert loaded.state_dict()["learned_until"] <= loaded.step


def test_the_normaliser_is_the_same_for_both_networks():
    learner = make_dqn(network={"normalize": True})
    drive(crowded_env(SPEC), learner, 40)
    assert learner.policy.normalizer.mean.abs().max() > 0
    assert not any("normalizer" in name for name in learner.target.state_dict())


def test_inference_explores_nothing_and_keeps_nothing():
    learner = make_dqn()
    learner.training = False
    assert drive(crowded_env(SPEC), learner, 30) == []
    assert len(learner.replay) == 0
    assert learner.epsilon == 0.0
    assert learner.metrics.episodes > 0


def test_weights_that_are_no_longer_finite_are_a_user_error():
    learner = make_dqn()
    drive(crowded_env(SPEC), learner, 10)
    learner.policy.head.weight.data[0, 0] = float("nan")
    with pytest.raises(UserError, match="no longer finite"):
        drive(crowded_env(SPEC), learner, 10)


@pytest.mark.parametrize(("continuous", "branches"), [(2, ()), (1, (3,)), (0, (3, 2))])
def test_other_actions_are_a_user_error_that_says_what_to_use(continuous, branches):
    with pytest.raises(UserError, match="use a trainer_type that learns a policy") as caught:
        QNetwork(make_spec((4,), continuous=continuous, branches=branches), NetworkSettings())
    assert "\n" not in str(caught.value)
