"""Which episodes count, against scenes in which it is known who plays for the first time."""

import itertools
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from trainers.experience.first_episodes import FirstEpisodes

NAMES = ("A", "B?team=0", "B?team=1")
LAST = 200


@dataclass
class Seat:
    """An agent that comes at a time, decides at each step, and ends every `length` steps, under an id per episode."""

    name: str
    comes: int
    length: int
    copy: int = 0


def played(
    seats: list[Seat], copies: int, limit: int | None = None
) -> dict[tuple[str, int], tuple[int, int, int]]:
    """The seat, the number and the first step of each episode that counted, by name and id."""
    env: Any = SimpleNamespace(copy_of=lambda agent: agent % copies) if copies else SimpleNamespace()
    numbers = [itertools.count(copy, max(copies, 1)) for copy in range(max(copies, 1))]
    episodes, counted = FirstEpisodes(env, limit), {}
    ids: dict[int, int] = {}
    for time in range(LAST):
        ends: dict[str, list[int]] = {name: [] for name in NAMES}
        decides: dict[str, list[int]] = {name: [] for name in NAMES}
        begins: dict[tuple[str, int], tuple[int, int, int]] = {}
        for index, seat in enumerate(seats):
            age = time - seat.comes
            if age > 0 and age % seat.length == 0:
                ends[seat.name].append(ids[index])
            if age >= 0:
                if age % seat.length == 0:
                    ids[index] = next(numbers[seat.copy])
                    begins[seat.name, ids[index]] = (index, age // seat.length, time)
                decides[seat.name].append(ids[index])
        before = set(episodes.running)
        rows = episodes.take({name: (steps(decides[name]), steps(ends[name])) for name in NAMES})
        for name, (counting, ended) in rows.items():
            assert {(name, decides[name][row]) for row in counting} == {
                one for one in episodes.running if one[0] == name
            }
            assert {(name, ends[name][row]) for row in ended} == before & {
                (name, agent) for agent in ends[name]
            }
        new = episodes.running - before
        assert new <= begins.keys(), "an episode counts from its first decision on, or not at all"
        counted |= {one: begins[one] for one in new}
    return counted


def steps(agents: list[int]) -> Any:
    return SimpleNamespace(agent_id=np.array(agents, int))


def seats(copies: int) -> st.SearchStrategy[list[Seat]]:
    whole = st.integers
    one = st.builds(Seat, st.sampled_from(NAMES), whole(0, 12), whole(1, 8), whole(0, max(copies - 1, 0)))
    return st.lists(one, min_size=1, max_size=8)


@given(seats(0))
def test_without_copies_all_that_begin_before_the_first_end_count_and_no_second_episode(
    scene: list[Seat],
) -> None:
    found = set(played(scene, 0).values())
    ends = {name: min((s.comes + s.length for s in scene if s.name == name), default=0) for name in NAMES}
    assert found == {(i, 0, s.comes) for i, s in enumerate(scene) if s.comes < ends[s.name]}
    assert {scene[index].name for index, _, _ in found} == {seat.name for seat in scene}, (
        "each has an episode"
    )


@given(seats(3))
def test_with_copies_the_same_holds_in_each_copy_and_more_while_its_first_game_goes_on(
    scene: list[Seat],
) -> None:
    found = set(played(scene, 3).values())
    places = {(seat.name, seat.copy) for seat in scene}
    for name, copy in places:
        here = [(i, s) for i, s in enumerate(scene) if (s.name, s.copy) == (name, copy)]
        end = min(seat.comes + seat.length for _, seat in here)
        assert found >= {(i, 0, seat.comes) for i, seat in here if seat.comes < end}


@given(seats(0), st.integers(1, 9))
def test_with_a_limit_the_first_that_begin_count(scene: list[Seat], limit: int) -> None:
    found = list(played(scene, 0, limit).values())
    for name in {seat.name for seat in scene}:
        begins = sorted(
            time for seat in scene if seat.name == name for time in range(seat.comes, LAST, seat.length)
        )
        assert sorted(time for index, _, time in found if scene[index].name == name) == begins[:limit]
