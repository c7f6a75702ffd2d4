"""Gradient steps that a GPU replays as a graph: without Python, and without the start of each operation.

Source: the PyTorch documentation, "CUDA Graphs".
"""

import logging
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import suppress
from dataclasses import fields, is_dataclass, replace
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from gym_adapters.text import first_line
from trainers.config import BehaviorSettings

logger = logging.getLogger(__name__)

WARM_UP = 3
"""Calls that are computed as usual before the first recording. They allocate the optimiser's moments, for example."""
MOST_GRAPHS = 8
"""Inputs of further shapes are computed as usual, since every graph holds the memory of all that it computes."""

Recording = Callable[[], Tensor]
"""Computes again what was recorded, from what the same tensors hold now."""


class StepRecorder(Protocol):
    """Records functions.

    Attributes:
        device: where they compute.
        warm: whether functions have been computed as usual often enough.
    """

    device: torch.device
    warm: bool

    def record(self, function: Callable[[], Tensor]) -> Recording:
        """Record what a function does to tensors, without doing it.

        Raises:
            RuntimeError: an operation cannot be recorded, for example one that reads a number from the GPU.
        """


class GpuRecorder:
    """Records CUDA graphs, which share the memory of what they compute. So one is replayed at a time.

    Args:
        device: the GPU.
        generators: the generators that the functions draw from.
    """

    def __init__(self, device: torch.device, generators: Sequence[torch.Generator]) -> None:
        self.device, self.warm, self._generators = device, False, generators
        self._stream, self._pool = torch.cuda.Stream(device), torch.cuda.graph_pool_handle()
        self._last: torch.cuda.CUDAGraph | None = None

    def record(self, function: Callable[[], Tensor]) -> Recording:
        """See `StepRecorder.record`.

        `torch.cuda.graph` does the same, but may collect garbage first, which takes long.
        """
        graph = torch.cuda.CUDAGraph()
        for generator in self._generators:
            graph.register_generator_state(generator)
        self._stream.wait_stream(torch.cuda.current_stream(self.device))
        with torch.cuda.stream(self._stream):
            graph.capture_begin(pool=self._pool, capture_error_mode="thread_local")
            try:
                result = function()
            except BaseException:
                with suppress(RuntimeError):
                    graph.capture_end()
                raise
            graph.capture_end()
        torch.cuda.current_stream(self.device).wait_stream(self._stream)
        self._last = graph  # the memory outlives the graph before

        def replay() -> Tensor:
            graph.replay()
            return result

        return replay


class Captured:
    """A function of arrays and tensors that is recorded at an early call and then replayed on new inputs.

    There is a recording for each set of shapes. Whatever else the function reads must be the same tensors at every
    call, and Python runs only while it is recorded. A function that cannot be recorded is computed as usual.

    Args:
        function: computes a tensor from one value: an array, a tensor, or lists, tuples and dataclasses of them. It is
            given tensors on the device in place of arrays.
        recorder: records it.
    """

    def __init__(self, function: Callable[[Any], Tensor], recorder: StepRecorder) -> None:
        self._function, self._recorder = function, recorder
        self.forget()

    def forget(self) -> None:
        """Record anew, since the function reads other tensors or does other operations from now on."""
        self._calls = 0
        self._possible = True
        self._recordings: dict[Hashable, tuple[Recording, list[Tensor]]] = {}

    def __call__(self, inputs: Any, form: Hashable = None) -> Tensor:
        """Return the function's result for inputs.

        Args:
            inputs: the function's argument.
            form: whatever besides the inputs decides which operations the function does.
        """
        self._calls += 1
        self._recorder.warm = self._recorder.warm or self._calls > WARM_UP
        leaves = list(leaves_of(inputs))
        key = form, *((tuple(leaf.shape), str(leaf.dtype)) for leaf in leaves)
        if key not in self._recordings and not self._record(key, inputs, leaves):
            return self._function(with_leaves(inputs, map(self._upload, leaves)))
        replay, places = self._recordings[key]
        for place, leaf in zip(places, leaves, strict=True):
            place.copy_(self._staged(leaf), non_blocking=True)
        return replay().clone()

    def _record(self, key: Hashable, inputs: Any, leaves: list[Any]) -> bool:
        """Record the function for inputs of these shapes. Return whether there is a recording."""
        if not (self._recorder.warm and self._possible and len(self._recordings) < MOST_GRAPHS):
            return False
        places = [self._upload(leaf).clone() for leaf in leaves]
        function = self._function
        try:
            replay = self._recorder.record(lambda: function(with_leaves(inputs, iter(places))))
        except RuntimeError as error:
            logger.info("gradient steps are not recorded: %s", first_line(error))
            self._possible = False
        else:
            self._recordings[key] = replay, places
        return self._possible

    def _upload(self, leaf: Any) -> Tensor:
        return self._staged(leaf).to(self._recorder.device, non_blocking=True)

    def _staged(self, leaf: Any) -> Tensor:
        """Return a leaf as a tensor; an array as one whose copy to the GPU does not wait for the GPU."""
        if isinstance(leaf, Tensor):
            return leaf
        tensor = torch.from_numpy(leaf)
        return tensor.pin_memory() if self._recorder.device.type == "cuda" else tensor


def find_recorder(
    device: torch.device, settings: BehaviorSettings, generators: Sequence[torch.Generator]
) -> StepRecorder | None:
    """Return what records gradient steps on a device; None where they are computed as usual.

    Memory and dropout take sizes and random numbers from Python, and threads share a GPU's stream.

    Args:
        device: where they compute.
        settings: the behavior's.
        generators: the generators that they draw from.
    """
    network = settings.network_settings
    usual = device.type != "cuda" or network.memory is not None or network.dropout or settings.threaded
    return None if usual else GpuRecorder(device, generators)


def recorded(function: Callable[[Any], Tensor], recorder: StepRecorder | None) -> Callable[[Any], Tensor]:
    """Return a function that computes the same: a `Captured` one if there is a recorder, else the function itself."""
    return function if recorder is None else Captured(function, recorder)


def leaves_of(value: Any) -> Iterator[Any]:
    """Yield the arrays and tensors of lists, tuples and dataclasses, in their order."""
    if isinstance(value, np.ndarray | Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for part in value:
            yield from leaves_of(part)
    elif is_dataclass(value):
        for field in fields(value):
            yield from leaves_of(getattr(value, field.name))


def with_leaves(value: Any, leaves: Iterator[Tensor]) -> Any:
    """Return a value with other tensors in place of what `leaves_of` yields."""
    if isinstance(value, np.ndarray | Tensor):
        return next(leaves)
    if isinstance(value, list | tuple):
        return type(value)([with_leaves(part, leaves) for part in value])
    if is_dataclass(value) and not isinstance(value, type):
        changed = {field.name: with_leaves(getattr(value, field.name), leaves) for field in fields(value)}
        return replace(value, **changed)
    return value
