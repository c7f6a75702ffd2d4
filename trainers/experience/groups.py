"""Groups of agents. Every member receives a group reward, but it counts only once for the group."""

import numpy as np

from trainers.experience.agents import AgentTable, SlotTable
from trainers.experience.store import NO_ROW
from trainers.maths.elo import results


def mates_of(groups: np.ndarray, rows: np.ndarray, of_groups: np.ndarray, of_rows: np.ndarray) -> np.ndarray:
    """Return the rows of each agent's groupmates, (n, most), where -1 fills the lines of smaller groups.

    Args:
        groups: (n,) ids of the agents' groups; 0 is no group.
        rows: (n,) the agents' own rows, which are left out.
        of_groups: (m,) ids of the groups of all that may be mates.
        of_rows: (m,) their rows.
    """
    grouped = of_groups > 0
    order = np.argsort(of_groups[grouped], kind="stable")
    of_groups, of_rows = of_groups[grouped][order], of_rows[grouped][order]
    first = np.searchsorted(of_groups, groups)
    sizes = np.searchsorted(of_groups, groups, side="right") - first
    most = int(sizes.max(initial=0))
    places = first[:, None] + np.arange(most)
    found = np.append(of_rows, NO_ROW)[np.where(np.arange(most) < sizes[:, None], places, len(of_rows))]
    others = found != rows[:, None]
    mates: np.ndarray = np.where(others, found, NO_ROW)
    order = np.argsort(mates == NO_ROW, axis=1, kind="stable")  # mates first, then what fills the line
    mates = np.take_along_axis(mates, order, axis=1)
    return mates[:, : int((mates != NO_ROW).sum(1).max(initial=0))]


class GroupTable(SlotTable):
    """The living groups of one behavior id.

    Attributes, both of shape (slots,):
        total: sum of the raw group rewards since the first member joined.
        members: present number of members.
    """

    total: np.ndarray
    members: np.ndarray

    def __init__(self) -> None:
        super().__init__({"total": np.float64, "members": np.int64})
        self._joinings = 0

    def join(self, agents: AgentTable, slots: np.ndarray, group_ids: np.ndarray) -> None:
        """Add agents to groups.

        Each agent stores its offset from the group's total, so that late members give the same total. A total may lack
        rewards that other members have not reported yet. `earn` then corrects the offset.

        Args:
            agents: the table of the agents.
            slots: (n,) slots of the agents.
            group_ids: (n,) ids of the groups; 0 is no group.
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
        """Update the totals of the groups of the agents in `slots`, (n,), after their `group_return` was updated.

        The member of a group that joined first gives the group's total, and the other members adopt it.
        """
        slots = slots[agents.group_id[slots] > 0]
        # The member that joined first comes last, so that its total overwrites those of the others.
        slots = slots[np.argsort(-agents.group_joining[slots], kind="stable")]
        groups = self.find(agents.group_id[slots])
        self.total[groups] = agents.group_offset[slots] + agents.group_return[slots]
        agents.group_offset[slots] = self.total[groups] - agents.group_return[slots]

    def scores(self, group_ids: np.ndarray, last: np.ndarray, returns: np.ndarray) -> np.ndarray:
        """Return the scores of the games that ended with n agents, after these have left: see `maths.elo.results`.

        A group whose members live on has not ended its game. Members that end together give one score by their sums.

        Args:
            group_ids: (n,) ids of the agents' groups; 0 is no group.
            last: (n,) own and group rewards of the last step.
            returns: (n,) sums of all own and group rewards.
        """
        alone = group_ids == 0
        ended = ~alone & (self.find(group_ids) < 0)
        ids, games = np.unique(group_ids[ended], return_inverse=True)
        sums = [np.bincount(games, weights[ended], len(ids)) for weights in (last, returns)]
        return results(np.append(last[alone], sums[0]), np.append(returns[alone], sums[1]))

    def leave(self, agents: AgentTable, slots: np.ndarray) -> np.ndarray:
        """Remove the agents in `slots`, (n,), from their groups.

        Returns:
            (groups,) totals of the groups whose last member left.
        """
        slots = slots[agents.group_id[slots] > 0]
        groups = self.find(agents.group_id[slots])
        np.subtract.at(self.members, groups, 1)
        ended = np.unique(groups[self.members[groups] == 0])
        totals: np.ndarray = self.total[ended]
        self.remove(ended)
        return totals
