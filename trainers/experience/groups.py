"""Groups of agents: a group reward is one number for the group, however many members receive it."""

import numpy as np

from trainers.experience.agents import AgentTable, SlotTable


class GroupTable(SlotTable):
    """Living groups, in slots.

    Attributes (both of shape (slots,)):
        total: sum of the raw group rewards since the group's first member joined.
        members: agents that are in it now.
    """

    total: np.ndarray
    members: np.ndarray

    def __init__(self) -> None:
        super().__init__({"total": np.float64, "members": np.int64})
        self._joinings = 0

    def join(self, agents: AgentTable, slots: np.ndarray, group_ids: np.ndarray) -> None:
        """Agents become members of the groups with these ids; 0 is no group.

        What the group has earned so far is remembered for each, so that a late member's sum is the group's as well.
        Members that decide at other steps may not have seen all of it yet; `earn` mends that.
        """
        agents.group_id[slots] = group_ids
        slots, group_ids = slots[group_ids > 0], group_ids[group_ids > 0]
        if not len(slots):
            return
        ids = np.unique(group_ids)
        self.add(ids[self.find(ids) < 0])
        groups = self.find(group_ids)
        agents.group_offset[slots] = self.total[groups] - agents.group_return[slots]
        agents.group_joining[slots] = self._joinings
        self._joinings += 1
        np.add.at(self.members, groups, 1)

    def earn(self, agents: AgentTable, slots: np.ndarray) -> None:
        """Take in what members have seen their groups earn.

        Among members that decide together the one that joined first is right, and the others take over its sum.
        """
        slots = slots[agents.group_id[slots] > 0]
        slots = slots[np.argsort(-agents.group_joining[slots], kind="stable")]
        groups = self.find(agents.group_id[slots])
        self.total[groups] = agents.group_offset[slots] + agents.group_return[slots]  # the last one stays
        agents.group_offset[slots] = self.total[groups] - agents.group_return[slots]

    def leave(self, agents: AgentTable, slots: np.ndarray) -> np.ndarray:
        """Agents leave; returns the sums of the groups whose last member has left, (groups,)."""
        slots = slots[agents.group_id[slots] > 0]
        groups = self.find(agents.group_id[slots])
        np.subtract.at(self.members, groups, 1)
        ended = np.unique(groups[self.members[groups] == 0])
        totals: np.ndarray = self.total[ended]
        self.remove(ended)
        return totals
