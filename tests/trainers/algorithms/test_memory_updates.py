"""Learning with memory: what is stored, what is recomputed, and that the two are the same."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from learner_tools import (
    assert_goes_on_the_same,
    behavior_settings,
    drive,
    log_ratio,
    make_learner,
    watch_minibatches,
    whole_state,
)
from scripted_env import INDEX, LIFE, Behavior, Life, ScriptedEnv, Visit, crowd, make_spec

from trainers.algorithms.on_policy import OnPolicyLearner
from trainers.experience.agents import AgentBatch
from trainers.networks.policy_network import ActionSample

ALGORITHMS = ["ppo", "a2c", "poca", "mappo"]
LENGTH = 4


def remembering(trainer_type="ppo", seed=0, network=None, time_horizon=64, **hyper) -> OnPolicyLearner:
    spec = make_spec((3,), continuous=1, branches=(3,))
    keys = {
        "buffer_size": 32,
        "batch_size": 8,
        "learning_rate": 0.02,
        "learning_rate_schedule": "constant",
        **hyper,
    }
    memory = {"memory": {"memory_size": 8, "sequence_length": LENGTH}}
    network = {**memory, **(network or {})}
    return make_learner(spec, behavior_settings(trainer_type, keys, network, time_horizon=time_horizon), seed)


def plan(learner: OnPolicyLearner, lives: list[Life]) -> ScriptedEnv:
    return ScriptedEnv({"Test": Behavior(learner.spec, lives)})


def restless(steps: int) -> list[Life]:
    """Agents that ask at every step, agents that skip most, and one whose last reward never comes."""
    slow = [
        Life(100 + number, tuple(Visit(step, 1.0, 3.0) for step in range(number, steps, 3 + number)))
        for number in range(3)
    ]
    lost = Life(200, tuple(Visit(step, 1.0, 3.0) for step in range(5)))
    limited = [replace(life, agent=50 + life.agent) for life in crowd(2, steps, 30, seed=1, interrupted=True)]
    return [*crowd(4, steps, 7), *limited, *slow, lost]


@pytest.mark.parametrize(
    ("trainer_type", "shared"),
    [("ppo", False), ("ppo", True), ("a2c", False), ("a2c", True), ("poca", False), ("mappo", False)],
)
def test_recomputed_along_sequences_ratios_are_one_and_values_are_the_same(trainer_type, shared):
    """On the first minibatch of every update, for all rows but those that were carried over."""
    hyper = {"shared_critic": True} if shared else {}
    learner = remembering(trainer_type, batch_size=32, network={"normalize": True}, **hyper)
    seen = watch_minibatches(learner)
    carried = []
    prepare = learner.prepare

    def note(columns, inputs):
        carried.append(columns.carried)
        return prepare(columns, inputs)

    learner.prepare = note  # type: ignore[method-assign]
    updates = drive(plan(learner, restless(90)), learner, 90, resets=[40])
    assert len(updates) > 8
    per_update = len(seen) // len(carried)
    waited = 0
    for number, count in enumerate(carried):
        batch, log_prob = seen[number * per_update]
        fresh = batch.rows >= count
        assert (log_prob - batch.log_prob).sum(1).abs()[fresh].max() < 1e-5
        waited += int((~fresh).sum())
        assert (batch.sequences.lengths <= LENGTH).all()
    assert waited > 8
    if trainer_type != "a2c":  # and the policy really moves from then on
        assert all(log_ratio(one).max() > 1e-3 for one in seen[1::per_update])


@pytest.mark.parametrize("trainer_type", ["ppo", "poca"])
def test_the_critic_s_values_along_a_rollout_are_those_along_each_episode(trainer_type):
    """Across sequences, cut trajectories and updates, and of last observations too."""
    learner = remembering(trainer_type, time_horizon=6, learning_rate=1e-12)
    remembered: dict[int, torch.Tensor] = {}
    checked = 0
    values = learner.values

    def compare(columns, inputs, chains):
        nonlocal checked
        found, baseline = values(columns, inputs, chains)
        lives = columns.observations[0][:, LIFE].astype(int).tolist()
        order = np.argsort(columns.observations[0][:, INDEX], kind="stable").tolist()
        critic = learner.policy.critic(inputs)
        for row in order:
            start = remembered.get(lives[row], torch.zeros(1, 8))
            seen, after = learner.policy.critic_memory(critic[row : row + 1], start)
            torch.testing.assert_close(
                found[row : row + 1], learner.policy.value_head(seen), rtol=1e-4, atol=1e-5
            )
            if columns.settled[row]:
                remembered[lives[row]] = after
            checked += 1
        return found, baseline

    learner.values = compare  # type: ignore[method-assign]
    drive(plan(learner, restless(60)), learner, 60)
    assert checked > 200


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("trainer_type", ["ppo", "a2c"])
def test_gradients_are_those_of_a_loop_over_single_sequences(trainer_type, shared):
    learner = remembering(trainer_type, batch_size=16, shared_critic=shared, beta=0.1)
    different = []
    descend = learner.descend

    def compare(minibatch, losses, beta):
        policy, sequences = learner.policy, minibatch.sequences
        log_prob, values, entropies = [], [], []
        for number, (first, length) in enumerate(
            zip(sequences.starts.tolist(), sequences.lengths.tolist(), strict=True)
        ):
            memory = sequences.memory[number][None]
            critic_memory = memory if shared else sequences.critic_memory[number]
            for row in range(first, first + length):
                inputs = [tensor[row : row + 1] for tensor in minibatch.inputs]
                distribution, memory = policy.recall(inputs, None, memory)
                seen, critic_memory = policy.critic_memory(policy.critic(inputs), critic_memory)
                values.append(policy.value_head(seen))
                one = slice(row, row + 1)
                actions = type(minibatch.actions)(
                    minibatch.actions.continuous[one], minibatch.actions.discrete[one]
                )
                log_prob.append(distribution.log_prob(actions))
                entropies.append(distribution.entropy())
        loss = losses.policy(torch.cat(log_prob), minibatch.log_prob, minibatch.advantage)
        loss = loss + learner.hyper.value_coefficient * losses.value(
            torch.cat(values), minibatch.returns, minibatch.value
        )
        loss = loss - beta * torch.cat(entropies).mean()
        learner.optimizer.gradient.zero_()
        loss.backward()
        expected = learner.optimizer.gradient.clone()
        before = [flat.detach().clone() for flat in learner.optimizer.flat]
        step = learner.optimizer.step
        learner.optimizer.step = lambda *groups: (
            different.append((learner.optimizer.gradient - expected).abs().max() / expected.abs().max())
            or step(*groups)
        )
        figures = descend(minibatch, losses, beta)
        learner.optimizer.step = step
        assert any(not torch.equal(*pair) for pair in zip(before, learner.optimizer.flat, strict=True))
        return figures

    learner.descend = compare  # type: ignore[method-assign]
    drive(plan(learner, restless(40)), learner, 40)
    assert len(different) > 10
    assert max(different) < 1e-4


def test_the_natural_gradient_takes_sequences_too():
    learner = remembering("a2c", natural_gradient_kl=0.01)
    before = copy.deepcopy(learner.policy.state_dict())
    drive(plan(learner, restless(40)), learner, 40)
    moved = [
        name for name, tensor in learner.policy.state_dict().items() if not torch.equal(tensor, before[name])
    ]
    assert {"actor_memory.lstm.weight_hh_l0", "critic_memory.lstm.weight_hh_l0"} <= set(moved)


@pytest.mark.parametrize("trainer_type", ALGORITHMS)
def test_every_weight_has_a_gradient_and_trial_losses_depend_on_all(trainer_type):
    learner = remembering(trainer_type)
    learner.policy.trial_loss(learner.policy.prepare([torch.randn(10, 3)])).backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in learner.policy.parameters())


@pytest.mark.parametrize("trainer_type", ALGORITHMS)
def test_agents_remember_from_zero_and_forget_at_ends_and_resets(trainer_type):
    """What a policy is given is what it said that the agent remembers, whatever other agents do."""
    learner = remembering(trainer_type)
    actor, env = learner.actor("Test"), plan(learner, restless(50))
    remembered: dict[int, np.ndarray] = {}
    choose = learner.choose
    given: list[np.ndarray] = []

    def watch(batch: AgentBatch) -> ActionSample:
        lives = batch.observations[0][:, LIFE].astype(int).tolist()
        for life, vector in zip(lives, batch.memory, strict=True):
            np.testing.assert_array_equal(vector, remembered.get(life, np.zeros(8)))
        sample = choose(batch)
        remembered.update(zip(lives, sample.memory, strict=True))
        given.append(batch.memory)
        return sample

    learner.choose = watch  # type: ignore[method-assign]
    env.reset()
    for step in range(50):
        if step == 30:
            learner.forget_agents()
            remembered.clear()
        asking = actor.observe(*env.get_steps("Test"))
        if learner.ready:
            learner.update()
        if len(asking):
            env.set_actions("Test", actor.act(asking))
        env.step()
    assert len(given) == 50
    assert any(vector.any() for vector in given)


@pytest.mark.parametrize("trainer_type", ALGORITHMS)
def test_a_loaded_learner_goes_on_bit_for_bit(trainer_type):
    learner, loaded = (remembering(trainer_type, seed, {"normalize": True}, buffer_size=8) for seed in (0, 9))
    env = plan(learner, crowd(4, 200, 9))
    drive(env, learner, 60)
    learner.forget_agents()  # a resumed run begins with a reset of the environment and an empty rollout
    learner.rollout.restart(np.zeros(0, np.int64))
    loaded.load_state_dict(copy.deepcopy(whole_state(learner)))
    assert_goes_on_the_same(env, learner, loaded)
