"""One actor for each behavior id: it keeps the agents, their decisions and their rewards together."""

from typing import Protocol

import numpy as np
from mlagents_envs.base_env import ActionTuple, DecisionSteps, TerminalSteps

from trainers.experience.agents import AgentBatch, AgentTable
from trainers.experience.checks import require_finite
from trainers.experience.groups import GroupTable
from trainers.experience.store import NO_ROW, StepResult, Store
from trainers.maths.returns import Ending
from trainers.networks.policy_network import ActionSample, PolicyNetwork, join_masks


class Mind(Protocol):
    """Who chooses an actor's actions, and is told what came of them: a learner."""

    name: str
    policy: PolicyNetwork
    time_horizon: int

    @property
    def store(self) -> Store:
        """Where decisions are kept."""

    @property
    def ready(self) -> bool:
        """Whether enough has come together for an update."""

    def update(self) -> None:
        """Learn."""

    def choose(self, batch: AgentBatch) -> ActionSample:
        """Actions for the agents of a batch."""

    def noticed(self, batch: AgentBatch) -> None:
        """Agents ask for a decision."""

    def earned(self, agents: AgentTable, slots: np.ndarray, own: np.ndarray, group: np.ndarray) -> None:
        """Agents were paid their own and their group's reward, (n,) each, for a decision."""

    def ended(self, own: np.ndarray, group: np.ndarray, lengths: np.ndarray) -> None:
        """Episodes ended: own and group returns and lengths in decisions, (n,) each."""

    def groups_ended(self, returns: np.ndarray) -> None:
        """Groups lost their last member: the sums of their group rewards, (groups,)."""


class Actor:
    """The agents of one behavior id, such as `Name?team=1`.

    `observe` says who asks for a decision, and `act` takes that. A reward pays for the agent's previous decision, which
    may lie several environment steps back.

    Args:
        mind: who chooses actions and learns from them.
    """

    def __init__(self, mind: Mind) -> None:
        self.mind = mind
        self.agents, self.groups = AgentTable(), GroupTable()

    def observe(self, decision: DecisionSteps, terminal: TerminalSteps) -> AgentBatch:
        """Take in what agents saw and earned: endings first, since an id may be in both.

        Raises:
            UserError: an observation or reward is not finite, or an agent may choose nothing.
        """
        name, agents = self.mind.name, self.agents
        require_finite(name, decision)
        require_finite(name, terminal)
        branches = self.mind.policy.action_spec.discrete_branches
        forbidden = join_masks(name, decision.action_mask, branches, decision.agent_id)
        self._end_episodes(terminal)

        slots = agents.find(decision.agent_id)
        new = slots < 0
        previous = np.full(len(slots), NO_ROW, np.int64)
        previous[~new] = agents.open_row[slots[~new]]
        if new.any():
            slots[new] = agents.add(decision.agent_id[new])
        rows = self.mind.store.append(decision.obs, forbidden, previous)
        if not new.all():
            goes_on = np.full(int((~new).sum()), Ending.GOES_ON, np.int8)
            self._pay(slots[~new], decision.reward[~new], decision.group_reward[~new], rows[~new], goes_on)
        self._regroup(slots, decision.group_id)
        agents.open_row[slots] = rows
        batch = AgentBatch(slots, decision.agent_id, decision.group_id, decision.obs, forbidden)
        self.mind.noticed(batch)
        return batch

    def act(self, batch: AgentBatch) -> ActionTuple:
        """Choose actions for the agents of a batch, in its order."""
        sample = self.mind.choose(batch)
        self.mind.store.decide(self.agents.open_row[batch.slots], sample)
        return self.mind.policy.to_environment(sample)

    def forget_agents(self) -> None:
        """The environment was reset: episodes under way are dropped, their last rewards never come."""
        self.agents.clear()
        self.groups.clear()

    def _end_episodes(self, terminal: TerminalSteps) -> None:
        """Every ending leaves a row with the last observation."""
        agents = self.agents
        slots = agents.find(terminal.agent_id)
        known = slots >= 0
        if not known.any():
            return
        slots = slots[known]
        last = self.mind.store.append(
            [observation[known] for observation in terminal.obs], None, agents.open_row[slots]
        )
        ending = np.where(terminal.interrupted[known], Ending.INTERRUPTED, Ending.TERMINATED).astype(np.int8)
        self._pay(slots, terminal.reward[known], terminal.group_reward[known], last, ending)
        self.mind.ended(agents.episode_return[slots], agents.group_return[slots], agents.episode_steps[slots])
        self._leave(slots)
        agents.remove(slots)

    def _pay(
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

    def _regroup(self, slots: np.ndarray, group_ids: np.ndarray) -> None:
        moved = self.agents.group_id[slots] != group_ids
        if moved.any():
            self._leave(slots[moved])
            self.groups.join(self.agents, slots[moved], group_ids[moved])

    def _leave(self, slots: np.ndarray) -> None:
        if len(self.groups):
            returns = self.groups.leave(self.agents, slots)
            if len(returns):
                self.mind.groups_ended(returns)
