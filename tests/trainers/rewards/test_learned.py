"""Signals that learn, in every algorithm: any observation and action, ends, when they learn."""

import math

import numpy as np
import pytest
import torch
from learner_tools import SMALL_NETWORK, crowded_env, drive, make_learner
from mlagents_envs.base_env import (
    ActionSpec,
    BehaviorSpec,
)
from scripted_env import Behavior, Life, ScriptedEnv, Visit, crowd, make_spec
from signal_tools import BOTH, learner_of, signal_block, signal_of
from task_envs import TaskEnv

from gym_adapters.errors import UserError
from tests.refusals import refused
from trainers.algorithms.off_policy import OffPolicyLearner
from trainers.config import load_settings
from trainers.maths.returns import Ending, gae

LOSSES = {
    "rnd": {"Losses/RND Loss"},
    "curiosity": {"Losses/Curiosity Forward Loss", "Losses/Curiosity Inverse Loss"},
}
ACTIONS = {"continuous": ActionSpec(2, ()), "discrete": ActionSpec(0, (3,)), "hybrid": ActionSpec(1, (3, 2))}


def every_kind(actions: ActionSpec) -> BehaviorSpec:
    """A vector, an image, entities and a goal."""
    return make_spec(
        (3,),
        (1, 6, 6),
        (4, 2),
        (2,),
        continuous=actions.continuous_size,
        branches=actions.discrete_branches,
        goals=(3,),
    )


CASES = [
    (trainer_type, kind)
    for trainer_type in ("ppo", "a2c", "poca", "mappo", "sac", "dqn", "pqn")
    for kind in ACTIONS
    if trainer_type not in ("dqn", "pqn") or kind == "discrete"
]


@pytest.mark.parametrize(("trainer_type", "kind"), CASES)
def test_every_algorithm_learns_by_both_alone_of_any_observation_and_action(trainer_type, kind):
    spec = every_kind(ACTIONS[kind])

    def look(rng: np.random.Generator, age: np.ndarray):
        count = len(age)
        entities = rng.normal(size=(count, 4, 2)).astype(np.float32)
        entities[np.arange(4) >= rng.integers(5, size=(count, 1))] = 0.0  # from none to all of them
        observations = [
            rng.normal(size=(count, 3)).astype(np.float32),
            rng.integers(256, size=(count, 1, 6, 6), dtype=np.uint8),
            entities,
            rng.normal(size=(count, 2)).astype(np.float32),
        ]
        masks = [rng.random((count, size)) < 0.4 for size in spec.action_spec.discrete_branches]
        for mask in masks:
            mask[:, 0] = False
        return observations, masks or None

    learner = learner_of(trainer_type, spec, {**signal_block("rnd"), **signal_block("curiosity")})
    networks = [signal.network for signal in learner.signals]
    before = [{name: tensor.clone() for name, tensor in one.named_parameters()} for one in networks]
    env = TaskEnv(spec, look, lambda obs, action: np.ones(4), agents=4, name="Test")
    assert len(drive(env, learner, 20)) >= 3
    means, _, _ = learner.metrics.summarise()
    assert LOSSES["rnd"] | LOSSES["curiosity"] <= means.keys()
    assert means["Policy/Rnd Reward"] > 0
    assert means["Policy/Curiosity Reward"] > 0
    assert all(math.isfinite(value) for value in means.values())
    for network, weights in zip(networks, before, strict=True):
        for name, tensor in network.named_parameters():
            assert torch.equal(tensor, weights[name]) == (not tensor.requires_grad), name


@pytest.mark.parametrize("trainer_type", ["ppo", "poca", "sac"])
def test_policies_with_memory_learn_by_both_whose_own_networks_have_none(trainer_type):
    network = {**SMALL_NETWORK, "memory": {"sequence_length": 4, "memory_size": 8}}
    hyper = {"buffer_size": 400, "steps_per_update": 5} if trainer_type == "sac" else {"buffer_size": 32}
    content = {
        "trainer_type": trainer_type,
        "hyperparameters": {"batch_size": 8, **hyper},
        "network_settings": network,
        "reward_signals": {"rnd": {"network_settings": network}, "curiosity": {"network_settings": network}},
        "time_horizon": 8,
    }
    spec = make_spec((4,), continuous=1, branches=(3, 2))
    learner = make_learner(spec, load_settings({"behaviors": {"Test": content}}).behavior("Test"))
    assert len(drive(crowded_env(spec), learner, 40)) >= 3
    means, _, _ = learner.metrics.summarise()
    assert LOSSES["rnd"] | LOSSES["curiosity"] <= means.keys()
    assert all(math.isfinite(value) for value in means.values())


@BOTH
@pytest.mark.parametrize("trainer_type", ["poca", "mappo"])
def test_members_of_groups_that_die_one_after_the_other_learn_by_it(trainer_type, signal):
    spec = make_spec((3,), continuous=1, branches=(3,))
    lives = [
        Life(
            agent,
            tuple(Visit(step, 0.0, 0.0, 1.0, group) for step in range(start, start + 3 + agent % 3)),
            Visit(start + 3 + agent % 3, 0.0, 0.0, 1.0, group),
            interrupted=group % 2 == 0,
        )
        for start in range(0, 60, 6)
        for agent, group in ((0, 1 + start), (1, 1 + start), (2, 2 + start), (3, 2 + start), (4, 0))
    ]
    learner = learner_of(trainer_type, spec, {"extrinsic": {}, **signal_block(signal)})
    assert len(drive(ScriptedEnv({"Test": Behavior(spec, lives, masked=True)}), learner, 60)) >= 4
    means, _, _ = learner.metrics.summarise()
    assert LOSSES[signal] <= means.keys()
    assert all(math.isfinite(value) for value in means.values())


@BOTH
def test_its_value_goes_on_beyond_a_true_end_and_the_environment_s_does_not(signal):
    spec = make_spec((3,), branches=(3,))
    signals = {
        "extrinsic": {"gamma": 0.8},
        **signal_block(signal, gamma=0.7, network_settings=SMALL_NETWORK),
    }
    learner = learner_of("ppo", spec, signals, lambd=0.9, buffer_size=100)
    drive(ScriptedEnv({"Test": Behavior(spec, crowd(4, 20, 5))}), learner, 20)
    columns = learner.rollout.columns()
    inputs = learner.policy.upload(columns.observations)
    ended = columns.ending[columns.settled] == Ending.TERMINATED
    assert ended.sum() > 10
    batch, rewards = learner.prepare(columns, inputs), learner.rewards(columns)
    with torch.no_grad():
        values = learner.policy.value(inputs).numpy()
    following = values[columns.next_row[columns.settled]]
    paid = rewards[columns.settled]
    returns = batch.returns.numpy()
    np.testing.assert_allclose(returns[ended, 0], paid[ended, 0], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(returns[ended, 1], (paid + 0.7 * following)[ended, 1], rtol=1e-5, atol=1e-5)
    alone = gae(
        rewards[:, 1:],
        values[:, 1:],
        columns.next_row,
        np.where(columns.ending == Ending.TERMINATED, Ending.INTERRUPTED, columns.ending),
        columns.settled,
        columns.starts,
        np.array([0.7], np.float32),
        0.9,
        np.array([False]),
    )
    np.testing.assert_allclose(
        returns[:, 1], (alone + values[:, 1:])[columns.settled, 0], rtol=1e-5, atol=1e-5
    )


@BOTH
def test_in_a_replay_buffer_it_goes_on_beyond_a_true_end_as_well(signal):
    spec = make_spec((3,), branches=(3,))
    learner = learner_of("sac", spec, {"extrinsic": {"gamma": 0.8}, **signal_block(signal, gamma=0.7)})
    drive(ScriptedEnv({"Test": Behavior(spec, crowd(4, 30, 5))}), learner, 30)
    assert isinstance(learner, OffPolicyLearner)
    found = np.unique(np.concatenate([learner.draw().discount for _ in range(20)]), axis=0)
    np.testing.assert_allclose(found, [[0.0, 0.7], [0.8, 0.7]])


@BOTH
def test_the_environment_s_rewards_are_learned_from_as_before_if_its_strength_is_0(signal):
    """And it draws no random number of the learner's."""
    spec = make_spec((4,), continuous=1, branches=(3, 2))
    alone = learner_of("ppo", spec, {"extrinsic": {}})
    both = learner_of("ppo", spec, {"extrinsic": {}, **signal_block(signal, strength=0.0)})
    for learner in (alone, both):
        drive(crowded_env(spec), learner, 12)
        assert learner.step > learner.hyper.buffer_size
    assert torch.equal(alone.generator.get_state(), both.generator.get_state())
    means, _, _ = both.metrics.summarise()
    assert means[f"Policy/{signal.capitalize()} Reward"] == 0.0


@BOTH
@pytest.mark.parametrize("interval", [5, 20])
def test_sac_updates_it_once_for_every_so_many_agent_steps(interval, signal):
    spec = make_spec((4,), continuous=1)
    learner = learner_of("sac", spec, signal_block(signal), reward_signal_steps_per_update=interval)
    sizes: list[int] = []
    learn = signal_of(learner).update

    def watch(rows):
        sizes.append(len(rows.settled))
        return learn(rows)

    signal_of(learner).update = watch  # type: ignore[method-assign]
    env = crowded_env(spec)
    drive(env, learner, 1)
    while not learner.filled:
        drive(env, learner, 1, begin=False)
    start = learner.learned_until
    drive(env, learner, 60, begin=False)
    assert set(sizes) == {8}
    assert len(sizes) == learner.learned_until // interval - start // interval
    assert len(sizes) >= 10


@BOTH
@pytest.mark.parametrize("trainer_type", ["ppo", "a2c"])
def test_a_rollout_is_learned_from_in_as_many_gradient_steps_as_the_policy_takes(trainer_type, signal):
    spec = make_spec((4,), continuous=1)
    hyper = {"num_epoch": 3} if trainer_type == "ppo" else {}
    learner = learner_of(trainer_type, spec, signal_block(signal), **hyper)
    counts = {"policy": 0, "signal": 0}
    for name, optimizer in (("policy", learner.optimizer), ("signal", signal_of(learner).optimizer)):

        def count(*arguments, step=optimizer.step, name=name):
            counts[name] += 1
            return step(*arguments)

        optimizer.step = count  # type: ignore[method-assign]
    assert drive(crowded_env(spec), learner, 30)
    assert counts["policy"] == counts["signal"] > 0


def test_weights_that_are_no_longer_finite_name_the_signal():
    spec = make_spec((4,), continuous=1)
    learner = learner_of("ppo", spec, signal_block("rnd"))
    with torch.no_grad():
        signal_of(learner).network.predictor.layers[0].bias.fill_(math.nan)
    with pytest.raises(UserError, match=r"behavior Test, reward_signals\.rnd: training diverged"):
        drive(crowded_env(spec), learner, 30)


def test_an_image_that_is_too_small_for_its_encoder_names_the_signal():
    block = {"network_settings": {"vis_encode_type": "nature_cnn"}}
    with pytest.raises(UserError, match=r"behavior Test, reward_signals\.rnd: .*nature_cnn needs images"):
        learner_of("ppo", every_kind(ACTIONS["discrete"]), {"rnd": block})


@pytest.mark.parametrize(
    ("block", "told"),
    [
        ({"strength": -0.1}, "strength: expected a number >= 0, got -0.1"),
        ({"learning_rate": 0}, "learning_rate: expected a number > 0, got 0"),
        ({"strenght": 0.1}, "strenght: unknown key; did you mean strength?"),
    ],
)
@BOTH
def test_a_mistake_in_its_block_names_the_key(signal, block, told):
    assert refused(learner_of, "ppo", make_spec((4,), continuous=1), {signal: block}).endswith(
        f"reward_signals.{signal}.{told}"
    )
