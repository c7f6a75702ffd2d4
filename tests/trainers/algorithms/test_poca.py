"""POCA and MAPPO: who the groupmates are, and what the group's critic sees."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from learner_tools import assert_same, behavior_settings, drive, make_learner, whole_state
from scripted_env import INDEX, LIFE, Behavior, Life, ScriptedEnv, Visit, make_spec

from bridge.onnx_check import check_file
from bridge.onnx_export import export_policy
from trainers.algorithms.group_learner import GroupLearner
from trainers.experience.groups import mates_of
from trainers.experience.store import NO_ROW
from trainers.maths.returns import Ending
from trainers.networks.group_critic import GroupActorCritic, Mates
from trainers.records.checkpoint import save_state
from trainers.training.resuming import restore

HYBRID = make_spec((4,), continuous=1, branches=(3, 2))


def make_poca(trainer_type: str = "poca", spec=HYBRID, **hyper: Any) -> GroupLearner:
    defaults = {"batch_size": 8, "buffer_size": 10_000}
    learner = make_learner(spec, behavior_settings(trainer_type, {**defaults, **hyper}))
    assert isinstance(learner, GroupLearner)
    return learner


def life(agent: int, first: int, end: int, group: int, interrupted: bool = False) -> Life:
    """Pays 100 · agent + step to the agent and 1 to the group at every step after its first."""
    visits = tuple(
        Visit(step, 100 * agent + step, 0.0, float(step > first), group) for step in range(first, end)
    )
    return Life(agent, visits, Visit(end, 100 * agent + end, 0.0, 1.0, group), interrupted)


def played(lives: list[Life], steps: int, trainer_type: str = "poca") -> tuple[GroupLearner, dict, dict]:
    """A learner after so many steps, the row of each (life, index), and the other way round."""
    learner = make_poca(trainer_type)
    drive(ScriptedEnv({"Test": Behavior(HYBRID, lives)}), learner, steps)
    seen = learner.rollout.columns().observations[0][:, [LIFE, INDEX]].astype(int)
    who = {row: tuple(pair) for row, pair in enumerate(seen.tolist())}
    return learner, {pair: row for row, pair in who.items()}, who


def mates(learner: GroupLearner, row: int, who: dict) -> set:
    return {who[mate] for mate in learner.rollout.columns().mates[row] if mate != NO_ROW}


def test_mates_are_the_other_living_members_at_the_same_step() -> None:
    # Life 1 dies alone at step 2; life 2 joins at step 1; life 3 is of another group; life 4 is alone.
    lives = [life(0, 0, 5, 7), life(1, 0, 2, 7), life(2, 1, 5, 7), life(3, 0, 5, 8), life(4, 0, 5, 0)]
    learner, row, who = played(lives, 5)
    assert mates(learner, row[0, 0], who) == {(1, 0)}
    assert mates(learner, row[0, 1], who) == {(1, 1), (2, 0)}
    assert mates(learner, row[0, 2], who) == {(2, 1)}, "the dead member is no mate"
    assert mates(learner, row[1, 2], who) == {(0, 2), (2, 1)}, "the dead agent's value is that of the living"
    for step in range(5):
        assert not mates(learner, row[3, step], who)
        assert not mates(learner, row[4, step], who)
    gone = learner.rollout.columns().gone
    assert {who[index] for index in np.flatnonzero(gone)} == {(1, 2)}


def test_a_death_goes_on_as_long_as_a_mate_lives() -> None:
    lives = [life(0, 0, 4, 7), life(1, 0, 2, 7), life(2, 0, 4, 7)]
    learner, row, _ = played(lives, 5)
    columns = learner.rollout.columns()
    endings = learner.endings(columns)
    assert endings[row[1, 1]] == Ending.CUT
    assert endings[row[0, 3]] == endings[row[2, 3]] == Ending.TERMINATED, (
        "they die together, the last of the group"
    )


def test_members_that_begin_anew_in_the_same_step_are_no_mates_of_the_dead() -> None:
    lives = [life(0, 0, 2, 7), life(1, 0, 2, 7), life(0, 2, 4, 7), life(1, 2, 4, 7)]
    learner, row, who = played(lives, 4)
    assert not mates(learner, row[0, 2], who)
    assert learner.endings(learner.rollout.columns())[row[0, 1]] == Ending.TERMINATED
    assert mates(learner, row[2, 0], who) == {(3, 0)}


@pytest.mark.parametrize("trainer_type", ["poca", "mappo"])
@torch.no_grad()
def test_the_value_at_a_true_end_is_that_of_the_last_observation(trainer_type) -> None:
    """Signals whose value goes on beyond the end count it. Life 0 is alone, and the mate of life 1 has died before."""
    learner, row, _ = played([life(0, 0, 3, 0), life(1, 0, 3, 7), life(2, 0, 2, 7)], 4, trainer_type)
    columns = learner.rollout.columns()
    inputs = learner.policy.upload(columns.observations)
    values, _ = learner.values(columns, inputs, None)
    for last in (row[0, 3], row[1, 3]):
        assert columns.ending[columns.next_row == last] == Ending.TERMINATED
        torch.testing.assert_close(values[[last]], learner.policy.group_value([inputs[0][[last]]], None))
    assert columns.gone[row[2, 2]]


def test_interrupted_members_see_each_other_once_more() -> None:
    lives = [life(0, 0, 2, 7, True), life(1, 0, 2, 7, True)]
    learner, row, who = played(lives, 3)
    assert mates(learner, row[0, 2], who) == {(1, 2)}
    assert not learner.rollout.columns().gone.any()
    assert learner.endings(learner.rollout.columns())[row[0, 1]] == Ending.INTERRUPTED


@pytest.mark.parametrize(("trainer_type", "counted"), [("poca", 100.0), ("mappo", 0.0)])
def test_rewards_of_mates_count_in_poca_alone(trainer_type, counted) -> None:
    learner, row, _ = played([life(0, 0, 3, 7), life(1, 0, 3, 7), life(2, 0, 3, 0)], 4, trainer_type)
    rewards = learner.rewards(learner.rollout.columns())[:, 0]
    for index in (0, 1):
        step = index + 1
        assert rewards[row[0, index]] == step + 1 + (counted + step if counted else 0)
        assert rewards[row[1, index]] == 100 + step + 1 + (step if counted else 0)
        assert rewards[row[2, index]] == 200 + step + 1


def test_mates_keep_their_rows_after_an_update() -> None:
    learner = make_poca(buffer_size=8)
    lives = [life(agent, 0, 30, 7) for agent in range(3)]
    assert drive(ScriptedEnv({"Test": Behavior(HYBRID, lives)}), learner, 10)
    columns = learner.rollout.columns()
    for row, line in enumerate(columns.mates):
        met = columns.observations[0][line[line != NO_ROW]]
        assert len(met) == 2
        assert (met[:, INDEX] == columns.observations[0][row, INDEX]).all()


def test_mates_of_is_the_same_as_a_search_over_all_pairs() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        groups = rng.integers(0, 4, 9)
        rows = rng.permutation(9)
        found = mates_of(groups[:5], rows[:5], groups, rows)
        for index in range(5):
            same = (groups == groups[index]) & (groups > 0) & (rows != rows[index])
            assert sorted(found[index][found[index] != NO_ROW]) == sorted(rows[same])
        assert found.shape[1] == max((found != NO_ROW).sum(1))


def random_mates(network: GroupActorCritic, agents: int, most: int, fill: float = 0.0) -> Mates:
    generator = torch.Generator().manual_seed(3)
    size = network.critic.seen_and_done.in_features - network.critic.encoder.output_size
    seen = torch.randn(agents, most, 4, generator=generator)
    actions = torch.randn(agents, most, size, generator=generator)
    present = torch.ones(agents, most)
    present[:, -1] = 0.0
    seen[:, -1] = actions[:, -1] = fill
    return Mates((seen.flatten(0, 1),), actions, present, torch.zeros(agents))


def test_a_group_s_value_knows_no_order_and_no_filling() -> None:
    network = make_poca().policy
    own = [torch.randn(5, 4, generator=torch.Generator().manual_seed(1))]
    value = network.group_value(own, random_mates(network, 5, 4))
    torch.testing.assert_close(network.group_value(own, random_mates(network, 5, 4, fill=9.0)), value)
    plain = random_mates(network, 5, 4)
    order = torch.tensor([2, 3, 0, 1])
    moved = Mates(
        (plain.inputs[0].view(5, 4, 4)[:, order].flatten(0, 1),),
        plain.actions[:, order],
        plain.present[:, order],
        plain.gone,
    )
    torch.testing.assert_close(network.group_value(own, moved), value)


def test_the_value_sees_no_action_and_the_baseline_those_of_mates() -> None:
    network = make_poca().policy
    own, group = [torch.randn(5, 4)], random_mates(network, 5, 3)
    acted = Mates(group.inputs, group.actions + 1.0, group.present, group.gone)
    torch.testing.assert_close(network.group_value(own, acted), network.group_value(own, group))
    assert (network.group_value(own, acted, True) - network.group_value(own, group, True)).abs().min() > 1e-6


def test_a_dead_agent_is_not_seen() -> None:
    network = make_poca().policy
    group = random_mates(network, 5, 3)
    gone = Mates(group.inputs, group.actions, group.present, torch.ones(5))
    one, other = (network.group_value([torch.full((5, 4), number)], gone) for number in (1.0, -2.0))
    torch.testing.assert_close(one, other)


def test_without_a_group_value_and_baseline_are_one_number() -> None:
    network = make_poca().policy
    own = [torch.randn(5, 4)]
    torch.testing.assert_close(network.group_value(own, None, True), network.group_value(own, None))


def test_an_onnx_of_the_actor_alone_gives_its_actions(tmp_path: Path) -> None:
    policy = make_poca().policy
    path = tmp_path / "Model.onnx"
    export_policy(policy, HYBRID, path)
    assert check_file(path).refused == []
    assert not [name for name in onnx_names(path) if "critic" in name or "value_head" in name]


def onnx_names(path: Path) -> list[str]:
    return [weight.name for weight in onnx.load(str(path)).graph.initializer]


def test_a_resumed_learner_goes_on_bit_for_bit(tmp_path: Path) -> None:
    lives = [life(agent, 0, 80, 7 + agent // 3) for agent in range(6)]
    learner = make_poca(buffer_size=12)
    env = ScriptedEnv({"Test": Behavior(HYBRID, lives)})
    assert drive(env, learner, 20)
    path = tmp_path / "checkpoint.pt"
    save_state(path, whole_state(learner))
    loaded = make_poca(buffer_size=12)
    restore(loaded, path)
    assert_same(loaded.state_dict(), learner.state_dict())
    assert loaded.policy.critic.most == 3.0
