"""`bridge.player` as the trainer of `mlagents_envs` itself sees it."""

from collections.abc import Iterator
from contextlib import contextmanager

import bridge_envs
import gymnasium
import numpy as np
import pytest
from mlagents_envs.base_env import ActionTuple, BaseEnv
from processes import free_port, running

from bridge import protobuf_compat

protobuf_compat.install()
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@contextmanager
def played(*arguments: object, num_areas: int = 1) -> Iterator[BaseEnv]:
    """The player with these arguments, seen through `UnityEnvironment`."""
    from mlagents_envs.environment import UnityEnvironment

    port = free_port()
    with running("-m", "bridge.player", "--mlagents-port", port, *arguments) as process:
        env = UnityEnvironment(base_port=port, timeout_wait=20, seed=3, num_areas=num_areas)
        try:
            env.reset()
            yield env
        finally:
            env.close()
        assert process.wait(10) == 0


def test_same_numbers_as_the_environment_itself() -> None:
    agents, rng = 2, np.random.default_rng(0)
    envs = [gymnasium.make("Pendulum-v1", max_episode_steps=7) for _ in range(agents)]
    expected = last = [env.reset(seed=3 + index)[0] for index, env in enumerate(envs)]
    rewards = [0.0] * agents
    with played("--env", "Pendulum-v1", "--agents", agents, "--time-limit", 7) as env:
        for step in range(30):
            decisions, terminals = env.get_steps("Pendulum-v1?team=0")
            assert len(decisions) == agents
            np.testing.assert_allclose(decisions.obs[0], expected, rtol=1e-6)
            if step % 7 == 0:
                assert (decisions.reward == 0).all()
            if step % 7 == 0 and step:
                np.testing.assert_allclose(terminals.obs[0], last, rtol=1e-6)
                np.testing.assert_allclose(terminals.reward, rewards, rtol=1e-6)
                assert terminals.interrupted.all()
                assert set(terminals.agent_id).isdisjoint(decisions.agent_id)
            elif step:
                np.testing.assert_allclose(decisions.reward, rewards, rtol=1e-6)
                assert len(terminals) == 0
            actions = rng.uniform(-1, 1, (agents, 1)).astype(np.float32)
            env.set_actions("Pendulum-v1?team=0", ActionTuple(continuous=actions))
            env.step()
            results = [one.step(2 * action) for one, action in zip(envs, actions, strict=True)]
            last = expected = [result[0] for result in results]
            rewards = [result[1] for result in results]
            if results[0][3]:
                expected = [one.reset()[0] for one in envs]


def test_decision_period_stagger_masks_and_terminations() -> None:
    arguments = ("--env", "bridge_envs:Count-v0", "--agents", 3, "--decision-period", 3, "--stagger")
    earned: dict[int, list[float]] = {}
    ids: set[int] = set()
    ends = 0
    with played(*arguments) as env:
        for _ in range(60):
            decisions, terminals = env.get_steps("Count-v0?team=0")
            assert len(decisions) <= 1
            for agent, step in terminals.items():
                # Action 1 for steps 1 to 3, then for 4 and 5: the first decision is paid 1 + 2 + 3, the end 4 + 5.
                assert not step.interrupted
                assert [*earned.pop(agent), step.reward] == [0.0, 6.0, 9.0]
                assert step.obs[0].tolist() == [5.0, 1.0]
                ends += 1
            for agent in decisions:
                earned.setdefault(agent, []).append(decisions[agent].reward)
                ids.add(agent)
                steps = decisions[agent].obs[0][0]
                assert decisions[agent].action_mask[0].tolist() == [False, False, steps % 2 == 0]
            action = ActionTuple(discrete=np.ones((len(decisions), 1), np.int32))
            env.set_actions("Count-v0?team=0", action)
            env.step()
    assert ends >= 8
    assert len(ids) == ends + len(earned)


def test_reset_begins_new_episodes_and_areas_multiply_agents() -> None:
    with played("--env", "bridge_envs:Count-v0", "--agents", 2, num_areas=2) as env:
        first = env.get_steps("Count-v0?team=0")[0]
        env.step()
        env.reset()
        again = env.get_steps("Count-v0?team=0")[0]
    assert len(first) == len(again) == 4
    assert set(first.agent_id).isdisjoint(again.agent_id)
    assert (again.obs[0] == 0).all()


def test_all_environments_are_closed_although_one_fails_to() -> None:
    from mlagents_envs.environment import UnityEnvironment

    port, arguments = free_port(), ("--env", "bridge_envs:Stuck-v0", "--agents", 3, "--decision-period", 2)
    with running("-m", "bridge.player", "--mlagents-port", port, *arguments) as process:
        env = UnityEnvironment(base_port=port, timeout_wait=20)
        env.reset()
        env.close()
        output, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    assert output.count("closing") == 1 + 3  # the one that was tried first, and those that played
    assert "Closing the environment failed with RuntimeError: stuck" in output


@pytest.mark.parametrize(
    ("leaves", "words"),
    [
        ("false", "the environment raised RuntimeError: no fuel (" + bridge_envs.__file__),
        ("true", "the environment raised RuntimeError: the environment called sys.exit('no fuel')"),
    ],
)
def test_an_environment_that_fails_is_one_line(leaves: str, words: str) -> None:
    from mlagents_envs.environment import UnityEnvironment
    from mlagents_envs.exception import UnityCommunicatorStoppedException

    port = free_port()
    arguments = ("--env", "bridge_envs:Broken-v0", "--option", f"leaves={leaves}")
    with running("-m", "bridge.player", "--mlagents-port", port, *arguments) as process:
        env = UnityEnvironment(base_port=port, timeout_wait=20)
        env.reset()
        env.step()
        env.step()
        with pytest.raises(UnityCommunicatorStoppedException):
            env.step()
        env.close()
        output, _ = process.communicate(timeout=20)
    assert process.returncode == 2
    assert words in output
    assert "Traceback" not in output


@pytest.mark.parametrize("raw", [False, True])
def test_images_in_the_form_of_packages_2(raw: bool) -> None:
    options = ["--channels-last", *(["--raw-images"] if raw else [])]
    with played("--env", "bridge_envs:Pixels-v0", *options) as env:
        spec = env.behavior_specs["Pixels-v0?team=0"]
        assert [observation.shape for observation in spec.observation_specs] == [(8, 10, 3), (1,)]
        decisions, _ = env.get_steps("Pixels-v0?team=0")
        np.testing.assert_allclose(decisions.obs[0][0], bridge_envs.pixels() / 255, atol=1e-6)
        env.set_actions("Pixels-v0?team=0", ActionTuple(continuous=np.array([[0.5, -1.0]], np.float32)))
        env.step()
        decisions, _ = env.get_steps("Pixels-v0?team=0")
        assert decisions.obs[1].tolist() == [[0.5]]
        assert decisions.reward.tolist() == [-1.0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--env", "Nothing-v0"], "Nothing"),
        (
            ["--env", "CartPole-v1", "--agents", "0"],
            "--agents/--num-envs: expected a whole number, 1 to 10000, got 0",
        ),
        (
            ["--env", "CartPole-v1", "--agents", "x"],
            "--agents/--num-envs: expected a whole number, 1 to 10000, got x",
        ),
        (
            ["--env", "CartPole-v1", "--mlagents-port", "70000"],
            "expected a whole number, 1 to 65535, got 70000",
        ),
        (["--env", "CartPole-v1", "--seed", "-1"], "--seed: expected a whole number, 0 or more, got -1"),
        (["--env", "CartPole-v1", "--wait", "0.5"], "no trainer listens on port"),
        (["--env", "mpe2/absent_v0"], "environment 'mpe2/absent_v0': No module named 'mpe2"),
        (["--env", "absent_games/chess_v0"], "check the name"),
        (["--env", "bridge_games/court_v0", "--time-limit", "5"], "--option max_cycles=STEPS"),
        (["--env", "bridge_games/court_v0", "--option", "size=3"], "refuses its options {'size': 3}"),
        (
            ["--env", "bridge_games/court_v0", "--option", "grouped=3"],
            "grouped: expected true or false, got 3",
        ),
        (["--env", "bridge_games/court_v0", "--option", "teams"], "--option teams: expected KEY=VALUE"),
    ],
)
def test_what_a_user_can_fix(arguments: list[str], words: str) -> None:
    port = free_port()
    with running("-m", "bridge.player", "--mlagents-port", port, *arguments) as process:
        output, _ = process.communicate(timeout=20)
    assert process.returncode == 2
    assert words in output
    assert "Traceback" not in output
