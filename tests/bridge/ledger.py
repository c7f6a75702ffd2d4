"""The trainer's side of the reference count: acts as the scripted player wants, and writes down what it is told."""

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from mlagents_envs.base_env import ActionTuple, BaseEnv, DecisionSteps, TerminalSteps
from scripted_player import expected_action

from bridge.channels import SideChannel

Events = dict[int, list[list[Any]]]


class Bookkeeper:
    """Steps an environment of `scripted_player ledger` and records events by agent id."""

    def __init__(self, env: BaseEnv) -> None:
        self.env = env
        self.events: Events = defaultdict(list)
        self.own_ids: dict[int, int] = {}

    def run(self, steps: int) -> None:
        """Take in what is there and act, so many times; the last actions are not sent."""
        for step in range(steps):
            if step:
                self.env.step()
            for name in self.env.behavior_specs:
                decisions, terminals = self.env.get_steps(name)
                self._record(terminals, terminals.interrupted)
                self._record(decisions, None)
                self._act(name, decisions)

    def _record(self, steps: DecisionSteps | TerminalSteps, interrupted: Any) -> None:
        for row, agent in enumerate(steps.agent_id.tolist()):
            number, index = (int(value) for value in steps.obs[0][row])
            assert (steps.obs[1][row] == number).all()
            assert self.own_ids.setdefault(agent, number) == number
            done = interrupted is not None
            event = [number, index, float(steps.reward[row]), done, done and bool(interrupted[row])]
            self.events[agent].append([*event, int(steps.group_id[row]), float(steps.group_reward[row])])

    def _act(self, name: str, decisions: DecisionSteps) -> None:
        spec = self.env.behavior_specs[name].action_spec
        rows = [
            expected_action(spec, int(number), int(index))
            for number, index in decisions.obs[0][:, :2].tolist()
        ]
        if spec.discrete_size:
            forbidden = [bool(index % 2) for _, index in decisions.obs[0].tolist()]
            assert decisions.action_mask[0][:, 1].tolist() == forbidden
            assert not decisions.action_mask[1].any()
        if rows:
            continuous, discrete = (np.stack(part) for part in zip(*rows, strict=True))
            self.env.set_actions(name, ActionTuple(continuous, discrete.astype(np.int32)))


def read_ledger(path: Path) -> Events:
    """What the player wrote, by agent id."""
    events: Events = defaultdict(list)
    for line in path.read_text().splitlines():
        event = json.loads(line)
        if event[0] != "side channel":
            events[event[0]].append(event)
    return events


def read_side_channel(path: Path, channel: SideChannel) -> list[bytes]:
    """What the player received on a channel."""
    events = [json.loads(line) for line in path.read_text().splitlines() if "side channel" in line]
    return [bytes.fromhex(content) for _, name, content in events if name == str(channel.channel_id)]


def assert_same(seen: Events, written: Events) -> None:
    """Everything seen was written, once and in that order; only the last message may still be on its way."""
    for agent, events in seen.items():
        assert events == written[agent][: len(events)], agent
    missing = sum(len(events) for events in written.values()) - sum(len(events) for events in seen.values())
    assert missing <= len(written)
    assert sum(len(events) for events in seen.values()) > 50
