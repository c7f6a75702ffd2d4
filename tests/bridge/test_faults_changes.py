"""Players whose agents change their sensors or actions, and what the user is told."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest
from editors import editor
from processes import PLAYER, free_port, write_player

from bridge.decoding import BehaviorDecoder
from bridge.unity_env import PlayerOptions, UnityEnv
from bridge.wire import PNG, AgentInfo, BrainParameters
from bridge.worker import RestartLimits
from bridge.workers import Workers
from gym_adapters import UserError

WORDS = {
    "other-shape": r"observation 0 is .*of shape \(4,\).* now, .*of shape \(3,\).* before",
    "more-sensors": "2 observations now, 1 before",
    "same-size": r"observation 0 is .*of shape \(3, 1\).* now, .*of shape \(3,\).* before",
    "other-actions": r"actions are 1 continuous and discrete \(2,\) now, 1 continuous and discrete \(\) before",
}
ADVICE = (
    "the same sensors and actions for the whole run: make them alike, or give them different Behavior Names"
)


def told(script: str) -> str:
    return rf"^behavior Simple.*: {WORDS[script]}; all agents of a behavior.*{ADVICE}$"


def drive(env: UnityEnv) -> None:
    """Steps and resets until something goes wrong."""
    for _ in range(5):
        for _ in range(4):
            env.step()
        env.reset()


@pytest.mark.parametrize(
    ("script", "when"),
    [
        *((script, when) for script in WORDS for when in ("step", "reset")),
        *((script, "silent") for script in WORDS if script != "other-actions"),
    ],
)
def test_a_change_is_named_as_it_was_and_as_it_is(script: str, when: str) -> None:
    with editor(PLAYER, script, "--when", when) as env:
        env.reset()
        with pytest.raises(UserError, match=told(script)):
            drive(env)


def test_the_same_announced_again_is_no_change() -> None:
    with editor(PLAYER, "same-again") as env:
        for _ in range(3):
            env.reset()
            for _ in range(4):
                env.step()
                assert len(env.get_steps("Simple")[0]) == 2


def test_players_that_differ(tmp_path: Path) -> None:
    scripts, port = ["big", "exit"], free_port()  # 243 and 3 numbers

    def make(number: int) -> UnityEnv:
        (tmp_path / str(number)).mkdir()
        path = write_player(tmp_path / str(number), PLAYER, scripts[number], "--steps", 50)
        return UnityEnv(PlayerOptions(path, port, number, 20, log_folder=tmp_path), wait=False)

    env = Workers(make, 2)
    try:
        with pytest.raises(
            UserError, match=r"^behavior Simple: observation 0 is .* now, .* before; .*every player"
        ):
            env.reset()
    finally:
        env.close()


def test_a_replacement_that_differs(tmp_path: Path) -> None:
    started: list[UnityEnv] = []

    def make(number: int) -> UnityEnv:
        path = write_player(tmp_path, PLAYER, "big" if started else "other-shape", "--steps", 50)
        started.append(UnityEnv(PlayerOptions(path, free_port(), 0, 20, log_folder=tmp_path), wait=False))
        return started[-1]

    env = Workers(make, 1, RestartLimits())
    try:
        env.reset()
        os.kill(started[0].session.process.pid, signal.SIGKILL)  # type: ignore[union-attr]
        with pytest.raises(UserError, match=r"observation 0 is .*\(243,\).* now, .*\(3,\).* before"):
            env.step()
    finally:
        env.close()


@pytest.mark.parametrize(
    ("to_png", "words"), [(True, "is a PNG now, it was none before"), (False, "is no PNG now, it was before")]
)
def test_compression_that_changes(to_png: bool, words: str) -> None:
    infos = []
    for is_png in (not to_png, to_png):
        info = AgentInfo(id=3)
        proto = info.observations.add(shape=(3, 8, 8), name="camera")
        if is_png:
            proto.compression_type, proto.compressed_data = PNG, b"..."
        else:
            proto.float_data.data = np.zeros(192, np.float32).tobytes()
        infos.append(info)
    parameters = BrainParameters()
    parameters.action_spec.num_continuous_actions = 1
    decoder = BehaviorDecoder("Simple", parameters, infos[0])
    with pytest.raises(UserError, match=f"Simple, agent 3: observation 0 {words}"):
        decoder.decode(infos[1:])
