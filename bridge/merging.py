"""Merges the steps of several players into one batch."""

from collections.abc import Sequence

import numpy as np
from mlagents_envs.base_env import DecisionSteps, TerminalSteps

Steps = tuple[DecisionSteps, TerminalSteps]


class OwnIds:
    """Gives the agents and groups of a player ids that are unique among all players and across restarts.

    Args:
        worker: The player's number, from 0.
        count: The number of players.
    """

    def __init__(self, worker: int, count: int) -> None:
        self._worker, self._count = worker, count
        self._first_agent, self._next_agent = 0, 0
        self._first_group, self._last_group = 0, 0

    def restart(self) -> None:
        """Treat all later ids as those of new agents and new groups, after a restart of the player."""
        self._first_agent, self._first_group = self._next_agent, self._last_group

    def convert(self, steps: Steps) -> Steps:
        """Return the steps with unique ids. Group 0, which means none, stays 0."""
        for batch in steps:
            newest_agent, newest_group = (int(ids.max(initial=0)) for ids in (batch.agent_id, batch.group_id))
            self._next_agent = max(self._next_agent, self._first_agent + newest_agent + 1)
            self._last_group = max(self._last_group, self._first_group + newest_group)
        if self._count == 1 and self._first_agent == 0:
            return steps
        decisions, terminals = steps
        return (
            DecisionSteps(
                decisions.obs,
                decisions.reward,
                self._agent(decisions.agent_id),
                decisions.action_mask,
                self._group(decisions.group_id),
                decisions.group_reward,
            ),
            TerminalSteps(
                terminals.obs,
                terminals.reward,
                terminals.interrupted,
                self._agent(terminals.agent_id),
                self._group(terminals.group_id),
                terminals.group_reward,
            ),
        )

    def _agent(self, ids: np.ndarray) -> np.ndarray:
        return (ids.astype(np.int64) + self._first_agent) * self._count + self._worker

    def _group(self, ids: np.ndarray) -> np.ndarray:
        own = (ids.astype(np.int64) + self._first_group) * self._count + self._worker
        return np.where(ids == 0, 0, own)


def merge(parts: Sequence[Steps]) -> Steps:
    """Concatenate the rows of all parts, in their order."""
    if len(parts) == 1:
        return parts[0]
    decisions, terminals = [part[0] for part in parts], [part[1] for part in parts]
    return _join_decisions(decisions), _join_terminals(terminals)


def unanswered(
    before: DecisionSteps | None, decisions: DecisionSteps, terminals: TerminalSteps
) -> DecisionSteps:
    """Return the latest decision request of every agent whose episode continues.

    Args:
        before: The result for the previous step; None for the first step.
        decisions: Agents that ask for a decision in this step.
        terminals: Agents whose episode ended in this step.
    """
    if before is None or np.array_equal(before.agent_id, decisions.agent_id):
        return decisions
    gone = np.concatenate([decisions.agent_id, terminals.agent_id])
    keep = ~np.isin(before.agent_id, gone)
    return _join_decisions([_rows(before, keep), decisions]) if keep.any() else decisions


def unfinished(living: DecisionSteps) -> TerminalSteps:
    """End the episodes of a lost player's agents: interrupted, at their last observation, with reward 0."""
    nothing = np.zeros(len(living), np.float32)
    interrupted = np.ones(len(living), np.bool_)
    return TerminalSteps(living.obs, nothing, interrupted, living.agent_id, living.group_id, nothing)


def _rows(steps: DecisionSteps, keep: np.ndarray) -> DecisionSteps:
    mask = None if steps.action_mask is None else [branch[keep] for branch in steps.action_mask]
    return DecisionSteps(
        [obs[keep] for obs in steps.obs],
        steps.reward[keep],
        steps.agent_id[keep],
        mask,
        steps.group_id[keep],
        steps.group_reward[keep],
    )


def _join_decisions(parts: Sequence[DecisionSteps]) -> DecisionSteps:
    masks = [part.action_mask for part in parts if len(part)]  # an empty part may lack its mask
    return DecisionSteps(
        _join([part.obs for part in parts]),
        np.concatenate([part.reward for part in parts]),
        np.concatenate([part.agent_id for part in parts]),
        None if any(mask is None for mask in masks) or not masks else _join(masks),
        np.concatenate([part.group_id for part in parts]),
        np.concatenate([part.group_reward for part in parts]),
    )


def _join_terminals(parts: Sequence[TerminalSteps]) -> TerminalSteps:
    return TerminalSteps(
        _join([part.obs for part in parts]),
        np.concatenate([part.reward for part in parts]),
        np.concatenate([part.interrupted for part in parts]),
        np.concatenate([part.agent_id for part in parts]),
        np.concatenate([part.group_id for part in parts]),
        np.concatenate([part.group_reward for part in parts]),
    )


def _join(columns: Sequence[Sequence[np.ndarray]]) -> list[np.ndarray]:
    """Concatenate array i of all parts, for every i. Empty arrays do not affect the dtype."""
    joined = []
    for arrays in zip(*columns, strict=True):
        filled = [array for array in arrays if len(array)]
        joined.append(np.concatenate(filled) if filled else arrays[0])
    return joined
