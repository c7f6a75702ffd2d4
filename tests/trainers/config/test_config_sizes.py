"""Sizes in a training file and in `--set` that no machine holds, and those that must still pass."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gym_adapters import limits
from gym_adapters.errors import UserError
from tests.refusals import refused
from trainers.config import load_settings
from trainers.config.reader import parse_yaml


def laughs(levels: int, width: int = 9) -> str:
    """A YAML list that stands for width ** levels values, in a few letters a level."""
    lines = [f"a0: &a0 [{', '.join('x' * width)}]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * width)}]" for i in range(1, levels)]
    return "\n".join(lines) + "\n"


MERGED = "a0: &a0 {x: 1}\n" + "".join(
    f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 9)}], k{i}: 1}}\n" for i in range(1, 20)
)
CHAIN = "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}]\n" for i in range(1, 200))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (laughs(20), "more than 100,000 values"),
        (MERGED, "more than 100,000 values"),
        ("a: &a [*a]\n", "more than 100,000 values"),
        ("a: &a {b: *a}\n", "more than 100,000 values"),
        (CHAIN, "more than 100 levels"),
        (f"a: {'[' * 150}{']' * 150}\n", "more than 100 levels"),
        (f"a: {'[' * 1000}{']' * 1000}\n", "nested too deeply"),
        (f"a: {'9' * 101}\n", "a number of 101 letters"),
        (f"a: 1{':59' * 40}\n", "a number of 121 letters"),
        (f"a: {'x' * limits.TEXT_BYTES}\n", "at most 1,000,000 letters of YAML, got 1,000,004"),
    ],
    ids=[
        "aliases",
        "merges",
        "endless list",
        "endless map",
        "chain",
        "deep",
        "deeper",
        "digits",
        "base 60",
        "long",
    ],
)
def test_yaml_that_stands_for_more_than_it_is_long_is_refused(
    tmp_path: Path, text: str, problem: str
) -> None:
    assert problem in refused(load_settings, text)
    with pytest.raises(UserError, match=r"^--set debug: "):
        load_settings(None, [f"debug={text}"])
    path = tmp_path / "configuration.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=r"configuration\.yaml: "):
        load_settings(path)


@given(st.integers(1, 4), st.integers(2, 9))
def test_aliases_that_fit_are_read_as_they_stand(levels: int, width: int) -> None:
    tree = parse_yaml(laughs(levels, width), "x")
    expected: Any = "x"
    for level in range(levels):
        expected = [expected] * width
        assert tree[f"a{level}"] == expected


def test_an_endless_file_is_not_read_to_its_end() -> None:
    if not Path("/dev/zero").exists():
        pytest.skip("needs /dev/zero")
    with pytest.raises(UserError, match=r"^/dev/zero: is larger than 1,000,000 bytes"):
        load_settings(Path("/dev/zero"))


SIZES = [
    (f"behaviors.W.hyperparameters.{key}", kind, most)
    for kind, keys in {
        "ppo": {"batch_size": limits.ROWS, "buffer_size": limits.ROWS, "num_epoch": limits.STEPS},
        "dqn": {
            "batch_size": limits.ROWS,
            "buffer_size": limits.ROWS,
            "buffer_init_steps": limits.ROWS,
            "n_step": limits.ROWS,
            "dueling_units": limits.UNITS,
            "target_update_interval": limits.STEPS,
        },
        "sac": {"critic_bins": limits.BINS},
    }.items()
    for key, most in keys.items()
] + [
    (key, "ppo", most)
    for key, most in {
        "behaviors.W.max_steps": limits.STEPS,
        "behaviors.W.time_horizon": limits.STEPS,
        "behaviors.W.summary_freq": limits.STEPS,
        "behaviors.W.network_settings.hidden_units": limits.UNITS,
        "behaviors.W.network_settings.critic_hidden_units": limits.UNITS,
        "behaviors.W.network_settings.num_layers": limits.LAYERS,
        "behaviors.W.network_settings.conv_channels.1": limits.UNITS,
        "behaviors.W.network_settings.memory.memory_size": limits.UNITS,
        "behaviors.W.network_settings.memory.sequence_length": limits.ROWS,
        "behaviors.W.self_play.window": limits.SNAPSHOTS,
        "behaviors.W.behavioral_cloning.batch_size": limits.ROWS,
        "behaviors.W.behavioral_cloning.samples_per_update": limits.ROWS,
        "env_settings.num_envs": limits.ENVIRONMENTS,
        "env_settings.num_areas": limits.ENVIRONMENTS,
        "engine_settings.width": limits.WINDOW_PIXELS,
        "engine_settings.height": limits.WINDOW_PIXELS,
        "torch_settings.num_threads": limits.THREADS,
    }.items()
]
"""Keys with a size, the `trainer_type` that has them, and their limits."""


def base(kind: str) -> dict[str, Any]:
    """A training file in which every key of `SIZES` has a place."""
    behavior = {
        "trainer_type": kind,
        "network_settings": {"conv_channels": [16, 32]},
        "behavioral_cloning": {"demo_path": "x"},
    }
    return {"behaviors": {"W": behavior}, "env_settings": {"env_path": "X-v0"}}


@pytest.mark.parametrize(("key", "kind", "most"), SIZES, ids=[f"{kind} {key}" for key, kind, _ in SIZES])
def test_sizes_beyond_their_limit_are_refused_by_name(key: str, kind: str, most: int) -> None:
    for value in (f"{most + 1}", "1e18", "1e300", "9" * 99):
        message = refused(load_settings, base(kind), [f"{key}={value}"])
        assert f": {key}: expected a whole number up to {most:,}, got " in message
        assert "\n" not in message


def test_a_number_below_its_range_is_told_the_range_alone() -> None:
    with pytest.raises(UserError, match=r"hidden_units: expected a whole number >= 1, got 0$"):
        load_settings(base("ppo"), ["behaviors.W.network_settings.hidden_units=0"])


def test_too_many_behaviors_are_refused() -> None:
    behaviors = {f"B{index}": {} for index in range(limits.BEHAVIORS + 1)}
    with pytest.raises(
        UserError, match=r"^settings: behaviors: expected at most 1,000 behaviors, got 1,001$"
    ):
        load_settings({"behaviors": behaviors})
