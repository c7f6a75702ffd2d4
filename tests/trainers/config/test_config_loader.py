"""Sources of settings, their precedence, and errors that name where a value came from."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gym_adapters.errors import UserError
from tests.refusals import refused
from trainers.config import PPOSettings, RunSettings, load_settings

WALKER = """\
behaviors:
  Walker:
    trainer_type: ppo
    hyperparameters:
      batch_size: 2048
    max_steps: 1.0e7
"""

maybe_steps = st.none() | st.integers(1, 10**9)


@pytest.fixture
def walker(tmp_path: Path) -> Path:
    path = tmp_path / "walker.yaml"
    path.write_text(WALKER)
    return path


def test_path_text_and_map_say_the_same(walker: Path) -> None:
    content = {
        "behaviors": {
            "Walker": {"trainer_type": "ppo", "hyperparameters": {"batch_size": 2048}, "max_steps": 10**7}
        }
    }
    assert (
        load_settings(walker) == load_settings(str(walker)) == load_settings(WALKER) == load_settings(content)
    )


def test_one_line_of_yaml_is_text_not_a_path() -> None:
    assert load_settings("debug: true").debug
    assert load_settings("{debug: true}").debug
    assert load_settings("debug: true  # " + "longer than the name of a file may be " * 10).debug


@given(maybe_steps, maybe_steps, maybe_steps)
def test_precedence(in_file: int | None, in_options: int | None, in_override: int | None) -> None:
    def block(steps: int | None) -> dict[str, Any]:
        return {"behaviors": {"W": {} if steps is None else {"max_steps": steps}}}

    overrides = [] if in_override is None else [f"behaviors.W.max_steps={in_override}"]
    settings = load_settings(block(in_file), overrides, block(in_options))
    given = [steps for steps in (in_override, in_options, in_file, 500000) if steps is not None]
    assert settings.behavior("W").max_steps == given[0]


def test_sources_are_not_changed() -> None:
    content = {"behaviors": {"W": {"network_settings": {"normalize": True}}}}
    options = {"behaviors": {"*": {"network_settings": {"deterministic": True}}}}
    load_settings(content, ["behaviors.W.network_settings.num_layers=3"], options)
    assert content == {"behaviors": {"W": {"network_settings": {"normalize": True}}}}
    assert options == {"behaviors": {"*": {"network_settings": {"deterministic": True}}}}


def test_changing_one_use_of_a_yaml_alias_leaves_the_other() -> None:
    text = "behaviors:\n  A: &shared\n    network_settings: {normalize: true}\n  B: *shared\n"
    settings = load_settings(text, ["behaviors.A.network_settings.normalize=false"])
    assert not settings.behavior("A").network_settings.normalize
    assert settings.behavior("B").network_settings.normalize


def test_merge_keys_are_yaml_not_duplicates() -> None:
    text = "behaviors:\n  A: &a {max_steps: 1, summary_freq: 2}\n  B:\n    <<: *a\n    max_steps: 3\n"
    settings = load_settings(text)
    assert (settings.behavior("B").max_steps, settings.behavior("B").summary_freq) == (3, 2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "walker.yaml: the file is empty"),
        ("# nothing\n", "walker.yaml: the file is empty"),
        ("- a\n- b\n", "walker.yaml: expected a map with keys such as behaviors, got ['a', 'b']"),
        ("behaviors: [\n", "walker.yaml: invalid YAML (line 2, column 1): "),
        ("behaviors:\n\tW: 1\n", "cannot start any token; indent with blanks; YAML takes no tab there"),
        ("debug: true\n---\nmonitor: true\n", "found another document; one file holds one document"),
        ("env_settings:\n  seed: 1\n num_envs: 2\n", "indent the keys of one map alike"),
        (
            "env_settings:\n  seed:1\n  num_envs: 2\n",
            "(line 3, column 11): mapping values are not allowed here; write",
        ),
        ("behaviors: [a\n", "expected ',' or ']', but got '<stream end>'; close each bracket"),
        ("wandb: @me\n", "found character '@' that cannot start any token; put the text in quotes"),
        (
            "debug: true\ndebug: false\n",
            "invalid YAML (line 2, column 1): the key debug is repeated, first on line 1",
        ),
        ("debug: !!python/object:os.system {}\n", "walker.yaml: invalid YAML (line 1, column 8): "),
        (
            "debug: !!timestamp 2001-99-99\n",
            "invalid YAML (line 1, column 8): '2001-99-99' cannot be read as",
        ),
        ("debug: !!bool maybe\n", "invalid YAML (line 1, column 8): 'maybe' cannot be read as !!bool"),
        ('debug:\n  !!int ""\n', "invalid YAML (line 2, column 3): '' cannot be read as !!int"),
        ('debug: [!!float ""]\n', "invalid YAML (line 1, column 9): '' cannot be read as !!float"),
        ("debug: 0x_\n", "invalid YAML (line 1, column 8): '0x_' cannot be read as !!int"),
        ("debug: \x07\n", "walker.yaml: invalid YAML: "),
        ("a: " + "[" * 5000, "walker.yaml: invalid YAML"),
        (
            "behaviors: {W: {max_steps: many}}",
            "walker.yaml: behaviors.W.max_steps: expected a whole number >= 1",
        ),
    ],
)
def test_bad_files_are_refused_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "walker.yaml"
    path.write_text(text)
    assert message in refused(load_settings, path)


def _endless() -> dict[str, Any]:
    options: dict[str, Any] = {}
    options["b"] = options
    return options


def _deep() -> dict[str, Any]:
    options: dict[str, Any] = {}
    for _ in range(300):
        options = {"a": options}
    return options


@pytest.mark.parametrize("make", [_endless, _deep])
def test_values_that_cannot_be_written_to_the_run_folder_are_refused(make: Callable[[], Any]) -> None:
    with pytest.raises(UserError, match=r"^settings: env_settings\.env_options: expected values that a YAML"):
        load_settings({"env_settings": {"env_options": make()}})


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"missing\.yaml: no such file"):
        load_settings(tmp_path / "missing.yaml")
    with pytest.raises(UserError, match=r"missing\.yaml: no such file"):
        load_settings(str(tmp_path / "missing.yaml"))
    for name in ("Hopper-v5", "ALE/Pong-v5", "ball:Ball-v0", "games/tag_v0"):
        with pytest.raises(UserError, match=f"no such file; .* environment as --env {name}$"):
            load_settings(Path(name))
    (tmp_path / "configuration.yaml").touch()
    with pytest.raises(UserError, match=r"is a folder; .* such as .*configuration\.yaml"):
        load_settings(tmp_path)
    (tmp_path / "image.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="is not UTF-8 text"):
        load_settings(tmp_path / "image.yaml")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_files_of_windows_editors_are_read(encoding: str, line_end: str, tmp_path: Path) -> None:
    text = f"behaviors:{line_end}  Wälker:{line_end}    max_steps: 5{line_end}"
    (tmp_path / "file.yaml").write_bytes(text.encode(encoding))
    assert load_settings(tmp_path / "file.yaml").behaviors["Wälker"].max_steps == 5


def test_errors_name_where_the_value_came_from(walker: Path) -> None:
    with pytest.raises(UserError, match=r"^--set: behaviors\.Walker\.max_steps: "):
        load_settings(walker, ["behaviors.Walker.max_steps=many"])
    with pytest.raises(UserError, match=r"^command line: env_settings\.num_envs: "):
        load_settings(walker, options={"env_settings": {"num_envs": 0}})
    with pytest.raises(UserError, match=r"walker\.yaml: env_settings: num_envs is 2"):
        load_settings(walker, options={"env_settings": {"num_envs": 2}})


def test_default_settings_fill_what_a_behavior_leaves_out() -> None:
    settings = load_settings(
        {
            "default_settings": {
                "trainer_type": "ppo",
                "hyperparameters": {"batch_size": 64, "beta": 0.1},
                "network_settings": {"normalize": True},
                "max_steps": 7,
            },
            "behaviors": {
                "Own": {"hyperparameters": {"beta": 0.2, "learning_rate_schedule": "constant"}},
                "Other": {"trainer_type": "a2c"},
            },
        }
    )
    own = settings.behavior("Own")
    assert isinstance(own.hyperparameters, PPOSettings)
    assert (own.hyperparameters.batch_size, own.hyperparameters.beta) == (64, 0.2)
    assert own.hyperparameters.beta_schedule == "constant"
    assert own.network_settings.normalize
    assert own.max_steps == 7
    other = settings.behavior("Other")
    assert other.hyperparameters.batch_size == 1024  # another algorithm's hyperparameters are not its own
    assert other.max_steps == 7
    assert settings.behavior("Unlisted") == settings.default_settings


def test_a_behavior_the_file_lacks_is_refused(walker: Path) -> None:
    assert refused(load_settings(walker).behavior, "Walkr") == (
        f"{walker}: behaviors: the environment has a behavior Walkr, which is not among those listed (Walker), "
        "and there is no default_settings; add it, or rename the one meant"
    )
    with pytest.raises(UserError, match=r"not among those listed \(none\)"):
        load_settings("debug: true").behavior("Walker")


def test_without_a_file_every_behavior_has_the_defaults() -> None:
    assert (
        load_settings(None).behavior("Anything")
        == RunSettings().behavior("Any")
        == RunSettings().behavior("Thing")
    )
    assert load_settings(None).behavior("Anything").trainer_type == "ppo"


def test_teams_share_their_behavior(walker: Path) -> None:
    settings = load_settings(walker)
    assert settings.behavior("Walker?team=1") is settings.behavior("Walker")


@pytest.mark.parametrize(
    ("override", "read"),
    [
        ("debug=true", lambda settings: settings.debug is True),
        ("behaviors.Walker.max_steps=1e4", lambda settings: settings.behavior("Walker").max_steps == 10**4),
        (
            "behaviors.Walker.hyperparameters={beta: 3e-4}",
            lambda settings: settings.behavior("Walker").hyperparameters.batch_size == 1024,
        ),
        (
            "behaviors.Walker.network_settings.memory.memory_size=64",
            lambda settings: settings.behavior("Walker").network_settings.memory.memory_size == 64,
        ),
        ("behaviors.New.v1-v5.max_steps=3", lambda settings: settings.behavior("New.v1-v5").max_steps == 3),
        ("behaviors.*.max_steps=3", lambda settings: settings.behavior("Walker").max_steps == 3),
        ("behaviors.New={}", lambda settings: settings.behavior("New").max_steps == 500000),
        (
            "checkpoint_settings.run_id=a=b",
            lambda settings: settings.checkpoint_settings.run_id == "a=b",
        ),
        (
            "env_settings.env_options.hard=1",
            lambda settings: settings.env_settings.env_options == {"hard": 1},
        ),
        ("env_settings.env_args=[-x, '1']", lambda settings: settings.env_settings.env_args == ("-x", "1")),
        (
            "environment_parameters.wind.speed=2",
            lambda settings: list(settings.environment_parameters) == ["wind.speed"],
        ),
        (
            "environment_parameters.wind.speed.sampler_type=uniform",
            lambda settings: list(settings.environment_parameters) == ["wind.speed"],
        ),
    ],
)
def test_overrides(walker: Path, override: str, read: Any) -> None:
    assert read(load_settings(walker, [override]))


def test_known_names_with_dots_are_matched_first() -> None:
    content = {"behaviors": {"A": {}, "A.max_steps": {}, "A.b-v5": {}}}
    settings = load_settings(content, ["behaviors.A.max_steps.max_steps=1", "behaviors.A.b-v5.max_steps=2"])
    assert settings.behavior("A.max_steps").max_steps == 1
    assert settings.behavior("A.b-v5").max_steps == 2
    assert settings.behavior("A").max_steps == 500000


def test_list_items_are_named_by_number() -> None:
    content = {"environment_parameters": {"mass": {"curriculum": [{"name": "A", "value": 1}]}}}
    settings = load_settings(content, ["environment_parameters.mass.curriculum.0.name=B"])
    assert settings.environment_parameters is not None
    assert settings.environment_parameters["mass"].curriculum[0].name == "B"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("debug", "--set debug: expected KEY=VALUE"),
        ("=3", "--set =3: expected KEY=VALUE"),
        ("debug=[1", "--set debug: invalid YAML"),
        ("debug.x=1", ": debug: expected true or false, got a map"),
        ("behaviors.Walker.max_steps.x=1", "--set behaviors.Walker.max_steps.x: there is no x in '1.0e7'"),
        ("behaviors.Walker.max_stps=1", "behaviors.Walker.max_stps: unknown key; did you mean max_steps?"),
        ("behaviors.Walker=3", "--set: behaviors.Walker: expected a map of keys and values, got 3"),
        ("..=3", ": unknown key"),
        (
            "env_settings.env_options." + "a." * 5000 + "b=1",
            "--set env_settings.env_options.a.a.a.a.a.a.a.a...: expected at most 100 levels, got 5003",
        ),
    ],
)
def test_bad_overrides(walker: Path, override: str, message: str) -> None:
    assert message in refused(load_settings, walker, [override])


def test_every_behavior_means_those_listed_and_the_default() -> None:
    options = {"behaviors": {"*": {"max_steps": 3}}}
    both = load_settings(
        {"default_settings": {"max_steps": 9}, "behaviors": {"W": {"max_steps": 8}}}, (), options
    )
    assert both.behavior("W").max_steps == both.behavior("Other").max_steps == 3
    listed = load_settings({"behaviors": {"W": {"max_steps": 8}}}, (), options)
    assert listed.behavior("W").max_steps == 3
    assert listed.default_settings is None
    neither = load_settings(None, (), options)
    assert neither.behavior("Any").max_steps == 3
