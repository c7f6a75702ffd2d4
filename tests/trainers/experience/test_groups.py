"""Group returns: one number for each group, when its last member leaves, against naive bookkeeping."""

from dataclasses import dataclass
from functools import cache
from itertools import chain

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st
from learner_tools import behavior_settings, drive, make_learner
from scripted_env import Behavior, Life, ScriptedEnv, Visit, make_spec

from trainers.algorithms.actor import Actor
from trainers.algorithms.on_policy import OnPolicyLearner
from trainers.records.metrics import GROUP_REWARD

SPEC = make_spec((3,), continuous=1)
GONE, AGAIN = -1, -2
"""In a script: the agent is not there; it ends and begins again in the same step, in the group it was in."""


@cache
def watched() -> tuple[OnPolicyLearner, list[float]]:
    """A learner that learns nothing, and the groups that it hears of."""
    learner, heard = make_learner(SPEC, behavior_settings()), []
    learner.training = False
    learner.groups_ended = lambda returns: heard.extend(returns.tolist())  # type: ignore[method-assign]
    return learner, heard


def group_returns(lives: list[Life], resets: tuple[int, ...] = ()) -> list[list[float]]:
    """What groups were found to be worth, step by step."""
    learner, heard = watched()
    env, actor, found = ScriptedEnv({"Test": Behavior(SPEC, lives)}), Actor(learner), []
    for step in range(
        2 + max(visit.step for life in lives for visit in (*life.visits, life.ending) if visit)
    ):
        if step in resets:
            actor.forget_agents()
        actor.observe(*env.get_steps("Test"))
        env.step()
        found.append(heard[:])
        heard.clear()
    return found


def asks(steps: range, group: int, reward: float = 0.0) -> tuple[Visit, ...]:
    """A decision at every step; the rewards come with all but the first."""
    return tuple(Visit(step, group_reward=reward * (step > steps[0]), group=group) for step in steps)


def ends(step: int, reward: float = 0.0) -> Visit:
    return Visit(step, group_reward=reward)


def test_a_group_beside_a_loner_is_one_number():
    lives = [
        Life(0, asks(range(5), group=1, reward=2.0), ends(5, 2.0)),
        Life(1, asks(range(5), group=1, reward=2.0), ends(5, 2.0)),
        Life(2, asks(range(5), group=0), ends(5)),
    ]
    assert list(chain(*group_returns(lives))) == [10.0]
    learner = make_learner(SPEC, behavior_settings())
    drive(ScriptedEnv({"Test": Behavior(SPEC, lives)}), learner, 6)
    assert learner.metrics.summarise()[0][GROUP_REWARD] == 10.0


def test_without_groups_there_is_no_number():
    learner = make_learner(SPEC, behavior_settings())
    drive(ScriptedEnv({"Test": Behavior(SPEC, [Life(0, asks(range(3), 0), ends(3))])}), learner, 5)
    assert GROUP_REWARD not in learner.metrics.summarise()[0]


def test_a_group_lives_as_long_as_its_last_member():
    """One dies early, one joins late, and the group earns 1 a step from first to last."""
    early = Life(0, asks(range(3), 4, 1.0), ends(3, 1.0))
    late = Life(1, asks(range(2, 8), 4, 1.0), ends(8, 1.0))
    assert group_returns([early, late]) == [[]] * 8 + [[8.0], []]


def test_an_agent_that_changes_groups_leaves_one_and_joins_the_other():
    """Group 1 earns 1 a step, group 2 earns 10; what comes with the decision in which it moves is from group 1."""
    there = (
        Visit(4, group_reward=1.0, group=2),
        *(Visit(step, group_reward=10.0, group=2) for step in (5, 6)),
    )
    lives = [
        Life(0, (*asks(range(4), 1, 1.0), *there), ends(7, 10.0)),
        Life(1, asks(range(7), 2, 10.0), ends(7, 10.0)),
    ]
    assert group_returns(lives) == [[], [], [], [], [4.0], [], [], [70.0], []]


def test_a_group_s_number_may_be_used_again():
    again = [
        Life(0, asks(range(3), 1, 1.0), ends(3, 1.0)),
        Life(0, asks(range(3, 6), 1, 5.0), ends(6, 5.0)),
        Life(1, asks(range(8, 9), 1), ends(9, 7.0)),
    ]
    assert group_returns(again) == [[], [], [], [3.0], [], [], [15.0], [], [], [7.0], []]


def test_a_reset_drops_groups_under_way():
    lives = [
        Life(0, asks(range(3), 1, 1.0)),
        Life(1, asks(range(4, 6), 1, 1.0), ends(6, 1.0)),
    ]
    assert list(chain(*group_returns(lives, resets=(3,)))) == [2.0]


@dataclass
class Group:
    """Who is in it, and what it has earned since the first joined."""

    members: set[int]
    earned: float = 0.0


def naively(scripts: list[list[int]], rewards: np.ndarray) -> list[list[float]]:
    """Step by step: everybody in a group earns; then some leave, and groups without anybody end; then others join."""
    groups: dict[int, Group] = {}
    found = []
    for step in range(rewards.shape[1]):
        for number, group in groups.items():
            group.earned += rewards[number, step]
        now = [script[step] for script in scripts]
        before = [standing(script, step - 1) for script in scripts]
        for agent, (old, new) in enumerate(zip(before, now, strict=True)):
            if old > 0 and old != new:
                groups[old].members.remove(agent)
        found.append([group.earned for group in groups.values() if not group.members])
        groups = {number: group for number, group in groups.items() if group.members}
        for agent, (old, script) in enumerate(zip(before, scripts, strict=True)):
            new = standing(script, step)
            if new > 0 and (old != new or script[step] == AGAIN):
                groups.setdefault(new, Group(set())).members.add(agent)
    return found


def standing(script: list[int], step: int) -> int:
    """The group that an agent is in after a step; 0 for none, GONE if it is not there."""
    while step >= 0 and script[step] == AGAIN:
        step -= 1
    return script[step] if step >= 0 else GONE


def lives_of(scripts: list[list[int]], rewards: np.ndarray) -> list[Life]:
    """Everybody decides at every step, and is paid what its group of the step before has earned."""
    lives = []
    for agent, script in enumerate(scripts):
        visits: list[Visit] = []
        for step, word in enumerate(script):
            old, new = standing(script, step - 1), standing(script, step)
            pay = float(rewards[old, step]) if old > 0 else 0.0
            if visits and word in (GONE, AGAIN):
                lives.append(Life(agent, tuple(visits), ends(step, pay)))
                visits = []
            if new != GONE:
                visits.append(Visit(step, group_reward=pay if visits else 0.0, group=new))
        if visits:
            lives.append(Life(agent, tuple(visits)))
    return lives


@st.composite
def together(draw: st.DrawFn) -> tuple[list[list[int]], np.ndarray]:
    """A line for each agent: which group it is in after each step; and what each of three groups earns at each."""
    agents, steps = draw(st.integers(1, 4)), draw(st.integers(2, 12))
    word = st.sampled_from([GONE, AGAIN, 0, 1, 1, 1, 2, 2, 3])
    scripts = draw(st.lists(st.lists(word, min_size=steps, max_size=steps), min_size=agents, max_size=agents))
    pay = st.lists(st.integers(-8, 8), min_size=4 * steps, max_size=4 * steps)
    return scripts, np.array(draw(pay), np.float64).reshape(4, steps) / 4


@settings(deadline=None, max_examples=150)
@given(together())
@example(([[1, 1, 1, 1, GONE], [0, 0, 0, 0, GONE], [1, 1, GONE, GONE, GONE]], np.ones((4, 5))))
@example(([[1, 2, 1, 2, GONE], [2, 1, 2, 1, GONE]], np.ones((4, 5))))
def test_groups_earn_what_naive_bookkeeping_says(plan):
    scripts, rewards = plan
    lives = lives_of(scripts, rewards)
    if not lives:
        return
    found, expected = group_returns(lives), naively(scripts, rewards)
    for step in range(max(len(found), len(expected))):
        here, there = (rows[step] if step < len(rows) else [] for rows in (found, expected))
        assert sorted(here) == sorted(there), step


@settings(deadline=None, max_examples=100)
@given(st.data(), st.booleans())
def test_members_that_decide_at_different_steps_make_one_number(data, late):
    """Either they come when they like while the first one lives, or all come at once and go when they like."""
    end = data.draw(st.integers(2, 15))
    pay = np.array(data.draw(st.lists(st.integers(-8, 8), min_size=end + 1, max_size=end + 1))) / 4
    lives = []
    for agent in range(data.draw(st.integers(1, 4))):
        first = data.draw(st.integers(1, end - 1)) if late and agent else 0
        last = end if late and not agent else data.draw(st.integers(first + 1, end))
        *asked, last = sorted({first, last} | data.draw(st.sets(st.integers(first + 1, last))))
        visits = [
            Visit(step, group_reward=float(pay[before + 1 : step + 1].sum()), group=1)
            for before, step in zip([asked[0], *asked], [*asked, last], strict=True)
        ]
        lives.append(Life(agent, tuple(visits[:-1]), visits[-1]))
    end = max(life.ending.step for life in lives if life.ending)
    assert list(chain(*group_returns(lives))) == [pay[1 : end + 1].sum()]
