"""Checkpoints: reading and writing them."""

import io
import pickletools
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from gym_adapters.errors import UserError
from gym_adapters.files import write_atomically
from gym_adapters.text import first_line
from trainers.records.checkpoint_content import require_policy, require_savable

NEWEST, BEST = "checkpoint.pt", "best.pt"

MOST_VIEWS = 4
"""How often tensors may show the same bytes of a checkpoint, as an optimiser's flat vector and its parts do."""

MADE = ("collections OrderedDict", "torch._utils _rebuild_tensor_v2")
"""What a checkpoint's pickle may make besides storages, lists and maps; torch would allow `bytearray(10**12)` too."""

SCALES = "scales"
"""Key in a kept policy: for each parameter stored in 8 bits, the factor of every row."""


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Atomically write a checkpoint: a dictionary of tensors, numbers, strings and containers of them.

    Raises:
        UserError: it holds something else, with which it could not be read again.
        OSError: the system refuses.
    """
    require_savable(state, str(path.name))
    content = state_bytes(state)  # in memory first: torch.save replaces the error of a full disk by its own
    write_atomically(path, lambda stream: stream.write(content))


def state_bytes(state: dict[str, Any]) -> bytes:
    """A checkpoint as the bytes of its file."""
    stream = io.BytesIO()
    torch.save(state, stream)
    return stream.getvalue()


@contextmanager
def damage_named(path: Path) -> Iterator[None]:
    """Turn every error of the block, which reads a checkpoint's content, into one line that names the file.

    A damaged file may hold anything, so reading it may fail in any way.

    Raises:
        UserError: the block failed.
    """
    try:
        yield
    except UserError as error:
        if str(path) in str(error):
            raise
        raise UserError(f"{path}: {error}") from error
    except Exception as error:
        raise UserError(
            f"{path}: not a readable checkpoint ({first_line(error, typed=True)}); use another one"
        ) from error


def load_state(path: Path, theirs: bool = False) -> dict[str, Any]:
    """Read a checkpoint; no code in the file is run.

    Args:
        path: the file.
        theirs: whether one of `mlagents-learn` is returned too, as it is. It has no key `behavior`.

    Returns:
        The state, with its tensors on the CPU. The weights of a kept policy have 32 bits again.

    Raises:
        UserError: there is no such file, it is damaged, or it is not a checkpoint of this project.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such checkpoint; give a run folder or a .pt file that exists")
    with damage_named(path):
        state = read_tensors(path)
    if isinstance(state, dict) and "Policy" in state and "behavior" not in state:
        if theirs:
            return state
        raise UserError(
            f"{path}: written by mlagents-learn, whose optimiser differs from the one here; --initialize-from with "
            "another --run-id starts from its policy, and trainers.evaluate plays its .onnx"
        )
    if not isinstance(state, dict) or "Policy" not in state or "behavior" not in state:
        raise UserError(f"{path}: not a checkpoint of this trainer (it has no policy); use another one")
    with damage_named(path):
        require_policy(state)
        state["Policy"] = _in_32_bits(state["Policy"], state.pop(SCALES, {}))
    return state


def read_tensors(path: Path) -> Any:
    """Read a file of tensors, numbers and containers of them; no code in the file is run.

    Raises:
        Exception: the file is damaged, in any way.
    """
    _require_whole(path)
    state = torch.load(path, map_location="cpu", weights_only=True)
    if _tensor_bytes(state) > MOST_VIEWS * path.stat().st_size:
        raise ValueError("its tensors are larger than the file")
    return state


def require_small_parts(file: zipfile.ZipFile, path: Path) -> None:
    """Require that a zip file grows no larger when it is read, before memory is asked for.

    Raises:
        ValueError: its parts are larger than the file, or two have the same name.
    """
    parts = file.infolist()
    if sum(part.file_size for part in parts) > path.stat().st_size:
        raise ValueError("its parts are larger than the file")
    if len({part.filename for part in parts}) < len(parts):
        raise ValueError("two of its parts have the same name")


def _require_whole(path: Path) -> None:
    """Compare every part of a file with its checksum, and its parts with its size, before memory is asked for."""
    with zipfile.ZipFile(path) as file:
        require_small_parts(file, path)
        damaged = file.testzip()
        if damaged is not None:
            raise ValueError(f"the checksum of {damaged[-60:]!r} is wrong")
        for name in file.namelist():
            if name.endswith(".pkl"):
                _require_known(file.read(name))


def _require_known(pickled: bytes) -> None:
    for operation, argument, _ in pickletools.genops(pickled):
        if operation.name == "GLOBAL" and argument not in MADE:
            module, _, name = str(argument).partition(" ")
            if module != "torch" or not name.endswith("Storage"):
                raise ValueError(f"it would make a {str(argument)[:60]}")


def _tensor_bytes(tree: Any) -> int:
    """The bytes of all tensors in nested maps and lists; one that is named several times counts once."""
    tensors: dict[tuple[int, torch.Size], int] = {}
    seen: set[int] = set()
    rest = [tree]
    while rest:
        value = rest.pop()
        if isinstance(value, torch.Tensor):
            tensors[value.data_ptr(), value.shape] = value.numel() * value.element_size()
        elif isinstance(value, dict | list | tuple | set) and id(value) not in seen:
            seen.add(id(value))
            rest += value.values() if isinstance(value, dict) else value
    return sum(tensors.values())


def _in_32_bits(weights: dict[str, torch.Tensor], scales: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The weights of a kept policy in 32 bits; a tensor that actor and critic share stays one tensor."""
    full: dict[tuple[int, torch.Size], torch.Tensor] = {}
    return {
        name: full.setdefault((tensor.data_ptr(), tensor.shape), tensor.float() * scales.get(name, 1.0))
        if name in scales or tensor.dtype == torch.half
        else tensor
        for name, tensor in weights.items()
    }
