"""Scripts of trajectories, and what a rollout must say of each decision, by loops over each agent's own steps."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st
from scripted_env import INDEX, LIFE, Life, Visit

from trainers.experience.batch import Batch

GAMMA, LAMBD, STRENGTH = 0.9, 0.8, 0.5

Who = tuple[int, int]


@dataclass(frozen=True)
class Credit:
    """What a rollout must say of one decision."""

    rollout: int
    value: float
    advantage: float


def plan_from_scripts(scripts: list[str], resets: frozenset[int], seed: int) -> list[Life]:
    """Lives from one line per agent, one character per step.

    a: asks, with its reward. t, i: ends (terminated, interrupted). T, I: ends and asks anew in the same step.
    Anything else: is not heard of. An ending of an agent that is not there is sent all the same.
    """
    rng = np.random.default_rng(seed)

    def visit(step: int) -> Visit:
        reward, group_reward, value = rng.integers(-8, 9, 3) / 4
        return Visit(step, float(reward), float(value), float(group_reward))

    lives: list[Life] = []
    for agent, script in enumerate(scripts):
        visits: list[Visit] = []
        for step, what in enumerate(script):
            if step in resets and visits:
                lives.append(Life(agent, tuple(visits)))
                visits = []
            if what in "tiTI":
                lives.append(Life(agent, tuple(visits), visit(step), interrupted=what in "iI"))
                visits = []
            if what in "aTI":
                visits.append(visit(step))
        if visits:
            lives.append(Life(agent, tuple(visits)))
    return lives


def update_steps(lives: list[Life], steps: int, buffer_size: int) -> list[int]:
    """The steps at which enough decisions have been rewarded, one after the other."""
    rewarded = Counter(later.step for life in lives if life.visits for later in rewarded_by(life))
    updates, waiting = [], 0
    for step in range(steps):
        waiting += rewarded[step]
        if waiting >= buffer_size:
            updates.append(step)
            waiting = 0
    return updates


def rewarded_by(life: Life) -> tuple[Visit, ...]:
    """For each decision of a life that is ever rewarded, the appearance that rewards it."""
    return life.visits[1:] + ((life.ending,) if life.ending else ())


def credits(lives: list[Life], updates: list[int], horizon: int) -> Iterator[tuple[Who, Credit]]:
    """Every decision that some rollout must hold, from sums over the agent's own steps."""
    for number, life in enumerate(lives):
        if not life.visits:
            continue
        following = rewarded_by(life)
        rollouts = [sum(update < later.step for update in updates) for later in following]
        for index in range(len(following)):
            if rollouts[index] == len(updates):
                continue  # rewarded after the last update
            advantage, weight = 0.0, 1.0
            for ahead in range(index, len(following)):
                if rollouts[ahead] != rollouts[index]:
                    break  # the rollout ended here
                advantage += weight * surprise(life, ahead)
                weight *= GAMMA * LAMBD
                if (ahead + 1) % horizon == 0:
                    break  # time_horizon
            yield (number, index), Credit(rollouts[index], life.visits[index].value, advantage)


def surprise(life: Life, index: int) -> float:
    """What a decision brought beyond its value: reward + gamma V(next) - V."""
    later = rewarded_by(life)[index]
    truly_over = later is life.ending and not life.interrupted
    reward = STRENGTH * (later.reward + later.group_reward)
    return reward + (0.0 if truly_over else GAMMA * later.value) - life.visits[index].value


def rows_of(batch: Batch) -> list[Who]:
    observation = batch.inputs[0].numpy()
    return [(int(row[LIFE]), int(row[INDEX])) for row in observation]


SCRIPTS = st.integers(1, 5).flatmap(
    lambda agents: st.integers(2, 30).flatmap(
        lambda steps: st.lists(
            st.text(alphabet="aaaa..tiTI", min_size=steps, max_size=steps), min_size=agents, max_size=agents
        )
    )
)
