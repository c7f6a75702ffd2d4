"""The replay buffer against a naive list of transitions per agent, under random comings and goings."""

from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from learner_tools import behavior_settings, make_learner
from mlagents_envs.base_env import BehaviorSpec, DecisionSteps, TerminalSteps
from scripted_env import make_spec

from gym_adapters.errors import UserError
from trainers.algorithms.dqn import DQN
from trainers.experience import frames
from trainers.experience.replay import Replay
from trainers.experience.replay_file import load_replay, save_replay
from trainers.experience.store import StepResult
from trainers.maths.returns import Ending
from trainers.networks.policy_network import ActionSample

CHANNELS, SIDE, CHOICES = 3, 2, 3
SPEC = make_spec((2,), (CHANNELS, SIDE, SIDE), branches=(CHOICES,))
GAMMA = 0.9


@dataclass
class Episode:
    """What one agent saw, did and earned, decision by decision."""

    rows: list[int] = field(default_factory=list)
    seen: list[list[np.ndarray]] = field(default_factory=list)
    forbidden: list[np.ndarray] = field(default_factory=list)
    actions: list[int] = field(default_factory=list)
    rewards: list[float] = field(default_factory=list)
    terminated: bool = False
    last: list[np.ndarray] | None = None
    forgotten: bool = False


class Playground:
    """Agents that come, skip steps, end in three ways and come again, and the list of what happened to each."""

    def __init__(self, seed: int, capacity: int, shifting: float) -> None:
        self.rng = np.random.default_rng(seed)
        self.shifting = shifting
        hyper = {
            "buffer_size": capacity,
            "batch_size": 1,
            "steps_per_update": 1e9,
            "exploration_initial_eps": 1,
        }
        learner = make_learner(SPEC, behavior_settings("dqn", hyper, {"vis_encode_type": "fully_connected"}))
        assert isinstance(learner, DQN)
        self.learner = learner
        self.living: dict[int, Episode] = {}
        self.episodes: list[Episode] = []
        self.rows = 0

    def look(self, episode: Episode | None) -> list[np.ndarray]:
        """An observation: mostly the last image moved on by one channel, sometimes a new one."""
        vector = self.rng.normal(size=2).astype(np.float32)
        fresh = self.rng.integers(0, 256, (1, SIDE, SIDE), np.uint8)
        if episode is not None and episode.seen and self.rng.random() < self.shifting:
            return [vector, np.concatenate([episode.seen[-1][1][1:], fresh])]
        if self.rng.random() < 0.5:
            return [vector, np.repeat(fresh, CHANNELS, axis=0)]
        return [vector, self.rng.integers(0, 256, (CHANNELS, SIDE, SIDE), np.uint8)]

    def step(self) -> None:
        if self.rng.random() < 0.05:
            self.learner.forget_agents()
            self.living = {}
        ending = [agent for agent in self.living if self.rng.random() < 0.15]
        ended, rewards, interrupted, last = [], [], [], []
        for agent in ending:
            episode = self.living.pop(agent)
            ended.append(agent)
            rewards.append(float(self.rng.normal()))
            interrupted.append(bool(self.rng.random() < 0.5))
            last.append(self.look(episode))
            episode.rewards.append(rewards[-1])
            episode.last, episode.terminated = last[-1], not interrupted[-1]
            self.rows += 1
        asking = [agent for agent in range(7) if self.rng.random() < 0.6]
        self.rng.shuffle(asking)
        observations = [self.look(self.living.get(agent)) for agent in asking]
        masks = self.rng.random((len(asking), CHOICES)) < 0.4
        masks[np.arange(len(asking)), self.rng.integers(CHOICES, size=len(asking))] = False
        earned = self.rng.normal(size=len(asking)).astype(np.float32)
        decision = DecisionSteps(
            stack(observations), earned, np.array(asking, np.int32), [masks], *groups(len(asking))
        )
        terminal = TerminalSteps(
            stack(last),
            np.array(rewards, np.float32),
            np.array(interrupted, bool),
            np.array(ended, np.int32),
            *groups(len(ended)),
        )
        actor = self.learner.actor("Test")
        batch = actor.observe(decision, terminal)
        actions = actor.act(batch).discrete[:, 0] if asking else []
        for agent, seen, mask, reward, action in zip(
            asking, observations, masks, earned, actions, strict=True
        ):
            if agent not in self.living:
                self.living[agent] = Episode()
                self.episodes.append(self.living[agent])
            else:
                self.living[agent].rewards.append(float(reward))
            episode = self.living[agent]
            episode.rows.append(self.rows)
            episode.seen.append(seen)
            episode.forbidden.append(mask)
            episode.actions.append(int(action))
            self.rows += 1

    def expected(self, n_step: int) -> dict[int, tuple]:
        """By row: seen, action, summed reward, where it led, what was forbidden there, discount."""
        found = {}
        oldest = self.rows - self.learner.replay.capacity
        for episode in self.episodes:
            for start in range(len(episode.rewards)):
                if episode.rows[start] < oldest:
                    continue
                total, discount, here = 0.0, 1.0, start
                while here < min(start + n_step, len(episode.rewards)):
                    total += discount * episode.rewards[here]
                    discount *= GAMMA
                    here += 1
                mask = np.zeros(CHOICES, bool)
                if here < len(episode.seen):
                    following, mask = episode.seen[here], episode.forbidden[here]
                else:
                    following = episode.last
                    discount *= not episode.terminated
                seen, action = episode.seen[start], episode.actions[start]
                found[episode.rows[start]] = (seen, action, total, following, mask, discount)
        return found


def stack(observations: list[list[np.ndarray]]) -> list[np.ndarray]:
    if not observations:
        return [np.zeros((0, 2), np.float32), np.zeros((0, CHANNELS, SIDE, SIDE), np.uint8)]
    return [np.stack(column) for column in zip(*observations, strict=True)]


def groups(count: int) -> tuple[np.ndarray, np.ndarray]:
    return np.zeros(count, np.int32), np.zeros(count, np.float32)


def check(replay: Replay, expected: dict[int, tuple], n_step: int) -> None:
    rows = np.array(sorted(expected), np.int64)
    assert replay.settled_rows == len(rows)
    if not len(rows):
        return
    generator = torch.Generator().manual_seed(0)
    assert set(replay.draw(30 * len(rows), generator)) <= set(rows)
    found = replay.transitions(rows, [GAMMA], n_step)
    for index, row in enumerate(rows):
        seen, action, reward, following, mask, discount = expected[row]
        for column, values in zip(found.observations, seen, strict=True):
            np.testing.assert_array_equal(column[index], values)
        assert found.discrete[index, 0] == action
        assert found.reward[index, 0] == pytest.approx(reward, abs=1e-5)
        assert found.discount[index, 0] == pytest.approx(discount)
        for column, values in zip(found.next_observations, following, strict=True):
            np.testing.assert_array_equal(column[index], values)
        assert found.next_forbidden is not None
        np.testing.assert_array_equal(found.next_forbidden[index], mask)


@settings(deadline=None, max_examples=25)
@given(
    seed=st.integers(0, 10**6),
    capacity=st.integers(21, 200),
    steps=st.integers(1, 80),
    shifting=st.sampled_from([0.0, 0.7, 1.0]),
    n_step=st.integers(1, 4),
)
def test_every_transition_is_the_one_a_naive_list_holds(seed, capacity, steps, shifting, n_step):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(frames, "CHUNK_BYTES", 1)  # the smallest chunks, so that many are freed
        playground = Playground(seed, capacity, shifting)
        for _ in range(steps):
            playground.step()
    check(playground.learner.replay, playground.expected(n_step), n_step)


def test_a_saved_buffer_is_the_same_and_goes_on_and_fewer_rows_keep_the_newest(tmp_path):
    playground = Playground(3, 150, 0.8)
    for _ in range(100):
        playground.step()
    replay = playground.learner.replay
    save_replay(replay, tmp_path / "replay.npz")
    for capacity in (150, 60, 400):
        loaded = Replay(SPEC, capacity)
        load_replay(loaded, tmp_path / "replay.npz")
        kept = {row: known for row, known in playground.expected(2).items() if row >= loaded.total - capacity}
        check(loaded, kept, 2)
        rows = np.array(sorted(kept))
        loaded.append(*opened(5))
        assert loaded.total == replay.total + 5
        alive = rows[rows >= loaded.first]
        np.testing.assert_array_equal(
            loaded.transitions(alive, [GAMMA]).observations[1],
            replay.transitions(alive, [GAMMA]).observations[1],
        )


def opened(count: int) -> tuple[list[np.ndarray], None, np.ndarray]:
    images = np.zeros((count, CHANNELS, SIDE, SIDE), np.uint8)
    return [np.zeros((count, 2), np.float32), images], None, np.full(count, -1)


@pytest.mark.parametrize("content", [b"", b"PK not a zip", None])
def test_a_damaged_file_is_one_error_that_names_it(content, tmp_path):
    path = tmp_path / "replay.npz"
    if content is None:
        np.savez(path, rows=np.arange(3))
    else:
        path.write_bytes(content)
    with pytest.raises(UserError, match=r"replay\.npz") as caught:
        load_replay(Replay(SPEC, 10), path)
    assert "\n" not in str(caught.value)


def test_a_file_with_python_objects_is_refused(tmp_path):
    np.savez(tmp_path / "replay.npz", rows=np.array([{}], object))
    with pytest.raises(UserError, match=r"replay\.npz"):
        load_replay(Replay(SPEC, 10), tmp_path / "replay.npz")


def test_more_agents_than_rows_is_a_user_error():
    with pytest.raises(UserError, match=r"buffer_size \(4\)"):
        Replay(SPEC, 4).append(*opened(5))


def test_stacked_frames_are_held_once(monkeypatch):
    """So 350,000 transitions of four stacked 84 x 84 frames take less than 3 GiB."""
    monkeypatch.setattr(frames, "CHUNK_BYTES", 2**20)
    capacity, agents = 3000, 8
    replay = Replay(atari_spec(), capacity)
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (agents, 4, 84, 84), np.uint8)
    rows = np.full(agents, -1)
    for _ in range(2 * capacity // agents):
        image = np.concatenate([image[:, 1:], rng.integers(0, 256, (agents, 1, 84, 84), np.uint8)], axis=1)
        following = replay.append([image], None, rows)
        if rows[0] >= 0:
            replay.settle(paid(rows, following, Ending.GOES_ON))
        replay.decide(following, nothing_done(agents))
        rows = following
    per_row = (replay.bytes_held - 4 * 2**20) / capacity
    assert per_row < 7056 + 120
    assert 350_000 * per_row + 4 * 2**25 < 3 * 2**30
    np.testing.assert_array_equal(replay.transitions(rows - agents, [0.9]).next_observations[0], image)


def paid(rows: np.ndarray, following: np.ndarray, ending: Ending) -> StepResult:
    nothing = np.zeros(len(rows), np.float32)
    return StepResult(rows, nothing, nothing, following, np.full(len(rows), ending, np.int8))


def nothing_done(count: int) -> ActionSample:
    nothing = np.zeros((count, 0), np.float32)
    return ActionSample(nothing, np.zeros((count, 1), np.int64), nothing)


def atari_spec() -> BehaviorSpec:
    return make_spec((4, 84, 84), branches=(7,))


def test_draws_are_even_over_the_decisions_that_have_been_paid():
    replay = Replay(make_spec((1,), branches=(2,)), 100)
    rows = replay.append([np.arange(100, dtype=np.float32)[:, None]], None, np.full(100, -1))
    replay.decide(rows, nothing_done(100))
    for some in (rows[10:14], rows[20:80]):
        replay.settle(paid(some, np.full(len(some), -1), Ending.TERMINATED))
        closed = replay.settled_rows
        counts = np.bincount(replay.draw(closed * 1000, torch.Generator().manual_seed(1)), minlength=100)
        assert (counts > 0).sum() == closed
        assert abs(counts[counts > 0] - 1000).max() < 160
