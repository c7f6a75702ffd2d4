"""The actor of a behavior id: assigns decisions and rewards to agents."""

import copy
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from mlagents_envs.base_env import ActionTuple, DecisionSteps, TerminalSteps

from trainers.experience.agents import AgentBatch, AgentTable
from trainers.experience.checks import StepsChecker
from trainers.experience.groups import GroupTable, mates_of
from trainers.experience.store import NO_ROW, Groupmates, StepResult, Store
from trainers.maths.returns import Ending
from trainers.networks.policy_network import ActionSample, PolicyNetwork, join_masks
from trainers.networks.usable_actions import usable_actions


class Mind(Protocol):
    """What an actor needs of a learner.

    Attributes:
        name: the behavior.
        policy: its network.
        time_horizon: decisions after which a trajectory is cut (ML-Agents key).
        sees_mates: whether the store must know the groupmates of each row.
    """

    name: str
    policy: PolicyNetwork
    time_horizon: int
    sees_mates: bool

    @property
    def noise_size(self) -> int:
        """Number of continuous actions whose noise the next decision needs; 0 if it needs none."""

    @property
    def store(self) -> Store:
        """The store of decisions."""

    def attend(self) -> None:
        """Called before agents are observed."""

    def choose(self, batch: AgentBatch) -> ActionSample:
        """Choose actions for a batch of agents."""

    def noticed(self, batch: AgentBatch) -> None:
        """Called when a batch of agents requests decisions."""

    def earned(self, agents: AgentTable, slots: np.ndarray, own: np.ndarray, group: np.ndarray) -> None:
        """Called when agents receive rewards.

        Args:
            agents: the table of the agents.
            slots: (n,) slots of the agents.
            own: (n,) the agents' own rewards.
            group: (n,) the rewards of their groups.
        """

    def ended(self, own: np.ndarray, group: np.ndarray, lengths: np.ndarray) -> None:
        """Called when episodes have ended.

        Args:
            own: (n,) sums of the agents' own rewards.
            group: (n,) sums of their groups' rewards.
            lengths: (n,) numbers of decisions.
        """

    def games_ended(self, scores: np.ndarray) -> None:
        """Called when games have ended, with the team's scores, (games,): 1 won, 0.5 drawn, 0 lost.

        The game of a group ends when its last members end, and that of an agent without a group when the agent ends.
        """

    def groups_ended(self, returns: np.ndarray) -> None:
        """Called when the last members of groups have left; `returns`, (groups,), are the sums of the group rewards."""


@dataclass(frozen=True)
class Ended:
    """The n episodes that ended in a step.

    Attributes:
        rows: (n,) rows of the last observations.
        groups: (n,) ids of the agents' groups.
        interrupted: (n,) bool, whether the episode was interrupted rather than terminated.
    """

    rows: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    groups: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    interrupted: np.ndarray = field(default_factory=lambda: np.zeros(0, np.bool_))


class Actor:
    """The agents of one behavior id, such as `Name?team=1`.

    `observe` returns the agents that request a decision, and `act` chooses their actions. A reward belongs to the
    agent's previous decision, which may lie several environment steps back.

    Args:
        mind: chooses actions and learns from them.
    """

    def __init__(self, mind: Mind) -> None:
        self.mind = mind
        self.agents, self.groups = AgentTable(mind.policy.memory_size, mind.noise_size), GroupTable()
        self._checker = StepsChecker(mind.name, mind.policy.spec)

    def observe(self, decision: DecisionSteps, terminal: TerminalSteps) -> AgentBatch:
        """Process what agents observed and received.

        Ended episodes come first, because an agent's id may be in both arguments.

        Args:
            decision: agents that request a decision.
            terminal: agents whose episode ended.

        Returns:
            The agents of `decision`.

        Raises:
            UserError: an array does not fit the behavior or holds a number that is not finite, or every action of a
                branch is forbidden for an agent.
        """
        self.mind.attend()
        name, agents = self.mind.name, self.agents
        decision, terminal = self._checker.checked(decision), self._checker.checked(terminal)
        branches = self.mind.policy.action_spec.discrete_branches
        forbidden = join_masks(name, decision.action_mask, branches, decision.agent_id)
        ended = self._end_episodes(terminal)

        slots = agents.find(decision.agent_id)
        new = slots < 0
        previous = np.full(len(slots), NO_ROW, np.int64)
        previous[~new] = agents.open_row[slots[~new]]
        if new.any():
            slots[new] = agents.add(decision.agent_id[new])
        memory = self._memory(slots)
        rows = self.mind.store.append(decision.obs, forbidden, previous, memory)
        if not new.all():
            ending = np.full(int((~new).sum()), Ending.GOES_ON, np.int8)
            self._settle(slots[~new], decision.reward[~new], decision.group_reward[~new], rows[~new], ending)
        self._update_groups(slots, decision.group_id)
        agents.open_row[slots] = rows
        if self.mind.sees_mates:
            self._note_groupmates(slots, slots[new], ended)
        batch = AgentBatch(slots, decision.obs, forbidden, memory, agents.noise_of(slots))
        self.mind.noticed(batch)
        return batch

    def act(self, batch: AgentBatch) -> ActionTuple:
        """Choose actions for a batch of agents, in the batch's order.

        Raises:
            UserError: an action is no number.
        """
        name, spec = f"behavior {self.mind.name}", self.mind.policy.spec
        sample = usable_actions(name, spec, batch.observations, lambda: self.mind.choose(batch))
        self.mind.store.decide(self.agents.open_row[batch.slots], sample)
        if sample.memory is not None:
            self.agents.memory[batch.slots] = sample.memory
        if sample.noise is not None:
            self.agents.noise[batch.slots] = sample.noise
        return self.mind.policy.to_environment(sample)

    def frozen(self) -> "Actor":
        """Return a copy whose agents stay as they are now."""
        frozen = copy.copy(self)
        frozen.agents = copy.deepcopy(self.agents)
        return frozen

    def forget_agents(self) -> None:
        """Drop all episodes in progress after a reset of the environment. Their last rewards never arrive."""
        self.agents.clear()
        self.groups.clear()

    def _note_groupmates(self, slots: np.ndarray, new: np.ndarray, ended: Ended) -> None:
        """Tell the store the groupmates of the agents that decide or have ended, as they are after this step.

        Args:
            slots: (n,) slots of the agents that request a decision.
            new: slots of those whose episode begins. They are no mates of agents whose episode has just ended.
            ended: what `_end_episodes` returned.
        """
        agents = self.agents
        present, rows = agents.slots, agents.open_row
        store = self.mind.store
        mates = mates_of(agents.group_id[slots], rows[slots], agents.group_id[present], rows[present])
        store.note_groupmates(Groupmates(rows[slots], mates, np.zeros(len(slots), np.bool_)))
        if len(ended.rows):
            present = np.setdiff1d(present, new)
            stay = ended.interrupted
            groups = np.concatenate([agents.group_id[present], ended.groups[stay]])
            mates = mates_of(
                ended.groups, ended.rows, groups, np.concatenate([rows[present], ended.rows[stay]])
            )
            leaves_some = (mates != NO_ROW).any(1)
            store.note_groupmates(Groupmates(ended.rows, mates, ~stay & leaves_some))

    def _end_episodes(self, terminal: TerminalSteps) -> Ended:
        """Settle the last decisions of ended episodes. The last observations become rows."""
        agents = self.agents
        slots = agents.find(terminal.agent_id)
        known = slots >= 0
        if not known.any():
            return Ended()
        slots = slots[known]
        last = self.mind.store.append(
            [observation[known] for observation in terminal.obs],
            None,
            agents.open_row[slots],
            self._memory(slots),
        )
        ending = np.where(terminal.interrupted[known], Ending.INTERRUPTED, Ending.TERMINATED).astype(np.int8)
        self._settle(slots, terminal.reward[known], terminal.group_reward[known], last, ending)
        ended = Ended(last, agents.group_id[slots], ending == Ending.INTERRUPTED)
        self.mind.ended(agents.episode_return[slots], agents.group_return[slots], agents.episode_steps[slots])
        rewards = terminal.reward[known] + terminal.group_reward[known]
        returns = agents.episode_return[slots] + agents.group_return[slots]
        self._leave_groups(slots)
        agents.remove(slots)
        self.mind.games_ended(self.groups.scores(ended.groups, rewards, returns))
        return ended

    def _memory(self, slots: np.ndarray) -> np.ndarray | None:
        """Return what the agents in `slots` remember; None for a policy without memory."""
        return self.agents.memory[slots] if self.mind.policy.memory_size else None

    def _settle(
        self,
        slots: np.ndarray,
        reward: np.ndarray,
        group_reward: np.ndarray,
        next_row: np.ndarray,
        ending: np.ndarray,
    ) -> None:
        """Settle the open rows of the agents in `slots`."""
        agents = self.agents
        agents.episode_return[slots] += reward
        agents.group_return[slots] += group_reward
        agents.episode_steps[slots] += 1
        agents.trajectory_steps[slots] += 1
        cut = agents.trajectory_steps[slots] >= self.mind.time_horizon
        agents.trajectory_steps[slots[cut]] = 0
        ending[cut & (ending == Ending.GOES_ON)] = Ending.CUT
        if len(self.groups):
            self.groups.earn(agents, slots)
        self.mind.earned(agents, slots, reward, group_reward)
        self.mind.store.settle(StepResult(agents.open_row[slots], reward, group_reward, next_row, ending))

    def _update_groups(self, slots: np.ndarray, group_ids: np.ndarray) -> None:
        """Move agents to the groups that the environment now reports."""
        moved = self.agents.group_id[slots] != group_ids
        if moved.any():
            self._leave_groups(slots[moved])
            self.groups.join(self.agents, slots[moved], group_ids[moved])

    def _leave_groups(self, slots: np.ndarray) -> None:
        """Take agents out of their groups."""
        if len(self.groups):
            returns = self.groups.leave(self.agents, slots)
            if len(returns):
                self.mind.groups_ended(returns)
