"""The player of zero cost, and what its times say."""

from pathlib import Path

import numpy as np
import pytest

from bridge.player_session import PlayerOptions
from bridge.unity_env import UnityEnv
from tests.benchmarks.common import SkippedError
from tests.benchmarks.players import free_ports, steps_per_second, write_player
from tests.benchmarks.threaded import steps_per_second as threaded_speed


def log(rate: float, updates: int, seconds: float) -> np.ndarray:
    """100 exchanges of `rate` agent steps, 0.01 s each, then an update of so many seconds; and so on."""
    waits = ([0.01] * 100 + [seconds]) * updates + [0.01] * 50
    return np.column_stack([np.cumsum(waits), np.arange(len(waits)) * rate])


def test_speed_is_over_whole_updates_and_all_players() -> None:
    speed = steps_per_second([log(10, 4, 2.0), log(30, 4, 2.0)])
    assert speed == pytest.approx(101 * (10 + 30) / (100 * 0.01 + 2.0))


def test_one_update_is_too_few_to_measure_between() -> None:
    with pytest.raises(SkippedError, match="too few updates"):
        steps_per_second([log(10, 1, 2.0)])


def test_the_player_serves_walkers_whose_episodes_end_in_turn(tmp_path: Path) -> None:
    player = write_player(tmp_path, "--agents", 20, "--steps", 400, "--times", tmp_path)
    port = free_ports(1)
    env = UnityEnv(PlayerOptions(player, port=port, timeout=60))
    env.reset()
    (name,) = env.behavior_specs
    spec = env.behavior_specs[name]
    ended = []
    for _ in range(40):
        decisions, terminals = env.get_steps(name)
        assert len(decisions) + len(terminals) == 20
        ended += [terminals.agent_id.tolist()] if len(terminals) else []
        env.step()
    env.close()
    assert [observation.shape for observation in spec.observation_specs] == [(243,)]
    assert spec.action_spec.continuous_size == 39
    assert ended == [[0, 10]]
    times = np.load(tmp_path / f"player-{port}.npy")
    assert (np.diff(times, axis=0) >= 0).all()
    assert times[-1, 1] >= 400


def test_a_thread_s_speed_is_over_as_many_steps_as_updates() -> None:
    """Agent steps 100 to 300 of a player that becomes twice as fast at 200."""
    times = np.array([[0.0, 0.0], [1.0, 100.0], [3.0, 200.0], [4.0, 300.0], [9.0, 400.0]])
    assert threaded_speed([times], 100, 300) == pytest.approx(200 / 3.0)
