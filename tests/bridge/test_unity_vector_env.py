"""`UnityVectorEnv` against plans known in advance, against Gymnasium's own vector environment, and over a player."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers.vector import RecordEpisodeStatistics
from hypothesis import given, settings
from hypothesis import strategies as st
from plans import HYBRID, scripted, whole
from processes import free_port, write_player

import bridge
from bridge import UnityVectorEnv
from gym_adapters import UserError, VectorEnvAdapter, check_env, make_env
from tests.needs import SHELL
from tests.trainers.scripted_env import INDEX, LIFE, Behavior, Life, ScriptedEnv, Visit, crowd, forbidden


@settings(max_examples=25)
@given(
    agents=st.integers(1, 5),
    length=st.integers(1, 6),
    seed=st.integers(0, 99),
    interrupted=st.booleans(),
    masked=st.booleans(),
)
def test_each_seat_follows_the_lives_of_its_agent(
    agents: int, length: int, seed: int, interrupted: bool, masked: bool
) -> None:
    steps = 20
    lives = crowd(agents, steps + 1, length, seed, interrupted)
    env, behavior = scripted(lives, masked=masked)
    vector = UnityVectorEnv(env)
    rng = np.random.default_rng(seed)
    now = [next(i for i, one in enumerate(lives) if one.agent == agent) for agent in range(agents)]
    visit = [0] * agents
    observation, infos = vector.reset()
    told = {}
    for _ in range(steps):
        assert observation[:, LIFE].tolist() == now
        assert observation[:, INDEX].tolist() == visit
        assert infos["active"].all()
        if masked:
            expected = [
                np.concatenate([~forbidden(who, b, n) for b, n in enumerate((3, 2))])
                for who in zip(now, visit, strict=True)
            ]
            assert (infos["action_mask"] == expected).all()
        allowed = np.split(infos["action_mask"], [3], axis=1)
        continuous = rng.uniform(-1, 1, (agents, 2)).astype(np.float32)
        discrete = np.stack([part.argmax(1) for part in allowed], axis=1)
        told |= {(now[i], visit[i]): (continuous[i], discrete[i]) for i in range(agents)}
        observation, rewards, terminated, truncated, infos = vector.step((continuous, discrete))
        for i in range(agents):
            visit[i] += 1
            own = lives[now[i]]
            ends = visit[i] == len(own.visits)
            assert (terminated[i], truncated[i]) == (ends and not interrupted, ends and interrupted)
            at = own.ending if ends else own.visits[visit[i]]
            assert rewards[i] == np.float32(at.reward)
            if ends:
                assert infos["final_obs"][i][[LIFE, INDEX]].tolist() == [now[i], visit[i]]
                following = [k for k, one in enumerate(lives) if one.agent == i and k > now[i]]
                now[i], visit[i] = following[0], 0
    for who, (continuous, discrete) in told.items():
        assert (behavior.actions[who][0] == continuous).all()
        assert (behavior.actions[who][1] == discrete).all()


def as_in_unity(objects: int, steps: int, period: int, rng: np.random.Generator) -> list[Life]:
    """Objects whose agents ask every few steps and end at any step; each has a new agent from the next ask on."""
    due, lives = [0] * objects, []
    for step in range(0, steps, period):
        for one in range(objects):
            if due[one] == step:
                end = step + int(rng.integers(1, 4 * period))
                visits = tuple(Visit(at, float(rng.normal())) for at in range(step, end, period))
                lives.append(Life(len(lives), visits, Visit(end, float(rng.normal())), bool(rng.integers(2))))
                due[one] = -(-end // period) * period
    return lives


@settings(max_examples=25)
@given(objects=st.integers(1, 5), period=st.integers(1, 4), seed=st.integers(0, 99))
def test_with_one_decision_period_every_decision_and_reward_is_the_agents_own(
    objects: int, period: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    turns = 12
    lives = as_in_unity(objects, (turns + 1) * period, period, rng)
    env, behavior = scripted(lives)
    vector = UnityVectorEnv(env)
    observation, infos = vector.reset()
    visit, told = dict.fromkeys(range(len(lives)), 0), {}
    for _ in range(turns):
        agents = infos["agent_id"].tolist()
        assert infos["active"].all()
        assert len(set(agents)) == objects
        assert observation[:, LIFE].tolist() == agents
        assert observation[:, INDEX].tolist() == [visit[agent] for agent in agents]
        continuous = rng.uniform(-1, 1, (objects, 2)).astype(np.float32)
        told |= {(agent, visit[agent]): row for agent, row in zip(agents, continuous, strict=True)}
        observation, rewards, terminated, truncated, infos = vector.step(
            (continuous, np.zeros((objects, 2), int))
        )
        for place, agent in enumerate(agents):
            own = lives[agent]
            visit[agent] += 1
            ends = visit[agent] == len(own.visits)
            at = own.ending if ends else own.visits[visit[agent]]
            assert rewards[place] == np.float32(at.reward)
            assert terminated[place] == (ends and not own.interrupted)
            assert truncated[place] == (ends and own.interrupted)
            assert (infos["agent_id"][place] != agent) == ends
            if ends:
                assert infos["final_obs"][place][[LIFE, INDEX]].tolist() == [agent, visit[agent]]
                assert infos["final_info"]["agent_id"][place] == agent
    assert all((behavior.actions[who][0] == action).all() for who, action in told.items())
    acted = {who for who in behavior.actions if behavior.lives[who[0]].visits[who[1]].step < turns * period}
    assert acted == set(told)


def test_a_step_lasts_until_all_ask_and_the_early_repeat_their_actions() -> None:
    env, behavior = scripted([whole(0, 99), whole(1, 99, every=3)])
    vector = UnityVectorEnv(env)
    vector.reset()
    actions = np.array([[0.5, 0.25], [1, -1]], np.float32), np.array([[2, 1], [0, 1]])
    observation, rewards, *_ = vector.step(actions)
    assert observation[:, INDEX].tolist() == [3, 1]
    assert rewards.tolist() == [1 + 2 + 3, 3]
    for index in range(3):
        assert (behavior.actions[0, index][0] == actions[0][0]).all()
        assert (behavior.actions[0, index][1] == actions[1][0]).all()


def test_a_repeated_choice_that_is_forbidden_becomes_one_that_is_allowed() -> None:
    """The scripted environment itself refuses a forbidden choice."""
    env, _ = scripted([whole(0, 99), whole(1, 99, every=9)], masked=True)
    vector = UnityVectorEnv(env)
    _, infos = vector.reset()
    for _ in range(10):
        choices = np.stack([part.argmax(1) for part in np.split(infos["action_mask"], [3], axis=1)], axis=1)
        *_, infos = vector.step((np.zeros((2, 2), np.float32), choices))


def test_the_group_reward_is_added_or_told() -> None:
    visits = tuple(Visit(step, 1.0, group_reward=0.5, group=1) for step in range(9))
    for add, reward in ((True, 1.5), (False, 1.0)):
        vector = UnityVectorEnv(scripted([Life(0, visits)])[0], add_group_rewards=add)
        vector.reset()
        _, rewards, _, _, infos = vector.step(vector.action_space.sample())
        assert rewards.tolist() == [reward]
        assert ("group_reward" in infos) is not add
        assert add or infos["group_reward"].tolist() == [0.5]


def test_agents_that_never_ask_together_are_named() -> None:
    odd = Life(1, tuple(Visit(step) for step in range(1, 99, 2)))
    vector = UnityVectorEnv(scripted([whole(0, 99, every=2), odd])[0], num_envs=2, limit=20)
    _, infos = vector.reset()
    assert infos["active"].tolist() == [True, False]
    with pytest.raises(UserError, match=r"agents [01] did not ask .* 20 steps .* Decision Period"):
        vector.step(vector.action_space.sample())


def test_the_behavior_is_chosen_by_name_or_id(caplog: pytest.LogCaptureFixture) -> None:
    plans = {name: Behavior(HYBRID, [whole(0, 99)]) for name in ("A?team=0", "B?team=0", "B?team=1")}
    for wanted, message in (
        (None, "has the behaviors A.team=0, B.team=0, B.team=1; choose one"),
        ("B", "'B' has the teams B.team=0, B.team=1; choose one"),
        ("C", "no agent of C asked for a decision in 9 steps"),
    ):
        with pytest.raises(UserError, match=message):
            UnityVectorEnv(ScriptedEnv(plans), wanted, limit=9)
    (waiting,) = caplog.messages
    assert (
        waiting == "waiting up to 9 steps for agents of C; the scene has A?team=0, B?team=0, B?team=1 so far"
    )
    assert UnityVectorEnv(ScriptedEnv(plans), "A").behavior == "A?team=0"
    assert UnityVectorEnv(ScriptedEnv(plans), "B?team=1").behavior == "B?team=1"


@pytest.mark.parametrize(
    "actions",
    [
        np.zeros(2),
        (np.zeros((3, 2)), np.zeros((3, 2))),
        (np.zeros((2, 2)), np.full((2, 2), 5)),
        (np.full((2, 2), np.nan), np.zeros((2, 2))),
    ],
)
def test_actions_that_do_not_fit_are_refused(actions: Any) -> None:
    vector = UnityVectorEnv(scripted([whole(0, 9), whole(1, 9)])[0])
    vector.reset()
    with pytest.raises(UserError, match="behavior Crowd"):
        vector.step(actions)


@pytest.mark.parametrize("mode", ["SameStep", "NextStep"])
@pytest.mark.parametrize("env_id", ["CartPole-v1", "Pendulum-v1"])
def test_it_keeps_the_contract_of_a_vector_environment(env_id: str, mode: str) -> None:
    """Seen as a `BaseEnv` again, it passes the check of those."""
    base = make_env(env_id, 3, 0, {"max_episode_steps": 9})
    check_env(VectorEnvAdapter(UnityVectorEnv(base, autoreset_mode=mode), "Again"), steps=60)


@pytest.mark.parametrize("num_envs", [0, -1, 10**9, True, "many", 2.0])
def test_another_number_of_places_is_refused_before_a_player_starts(num_envs: Any) -> None:
    with pytest.raises(UserError, match="places for agents: expected a whole number from 1 to 10,000"):
        gymnasium.make_vec("bridge/Unity-v0", num_envs=num_envs, env_path="no_player")


def test_the_reset_of_a_part_is_refused() -> None:
    vector = UnityVectorEnv(scripted([whole(0, 9)])[0])
    with pytest.raises(UserError, match="reset_mask"):
        vector.reset(options={"reset_mask": np.ones(1, bool)})


@SHELL
def test_a_player_gives_the_numbers_of_gymnasiums_own_vector_environment(tmp_path: Path) -> None:
    """Observations, rewards, ends, last observations and statistics of a loop as CleanRL's, number by number."""
    player = write_player(tmp_path, "-m", "bridge.player", "--env", "CartPole-v1", "--agents", 4)
    ours = gymnasium.make_vec("bridge/Unity-v0", 4, env_path=player, base_port=free_port(), seed=3)
    kwargs = {"autoreset_mode": AutoresetMode.SAME_STEP}
    theirs = gymnasium.make_vec("CartPole-v1", 4, vectorization_mode="sync", vector_kwargs=kwargs)
    ours, theirs = RecordEpisodeStatistics(ours), RecordEpisodeStatistics(theirs)
    assert ours.action_space == theirs.action_space
    observations = [ours.reset(seed=3)[0], theirs.reset(seed=3)[0]]
    rng, ends = np.random.default_rng(0), 0
    for _ in range(200):
        np.testing.assert_array_equal(*observations)
        actions = rng.integers(0, 2, 4)
        (*mine, infos), (*expected, others) = ours.step(actions), theirs.step(actions)
        for array, other in zip(mine, expected, strict=True):
            np.testing.assert_array_equal(array, other)
        observations = [mine[0], expected[0]]
        assert ("final_obs" in infos) == ("final_obs" in others)
        if "final_obs" in infos:
            np.testing.assert_array_equal(infos["_final_obs"], others["_final_obs"])
            for seat in np.flatnonzero(infos["_final_obs"]):
                ends += 1
                np.testing.assert_array_equal(infos["final_obs"][seat], others["final_obs"][seat])
                for part in "rl":
                    one, other = (each["episode"][part][seat] for each in (infos, others))
                    assert one == other
    assert ends > 20
    ours.close()


@SHELL
@pytest.mark.parametrize("observations", ["dict", "tuple"])
def test_images_of_a_player_stay_bytes(tmp_path: Path, observations: str) -> None:
    player = write_player(tmp_path, "-m", "bridge.player", "--env", "bridge_envs:Pixels-v0", "--agents", 2)
    vector = gymnasium.make_vec(
        "bridge/Unity-v0", 2, env_path=player, base_port=free_port(), observations=observations
    )
    observation, _ = vector.reset()
    assert observation in vector.observation_space
    space = vector.single_observation_space
    assert isinstance(space, gymnasium.spaces.Dict if observations == "dict" else gymnasium.spaces.Tuple)
    images = [
        part for part in (space.values() if observations == "dict" else space) if part.dtype == np.uint8
    ]
    assert [(image.shape, image.low.min(), image.high.max()) for image in images] == [((3, 8, 10), 0, 255)]
    observation, *_ = vector.step(vector.action_space.sample())
    assert observation in vector.observation_space
    vector.close()


def test_the_id_is_found_without_an_import_of_bridge() -> None:
    code = "import gymnasium; gymnasium.make_vec('bridge:bridge/Unity-v0', env_path='nowhere')"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert "UserError: " in done.stderr
    assert "nowhere" in done.stderr.splitlines()[-1]


def test_without_pettingzoo_parallel_env_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pettingzoo", None)
    monkeypatch.delitem(sys.modules, "bridge.pettingzoo_env", raising=False)
    with pytest.raises(
        UserError, match=r"bridge.parallel_env needs PettingZoo; run: .*pip install.* pettingzoo"
    ):
        _ = bridge.parallel_env
