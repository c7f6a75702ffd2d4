"""`bridge.player` with many agents: over the wire comes what the environment gives in this process."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from mlagents_envs.base_env import ActionSpec, ActionTuple, BaseEnv, DecisionSteps, TerminalSteps
from processes import free_port, running
from team_player import teams

from bridge import protobuf_compat
from bridge.player_session import PlayerOptions
from bridge.scene import on_the_wire
from bridge.unity_env import UnityEnv
from gym_adapters import check_env, make_env
from trainers import train
from trainers.records.checkpoint import load_state
from trainers.training.environments import make_environment

protobuf_compat.install()

COURT = ("-m", "bridge.player", "--env", "bridge_games/court_v0", "--agents", 3)
GROUPED = ("--option", "grouped=true")
SEED = 11


@contextmanager
def connected(*arguments: object, client: str = "ours") -> Iterator[BaseEnv]:
    """A player with these arguments, seen through this client or that of `mlagents_envs`."""
    from mlagents_envs.environment import UnityEnvironment

    port = free_port()
    with running(*arguments, *(["--mlagents-port"] if "-m" in arguments else []), port) as process:
        if client == "ours":
            env: BaseEnv = UnityEnv(PlayerOptions(port=port, timeout=30, seed=SEED))
        else:
            env = UnityEnvironment(base_port=port, timeout_wait=30, seed=SEED)
        try:
            yield env
        finally:
            env.close()
        assert process.wait(10) == 0


class Renaming:
    """Numbers of one side for those of the other, each for one and always the same."""

    def __init__(self) -> None:
        self.there: dict[int, int] = {}
        self.back: dict[int, int] = {}

    def require(self, seen: np.ndarray, expected: np.ndarray) -> None:
        for one, other in zip(np.asarray(seen).tolist(), expected.tolist(), strict=True):
            assert self.there.setdefault(one, other) == other
            assert self.back.setdefault(other, one) == one


class Comparison:
    """Steps two environments with the same actions and compares all that they give."""

    def __init__(self, wire: BaseEnv, expected: BaseEnv) -> None:
        self.wire, self.expected, self.rng = wire, expected, np.random.default_rng(0)
        self.agents, self.groups = Renaming(), Renaming()
        self.groups.require(np.zeros(1, int), np.zeros(1, int))
        self.ended = self.interrupted = self.masked = 0
        self.group_reward = 0.0

    def run(self, steps: int, resets: tuple[int, ...]) -> None:
        for step in range(steps):
            for env in (self.wire, self.expected):
                if step in resets:
                    env.reset()
                else:
                    env.step()
            names = list(self.expected.behavior_specs)
            assert list(self.wire.behavior_specs) == list(map(on_the_wire, names))
            for name in names:
                self._compare(name)

    def _compare(self, name: str) -> None:
        (decisions, terminals), expected = (
            self.wire.get_steps(on_the_wire(name)),
            self.expected.get_steps(name),
        )
        self._same(decisions, expected[0])
        self._same(terminals, expected[1])
        np.testing.assert_array_equal(terminals.interrupted, expected[1].interrupted)
        spec = self.expected.behavior_specs[name].action_spec
        assert self.wire.behavior_specs[on_the_wire(name)].action_spec == spec
        for branch, mask in enumerate(decisions.action_mask or ()):
            wanted = expected[0].action_mask[branch] if expected[0].action_mask else np.zeros_like(mask)
            np.testing.assert_array_equal(mask, wanted)
            self.masked += int(mask.sum())
        self.ended += len(terminals)
        self.interrupted += int(terminals.interrupted.sum())
        self.group_reward += float(np.abs(terminals.group_reward).sum())
        action = self._action(spec, len(decisions))
        self.wire.set_actions(on_the_wire(name), action)
        self.expected.set_actions(name, action)

    def _same(self, seen: DecisionSteps | TerminalSteps, expected: DecisionSteps | TerminalSteps) -> None:
        self.agents.require(seen.agent_id, expected.agent_id)
        self.groups.require(seen.group_id, expected.group_id)
        for one, other in zip(seen.obs, expected.obs, strict=True):
            np.testing.assert_array_equal(one, other)
        np.testing.assert_array_equal(seen.reward, expected.reward)
        np.testing.assert_array_equal(seen.group_reward, expected.group_reward)

    def _action(self, spec: ActionSpec, agents: int) -> ActionTuple:
        continuous = self.rng.uniform(-1, 1, (agents, spec.continuous_size)).astype(np.float32)
        branches = [self.rng.integers(size, size=agents) for size in spec.discrete_branches]
        discrete = np.array(branches, np.int32).T.reshape(agents, spec.discrete_size)
        return ActionTuple(continuous, discrete)


@pytest.mark.parametrize("client", ["ours", "mlagents_envs"])
@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_wire_gives_what_the_environment_gives(grouped: bool, client: str) -> None:
    expected = make_env("bridge_games/court_v0", 3, SEED, {"grouped": grouped})
    with connected(*COURT, *(GROUPED if grouped else ()), client=client) as env:
        comparison = Comparison(env, expected)
        comparison.run(70, resets=(0, 41))
    assert comparison.ended > comparison.interrupted > 30
    assert comparison.masked > 30
    assert len(comparison.groups.there) >= (31 if grouped else 1)
    assert (comparison.group_reward > 0) == grouped


def test_teams_of_one_behavior() -> None:
    with connected(Path(__file__).with_name("team_player.py")) as env:
        comparison = Comparison(env, teams(SEED))
        comparison.run(40, resets=(0,))
        assert list(env.behavior_specs) == ["Runner?team=0", "Runner?team=1", "Judge?team=0"]
    assert comparison.ended > 30


def test_copies_that_decide_in_turns_keep_the_contract() -> None:
    with connected(*COURT, *GROUPED, "--decision-period", 2, "--stagger") as env:
        check_env(env, steps=60)


def test_rewards_between_decisions_come_with_the_next_one() -> None:
    """With the same action for two steps, an agent is paid what it would be for both."""
    alone = make_env("bridge_games/court_v0", 1, SEED, {"grouped": True})
    alone.reset()
    alone.step()
    first = int(alone.get_steps("runner")[0].agent_id[0])
    one = alone.get_steps("runner")[0][first]
    alone.step()
    two = alone.get_steps("runner")[0][first]
    with connected(*COURT[:-2], *GROUPED, "--decision-period", 2) as env:
        env.reset()
        env.step()
        both = env.get_steps("runner?team=0")[0]
    np.testing.assert_allclose(both.reward[0], one.reward + two.reward, rtol=1e-6)
    np.testing.assert_allclose(both.group_reward[0], one.group_reward + two.group_reward, rtol=1e-6)
    np.testing.assert_allclose(both.obs[0][0], two.obs[0])


SETTINGS = """
default_settings:
  trainer_type: poca
  max_steps: 600
  hyperparameters: {batch_size: 32, buffer_size: 128}
  network_settings: {hidden_units: 16}
checkpoint_settings: {results_dir: runs}
torch_settings: {device: cpu}
"""


def test_poca_learns_the_same_over_the_wire(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    port, seed = free_port(), f"env_settings.seed={SEED}"
    here = ["env_settings.env_path=bridge_games/court_v0", "env_settings.num_envs=3"]
    train(make_environment, SETTINGS, overrides=[*here, seed, "checkpoint_settings.run_id=here"])
    wire = [f"env_settings.base_port={port}", "checkpoint_settings.run_id=wire"]
    with running(*COURT, *GROUPED, "--mlagents-port", port):
        train(make_environment, SETTINGS, overrides=[*wire, seed])
    for behavior in ("runner", "judge"):
        ours, theirs = (
            load_state(tmp_path / "runs" / run / behavior / "checkpoint.pt") for run in ("here", "wire")
        )
        assert ours["global_step"] == theirs["global_step"] >= 600
        for name, weights in ours["Policy"].items():
            assert torch.equal(weights, theirs["Policy"][name]), name
