"""What an update does to a policy and its critic."""

import math

import numpy as np
import pytest
import torch
from learner_tools import behavior_settings, drive, log_ratio, make_learner, scripted_run, watch_minibatches
from mlagents_envs.base_env import BehaviorSpec
from scripted_env import INDEX, LIFE, Behavior, Life, ScriptedEnv, Visit, crowd, make_spec

from trainers.algorithms.on_policy import OnPolicyLearner
from trainers.config import BehaviorSettings
from trainers.experience.batch import Batch
from trainers.experience.rollout import Columns

KINDS = {
    "continuous": ({"continuous": 3}, False),
    "discrete": ({"branches": (4,)}, False),
    "branches with masks": ({"branches": (3, 2, 4)}, True),
    "hybrid": ({"continuous": 2, "branches": (3,)}, False),
    "hybrid with masks": ({"continuous": 1, "branches": (3, 2)}, True),
}


@pytest.mark.parametrize("trainer_type", ["ppo", "a2c"])
@pytest.mark.parametrize("kind", KINDS)
def test_ratio_is_one_on_the_first_minibatch_of_every_rollout(kind, trainer_type):
    actions, masked = KINDS[kind]
    spec = make_spec((6,), **actions)
    learner = make_learner(
        spec,
        behavior_settings(
            trainer_type,
            {
                "buffer_size": 64,
                "batch_size": 64,
                "learning_rate": 0.02,
                "learning_rate_schedule": "constant",
            },
            {"normalize": True},
        ),
    )
    seen = watch_minibatches(learner)
    updates = drive(ScriptedEnv({"Test": Behavior(spec, crowd(5, 60, 9), masked)}), learner, 60)
    _, *updates = updates  # the first only tells the normaliser what observations look like
    assert len(updates) >= 3
    passes = len(seen) // len(updates)
    assert max(log_ratio(minibatch).max().item() for minibatch in seen[::passes]) < 1e-5
    if trainer_type == "ppo":  # and the policy really moves from then on
        assert all(log_ratio(minibatch).max() > 1e-3 for minibatch in seen[1::passes])


def test_a_decision_that_waits_through_an_update_keeps_the_probability_it_was_made_with():
    spec = make_spec((3,), continuous=1, branches=(3,))
    slow = Life(100, tuple(Visit(step, 1.0, 3.0) for step in range(0, 60, 6)))
    env = ScriptedEnv({"Test": Behavior(spec, [slow, *crowd(4, 60, 7)])})
    learner = make_learner(
        spec,
        behavior_settings(
            hyperparameters={"buffer_size": 32, "batch_size": 32, "learning_rate": 0.02},
            network={"normalize": True},
        ),
    )
    prepare = learner.prepare
    changes: list[dict[tuple[int, int], float]] = []

    def compare(columns: Columns, inputs: tuple[torch.Tensor, ...]) -> Batch:
        batch = prepare(columns, inputs)
        rows = columns.observations[0][columns.settled][:, [LIFE, INDEX]].astype(int).tolist()
        with torch.no_grad():
            log_prob = learner.policy.distribution(batch.inputs, None).log_prob(batch.actions)
        difference = (log_prob - batch.log_prob).sum(1).abs().tolist()
        changes.append(dict(zip(map(tuple, rows), difference, strict=True)))
        return batch

    learner.prepare = compare  # type: ignore[method-assign]
    updates = drive(env, learner, 60)

    assert len(updates) == len(changes) + 1  # the first only tells the normaliser what observations look like
    assert len(changes) >= 4
    fresh, carried = [], []
    for last_update, differences in zip(updates, changes, strict=False):
        for (life, index), difference in differences.items():
            made_at = env.behaviors["Test"].lives[life].visits[index].step
            (fresh if made_at >= last_update else carried).append(difference)
    assert max(fresh) < 1e-5
    assert len(carried) >= 3
    assert min(carried) > 1e-4


def test_every_pass_takes_whole_minibatches_of_different_decisions_in_new_order():
    _, seen, updates = scripted_run(num_epoch=3)
    assert len(updates) >= 3
    per_update = len(seen) // len(updates)
    per_pass = per_update // 3
    assert per_pass == 4
    for start in range(0, len(seen), per_pass):
        minibatches = [batch for batch, _ in seen[start : start + per_pass]]
        assert {len(batch) for batch in minibatches} == {8}
        rows = [tuple(row) for batch in minibatches for row in batch.inputs[0].tolist()]
        assert len(set(rows)) == len(rows)
    orders = {tuple(seen[start][0].log_prob.flatten().tolist()) for start in range(0, per_update, per_pass)}
    assert len(orders) == 3


@pytest.mark.parametrize("clipped", [True, False])
@pytest.mark.parametrize(("trainer_type", "ratio"), [("ppo", "part"), ("ppo", "action"), ("a2c", "")])
def test_total_loss_is_policy_plus_value_minus_entropy_with_their_weights(trainer_type, ratio, clipped):
    """Every term written out again from the formulas; A2C knows no clipping."""
    spec = make_spec((3,), continuous=1, branches=(3,))
    keys = {"buffer_size": 24, "batch_size": 8, "value_coefficient": 0.7, "beta": 0.05}
    if trainer_type == "ppo":
        keys |= {
            "policy_ratio": ratio,
            "epsilon": 0.15,
            "clip_value_loss": clipped,
            "num_epoch": 4,
            "learning_rate": 0.02,
        }
    keys["learning_rate_schedule"] = keys["beta_schedule"] = "constant"
    learner = make_learner(spec, behavior_settings(trainer_type, keys))
    losses: list[tuple[float, float]] = []
    batches = watch_minibatches(learner)
    descend = learner.optimizer.descend

    def compare(loss: torch.Tensor) -> torch.Tensor:
        losses.append((loss.item(), loss_by_hand(learner, batches[-1][0], ratio, clipped)))
        return descend(loss)

    learner.optimizer.descend = compare  # type: ignore[method-assign]
    drive(ScriptedEnv({"Test": Behavior(spec, crowd(4, 30, 7))}), learner, 30)
    assert len(losses) >= 10
    assert [found for found, _ in losses] == pytest.approx([expected for _, expected in losses], rel=1e-4)


@torch.no_grad()
def loss_by_hand(learner: OnPolicyLearner, batch: Batch, ratios: str, clipped: bool) -> float:
    distribution, values = learner.policy(batch.inputs, batch.forbidden)
    log_prob = distribution.log_prob(batch.actions)
    total = 0.0
    for row in range(len(batch)):
        advantage, target = batch.advantage[row].item(), batch.returns[row, 0].item()
        value, old = values[row, 0].item(), batch.value[row, 0].item()
        error = (value - target) ** 2
        if ratios:
            moved = (log_prob[row] - batch.log_prob[row]).tolist()
            gains = [
                min(ratio * advantage, np.clip(ratio, 0.85, 1.15) * advantage)
                for ratio in np.exp(moved if ratios == "part" else [sum(moved)])
            ]
            gain = sum(gains) / len(gains)
            if clipped:
                error = max(error, (old + np.clip(value - old, -0.15, 0.15) - target) ** 2)
        else:
            importance = (log_prob[row] - batch.log_prob[row]).exp()
            gain = (importance * log_prob[row]).sum().item() * advantage
        total += -gain + 0.7 * error - 0.05 * distribution.entropy()[row].item()
    return total / len(batch)


@pytest.mark.parametrize("over", ["buffer", "minibatch", "none"])
def test_advantages_are_standardised_over_what_the_key_says(over):
    _, seen, updates = scripted_run(normalize_advantage=over, num_epoch=1)
    minibatches = [batch.advantage for batch, _ in seen]
    whole = [torch.cat(minibatches[start : start + 4]) for start in range(0, 4 * len(updates), 4)]
    standard = {
        "minibatch": [is_standard(advantage) for advantage in minibatches],
        "buffer": [is_standard(advantage) for advantage in whole if len(advantage) == 32],
    }
    assert all(standard["minibatch"]) == (over == "minibatch")
    assert all(standard["buffer"]) == (over != "none")


def is_standard(values: torch.Tensor) -> bool:
    return abs(values.mean().item()) < 1e-4 and abs(values.std(unbiased=False).item() - 1.0) < 1e-4


def test_passes_end_early_when_the_policy_has_moved_too_far():
    free, far = (scripted_run(num_epoch=10, learning_rate=0.05, target_kl=target) for target in (None, 1e-6))
    assert len(free[1]) == 10 * 4 * len(free[2])
    assert len(far[1]) == 4 * len(far[2])


def test_gradients_are_shortened_to_the_limit():
    spec = make_spec((3,), continuous=1)
    learner = make_learner(
        spec, behavior_settings(hyperparameters={"buffer_size": 16, "batch_size": 16, "max_grad_norm": 0.25})
    )
    norms = []
    step = learner.optimizer.step

    def watched() -> float:
        before = step()
        norms.append(learner.optimizer.gradient.norm().item())
        assert norms[-1] == pytest.approx(min(before, 0.25), rel=1e-4)
        return before

    learner.optimizer.step = watched  # type: ignore[method-assign]
    drive(ScriptedEnv({"Test": Behavior(spec, crowd(4, 20, 6))}), learner, 20)
    assert len(norms) >= 3
    assert max(norms) <= 0.25 * (1 + 1e-4)
    assert max(norms) > 0.2, "rewards and values are large enough for the limit to bind"


@pytest.mark.parametrize("shared", [False, True])
def test_critic_has_its_own_learning_rate(shared):
    learner, _, _ = scripted_run(
        learning_rate=1e-12,
        critic_learning_rate=1e-2,
        shared_critic=shared,
        learning_rate_schedule="constant",
    )
    start = make_learner(learner.spec, learner.settings)
    moved = {
        name
        for name, tensor in learner.policy.state_dict().items()
        if not torch.allclose(tensor, start.policy.state_dict()[name], atol=1e-6)
    }
    assert any(name.startswith("value_head") for name in moved)
    assert not any(name.startswith(("mean_head", "logits_head", "log_std", "actor")) for name in moved)


@pytest.mark.parametrize("recompute", [True, False])
def test_advantages_follow_the_critic_from_pass_to_pass_if_asked(recompute):
    _, seen, updates = scripted_run(num_epoch=3, recompute_advantage=recompute, learning_rate=0.02)
    assert len(updates) >= 3
    per_pass = len(seen) // len(updates) // 3
    passes = [seen[start : start + per_pass] for start in range(0, 3 * per_pass, per_pass)]
    returns = [
        {
            tuple(row.tolist()): target.item()
            for batch, _ in one
            for row, target in zip(batch.inputs[0], batch.returns, strict=True)
        }
        for one in passes
    ]
    shared = set.intersection(*(set(one) for one in returns))
    assert len(shared) >= 8
    moved = [abs(returns[0][row] - returns[2][row]) for row in shared]
    assert (max(moved) > 1e-4) == recompute


@pytest.mark.parametrize("recompute", [True, False])
def test_values_are_clipped_around_those_before_the_update_in_every_pass(recompute):
    _, seen, updates = scripted_run(
        num_epoch=3, recompute_advantage=recompute, clip_value_loss=True, learning_rate=0.02
    )
    per_update = len(seen) // len(updates)
    moved = []
    for begin in range(0, len(seen), per_update):
        first: dict[tuple, tuple[float, float]] = {}
        for batch, _ in seen[begin : begin + per_update]:
            for row, value, target in zip(batch.inputs[0], batch.value, batch.returns, strict=True):
                old = first.setdefault(tuple(row.tolist()), (value.item(), target.item()))
                assert value.item() == old[0]
                moved.append(abs(target.item() - old[1]))
    assert (max(moved) > 1e-3) == recompute, "what the critic learns does move from pass to pass"


@pytest.mark.parametrize("numpy_path", [True, False])
def test_figures_tell_how_far_the_policy_moved(numpy_path):
    """The first minibatch is the policy that acted: no divergence, no clipped ratio. Large steps then show."""
    spec = make_spec((3,), continuous=1, branches=(3,))
    keys = {"buffer_size": 24, "batch_size": 24, "num_epoch": 1, "learning_rate": 0.3, "epsilon": 0.1}
    keys |= {"learning_rate_schedule": "constant", "epsilon_schedule": "constant"}
    first, *_, later = figures_of(behavior_settings("ppo", keys), spec, numpy_path)
    assert first["Policy/Approximate KL"] == pytest.approx(0.0, abs=1e-6)
    assert first["Policy/Clip Fraction"] == 0.0
    assert first["Policy/Action Deviation"] > 0.0
    first, *_, later = figures_of(behavior_settings("ppo", {**keys, "num_epoch": 4}), spec, numpy_path)
    assert first["Policy/Approximate KL"] > 1e-3
    assert 0.0 < first["Policy/Clip Fraction"] <= 1.0
    assert 0.0 < first["Losses/Gradient Norm"] < math.inf
    assert later["Policy/Extrinsic Explained Variance"] <= 1.0


def test_only_what_an_algorithm_does_is_reported():
    """A2C clips no ratio, and discrete actions have no deviation."""
    spec = make_spec((3,), branches=(3,))
    settings = behavior_settings("a2c", {"buffer_size": 24, "batch_size": 24})
    (first, *_) = figures_of(settings, spec, True)
    assert "Policy/Approximate KL" in first
    assert not {"Policy/Clip Fraction", "Policy/Action Deviation"} & set(first)


def figures_of(settings: BehaviorSettings, spec: BehaviorSpec, numpy_path: bool) -> list[dict[str, float]]:
    """The figures of each update."""
    learner = make_learner(spec, settings)
    if not numpy_path:
        learner.numpy_path = None
    found: list[dict[str, float]] = []
    update = learner.update

    def watched() -> None:
        learner.metrics.summarise()
        update()
        found.append(learner.metrics.summarise()[0])

    learner.update = watched  # type: ignore[method-assign]
    drive(ScriptedEnv({"Test": Behavior(spec, crowd(4, 30, 7))}), learner, 30)
    assert len(found) >= 2
    return found
