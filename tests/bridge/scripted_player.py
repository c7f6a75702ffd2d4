"""Players that do exactly what a test needs: `python scripted_player.py SCRIPT [options]`.

`ledger` keeps a record of everything it tells the trainer; the other scripts misbehave, each in its own way.
"""

import argparse
import json
import os
import signal
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import numpy as np
from mlagents_envs.base_env import ActionSpec, DimensionProperty, ObservationSpec, ObservationType

from bridge import wire
from bridge.channels import StatsSideChannel
from bridge.player_connection import PlayerConnection, TrainerLeft

# isort: split
from mlagents_envs.side_channel import OutgoingMessage

HYBRID, CONTINUOUS = "Hybrid?team=0", "Continuous?team=1"
ECHO = uuid.UUID(int=77)
ACTIONS = {HYBRID: ActionSpec(2, (3, 2)), CONTINUOUS: ActionSpec(1, ())}


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def vector(size: int, name: str = "vector") -> ObservationSpec:
    return ObservationSpec((size,), (DimensionProperty.NONE,), ObservationType.DEFAULT, name)


def ragged(rows: int, size: int) -> ObservationSpec:
    properties = (DimensionProperty.VARIABLE_SIZE, DimensionProperty.NONE)
    return ObservationSpec((rows, size), properties, ObservationType.DEFAULT, "ragged")


def expected_action(spec: ActionSpec, agent_id: int, index: int) -> tuple[np.ndarray, np.ndarray]:
    """The action that the trainer must give for an agent's decision; exact in float32."""
    continuous = np.array([agent_id / 4096, index / 4096], np.float32)[: spec.continuous_size]
    discrete = np.array([(agent_id + index) % 3, agent_id * index % 2], np.int64)[: spec.discrete_size]
    return continuous, discrete


class Member:
    """An agent of the ledger: it decides every few steps, and its episodes have different lengths."""

    def __init__(self, player: "Ledger", slot: int) -> None:
        self.player, self.slot = player, slot
        self.name = (HYBRID, CONTINUOUS)[slot % 2]
        self.period, self.length = 1 + slot % 3, 4 + slot
        self.group = slot % 3
        self.begin()

    def begin(self) -> None:
        self.player.last_id += 1
        self.id, self.index, self.age, self.reward, self.acted = self.player.last_id, 0, 0, 0.0, False

    def put(self, done: bool = False) -> None:
        interrupted = done and self.slot % 2 == 0
        observations = [np.array([self.id, self.index], np.float32), np.full((2, 3), self.id, np.float32)]
        mask = np.array([False, self.index % 2, False, False, False]) if self.name == HYBRID else None
        group_reward = float(self.group)
        self.player.connection.put(
            self.name,
            self.id,
            observations,
            self.reward,
            done=done,
            interrupted=interrupted,
            mask=None if done else mask,
            group_id=self.group,
            group_reward=group_reward,
        )
        self.player.record(self.id, self.index, self.reward, done, interrupted, self.group, group_reward)
        self.reward = 0.0

    def step(self, number: int) -> None:
        if not self.acted:
            return
        self.age += 1
        self.reward += number % 50 + 100 * self.slot
        if self.age >= self.length:
            self.put(done=True)
            self.begin()


class Ledger:
    """Agents of two behaviors that come and go; every number sent is written to a file."""

    def __init__(self, connection: PlayerConnection, path: str, agents: int, delay: float) -> None:
        self.connection, self.last_id, self.mismatches, self.delay = connection, 0, 0, delay
        self.echoes: list[tuple[uuid.UUID, bytes]] = []
        self.file = Path(path).open("w")  # noqa: SIM115 - closed with the process
        for name, actions in ACTIONS.items():
            connection.add_behavior(name, [vector(2), ragged(2, 3)], actions)
        self.members = [Member(self, slot) for slot in range(agents)]

    def record(self, *numbers: Any) -> None:
        self.file.write(json.dumps(numbers) + "\n")
        self.file.flush()

    def run(self, steps: int | None = None) -> None:
        number = 0
        self.listen(self.connection.first_side_channel)
        while number != steps:
            time.sleep(self.delay)
            asked = [
                member for member in self.members if number % member.period == member.slot % member.period
            ]
            for member in asked:
                member.put()
            if asked or self.connection.has_batch:
                reply = self.connection.exchange(self.statistics(number))
                self.listen(reply.side_channel)
                for member in self.members if reply.reset else asked:
                    member.begin() if reply.reset else self.check(
                        member, *reply.actions[member.name, member.id]
                    )
            for member in self.members:
                member.step(number)
            number += 1

    def check(self, member: Member, continuous: np.ndarray, discrete: np.ndarray) -> None:
        wanted = expected_action(ACTIONS[member.name], member.id, member.index)
        same = np.array_equal(continuous, wanted[0]) and np.array_equal(discrete, wanted[1])
        self.mismatches += not same
        member.acted = True
        member.index += 1

    def statistics(self, number: int) -> bytes:
        channel, message = StatsSideChannel(), OutgoingMessage()
        message.write_string("Mismatches")
        message.write_float32(self.mismatches)
        message.write_int32(1)
        echoes, self.echoes = self.echoes, []
        return wire.pack_side_channels([(channel.channel_id, bytes(message.buffer)), *echoes])

    def listen(self, data: bytes) -> None:
        """Write down side-channel messages; those on the echo channel also go back."""
        for channel, content in wire.unpack_side_channels(data):
            self.record("side channel", str(channel), content.hex())
            if channel == ECHO:
                self.echoes.append((channel, content))


class Pupils(Ledger):
    """Agents of one behavior, 1 for each step, 5 steps an episode; what happens to them is written to a file."""

    def run(self, steps: int | None = None) -> None:
        ages = [0] * len(self.members)
        self.listen(self.connection.first_side_channel)
        self.connection.add_behavior("Pupil", [vector(2)], ActionSpec(1, ()))
        while True:
            for slot, age in enumerate(ages):
                self.connection.put("Pupil", slot, [np.zeros(2, np.float32)], float(age > 0))
            reply = self.connection.exchange()
            self.listen(reply.side_channel)
            if reply.reset:
                self.record("reset")
                ages = [0] * len(ages)
                continue
            ages = [age + 1 for age in ages]
            for slot, age in enumerate(ages):
                if age == 5:
                    self.connection.put("Pupil", slot, [np.ones(2, np.float32)], 1.0, done=True)
                    self.record("episode", 5.0)
                    ages[slot] = 0


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
        for info in connection._message.unity_output.rl_output.agentInfos["Stacked"].value:
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
    if when == "silent":
        connection._behaviors["Simple"].specs = observations
    else:
        connection.add_behavior("Simple", observations, actions)
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


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("script")
    parser.add_argument("--mlagents-port", type=int, required=True)
    parser.add_argument("--ledger", default=os.devnull)
    parser.add_argument("--agents", type=int, default=6)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--delay", type=float, default=0.0)
    parser.add_argument("--channels-last", action="store_true")
    parser.add_argument("--when", choices=["step", "reset", "silent"], default="step")
    arguments, _ = parser.parse_known_args()
    if arguments.script == "early":
        say("no license found")
        return 3
    if arguments.script == "silent":
        time.sleep(600)
    version = "2.0.0" if arguments.script == "version" else wire.API_VERSION
    idle = (("grpc.client_idle_timeout_ms", 1000),) if arguments.script == "pause" else ()
    connection = PlayerConnection(
        arguments.mlagents_port, 30, version, arguments.channels_last, channel_options=idle
    )
    try:
        connection.connect()
        if arguments.script == "stacked":
            stacked(connection)
        if arguments.script == "ledger":
            Ledger(connection, arguments.ledger, arguments.agents, arguments.delay).run()
        if arguments.script == "lessons":
            Pupils(connection, arguments.ledger, arguments.agents, arguments.delay).run()
        return misbehave(arguments.script, connection, arguments.steps, arguments.when)
    except TrainerLeft as end:
        say(f"left: {end}")
        return 0


if __name__ == "__main__":
    sys.exit(main())
