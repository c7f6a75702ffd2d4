"""Players that exit, are killed, hang or leave."""

import signal
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from bridge.make import make_unity
from gym_adapters import UserError
from tests.faults.fault import Fault
from trainers import train
from trainers.training.followers import Silence

# isort: split
from processes import free_port, write_player
from speaker import MAX_STEPS, SETTINGS

SCRIPT = Path(__file__).parents[1] / "bridge" / "faulty_player.py"
PATIENCE = 10
"""Seconds after which a player that hangs is given up."""
BEGUN = 2
"""Messages answered after which a player counts as begun. Only such a player is started again."""
MOMENTS = {0: "before connecting", 1: "after the introduction", 2: "before its first agents", 9: "in mid-run"}


@dataclass(frozen=True)
class End:
    """How a player ends.

    Attributes:
        fault: what `faulty_player` is told to do.
        says: words of the line for a player that is not started again.
    """

    fault: str
    says: str


ENDS = (
    End("exit:7", "exited with code 7"),
    End("exit:0", "exited with code 0"),
    End("exit:255", "exited with code 255"),
    End(f"signal:{signal.SIGKILL.value}", "exited with code -9 (SIGKILL)"),
    End(f"signal:{signal.SIGSEGV.value}", "exited with code -11 (SIGSEGV)"),
    End(f"signal:{signal.SIGTERM.value}", "exited with code -15 (SIGTERM)"),
    End("hang", f"within {PATIENCE} s"),
)
CONNECTED = (
    End("close", f"within {PATIENCE} s"),
    End("junk", "sent something that is not an ML-Agents message"),
    End("quit", "player Player.x86_64 quit"),
)
"""Ends of players that have introduced themselves."""


def faults(whole: bool) -> Iterable[Fault]:
    """Every end at every moment, for good or once; one of two players; restarts that are used up."""
    if not whole:
        yield Fault("killed in mid-run, once", partial(_ends_once, ENDS[3], 9))
        return
    for when, moment in MOMENTS.items():
        for end in (*ENDS, *(CONNECTED if when else ())):
            yield Fault(f"{end.fault} {moment}", partial(_ends, end, when))
            if when >= BEGUN:
                yield Fault(f"{end.fault} {moment}, once", partial(_ends_once, end, when))
    for end in (*ENDS, *CONNECTED):
        yield Fault(f"one of two players: {end.fault} in mid-run", partial(_one_of_two, end, 9))
    yield Fault("exits again and again", _uses_up_its_restarts)


def _ends(end: End, when: int, folder: Path) -> None:
    said = _train(folder, [end.fault, when], restarts=0)
    assert end.says in said, said
    assert ("It is not started again" in said) == (when >= BEGUN), said
    _require_plain(said)
    if when == max(MOMENTS):
        assert (folder / "run" / "Walker").is_dir()


def _ends_once(end: End, when: int, folder: Path) -> None:
    said = _train(folder, [end.fault, when, "--once", folder / "failed"], restarts=1)
    assert not said, said


def _one_of_two(end: End, when: int, folder: Path) -> None:
    said = _train(folder, [end.fault, when, "--once", folder / "failed"], restarts=1, players=2)
    assert not said, said


def _uses_up_its_restarts(folder: Path) -> None:
    said = _train(folder, ["exit:7", 9], restarts=2)
    assert "it was restarted 2 times; max_lifetime_restarts is 2" in said, said


def _require_plain(said: str) -> None:
    """The log of the player must not control the terminal that shows it."""
    lines = said.split("\n")
    assert all(line.isprintable() for line in lines), said
    assert all(len(line) <= 4 + 200 for line in lines if line.startswith("    ")), said
    assert len(lines) <= 25, said


def _train(folder: Path, script: list[object], restarts: int, players: int = 1) -> str:
    """Train on players; return why the training ended early, or nothing."""
    options: dict[str, Any] = {
        **SETTINGS,
        "env_settings": {
            "env_path": str(write_player(folder, SCRIPT, *script)),
            "num_envs": players,
            "base_port": free_port(),
            "timeout_wait": PATIENCE,
            "max_lifetime_restarts": restarts,
            "restarts_rate_limit_n": -1,
            "seed": 0,
        },
        "checkpoint_settings": {"run_id": "run", "results_dir": str(folder)},
    }
    try:
        outcomes = train(make_unity, options, display=Silence())
    except UserError as error:
        return str(error)
    assert all(outcome.steps >= MAX_STEPS for outcome in outcomes.values()), outcomes
    return ""
