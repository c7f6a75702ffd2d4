"""Names of files and folders made of a behavior's name, which may be any text."""

import hashlib
import re
import unicodedata
from collections.abc import Collection
from pathlib import Path

MOST_LETTERS, MOST_BYTES = 100, 220
"""A checkpoint's path on Windows has 260 letters and holds the name twice; a file name on Linux has 255 bytes."""

OF_THE_RUN = ("run_logs", "wandb", "configuration.yaml")
"""What a run folder holds besides the folders and the `.onnx` files of its behaviors."""

_REFUSED = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f-\x9f\ud800-\udfff]')
_DEVICE = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³]) *(\..*)?", re.IGNORECASE)
_MARKED = re.compile(r".*--[0-9a-f]{16}")


def is_portable(name: str) -> bool:
    """Whether Linux, macOS and Windows all take this name for a file or folder, and it leads nowhere else.

    Source: "Naming Files, Paths, and Namespaces", Microsoft Learn.
    """
    return (
        0 < len(name) <= MOST_LETTERS
        and _REFUSED.search(name) is None
        and len(name.encode()) <= MOST_BYTES
        and not name.endswith((".", " "))
        and _DEVICE.fullmatch(name) is None
    )


def file_name(behavior: str) -> str:
    """A behavior's name as the name of a file or folder.

    A name that is portable stays as it is. Any other one, and one that a run folder has another use for, becomes its
    letters and digits with a mark of its own, such as `Team_Walker--9c3f1b2a7d4e5f60`.
    """
    plain = (
        is_portable(behavior)
        and unicodedata.is_normalized("NFC", behavior)
        and _folded(behavior) not in OF_THE_RUN
        and not _folded(behavior).endswith(".onnx")
        and _MARKED.fullmatch(_folded(behavior)) is None
    )
    return behavior if plain else _marked(behavior)


def unused_name(behavior: str, names: Collection[str]) -> str:
    """Return the `file_name` of a behavior; with a mark of its own if `names` has it in other letter case only."""
    name = file_name(behavior)
    if name in {unicodedata.normalize("NFC", other) for other in names}:
        return name
    return _marked(behavior) if _folded(name) in map(_folded, names) else name


def behavior_folder(run: Path, behavior: str) -> Path:
    """A behavior's folder in a run folder, there or yet to be made; no other behavior has the same one.

    Some file systems take `Walker` and `walker` for one name. The one that came first has the folder of its name.
    """
    folders = [path.name for path in run.iterdir() if path.is_dir()] if run.is_dir() else []
    return run / unused_name(behavior, folders)


def _marked(behavior: str) -> str:
    """Up to 40 letters and digits of a name, and 16 digits that tell it from every other name."""
    readable = re.sub(r"[^A-Za-z0-9_]+", "_", behavior)[:40]
    digest = hashlib.sha256(behavior.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{readable or 'behavior'}--{digest[:16]}"


def _folded(name: str) -> str:
    """What a file system that ignores case may make of a name."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
