"""The adapter's steps are Gymnasium's own, in ML-Agents' terms."""

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from mlagents_envs.base_env import ActionTuple
from mlagents_envs.exception import UnityActionException
from small_envs import NAME, Counter, counters, random_action

from gym_adapters import UserError, VectorEnvAdapter, behavior_name, make_env
from gym_adapters.action_spaces import ActionMapping

MODES = list(AutoresetMode)


def test_a_single_environment_is_refused():
    with pytest.raises(UserError, match=r"vector_env: TimeLimit is one environment; write .*SyncVectorEnv"):
        VectorEnvAdapter(gymnasium.make("CartPole-v1"), NAME)


def assert_same_steps(adapter: VectorEnvAdapter, name: str, reference, seed: int, steps: int) -> int:
    """Steps both with the same actions and compares everything; gives the number of endings."""
    rng = np.random.default_rng(0)
    mapping = ActionMapping(reference.single_action_space)
    everyone = np.arange(reference.num_envs)
    adapter.reset()
    observation, _ = reference.reset(seed=seed)
    np.testing.assert_array_equal(adapter.get_steps(name)[0].obs[0], _as_given(observation))
    endings = 0
    for _ in range(steps):
        action = random_action(rng, mapping.spec, reference.num_envs)
        adapter.set_actions(name, action)
        adapter.step()
        observation, reward, terminated, truncated, infos = reference.step(mapping.convert(action))
        reward = reward.astype(np.float32)
        ended = terminated | truncated
        decisions, terminals = adapter.get_steps(name)

        np.testing.assert_array_equal(decisions.agent_id, everyone)
        np.testing.assert_array_equal(decisions.obs[0], _as_given(observation))
        np.testing.assert_array_equal(decisions.reward, np.where(ended, 0, reward))
        np.testing.assert_array_equal(terminals.agent_id, everyone[ended])
        np.testing.assert_array_equal(terminals.reward, reward[ended])
        np.testing.assert_array_equal(terminals.interrupted, (truncated & ~terminated)[ended])
        for row, agent in enumerate(terminals.agent_id):
            last = _as_given(np.asarray(infos["final_obs"][agent]))
            np.testing.assert_array_equal(terminals.obs[0][row], last)
        endings += int(ended.sum())
    adapter.close()
    reference.close()
    return endings


def _as_given(observation: np.ndarray) -> np.ndarray:
    return observation if observation.dtype == np.uint8 else observation.astype(np.float32)


@pytest.mark.parametrize("env_id", ["CartPole-v1", "Pendulum-v1", "Acrobot-v1", "MountainCarContinuous-v0"])
def test_steps_equal_gymnasium(env_id):
    reference = gymnasium.make_vec(
        env_id, 10, "sync", vector_kwargs={"autoreset_mode": AutoresetMode.SAME_STEP}
    )
    adapter = make_env(env_id, 10, seed=3)
    endings = assert_same_steps(adapter, behavior_name(env_id), reference, seed=3, steps=520)
    assert endings > 0 or env_id == "MountainCarContinuous-v0"


def episodes(adapter: VectorEnvAdapter, steps: int) -> dict[int, list[tuple]]:
    """What each agent saw: (observation, reward, "first" / "later" / how it ended) in its own order."""
    seen: dict[int, list[tuple]] = {agent: [] for agent in range(adapter.num_envs)}
    running: set[int] = set()
    adapter.reset()
    for _ in range(steps):
        decisions, terminals = adapter.get_steps(NAME)
        for row, agent in enumerate(terminals.agent_id):
            ending = "interrupted" if terminals.interrupted[row] else "terminated"
            seen[agent].append((*terminals.obs[0][row], terminals.reward[row], ending))
            running.discard(agent)
        for row, agent in enumerate(decisions.agent_id):
            kind = "later" if agent in running else "first"
            seen[agent].append((*decisions.obs[0][row], decisions.reward[row], kind))
            running.add(agent)
        adapter.set_actions(NAME, adapter.behavior_specs[NAME].action_spec.empty_action(len(decisions)))
        adapter.step()
    return seen


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("ending", "shown"),
    [("terminated", "terminated"), ("truncated", "interrupted"), ("both", "terminated")],
)
def test_every_autoreset_mode_shows_whole_episodes_and_nothing_else(mode, ending, shown):
    seen = episodes(counters([2, 3], mode, ending=ending), steps=12)

    episode = [(0, 0, 0, "first"), (0, 1, 1, "later"), (0, 2, 2, shown)]
    second = [(1, 0, 0, "first"), (1, 1, 1, "later"), (1, 2, 2, shown)]
    assert seen[0][:6] == episode + second
    longer = [(0, 0, 0, "first"), (0, 1, 1, "later"), (0, 2, 2, "later"), (0, 3, 3, shown)]
    assert seen[1][:4] == longer
    assert seen[1][4] == (1, 0, 0, "first")


def test_same_step_gives_the_ending_and_the_new_episode_at_once():
    adapter = counters([2, 3])
    adapter.reset()
    adapter.step()
    adapter.step()
    decisions, terminals = adapter.get_steps(NAME)
    assert decisions.agent_id.tolist() == [0, 1]
    assert decisions.obs[0].tolist() == [[1, 0], [0, 2]]
    assert decisions.reward.tolist() == [0, 2]
    assert terminals.agent_id.tolist() == [0]
    assert terminals.obs[0].tolist() == [[0, 2]]


def test_next_step_drops_the_row_of_the_reset():
    adapter = counters([2, 3], AutoresetMode.NEXT_STEP)
    adapter.reset()
    adapter.step()
    adapter.step()
    decisions, terminals = adapter.get_steps(NAME)
    assert (decisions.agent_id.tolist(), terminals.agent_id.tolist()) == ([1], [0])
    adapter.set_actions(NAME, ActionTuple(discrete=np.array([[2]])))
    adapter.step()
    decisions, terminals = adapter.get_steps(NAME)
    assert (decisions.agent_id.tolist(), terminals.agent_id.tolist()) == ([0], [1])
    assert (decisions.obs[0].tolist(), decisions.reward.tolist()) == ([[1, 0]], [0])
    assert adapter.vector_env.envs[1].actions == [0, 0, 2]


def test_time_limit_interrupts_with_the_true_last_observation():
    adapter = make_env("Pendulum-v1", 2, seed=0)
    alone = gymnasium.make("Pendulum-v1")
    alone.reset(seed=0)
    adapter.reset()
    for _ in range(200):
        adapter.step()
        last, _, _, truncated, _ = alone.step(np.zeros(1, dtype=np.float32))
    assert truncated
    decisions, terminals = adapter.get_steps("Pendulum-v1")
    assert terminals.interrupted.tolist() == [True, True]
    np.testing.assert_array_equal(terminals.obs[0][0], last)
    assert not np.array_equal(decisions.obs[0], terminals.obs[0])


@pytest.mark.parametrize("mode", MODES)
def test_masks_forbid_what_gymnasium_does_not_allow(mode):
    adapter = counters([2, 3], mode, masked=True)
    adapter.reset()
    for _ in range(8):
        decisions, _ = adapter.get_steps(NAME)
        (mask,) = decisions.action_mask
        assert mask.dtype == bool
        allowed = decisions.obs[0][:, 1].astype(int) % 3
        np.testing.assert_array_equal(mask, np.arange(3) != allowed[:, None])
        adapter.step()


class Seldom(Counter):
    """Tells masks with the first observations of episodes only, or with all others only."""

    def __init__(self, length: int, first: bool) -> None:
        super().__init__(length, masked=True)
        self.first = first

    def _info(self):
        return super()._info() if (self.count == 0) == self.first else {}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("first", [True, False])
def test_a_decision_without_a_mask_allows_everything(mode, first):
    makers = [lambda length=length: Seldom(length, first) for length in (2, 3)]
    adapter = VectorEnvAdapter(SyncVectorEnv(makers, autoreset_mode=mode), NAME, 0)
    adapter.reset()
    for _ in range(8):
        decisions, _ = adapter.get_steps(NAME)
        masks = decisions.action_mask
        mask = np.zeros((len(decisions), 3), bool) if masks is None else masks[0]
        step = decisions.obs[0][:, 1].astype(int)
        told = (step == 0) == first
        np.testing.assert_array_equal(mask, told[:, None] & (np.arange(3) != step[:, None] % 3))
        adapter.step()


def test_no_mask_without_one_from_the_environment():
    adapter = counters([2])
    adapter.reset()
    assert adapter.get_steps(NAME)[0].action_mask is None


def test_the_seed_fixes_the_run_and_later_resets_go_on():
    first, second, other = (make_env("CartPole-v1", 3, seed=seed) for seed in (5, 5, 6))
    starts = []
    for adapter in (first, second, other):
        adapter.reset()
        starts.append(adapter.get_steps("CartPole-v1")[0].obs[0])
    np.testing.assert_array_equal(starts[0], starts[1])
    np.testing.assert_array_equal(starts[0][1], starts[2][0])  # environment i is seeded with seed + i
    first.reset()
    second.reset()
    again = first.get_steps("CartPole-v1")[0].obs[0]
    np.testing.assert_array_equal(again, second.get_steps("CartPole-v1")[0].obs[0])
    assert not np.array_equal(again, starts[0])


def test_actions_reach_their_agents_and_last_for_one_step():
    adapter = counters([9, 9])
    adapter.reset()
    adapter.set_actions(NAME, ActionTuple(discrete=np.array([[1], [2]])))
    adapter.step()
    adapter.set_action_for_agent(NAME, 1, ActionTuple(discrete=np.array([[1]])))
    adapter.step()
    adapter.step()
    assert [env.actions for env in adapter.vector_env.envs] == [[1, 0, 0], [2, 1, 0]]


def test_the_callers_action_is_neither_kept_nor_changed():
    adapter = counters([9, 9])
    adapter.reset()
    action = ActionTuple(discrete=np.array([[1], [2]], dtype=np.int32))
    adapter.set_actions(NAME, action)
    adapter.set_action_for_agent(NAME, 0, ActionTuple(discrete=np.array([[0]])))
    assert action.discrete.tolist() == [[1], [2]]
    action.discrete[:] = 1
    adapter.step()
    assert [env.actions for env in adapter.vector_env.envs] == [[0], [2]]


@pytest.mark.parametrize(
    "action",
    [
        ActionTuple(discrete=np.zeros((1, 1))),
        ActionTuple(discrete=np.zeros((2, 2))),
        ActionTuple(continuous=np.zeros((2, 1))),
        ActionTuple(discrete=np.array([[0], [3]])),
        ActionTuple(discrete=np.array([[0], [-1]])),
    ],
)
def test_wrong_actions_are_refused(action):
    adapter = counters([2, 3])
    adapter.reset()
    with pytest.raises(UnityActionException):
        adapter.set_actions(NAME, action)


def test_unknown_behaviors_and_agents_are_refused():
    adapter = counters([2, 3])
    adapter.reset()
    action = ActionTuple(discrete=np.zeros((1, 1)))
    with pytest.raises(UnityActionException, match="unknown behavior 'Walker'"):
        adapter.get_steps("Walker")
    with pytest.raises(UnityActionException, match="agent 2 of Small"):
        adapter.set_action_for_agent(NAME, 2, action)


def test_before_the_first_reset_there_is_nothing_and_a_step_resets():
    adapter = counters([2, 3])
    assert [len(steps) for steps in adapter.get_steps(NAME)] == [0, 0]
    adapter.step()
    decisions, terminals = adapter.get_steps(NAME)
    assert (len(decisions), len(terminals)) == (2, 0)


def test_a_vector_env_that_does_not_say_how_it_resets_is_refused():
    vector_env = SyncVectorEnv([lambda: Counter(2)])
    vector_env.metadata = {}
    with pytest.raises(UserError, match="autoreset_mode"):
        VectorEnvAdapter(vector_env, NAME)
