"""An installed package that adds what cannot be used, and names that are taken."""

import shutil
from collections.abc import Iterator

import pytest
import yaml
from command_tools import REPOSITORY
from plugin_sites import Site, good, installed, the_error

EXAMPLES = REPOSITORY / "docs" / "examples"

FAULTY = {
    "pyproject.toml": """
        [build-system]
        requires = ["setuptools"]
        build-backend = "setuptools.build_meta"
        [project]
        name = "faulty"
        version = "1"
        [tool.setuptools]
        py-modules = ["faulty"]
        [project.entry-points."mlagents_bridge.trainer_type"]
        absent = "no_such_module:Algorithm"
        bare = "faulty:Bare"
        ppo = "no_such_module:Algorithm"
        sac = "no_such_module:Algorithm"
        [project.entry-points."mlagents_bridge.reward_signal"]
        bare = "faulty:Bare"
        extrinsic = "no_such_module:Signal"
        [project.entry-points."mlagents_bridge.encoder"]
        wide = "faulty:wide"
        nothing = "faulty:nothing"
        simple = "no_such_module:encoder"
        """,
    "faulty.py": """
        from torch import nn
        class Bare:
            pass
        def wide(shape, units, settings):
            return nn.Conv2d(shape[0], units, 1)
        def nothing(shape, units, settings):
            pass
        """,
}


@pytest.fixture(scope="module")
def faulty(tmp_path_factory) -> Iterator[Site]:
    """Where this package is installed."""
    folder = tmp_path_factory.mktemp("faulty")
    (folder / "files").mkdir()
    for name, text in FAULTY.items():
        lines = [line.removeprefix(" " * 8) for line in text.strip().splitlines()]
        (folder / "files" / name).write_text("\n".join(lines))
    with installed(folder / "files", folder) as site:
        yield site


UNUSABLE = [
    (
        {"trainer_type": "absent"},
        "trainer_type absent: no_such_module:Algorithm cannot be imported (ModuleNotFoundError: No module named "
        "'no_such_module'); mend or uninstall the package that adds it",
    ),
    (
        {"trainer_type": "bare"},
        "trainer_type bare: settings_class of <class 'faulty.Bare'> is None, expected",
    ),
    ({"reward_signals": {"bare": {}}}, "reward_signal bare: settings_class of <class 'faulty.Bare'> is None"),
]


@pytest.mark.parametrize(("behavior", "told"), UNUSABLE, ids=["absent", "bare", "signal"])
def test_what_cannot_be_used_is_one_line(faulty, tmp_path, behavior, told):
    file = tmp_path / "faulty.yaml"
    file.write_text(yaml.safe_dump({"default_settings": behavior}))
    assert told in the_error(faulty.run("trainers.config", file))


@pytest.mark.parametrize(
    ("encoder", "told"),
    [
        ("wide", "encoder wide: turns 2 images of shape (2, 8, 8) into (2, 512, 8, 8), expected (2, 512)"),
        ("nothing", "encoder nothing: gives None, expected a torch.nn.Module"),
    ],
)
def test_an_encoder_that_gives_something_else_is_one_line(faulty, tmp_path, encoder, told):
    shutil.copy(EXAMPLES / "treasure_env.py", tmp_path)
    override = f"behaviors.*.network_settings.vis_encode_type={encoder}"
    arguments = ["--env", "treasure_env:Treasure-v0", "--set", override]
    assert told in the_error(faulty.run("trainers", *arguments, cwd=tmp_path))
    assert not list((tmp_path / "runs").rglob("configuration.yaml"))


def test_a_name_that_is_taken_stays_with_this_project(faulty, tmp_path):
    """And a faulty package does no harm to files that do not use it."""
    content = {
        "trainer_type": "ppo",
        "hyperparameters": {"epsilon": 0.1},
        "reward_signals": {"extrinsic": {}},
    }
    file = tmp_path / "plain.yaml"
    file.write_text(yaml.safe_dump({"default_settings": content}))
    printed = yaml.safe_load(good(faulty.run("trainers.config", file)))["default_settings"]
    assert printed["hyperparameters"]["epsilon"] == 0.1
    wrong = the_error(faulty.run("trainers.config", file, "--set", "default_settings.trainer_type=pp"))
    assert wrong.endswith(
        "expected 'ppo', 'sac', 'poca', 'mappo', 'a2c', 'dqn', 'pqn', 'absent' or 'bare', got 'pp'\n"
    )
    own = good(faulty.run("trainers.config", file, "--set", "default_settings.reward_signals.rnd={}"))
    assert yaml.safe_load(own)["default_settings"]["reward_signals"]["rnd"]["learning_rate"] == 1e-4
