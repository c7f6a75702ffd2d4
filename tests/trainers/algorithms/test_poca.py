"""POCA and MAPPO: who the groupmates are, what the group's critic sees, and credit for each member."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from learner_tools import assert_same, behavior_settings, drive, make_learner, whole_state
from mlagents_envs.base_env import ActionTuple, DecisionSteps, TerminalSteps
from scripted_env import INDEX, LIFE, Behavior, Life, ScriptedEnv, Visit, make_spec
from task_envs import TaskEnv, one_hot

from bridge.onnx_check import check_file
from bridge.onnx_export import export_policy
from trainers import load_policy, train
from trainers.algorithms.poca import POCA
from trainers.experience.groups import mates_of
from trainers.experience.store import NO_ROW
from trainers.maths.returns import Ending
from trainers.networks.group_critic import GroupActorCritic, Mates
from trainers.records.checkpoint import save_state
from trainers.training.resuming import restore

SEEDS = range(int(os.environ.get("GAME_SEEDS", "1")))
"""Seeds of the games that are learned; GAME_SEEDS=5 in the environment plays five of each."""
HYBRID = make_spec((4,), continuous=1, branches=(3, 2))


def make_poca(trainer_type: str = "poca", spec=HYBRID, **hyper: Any) -> POCA:
    defaults = {"batch_size": 8, "buffer_size": 10_000}
    learner = make_learner(spec, behavior_settings(trainer_type, {**defaults, **hyper}))
    assert isinstance(learner, POCA)
    return learner


def life(agent: int, first: int, end: int, group: int, interrupted: bool = False) -> Life:
    """Pays 100 · agent + step to the agent and 1 to the group at every step after its first."""
    visits = tuple(
        Visit(step, 100 * agent + step, 0.0, float(step > first), group) for step in range(first, end)
    )
    return Life(agent, visits, Visit(end, 100 * agent + end, 0.0, 1.0, group), interrupted)


def played(lives: list[Life], steps: int, trainer_type: str = "poca") -> tuple[POCA, dict, dict]:
    """A learner after so many steps, the row of each (life, index), and the other way round."""
    learner = make_poca(trainer_type)
    drive(ScriptedEnv({"Test": Behavior(HYBRID, lives)}), learner, steps)
    seen = learner.rollout.columns().observations[0][:, [LIFE, INDEX]].astype(int)
    who = {row: tuple(pair) for row, pair in enumerate(seen.tolist())}
    return learner, {pair: row for row, pair in who.items()}, who


def mates(learner: POCA, row: int, who: dict) -> set:
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


class Groups(TaskEnv):
    """Pairs of agents that are paid together: rows 2k and 2k + 1 are a group. All begin at the same time."""

    def reset(self) -> None:
        super().reset()
        self.age[:] = 0
        self.observations, self.masks = self.look(self.rng, self.age)
        nobody = np.arange(0)
        self.steps = (
            self._decision(np.arange(self.agents), np.zeros(self.agents)),
            self._terminal(nobody, np.zeros(0)),
        )

    def _decision(self, rows: np.ndarray, reward: np.ndarray) -> DecisionSteps:
        steps = super()._decision(rows, reward)
        steps.group_id, steps.group_reward = (rows // 2 + 1).astype(np.int32), steps.reward
        steps.reward = np.zeros_like(steps.reward)
        return steps

    def _terminal(self, rows: np.ndarray, reward: np.ndarray) -> TerminalSteps:
        steps = super()._terminal(rows, reward)
        steps.group_id, steps.group_reward = (rows // 2 + 1).astype(np.int32), steps.reward
        steps.reward = np.zeros_like(steps.reward)
        return steps


def one_that_counts() -> Groups:
    """Each sees a number and who it is. Both are paid if the first one names its number; the second is noise."""

    def look(rng, age):
        seen = one_hot(rng.integers(3, size=len(age)), 3)
        return [np.concatenate([seen, one_hot(np.arange(len(age)) % 2, 2)], axis=1)], None

    def pay(observations, action: ActionTuple) -> np.ndarray:
        right = observations[0][:, :3].argmax(1) == action.discrete[:, 0]
        return np.repeat(right[::2], 2).astype(np.float32)

    return Groups(make_spec((5,), branches=(3,)), look, pay, agents=32, length=1)


@pytest.mark.parametrize("seed", SEEDS)
def test_an_agent_whose_actions_change_nothing_gets_no_credit(seed: int) -> None:
    env = one_that_counts()
    hyper = {"batch_size": 128, "buffer_size": 512, "num_epoch": 8, "learning_rate": 0.005}
    learner = make_learner(
        env.spec, behavior_settings("poca", hyper, {"hidden_units": 32}, gamma=0.0, max_steps=100_000), seed
    )
    advantages: list[np.ndarray] = []
    prepare = learner.prepare

    def watched(columns, inputs):
        batch = prepare(columns, inputs)
        credit = (batch.returns - batch.baseline)[:, 0].abs().numpy()
        second = columns.observations[0][batch.rows, 4] == 1.0
        advantages.append(np.array([credit[~second].mean(), credit[second].mean()]))
        return batch

    learner.prepare = watched  # type: ignore[method-assign]
    learner.hyper = learner.hyper.model_copy(update={"learning_rate_schedule": "constant"})
    drive(env, learner, 90, name="Task")
    first, second = np.mean(
        advantages[2:5], axis=0
    )  # the first agent is still learning, the baseline has learned
    assert second < 0.08
    assert second < 0.2 * first


class TwoSteps(Groups):
    """The first agent's choice leads to a state that always pays 7, or to one that pays 8 if both then choose 1."""

    def __init__(self, seed: int) -> None:
        self.state = np.zeros(32, np.int64)

        def look(rng, age):
            del rng
            state = np.where(age % 2 == 0, 0, self.state)
            return [np.concatenate([one_hot(state, 3), one_hot(np.arange(len(age)) % 2, 2)], axis=1)], None

        def pay(observations, action: ActionTuple) -> np.ndarray:
            choice, state = action.discrete[:, 0], observations[0][:, :3].argmax(1)
            first, second = choice[::2], choice[1::2]
            matrix = np.array([[0.0, 1.0], [1.0, 8.0]])[first, second]
            paid = np.select([state[::2] == 0, state[::2] == 1], [0.0, 7.0], matrix)
            self.state = np.repeat(np.where(state[::2] == 0, 1 + first, 0), 2)
            return np.repeat(paid, 2).astype(np.float32)

        super().__init__(make_spec((5,), branches=(2,)), look, pay, agents=32, length=2, seed=seed)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("trainer_type", ["poca", "mappo"])
def test_the_best_of_a_two_step_game_is_found(trainer_type: str, seed: int) -> None:
    train(
        TwoSteps(seed),
        {
            "default_settings": {
                "trainer_type": trainer_type,
                "hyperparameters": {
                    "batch_size": 256,
                    "buffer_size": 1024,
                    "learning_rate": 0.005,
                    "num_epoch": 4,
                    "beta": 0.3,
                },
                "max_steps": 40_000,
                "network_settings": {"hidden_units": 32, "num_layers": 1},
                "reward_signals": {"extrinsic": {"gamma": 1.0}},
            },
            "env_settings": {"seed": seed},
            "checkpoint_settings": {"run_id": "game"},
        },
    )
    policy = load_policy(Path("runs", "game"))
    choices = [
        policy.act([np.concatenate([one_hot(np.full(2, state), 3), np.eye(2, dtype=np.float32)], axis=1)])
        for state in (0, 2)
    ]
    assert choices[0].discrete[0, 0] == 1
    assert choices[1].discrete[:, 0].tolist() == [1, 1]


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
