"""Child processes that Ctrl-C in the terminal does not reach, and that are killed with all that they have started."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from typing import Any

import psutil


def apart() -> dict[str, Any]:
    """Return the arguments of `Popen` for a process that Ctrl-C in the terminal does not reach."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}


def interrupt(process: "subprocess.Popen[Any]") -> None:
    """Ask a process that was started `apart` to stop, as Ctrl-C does.

    On Windows it is Ctrl-Break, since a process group of its own ignores Ctrl-C.
    """
    if sys.platform == "win32":
        process.send_signal(signal.CTRL_BREAK_EVENT)
    else:
        process.send_signal(signal.SIGINT)


def kill(process: "subprocess.Popen[Any]") -> None:
    """Kill a process and all that it has started.

    If it has ended, its children can be found on POSIX only, and only those in its own process group.
    """
    family = []
    if process.poll() is None:
        with suppress(psutil.NoSuchProcess):
            parent = psutil.Process(process.pid)
            family = [parent, *parent.children(recursive=True)]
    for member in family:
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            member.kill()
    if sys.platform != "win32":
        with suppress(
            ProcessLookupError, PermissionError
        ):  # macOS refuses a group whose members have all ended
            os.killpg(process.pid, signal.SIGKILL)
