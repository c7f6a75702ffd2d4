"""Agents that only stand there, until their player does what a test wants of it."""

import os
import signal
import sys
import time
from typing import Any

import numpy as np
from mlagents_envs.base_env import ActionSpec, DimensionProperty, ObservationSpec, ObservationType

from bridge.player_connection import PlayerConnection


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def vector(size: int, name: str = "vector") -> ObservationSpec:
    return ObservationSpec((size,), (DimensionProperty.NONE,), ObservationType.DEFAULT, name)


def ragged(rows: int, size: int) -> ObservationSpec:
    properties = (DimensionProperty.VARIABLE_SIZE, DimensionProperty.NONE)
    return ObservationSpec((rows, size), properties, ObservationType.DEFAULT, "ragged")


STACKED = "StackingSensor_size2_Camera"


def stacked_pixels() -> np.ndarray:
    """Two grey pictures, each as the three channels of a PNG. Shape: (6, 7, 5)."""
    return np.arange(210, dtype=np.uint8).reshape(6, 7, 5)


def stacked(connection: PlayerConnection) -> None:
    """Agents with a stacked grey camera, whose PNGs are mapped to two channels, and a stacked vector."""
    pixels = DimensionProperty.TRANSLATIONAL_EQUIVARIANCE
    properties = (DimensionProperty.NONE, pixels, pixels)
    camera = ObservationSpec((2, 7, 5), properties, ObservationType.DEFAULT, STACKED)
    connection.add_behavior("Stacked", [camera, vector(6, "StackingSensor_size3_Vector")], ActionSpec(1, ()))
    while True:
        for agent in range(3):
            connection.put("Stacked", agent, [stacked_pixels(), np.arange(6) + agent], 0.0)
        for info in connection.message.unity_output.rl_output.agentInfos["Stacked"].value:
            info.observations[0].compressed_channel_mapping.extend([0, 0, 0, 1, 1, 1])
        connection.exchange()


def simple(connection: PlayerConnection, agents: int = 2, size: int = 3) -> None:
    """Declare one behavior `Simple` and put its agents once."""
    connection.add_behavior("Simple", [vector(size)], ActionSpec(1, ()))
    put_simple(connection, agents, size)


def put_simple(connection: PlayerConnection, agents: int = 2, size: int = 3, **fields: Any) -> None:
    for agent in range(agents):
        connection.put("Simple", agent, [np.full(size, agent, np.float32)], fields.get("reward", 0.0))


CHANGES: dict[str, tuple[list[ObservationSpec], ActionSpec]] = {
    "other-shape": ([vector(4)], ActionSpec(1, ())),
    "more-sensors": ([vector(3), vector(2)], ActionSpec(1, ())),
    "same-size": ([ragged(3, 1)], ActionSpec(1, ())),
    "same-again": ([vector(3)], ActionSpec(1, ())),
    "other-actions": ([vector(3)], ActionSpec(1, (2,))),
}


def change(
    connection: PlayerConnection, observations: list[ObservationSpec], actions: ActionSpec, when: str
) -> None:
    """Give the agents of `Simple` other sensors or actions; only "silent" does not announce them."""
    while not connection.exchange().reset and when == "reset":
        put_simple(connection)
    connection.add_behavior("Simple", observations, actions, announce=when != "silent")
    while True:
        for agent in range(2):
            connection.put("Simple", agent, [np.zeros(spec.shape, np.float32) for spec in observations], 0.0)
        connection.exchange()


def misbehave(script: str, connection: PlayerConnection, steps: int, when: str) -> int:
    """Run the simple behavior for some steps, then do what `script` says; returns the exit status."""
    agents, size = (10_000, 243) if script == "big" else (2, 3)
    simple(connection, agents, size)
    for _ in range(steps):
        connection.exchange()
        put_simple(connection, agents, size)
    say(f"about to {script}")
    if script == "exit":
        return 7
    if script == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if script == "hang":
        time.sleep(600)
    if script == "pause":  # long enough for gRPC to give up the connection
        time.sleep(3)
    if script == "nan":
        connection.put("Simple", 99, [np.array([0, np.nan, 0], np.float32)], 0.0)
    if script == "infinite":
        connection.put("Simple", 99, [np.zeros(3, np.float32)], float("inf"))
    if script in CHANGES:
        change(connection, *CHANGES[script], when)
    if script == "stop":
        connection.close()
        return 0
    while True:
        connection.exchange()
        put_simple(connection, agents, size)
