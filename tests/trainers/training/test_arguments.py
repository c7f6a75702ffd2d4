"""The trainers' command line: mlagents-learn's options, and only what was given."""

import logging
import shlex
from pathlib import Path
from typing import Any

import pytest

from trainers.config import DQNSettings, RunSettings, load_settings
from trainers.training.arguments import build_parser, parse
from trainers.training.cli import resolve

# Option, what follows it, and the key path and value it sets.
OPTIONS: list[tuple[list[str], str, Any]] = [
    (["--env", "builds/walker"], "env_settings.env_path", "builds/walker"),
    (["--num-envs", "1"], "env_settings.num_envs", 1),
    (["--num-areas", "4"], "env_settings.num_areas", 4),
    (["--base-port", "6000"], "env_settings.base_port", 6000),
    (["--seed", "7"], "env_settings.seed", 7),
    (["--timeout-wait", "5"], "env_settings.timeout_wait", 5),
    (["--max-lifetime-restarts", "-1"], "env_settings.max_lifetime_restarts", -1),
    (["--restarts-rate-limit-n", "2"], "env_settings.restarts_rate_limit_n", 2),
    (["--restarts-rate-limit-period-s", "9"], "env_settings.restarts_rate_limit_period_s", 9),
    (["--run-id", "first"], "checkpoint_settings.run_id", "first"),
    (["--resume"], "checkpoint_settings.resume", True),
    (["--force"], "checkpoint_settings.force", True),
    (["--inference"], "checkpoint_settings.inference", True),
    (["--initialize-from", "old"], "checkpoint_settings.initialize_from", "old"),
    (["--results-dir", "results"], "checkpoint_settings.results_dir", "results"),
    (["--torch-device", "cpu"], "torch_settings.device", "cpu"),
    (["--debug"], "debug", True),
    (["--monitor"], "monitor", True),
    (["--wandb", "walkers"], "wandb", "walkers"),
    (["--width", "640"], "engine_settings.width", 640),
    (["--height", "480"], "engine_settings.height", 480),
    (["--quality-level", "3"], "engine_settings.quality_level", 3),
    (["--time-scale", "1.5"], "engine_settings.time_scale", 1.5),
    (["--target-frame-rate", "30"], "engine_settings.target_frame_rate", 30),
    (["--capture-frame-rate", "0"], "engine_settings.capture_frame_rate", 0),
    (["--no-graphics"], "engine_settings.no_graphics", True),
    (["--no-graphics-monitor"], "engine_settings.no_graphics_monitor", True),
    (["--deterministic"], "default_settings.network_settings.deterministic", True),
    (["--max-steps", "1e6"], "default_settings.max_steps", 10**6),
]


def loaded(argv: list[str], source: Any = None) -> RunSettings:
    arguments = parse(argv, "trainer")
    return load_settings(
        source if source is not None else arguments.config_path, arguments.overrides, arguments.options
    )


@pytest.mark.parametrize(("argv", "key", "value"), OPTIONS, ids=[row[0][0] for row in OPTIONS])
def test_each_option_sets_its_key(argv: list[str], key: str, value: Any) -> None:
    found: Any = loaded(argv)
    for part in key.split("."):
        found = getattr(found, part)
    assert found == value
    assert type(found) is type(value)


def test_only_what_was_given_is_passed_on() -> None:
    arguments = parse([], "trainer")
    assert (arguments.config_path, arguments.overrides, arguments.options) == (None, (), {})


def test_the_file_keeps_what_the_command_line_does_not_give() -> None:
    settings = loaded(["--num-envs", "4"], {"env_settings": {"num_envs": 2, "env_path": "a", "seed": 5}})
    assert (settings.env_settings.num_envs, settings.env_settings.seed) == (4, 5)


def test_path_and_overrides(tmp_path: Path) -> None:
    path = tmp_path / "walker.yaml"
    path.write_text("behaviors: {Walker: {max_steps: 5}}")
    arguments = parse([str(path), "--set", "debug=true", "--set", "behaviors.Walker.max_steps=6"], "trainer")
    assert arguments.config_path == path
    assert arguments.overrides == ("debug=true", "behaviors.Walker.max_steps=6")


def test_max_steps_reaches_every_behavior() -> None:
    argv = ["--max-steps", "9"]
    content = {"default_settings": {"max_steps": 1}, "behaviors": {"A": {"max_steps": 2}, "B": {}}}
    settings = loaded(argv, content)
    assert [settings.behavior(name).max_steps for name in ("A", "B", "Other")] == [9, 9, 9]
    assert loaded(argv, {"behaviors": {"A": {}}}).default_settings is None
    assert loaded(argv).behavior("Any").max_steps == 9


def test_set_wins_over_options() -> None:
    settings = loaded(
        ["--max-steps", "9", "--set", "behaviors.A.max_steps=8"], {"behaviors": {"A": {}, "B": {}}}
    )
    assert (settings.behavior("A").max_steps, settings.behavior("B").max_steps) == (8, 9)


def test_env_args_take_the_rest() -> None:
    arguments = parse(["--num-envs", "1", "--env-args", "--speed", "2", "--num-envs", "3"], "trainer")
    assert arguments.options["env_settings"] == {
        "num_envs": 1,
        "env_args": ["--speed", "2", "--num-envs", "3"],
    }


@pytest.mark.parametrize(
    ("argv", "resume", "initialize_from"),
    [
        (["--resume"], True, None),
        (["--initialize-from", "new"], False, "new"),
        (["--resume", "--initialize-from", "new"], True, None),
        ([], True, None),
    ],
)
def test_resume_and_initialize_from(argv: list[str], resume: bool, initialize_from: str | None) -> None:
    in_file = {"checkpoint_settings": {"resume": True, "initialize_from": "old"}}
    found = loaded(argv, in_file).checkpoint_settings
    assert (found.resume, found.initialize_from) == (resume, initialize_from)


@pytest.mark.parametrize("option", ["--load", "--train", "--torch", "--tensorflow"])
def test_old_options_only_warn(option: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert parse([option], "trainer").options == {}
    assert option in caplog.text
    assert option not in build_parser("trainer").format_help().split()


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--num-envs", "0"], "argument --num-envs: expected a whole number >= 1, got '0'"),
        (["--max-steps", "many"], "argument --max-steps: expected a whole number >= 1, got 'many'"),
        (["--max-steps", "true"], "argument --max-steps: expected a whole number >= 1, got 'true'"),
        (["--time-scale", "inf"], "argument --time-scale: expected a number > 0 and <= 3.4e+38, got 'inf'"),
        (["--wandb", ""], "argument --wandb: expected text that is not empty, got ''"),
        (["--no-such-option"], "unrecognized arguments: --no-such-option"),
        (["--max-st", "3"], "unrecognized arguments: --max-st; did you mean --max-steps?"),
        (["--algo"], "unrecognized arguments: --algo\n"),
        (["--learning-rate", "1e-4"], '--set "behaviors.*.hyperparameters.learning_rate=VALUE"'),
        (["--keep-checkpoints=3"], '--set "behaviors.*.keep_checkpoints=VALUE"'),
        (["--gamma", "0.9"], '--set "behaviors.*.reward_signals.extrinsic.gamma=VALUE"'),
        (["--num-threads", "2"], '--set "torch_settings.num_threads=VALUE"'),
        (["--slow"], "unrecognized arguments: --slow; use --time-scale 1"),
        (["--total-timesteps", "1e6"], "unrecognized arguments: --total-timesteps; use --max-steps"),
        (["--lr=1e-4"], '--lr=1e-4; use --set "behaviors.*.hyperparameters.learning_rate=VALUE"'),
        (["--cuda"], "unrecognized arguments: --cuda; use --torch-device cuda"),
        (
            ["--curriculum=c.yaml"],
            "--curriculum=c.yaml; it is part of the training file now, and trainers.config",
        ),
        (["--init", "x"], "unrecognized arguments: --init; did you mean --initialize-from?"),
        (["--env-a", "x"], "did you mean --env-args?"),
        (["--restarts-rate=1"], "did you mean --restarts-rate-limit-n or --restarts-rate-limit-period-s?"),
        (["--initialise-from=x"], "--initialise-from=x; did you mean --initialize-from?"),
        (
            ["--seed", "3000000000"],
            "argument --seed: expected a whole number >= -1 and <= 2147483647, got '3000000000'",
        ),
        (["--seed"], "argument --seed: expected one argument"),
    ],
)
def test_usage_errors(argv: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse(argv, "trainer")
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


def test_the_trainer_type_of_the_command_holds_where_no_file_says_one() -> None:
    settings = resolve(parse(["--max-steps", "9"], "trainer", "a2c"), "a2c")
    assert settings.behavior("Any").trainer_type == "a2c"
    assert settings.behavior("Any").max_steps == 9
    assert parse(["walker.yaml"], "trainer", "a2c").options == {}


def test_an_override_of_every_behavior_needs_to_suit_only_those_of_the_tuned_file() -> None:
    """`dueling_units` needs `dueling`, which that file has and the algorithm's defaults do not."""
    wanted = "behaviors.*.hyperparameters.dueling_units=64"
    settings = resolve(parse(["--env", "ALE/Assault-v5", "--set", wanted], "trainer", "dqn"), "dqn")
    assert settings.default_settings is None
    hyperparameters = settings.behavior("Assault-v5").hyperparameters
    assert isinstance(hyperparameters, DQNSettings)
    assert hyperparameters.dueling
    assert hyperparameters.dueling_units == 64


def test_help_has_groups_and_examples_that_it_reads() -> None:
    text = build_parser("trainer", "ppo").format_help()
    titles = ["Run:", "Environment:", "Unity player:", "Engine:", "Torch:", "examples:"]
    assert [line for line in text.splitlines() if line in titles] == titles
    assert "Default: from the training file, else 500000." in " ".join(text.split())
    examples = [shlex.split(line)[1:] for line in text.splitlines() if line.startswith("  trainer ")]
    assert len(examples) == 4
    for words in examples:
        arguments = parse(words, "trainer")
        load_settings(None, arguments.overrides, arguments.options)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        parse(["--version"], "trainer")
    assert capsys.readouterr().out.startswith("mlagents-bridge")


def test_help_shows_every_option() -> None:
    text = build_parser("trainer", "ppo").format_help()
    assert "PPO" in text
    assert all(argv[0] in text for argv, _, _ in OPTIONS)
    assert "--env-args" in text


@pytest.mark.parametrize("key", ["behaviors.*", "default_settings", "behaviors.Pendulum-v1"])
@pytest.mark.parametrize("trainer_type", ["ppo", "a2c"])
def test_an_override_of_the_trainer_type_chooses_the_tuned_file(key: str, trainer_type: str) -> None:
    arguments = ["--env", "Pendulum-v1", "--set", f"{key}.trainer_type={trainer_type}"]
    settings = resolve(parse(arguments, "trainer"), None)
    assert Path(str(settings.source)).parts[-2:] == (trainer_type, "Pendulum-v1.yaml")
    assert settings.behavior("Pendulum-v1").trainer_type == trainer_type
