"""What is read but cannot be trained yet is refused with its key."""

from typing import Any

import pytest

from gym_adapters.errors import UserError
from trainers.config import check_supported, load_settings

REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"trainer_type": "sac"}, "trainer_type: sac is not supported yet; use ppo, a2c"),
    ({"trainer_type": "poca"}, "trainer_type: poca is not supported yet; use ppo, a2c"),
    ({"reward_signals": {"extrinsic": {}, "curiosity": {}}}, "reward_signals.curiosity is not supported yet"),
    ({"reward_signals": {"gail": {"demo_path": "a.demo"}}}, "reward_signals.gail is not supported yet"),
    ({"reward_signals": {"rnd": {}}}, "reward_signals.rnd is not supported yet"),
    ({"self_play": {}}, "self_play is not supported yet"),
    ({"behavioral_cloning": {"demo_path": "a.demo"}}, "behavioral_cloning is not supported yet"),
    ({"network_settings": {"memory": {}}}, "network_settings.memory is not supported yet"),
    (
        {"network_settings": {"vis_encode_type": "match3"}},
        "network_settings.vis_encode_type: match3 is not supported yet",
    ),
]


@pytest.mark.parametrize(("behavior", "message"), REFUSED, ids=[row[1][:30] for row in REFUSED])
def test_refused_with_the_path(behavior: dict[str, Any], message: str) -> None:
    for content, path in (
        ({"behaviors": {"Fine": {}, "W": behavior}}, "behaviors.W"),
        ({"default_settings": behavior, "behaviors": {"W": {}}}, "default_settings"),
    ):
        with pytest.raises(UserError) as caught:
            check_supported(load_settings(content))
        assert str(caught.value).startswith(f"settings: {path}.{message}")


@pytest.mark.parametrize(
    "behavior",
    [
        {"trainer_type": "ppo"},
        {"trainer_type": "a2c"},
        {"threaded": True},
        {"init_path": "old.pt"},
        {"framework": "pytorch"},
        {"network_settings": {"vis_encode_type": "resnet"}},
    ],
)
def test_accepted(behavior: dict[str, Any]) -> None:
    check_supported(load_settings({"default_settings": behavior}))


def test_a_command_for_one_trainer_refuses_a_file_for_another() -> None:
    settings = load_settings({"behaviors": {"W": {"trainer_type": "a2c"}}})
    check_supported(settings, "a2c")
    with pytest.raises(UserError, match=r"behaviors\.W\.trainer_type is a2c, but this command trains ppo"):
        check_supported(settings, "ppo")
