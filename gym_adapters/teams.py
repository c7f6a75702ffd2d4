"""Behavior ids: the name of a behavior, and a team."""

TEAM = "?team="
"""Stands between a behavior's name and its team, as in ML-Agents."""


def parts_of(behavior_id: str) -> tuple[str, int]:
    """Return the behavior and the team of a behavior id such as `Name?team=1`; the team is 0 without one.

    A Team Id of Unity's may be below 0.
    """
    name, _, number = behavior_id.partition(TEAM)
    return name, int(number) if number.removeprefix("-").isdecimal() else 0
