"""Training the same thing with both trainers, one run after the other, over Unity's protocol."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import bridge
from bridge.ports import is_free
from bridge.process import find_player, looks_like_player
from gym_adapters.errors import UserError
from trainers.checkpoint import write_text
from trainers.compare.events import PATTERN
from trainers.compare.progress import Progress
from trainers.compare.runs import OURS, THEIRS
from trainers.config import RunSettings, check_supported, dump_settings, load_settings

FOLDERS = {OURS: "runs", THEIRS: "results"}
FIRST_PORT, LAST_PORT = 5100, 5900
PATIENCE = 120.0
"""Seconds that a trainer has to save its run after it was interrupted."""

_STEP = re.compile(r"\. Step: (\d+)\. Time Elapsed")
_REWARD = re.compile(r"Mean Reward: (-?[\d.]+)\.")


@dataclass(frozen=True)
class Variant:
    """One setting of both trainers.

    Attributes:
        name: becomes the name of its runs.
        settings: ours; `mlagents-learn` gets them without extension keys.
    """

    name: str
    settings: RunSettings


@dataclass(frozen=True)
class Plan:
    """What is to be trained.

    Attributes:
        variants: each is trained by both trainers, with every seed.
        env: a Gymnasium id, or the path of a Unity player.
        agents: how many, where `env` is a Gymnasium id.
        seeds: of the runs.
        mlagents_learn: the other trainer's program.
        out: where runs, logs and the files given to the trainers go.
    """

    variants: tuple[Variant, ...]
    env: str
    agents: int
    seeds: tuple[int, ...]
    mlagents_learn: str | None
    out: Path

    def folder(self, side: str, variant: Variant, seed: int) -> Path:
        """The run folder of one run."""
        return self.out / FOLDERS[side] / f"{variant.name}-seed{seed}"

    def jobs(self) -> list[tuple[str, Variant, int]]:
        """All runs, in the order in which they are trained; the two trainers take turns."""
        return [(side, v, seed) for v in self.variants for seed in self.seeds for side in FOLDERS]


def is_player(env: str) -> bool:
    """Whether `--env` is a built player, not a Gymnasium id."""
    return looks_like_player(env)


def load_variant(
    name: str, source: Path, overrides: Sequence[str], env: str
) -> Variant:
    """Read a training file for both trainers.

    A Gymnasium id is played by one player, whatever the file says of environments, and a built player is the one given.

    Raises:
        UserError: the file or an override is wrong.
    """
    place = {"env_path": str(Path(env).absolute())} if is_player(env) else {"env_path": None, "num_envs": 1}
    settings = load_settings(source, overrides, {"env_settings": place})
    check_supported(settings)
    return Variant(name, settings)


def removed_keys(settings: RunSettings) -> list[str]:
    """The keys that `mlagents-learn` does not get and whose values differ from their defaults, as `key: value`."""
    kept = load_settings(dump_settings(settings, for_mlagents=True))
    pairs = _pairs(settings.model_dump(mode="json"), kept.model_dump(mode="json"))
    return [f"{key}: {value}" for key, value, without in pairs if value != without]


def _pairs(ours: object, theirs: object, above: str = "") -> Iterator[tuple[str, object, object]]:
    if isinstance(ours, dict) and isinstance(theirs, dict) and ours:
        for key, value in ours.items():
            yield from _pairs(value, theirs.get(key), f"{above}.{key}" if above else str(key))
    else:
        yield above, ours, theirs


def train_all(plan: Plan) -> None:
    """Train every run of a plan that is not finished; a run that was interrupted goes on.

    Raises:
        UserError: something is missing, or a trainer stopped with an error.
        KeyboardInterrupt: somebody asked to stop; the run that was going on is saved.
    """
    _write_files(plan)
    todo = [job for job in plan.jobs() if not is_finished(plan, *job)]
    if any(side == THEIRS for side, _, _ in todo):
        check_mlagents_learn(plan.mlagents_learn)
    player = _player(plan)
    with Progress(len(plan.jobs()), len(plan.jobs()) - len(todo)) as progress, _terminated_as_interrupted():
        for side, variant, seed in todo:
            name = f"{side}, {variant.name}, seed {seed}"
            progress.begin(name, max_steps(variant.settings))
            _train(plan, side, variant, seed, player, progress)
            if not is_finished(plan, side, variant, seed):
                raise UserError(f"{name}: ended early; see {_log(plan, side, variant, seed)}")
            progress.finish()


def max_steps(settings: RunSettings) -> int:
    """The steps that a run of these settings ends after."""
    behaviors = list(settings.behaviors.values()) or [settings.default_settings]
    return max(behavior.max_steps for behavior in behaviors if behavior is not None)


def is_finished(plan: Plan, side: str, variant: Variant, seed: int) -> bool:
    """Whether a run reached its last step and was closed: its last checkpoint is of that step."""
    folder = plan.folder(side, variant, seed)
    if not (folder / "run_logs" / "timers.json").is_file():
        return False
    try:
        status = json.loads((folder / "run_logs" / "training_status.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    names = variant.settings.behaviors
    finals = [status.get(name, {}).get("final_checkpoint") for name in names]
    finals = [final for final in finals if final] or [
        entry["final_checkpoint"]
        for entry in status.values()
        if isinstance(entry, dict) and entry.get("final_checkpoint")
    ]
    return bool(finals) and all(int(final["steps"]) >= max_steps(variant.settings) for final in finals)


def begun(plan: Plan) -> list[Path]:
    """The run folders that have something to compare."""
    folders = [plan.folder(*job) for job in plan.jobs()]
    return [folder for folder in folders if any(folder.glob(f"*/{PATTERN}"))]


def check_mlagents_learn(program: str | None) -> None:
    """Refuse what is not `mlagents-learn`.

    Raises:
        UserError: it is not there, or does not work.
    """
    if program is None:
        raise UserError("give the program of mlagents-learn: --mlagents-learn /path/to/bin/mlagents-learn")
    found = shutil.which(program)
    if found is None:
        raise UserError(f"--mlagents-learn {program}: no such program")
    try:
        answer = subprocess.run([found, "--help"], capture_output=True, text=True, timeout=300, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UserError(f"--mlagents-learn {program}: cannot be run: {error}") from None
    if "trainer_config_path" not in answer.stdout:
        said = (answer.stderr.strip().splitlines() or ["it says nothing of a trainer_config_path"])[-1]
        raise UserError(f"--mlagents-learn {program}: is not a working mlagents-learn: {said}")


def _write_files(plan: Plan) -> None:
    """Write what each trainer is given; a folder that holds another comparison is refused."""
    for variant in plan.variants:
        for side in FOLDERS:
            path = _config(plan, side, variant)
            text = dump_settings(variant.settings, for_mlagents=side == THEIRS)
            if path.is_file() and path.read_text(encoding="utf-8") != text:
                raise UserError(f"{path}: is of other settings; choose another folder with --out, or delete it")
            path.parent.mkdir(parents=True, exist_ok=True)
            write_text(path, text)


def _config(plan: Plan, side: str, variant: Variant) -> Path:
    return plan.out / "files" / f"{variant.name}-{side}.yaml"


def _log(plan: Plan, side: str, variant: Variant, seed: int) -> Path:
    return plan.out / "logs" / f"{variant.name}-seed{seed}-{side}.log"


def _player(plan: Plan) -> Path:
    """The player that both trainers start: the given one, or a script that plays a Gymnasium environment."""
    if is_player(plan.env):
        found = find_player(plan.env)
        if found is None:
            raise UserError(f"--env {plan.env}: no such player; give the path of a built player")
        return found
    if sys.platform == "win32":
        raise UserError("--train with a Gymnasium id needs Linux or macOS; docs/unity.md runs both by hand")
    from bridge.player import PlayerSettings, make_single

    make_single(PlayerSettings(plan.env)).close()
    path = (plan.out / "files" / "Player.x86_64").absolute()
    command = shlex.join([sys.executable, "-m", "bridge.player", "--env", plan.env, "--agents", str(plan.agents)])
    text = f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(_home()))} exec {command} "$@"\n'
    if path.is_file() and path.read_text(encoding="utf-8") != text:
        raise UserError(f"{path}: is of another --env or --agents; choose another folder with --out, or delete it")
    write_text(path, text)
    path.chmod(0o755)
    return path


def _home() -> Path:
    """Where the packages are that both sides of this project need."""
    return Path(bridge.__file__).resolve().parents[1]


def _free_port(count: int) -> int:
    for port in range(FIRST_PORT, LAST_PORT, count):
        if all(map(is_free, range(port, port + count))):
            return port
    raise UserError(f"no {count} free ports between {FIRST_PORT} and {LAST_PORT}")


def _train(plan: Plan, side: str, variant: Variant, seed: int, player: Path, progress: Progress) -> None:
    folder, log = plan.folder(side, variant, seed), _log(plan, side, variant, seed)
    config = _config(plan, side, variant)
    program = [sys.executable, "-m", "trainers"] if side == OURS else [str(plan.mlagents_learn)]
    command = [*program, str(config), "--env", str(player), "--seed", str(seed)]
    command += ["--run-id", folder.name, "--results-dir", str(folder.parent)]
    command += ["--base-port", str(_free_port(variant.settings.env_settings.num_envs))]
    if any(folder.glob("*/checkpoint.pt")):
        command.append("--resume")
    elif folder.exists():
        command.append("--force")
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    if side == OURS:
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(_home()), os.environ.get("PYTHONPATH")]))
    else:
        environment.pop("PYTHONPATH", None)
    code = _follow(command, environment, log, progress)
    if code:
        last = log.read_text("utf-8", "replace").strip().splitlines()[-1:] or ["it said nothing"]
        raise UserError(f"{side}, {folder.name}: stopped with exit status {code}; the end of {log}: {last[0]}")


def _follow(command: Sequence[str], environment: dict[str, str], log: Path, progress: Progress) -> int:
    """Run a trainer, show its summaries and keep what it says; Ctrl-C lets it save and is then passed on."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a", encoding="utf-8") as stream:
        stream.write(f"$ {shlex.join(command)}\n")
        process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,  # Ctrl-C is for this process, which then asks the trainer to save
        )
        assert process.stdout is not None
        try:
            for line in process.stdout:
                stream.write(line)
                step, reward = _STEP.search(line), _REWARD.search(line)
                if step:
                    progress.summary(int(step[1]), float(reward[1]) if reward else None)
            return process.wait()
        except KeyboardInterrupt:
            progress.say("stopping: the run is being saved …")
            process.send_signal(signal.SIGINT)
            try:
                rest, _ = process.communicate(timeout=PATIENCE)
                stream.write(rest)
            except subprocess.TimeoutExpired:
                progress.say(f"it did not stop within {PATIENCE:.0f} s and was ended")
            raise
        finally:
            _end(process)


def _end(process: subprocess.Popen[str]) -> None:
    """Make sure that nothing is left of a trainer and its players."""
    if os.name == "posix":
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    elif process.poll() is None:
        process.kill()
    process.wait()
    time.sleep(0.2)  # its port is free again


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """SIGTERM means what Ctrl-C means."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
