"""Players that do exactly what a test needs: `python scripted_player.py SCRIPT [options]`.

`ledger` and `lessons` keep a record of what happens; the scripts of `idle_players` misbehave, each in its own way.
"""

import argparse
import json
import os
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import numpy as np
from idle_players import misbehave, ragged, say, stacked, vector
from mlagents_envs.base_env import ActionSpec

from bridge import wire
from bridge.channels import StatsSideChannel
from bridge.player_connection import PlayerConnection, TrainerLeft

# isort: split
from mlagents_envs.side_channel import OutgoingMessage

HYBRID, CONTINUOUS = "Hybrid?team=0", "Continuous?team=1"
ECHO = uuid.UUID(int=77)
ACTIONS = {HYBRID: ActionSpec(2, (3, 2)), CONTINUOUS: ActionSpec(1, ())}


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

    def __init__(self, connection: PlayerConnection, path: str, agents: int) -> None:
        self.connection, self.last_id, self.mismatches = connection, 0, 0
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
        message.write_int32(0)
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


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("script")
    parser.add_argument("--mlagents-port", type=int, required=True)
    parser.add_argument("--ledger", default=os.devnull)
    parser.add_argument("--agents", type=int, default=6)
    parser.add_argument("--steps", type=int, default=3)
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
            Ledger(connection, arguments.ledger, arguments.agents).run()
        if arguments.script == "lessons":
            Pupils(connection, arguments.ledger, arguments.agents).run()
        return misbehave(arguments.script, connection, arguments.steps, arguments.when)
    except TrainerLeft as end:
        say(f"left: {end}")
        return 0


if __name__ == "__main__":
    sys.exit(main())
