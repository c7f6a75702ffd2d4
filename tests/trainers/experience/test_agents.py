"""The table of living agents against a dictionary."""

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from trainers.experience.agents import AgentTable

COLUMNS = [name for name in vars(AgentTable()) if not name.startswith("_")]

IDS = st.lists(st.integers(-(2**40), 2**40) | st.integers(0, 20), unique=True, max_size=30)


class Comings(RuleBasedStateMachine):
    """Agents come, are marked, and go in any order and number."""

    def __init__(self) -> None:
        super().__init__()
        self.table = AgentTable()
        self.marks: dict[int, float] = {}
        self.next_mark = 1.0

    @rule(ids=IDS)
    def come(self, ids):
        new = np.array([agent for agent in ids if agent not in self.marks], np.int64)
        slots = self.table.add(new)
        for name in COLUMNS:
            assert (getattr(self.table, name)[slots] == 0).all(), "a slot starts clean, whoever had it before"
        for agent, slot in zip(new.tolist(), slots.tolist(), strict=True):
            self.marks[agent] = self.next_mark
            for name in COLUMNS:
                getattr(self.table, name)[slot] = self.next_mark
            self.next_mark += 1.0

    @rule(data=st.data())
    def go(self, data):
        leaving = data.draw(st.lists(st.sampled_from(sorted(self.marks) or [0]), unique=True, max_size=10))
        leaving = [agent for agent in leaving if agent in self.marks]
        self.table.remove(self.table.find(np.array(leaving, np.int64)))
        for agent in leaving:
            del self.marks[agent]

    @rule()
    def reset(self):
        self.table.clear()
        self.marks.clear()

    @rule(ids=IDS)
    def look_up(self, ids):
        slots = self.table.find(np.array(ids, np.int64))
        found = {agent for agent, slot in zip(ids, slots.tolist(), strict=True) if slot >= 0}
        assert found == set(ids) & set(self.marks)

    @invariant()
    def everyone_keeps_a_slot_of_their_own(self):
        assert len(self.table) == len(self.marks)
        slots = self.table.find(np.array(list(self.marks), np.int64))
        assert sorted(slots.tolist()) == sorted(self.table.slots.tolist())
        assert len(set(slots.tolist())) == len(slots)
        for name in COLUMNS:
            assert getattr(self.table, name)[slots].tolist() == list(self.marks.values())


Comings.TestCase.settings = settings(deadline=None, max_examples=40, stateful_step_count=20)
TestComings = Comings.TestCase
TestComings.__doc__ = "Runs the machine above."


def test_slots_are_used_again():
    table = AgentTable()
    for generation in range(1000):
        slots = table.add(np.arange(10) + 10 * generation)
        assert slots.max() < 32
        table.remove(slots)
    assert len(table) == 0
