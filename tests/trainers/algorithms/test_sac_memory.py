"""SAC with memory: sequences from the replay buffer, what networks see along them, resume."""

import numpy as np
import pytest
import torch
from learner_tools import assert_goes_on_the_same, crowded_env, drive, hand_over
from scripted_env import INDEX, LIFE, Behavior, Life, ScriptedEnv, Visit, crowd
from test_sac import CONTINUOUS, DISCRETE, HYBRID, SPECS, make_sac

SIZE, LENGTH = 8, 4
NETWORK = {"memory": {"memory_size": SIZE, "sequence_length": LENGTH}, "normalize": True}


def remembering(spec, seed=0, **hyper):
    return make_sac(
        spec, {"batch_size": 24, "save_replay_buffer": True, **hyper}, NETWORK, seed, max_steps=1000
    )


@pytest.mark.parametrize("capacity", [60, 400])
def test_drawn_sequences_are_parts_of_episodes_and_begin_with_what_was_remembered(capacity):
    """The agents come, go and skip steps; the small buffer has dropped the first rows."""
    learner = remembering(CONTINUOUS, steps_per_update=1e9, buffer_size=capacity)
    slow = Life(100, tuple(Visit(step, 1.0, 3.0) for step in range(0, 100, 5)))
    env = ScriptedEnv({"Test": Behavior(CONTINUOUS, [*crowd(4, 100, 11, interrupted=True), slow])})
    remembered: dict[tuple[int, int], np.ndarray] = {}
    choose = learner.policy.choose

    def watch(observations, forbidden, deterministic, generator, memory):
        who = observations[0][:, [LIFE, INDEX]].astype(int).tolist()
        remembered.update(zip(map(tuple, who), memory, strict=True))
        return choose(observations, forbidden, deterministic, generator, memory)

    learner.policy.choose = watch  # type: ignore[method-assign]
    drive(env, learner, 100)
    lengths = []
    for _ in range(20):
        batch = learner.draw()
        assert len(batch.reward) == batch.lengths.sum() == 24
        row = 0
        for length, memory in zip(batch.lengths.tolist(), batch.memory, strict=True):
            who = batch.observations[0][row : row + length, [LIFE, INDEX]].astype(int)
            then = batch.next_observations[0][row : row + length, [LIFE, INDEX]].astype(int)
            np.testing.assert_array_equal(memory, remembered[tuple(who[0].tolist())])
            assert (who[:, 0] == who[0, 0]).all()
            assert (np.diff(who[:, 1]) == 1).all()
            np.testing.assert_array_equal(then - who, np.tile([0, 1], (length, 1)))
            lengths.append(length)
            row += length
    assert max(lengths) == LENGTH
    assert min(lengths) < LENGTH
    assert any(memory.any() for memory in remembered.values())


@SPECS
def test_networks_see_along_sequences_what_they_see_row_by_row(spec):
    learner = remembering(spec)
    drive(crowded_env(spec), learner, 40)
    batch, policy = learner.draw(), learner.policy
    seen = learner._see_sequences(batch, True)  # noqa: SLF001
    masks = [
        None if mask is None else torch.from_numpy(mask) for mask in (batch.forbidden, batch.next_forbidden)
    ]
    inputs, following = policy.upload(batch.observations), policy.upload(batch.next_observations)
    kept, row = [], 0
    for number, length in enumerate(batch.lengths.tolist()):
        memory = torch.from_numpy(batch.memory[number])[None]
        states = {critic: [memory, memory] for critic in (policy.critic, learner.target)}
        for place in [*range(row, row + length), None]:
            last = place is None
            at = slice(row + length - 1, row + length) if last else slice(place, place + 1)
            observed = [tensor[at] for tensor in (following if last else inputs)]
            mask = masks[int(last)]
            distribution, memory = policy.recall(observed, None if mask is None else mask[at], memory)
            twins = {}
            for critic, memories in states.items():
                parts = [
                    layer(encoder(observed), start)
                    for layer, encoder, start in zip(critic.memories, critic.encoders, memories, strict=True)
                ]
                states[critic] = [after for _, after in parts]
                twins[critic] = torch.stack([features for features, _ in parts])
            kept.append((distribution, twins[policy.critic], twins[learner.target], place))
        row += length
    now = [place for place, one in enumerate(kept) if one[3] is not None]
    for places, found, shift in ((now, seen.distribution, 0), (now, seen.next_distribution, 1)):
        expected = [kept[place + shift][0] for place in places]
        torch.testing.assert_close(
            found.mean, torch.cat([one.mean for one in expected]), rtol=1e-4, atol=1e-5
        )
        for branch, probabilities in enumerate(found.log_probs):
            parts = torch.cat([one.log_probs[branch] for one in expected])
            torch.testing.assert_close(probabilities, parts, rtol=1e-4, atol=1e-4)
    for found, column, shift in ((seen.inputs, 1, 0), (seen.still, 1, 0), (seen.following, 2, 1)):
        expected = torch.cat([kept[place + shift][column] for place in now], dim=1)
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert seen.inputs.requires_grad
    assert not seen.still.requires_grad
    assert not seen.following.requires_grad


@SPECS
def test_a_step_reaches_every_memory_and_the_policy_moves_no_critic(spec):
    learner = remembering(spec)
    drive(crowded_env(spec), learner, 40)
    learner.learn(learner.draw())
    for layer in (learner.policy.actor_memory, *learner.policy.critic.memories):
        assert all(parameter.grad.abs().sum() > 0 for parameter in layer.parameters())
    learner.policy.trial_loss(learner.policy.prepare([torch.randn(10, 4)])).backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in learner.policy.parameters())


@SPECS
def test_the_loss_of_the_critics_does_not_move_the_actor(spec):
    """The policy at next observations makes the target, which is a constant."""
    learner = remembering(spec, steps_per_update=1e9, actor_interval=2)
    drive(crowded_env(spec), learner, 15)
    learner.updates = 1  # the critics' turn alone
    learner.learn(learner.draw())
    critic, actor, coefficients = learner.optimizer.flat
    assert critic.grad.any()
    assert not actor.grad.any()
    assert not coefficients.grad.any()


@pytest.mark.parametrize("spec", [DISCRETE, HYBRID], ids=["discrete", "hybrid"])
def test_the_next_updates_after_loading_are_bit_for_bit_the_same(spec, tmp_path):
    learner, loaded = (remembering(spec, seed, buffer_size=200, steps_per_update=5) for seed in (3, 4))
    env = crowded_env(spec)
    drive(env, learner, 30)
    hand_over(learner, loaded, tmp_path)
    assert_goes_on_the_same(env, learner, loaded)
