"""Which environments may do more than a registered Gymnasium environment."""

import sys

import pytest

from gym_adapters.trust import needs_trust


@pytest.mark.parametrize(
    ("env_id", "options"),
    [
        ("CartPole-v1", {}),
        ("ALE/Assault-v5", {"life_loss_info": True, "stack_num": 2}),
        ("Walker2d-v5", {"reset_noise_scale": 0.1, "healthy_z_range": [0.8, 2.0], "frame_skip": None}),
    ],
)
def test_registered_ids_with_numbers_need_none(env_id, options):
    assert needs_trust(env_id, options) == ""


@pytest.mark.parametrize(
    ("env_id", "options", "words"),
    [
        ("this:Env-v0", {}, "import the module 'this' ("),
        ("no_such.module:Env-v0", {}, "import the module 'no_such.module' (which is not installed)"),
        ("Ant-v5", {"xml_file": "/tmp/x.xml"}, "the text '/tmp/x.xml' as 'xml_file'"),
        ("Ant-v5", {"deep": [{"a": ["x"]}]}, "the text 'a' as 'deep'"),
        ("Ant-v5", {"raw": b"x"}, "as 'raw'"),
    ],
)
def test_modules_and_texts_are_named_and_not_imported(env_id, options, words):
    sys.modules.pop("this", None)
    assert words in needs_trust(env_id, options)
    assert "this" not in sys.modules
