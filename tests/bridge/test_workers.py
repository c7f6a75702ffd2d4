"""Several executables as one environment: merged, unequal in speed, lost and started again."""

import os
import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from ledger import Bookkeeper, Events, assert_same, read_ledger, read_side_channel
from mlagents_envs.base_env import ActionTuple
from processes import PATIENCE, PLAYER, free_port, write_player
from scripted_player import CONTINUOUS, HYBRID

from bridge.channels import EnvironmentParametersChannel
from bridge.errors import PlayerLostError
from bridge.unity_env import PlayerOptions, UnityEnv
from bridge.worker import RestartLimits, Worker
from bridge.workers import Workers
from gym_adapters import check_env
from trainers.config.environment_parameters import ConstantParameters, ConstantSampler, Sampler


@contextmanager
def workers(
    players: list[tuple[object, ...]],
    folder: Path,
    limits: RestartLimits | None = None,
    timeout: float = 20.0,
) -> Iterator[tuple[Workers, list[UnityEnv]]]:
    """One worker per command line; also every player that was ever started."""
    port, started = free_port(), []

    def make(number: int) -> UnityEnv:
        home = folder / str(number)
        home.mkdir(exist_ok=True)
        path = write_player(home, *players[number])
        options = PlayerOptions(path, port, number, timeout, log_folder=folder)
        started.append(UnityEnv(options, wait=False))
        return started[-1]

    env = Workers(make, len(players), limits)
    try:
        yield env, started
    finally:
        env.close()


def exit_codes(started: list[UnityEnv]) -> list[int | None]:
    return [env.session.process.exit_code for env in started]  # type: ignore[union-attr]


def test_two_ledgers_at_once(tmp_path: Path) -> None:
    books = [tmp_path / "first", tmp_path / "second"]
    players = [(PLAYER, "ledger", "--agents", 4 + i, "--ledger", book) for i, book in enumerate(books)]
    with workers(players, tmp_path) as (env, started):
        bookkeeper = Bookkeeper(env)
        env.reset()
        bookkeeper.run(150)
        stats = env.take_stats()
    assert all(value == 0 for value, _ in stats["Mismatches"])
    assert len(stats["Mismatches"]) >= 150
    for number, book in enumerate(books):
        seen = {agent // 2: events for agent, events in bookkeeper.events.items() if agent % 2 == number}
        for events in seen.values():
            for event in events:
                event[5] = (event[5] - number) / 2 if event[5] else 0
        assert_same(seen, read_ledger(book))
    assert exit_codes(started) == [0, 0]


def test_a_slow_player_does_not_hold_back_a_fast_one(tmp_path: Path) -> None:
    """One that stands still is the slowest."""
    counts = [0, 0]

    def step() -> None:
        env.step()
        for name in env.behavior_specs:
            for agent in env.get_steps(name)[0]:
                counts[agent % 2] += 1

    with workers([(PLAYER, "ledger", "--agents", 1)] * 2, tmp_path, timeout=PATIENCE) as (env, started):
        env.reset()
        break_with_stop(started[1])
        for _ in range(200):
            step()
        fast, slow = counts
        assert slow <= 2, "what it had sent before"
        assert fast >= 190
        os.kill(started[1].session.process.pid, signal.SIGCONT)  # type: ignore[union-attr]
        deadline = time.monotonic() + PATIENCE
        while counts[1] == slow:
            assert time.monotonic() < deadline
            step()


def test_contract(tmp_path: Path) -> None:
    player = (
        "-m",
        "bridge.player",
        "--env",
        "CartPole-v1",
        "--agents",
        2,
        "--stagger",
        "--decision-period",
        2,
    )
    with workers([player, player], tmp_path) as (env, _):
        check_env(env, steps=60)


def break_with_kill(env: UnityEnv) -> None:
    os.kill(env.session.process.pid, signal.SIGKILL)  # type: ignore[union-attr]


def break_with_stop(env: UnityEnv) -> None:
    os.kill(env.session.process.pid, signal.SIGSTOP)  # type: ignore[union-attr]


@pytest.mark.parametrize(("break_player", "timeout"), [(break_with_kill, 20.0), (break_with_stop, 6.0)])
def test_a_lost_player_is_replaced(
    break_player: Callable[[UnityEnv], None], timeout: float, tmp_path: Path
) -> None:
    players = [("-m", "bridge.player", "--env", "CartPole-v1", "--agents", 3)] * 2
    steps_of_other, endings = 0, []
    with workers(players, tmp_path, timeout=timeout) as (env, started):
        env.reset()
        before = env.get_steps("CartPole-v1?team=0")[0]
        assert sorted(before.agent_id.tolist()) == [0, 1, 2, 3, 4, 5]
        break_player(started[1])
        last = {agent: before[agent].obs[0] for agent in before}
        deadline = time.monotonic() + PATIENCE
        while len(started) == 2 or not any(agent % 2 for agent in env.get_steps("CartPole-v1?team=0")[0]):
            assert time.monotonic() < deadline
            decisions = env.get_steps("CartPole-v1?team=0")[0]
            env.set_actions(
                "CartPole-v1?team=0", ActionTuple(discrete=np.zeros((len(decisions), 1), np.int32))
            )
            env.step()
            decisions, terminals = env.get_steps("CartPole-v1?team=0")
            steps_of_other += sum(agent % 2 == 0 for agent in decisions)
            endings += [terminals[agent] for agent in terminals if agent % 2]
        fresh = [agent for agent in env.get_steps("CartPole-v1?team=0")[0] if agent % 2]
    assert steps_of_other > 50
    assert sorted(ending.agent_id for ending in endings) == [1, 3, 5]
    assert all(ending.interrupted and ending.reward == 0 for ending in endings)
    for ending in endings:
        np.testing.assert_array_equal(ending.obs[0], last[ending.agent_id])
    assert len(fresh) == 3
    assert min(fresh) > 5


def groups_of(events: Events, worker: int) -> set[int]:
    """The groups of one of two players; 0 is none."""
    return {int(event[5]) for agent in events if agent % 2 == worker for event in events[agent]} - {0}


def test_groups_of_a_restarted_player_are_new_groups(tmp_path: Path) -> None:
    players = [(PLAYER, "ledger", "--agents", 6)] * 2  # two groups, and some agents in none
    with workers(players, tmp_path) as (env, started):
        bookkeeper = Bookkeeper(env)
        env.reset()
        bookkeeper.run(20)
        before = dict(bookkeeper.events)
        break_with_kill(started[1])
        while not any(agent % 2 for agent in bookkeeper.events.keys() - before):
            env.step()
            bookkeeper.run(1)
        env.step()
        bookkeeper.run(20)
    after = {agent: events for agent, events in bookkeeper.events.items() if agent not in before}
    groups = [groups_of(events, worker) for events in (before, after) for worker in (0, 1)]
    assert [len(one) for one in groups] == [2, 2, 2, 2]
    assert groups[2] == groups[0]
    assert len(groups[0] | groups[1] | groups[3]) == 6


def test_a_behavior_that_shows_up_later_than_before(tmp_path: Path) -> None:
    ended: dict[str, int] = {}
    with workers([(PLAYER, "ledger", "--agents", 2)], tmp_path) as (env, started):
        env.reset()
        assert list(env.behavior_specs) == [HYBRID]
        Bookkeeper(env).run(5)
        assert set(env.behavior_specs) == {HYBRID, CONTINUOUS}
        break_with_kill(started[0])
        env.step()
        assert len(started) == 2
        for name in env.behavior_specs:
            ended[name] = int(env.get_steps(name)[1].interrupted.sum())
        env.step()
        assert len(env.get_steps(CONTINUOUS)[0])
    assert ended == {HYBRID: 1, CONTINUOUS: 1}


def number(value: float) -> Sampler:
    return ConstantSampler(sampler_type="constant", sampler_parameters=ConstantParameters(value=value))


def test_parameters_reach_every_player_and_its_replacement(tmp_path: Path) -> None:
    books = [tmp_path / "first", tmp_path / "second"]
    players = [(PLAYER, "ledger", "--agents", 2, "--ledger", book) for book in books]
    sent, again = EnvironmentParametersChannel(), EnvironmentParametersChannel()
    for name, value in [("mass", 1), ("wind", 3), ("mass", 2)]:
        sent.set_float_parameter(name, value)
    for name, value in [("mass", 2), ("wind", 3)]:
        again.set_float_parameter(name, value)
    with workers(players, tmp_path) as (env, started):
        env.set_parameters({"mass": number(1), "wind": number(3)})
        env.reset()
        env.set_parameters({"mass": number(2)})
        env.reset()
        env.reset()  # by now the players have written down what came with the last one
        for book in books:
            assert read_side_channel(book, sent) == sent.message_queue
        break_with_kill(started[1])
        while len(started) == 2:
            env.step()
        for _ in range(2):
            env.reset()
    assert read_side_channel(books[1], again) == again.message_queue  # it has begun a new file
    assert read_side_channel(books[0], sent) == sent.message_queue


def step_often(env: Workers) -> None:
    for _ in range(20):
        env.step()


def test_restarts_have_limits(tmp_path: Path) -> None:
    player = (PLAYER, "exit", "--steps", 2)
    limits = RestartLimits(lifetime=2, rate=-1)
    with workers([player], tmp_path, limits) as (env, started):
        env.reset()
        with pytest.raises(
            PlayerLostError, match=r"(?s)exited with code 7.*about to exit.*max_lifetime_restarts is 2"
        ):
            step_often(env)
    assert len(started) == 3
    assert (tmp_path / "Player-0.log").read_text() == "about to exit\n" * 3


class Impatient(UnityEnv):
    """Kills its player at once, as one that would not leave."""

    def close(self, patience: float = 0.0) -> None:
        super().close(0.0)


def test_a_closed_worker_does_not_start_its_player_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    scripts, started = (("exit", "--steps", 1), ("silent",)), []

    def make(number: int) -> UnityEnv:
        path = write_player(tmp_path, PLAYER, *scripts[min(len(started), 1)])
        started.append(Impatient(PlayerOptions(path, free_port(), number, PATIENCE), wait=False))
        return started[-1]

    worker = Worker(0, 1, make, RestartLimits(lifetime=-1, rate=-1), queue.SimpleQueue())
    worker.connect()
    worker.submit(None)
    deadline = time.monotonic() + PATIENCE
    while len(started) == 1:
        assert time.monotonic() < deadline
        if worker.collect():
            worker.submit({})
    (restart,) = [thread for thread in threading.enumerate() if thread.name == "restart of player 0"]
    worker.close()
    restart.join(PATIENCE)
    assert not restart.is_alive()
    assert len(started) == 2
    assert caplog.text.count("Starting it again") == 1


@pytest.mark.parametrize(
    ("limits", "restarts", "refused"),
    [
        (RestartLimits(10, 1, 60), [], False),
        (RestartLimits(10, 1, 60), [950.0], True),
        (RestartLimits(10, 1, 60), [930.0], False),
        (RestartLimits(2, -1, 60), [1.0, 2.0], True),
        (RestartLimits(-1, -1, 60), [999.0] * 50, False),
        (RestartLimits(0, 1, 60), [], True),
    ],
)
def test_limits(limits: RestartLimits, restarts: list[float], refused: bool) -> None:
    assert (limits.refusal(restarts, 1000.0) is not None) == refused
