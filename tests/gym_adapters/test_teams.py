"""Behavior ids: a name and a team."""

import pytest

from gym_adapters.teams import parts_of
from trainers.config import load_settings


@pytest.mark.parametrize(
    ("behavior_id", "parts"),
    [
        ("Walker", ("Walker", 0)),
        ("Walker?team=0", ("Walker", 0)),
        ("Walker?team=12", ("Walker", 12)),
        ("Walker?team=-1", ("Walker", -1)),
        ("Walker?team=", ("Walker", 0)),
        ("Walker?team=-", ("Walker", 0)),
        ("Who is it?", ("Who is it?", 0)),
        ("Who is it??team=1", ("Who is it?", 1)),
    ],
)
def test_a_behavior_id_has_a_name_and_a_team(behavior_id: str, parts: tuple[str, int]) -> None:
    assert parts_of(behavior_id) == parts
    settings = load_settings({"behaviors": {parts[0]: {"max_steps": 7}}})
    assert settings.behavior(behavior_id).max_steps == 7
