"""Decodes a player's messages into `DecisionSteps` and `TerminalSteps`."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import numpy as np
from mlagents_envs.base_env import (
    ActionSpec,
    BehaviorSpec,
    DecisionSteps,
    DimensionProperty,
    ObservationSpec,
    ObservationType,
    TerminalSteps,
)

from bridge import wire
from bridge.declarations import odd_numbers, plain_name, require_usable
from bridge.images import averages, decode_png
from bridge.spec_changes import ALIKE
from gym_adapters.errors import UserError
from gym_adapters.masks import by_branch
from gym_adapters.sizes import require_memory
from gym_adapters.text import one_line
from gym_adapters.values import repeated


@dataclass(frozen=True)
class _Layout:
    """The place and format of one observation in a message, and its spec.

    Attributes:
        index: Its index among an agent's observations.
        shape: Its shape as the player declares it.
        sent: The shape in whose order the player sends the numbers, if it sends numbers.
        spec: Its spec as trainers see it; images are channel-first.
        channels_last: Whether an image's channels are the last dimension of `sent`.
        is_png: Whether it is sent as PNG.
        dtype: uint8 for PNG without averaged channels, float32 for everything else.
    """

    index: int
    shape: tuple[int, ...]
    sent: tuple[int, ...]
    spec: ObservationSpec
    channels_last: bool
    is_png: bool
    dtype: type[np.generic]

    @property
    def name(self) -> str:
        """The sensor's name for messages to the user."""
        return one_line(self.spec.name, 100)


class BehaviorDecoder:
    """Decodes the agents of one behavior.

    Args:
        name: The behavior's name.
        parameters: Its `BrainParametersProto`.
        info: The `AgentInfoProto` of its first agent, whose observations define those of all agents.
        pixelwise: Whether raw images are sent pixel by pixel although their shape is channel-first; see
            `bridge.packages`.

    Attributes:
        name: The behavior's name for messages to the user.
        spec: Observations and actions; images are channel-first, whatever the player sends.
        reordered: Whether there are such images.

    Raises:
        UserError: The behavior cannot be trained.
    """

    def __init__(self, name: str, parameters: Any, info: Any, pixelwise: bool = False) -> None:
        require_usable(name, parameters, info)
        self.name = plain_name(name)
        actions = parameters.action_spec
        self._layouts = [_layout(index, proto, pixelwise) for index, proto in enumerate(info.observations)]
        self.reordered = any(layout.sent != layout.shape for layout in self._layouts)
        action_spec = ActionSpec(actions.num_continuous_actions, tuple(actions.discrete_branch_sizes))
        self.spec = BehaviorSpec([layout.spec for layout in self._layouts], action_spec)
        self._agent_bytes = sum(action_spec.discrete_branches) + sum(
            math.prod(layout.shape) * np.dtype(layout.dtype).itemsize for layout in self._layouts
        )

    def decode(self, infos: Sequence[Any]) -> tuple[DecisionSteps, TerminalSteps]:
        """Decode all agents of one message.

        Args:
            infos: One `AgentInfoProto` per agent.

        Returns:
            Steps whose arrays share no memory with the message.
            `obs[i]` has shape (agents, *spec.observation_specs[i].shape).

        Raises:
            UserError: A value is not finite, an observation is not what the spec says, an agent is there twice, or the
                agents need more memory than there is.
        """
        infos = list(infos)
        require_memory(
            self._agent_bytes * len(infos),
            f"behavior {self.name}: a message of {len(infos):,} agents",
            "use fewer agents or smaller observations",
        )
        ended = [info for info in infos if info.done]
        deciding = [info for info in infos if not info.done] if ended else infos
        asking, leaving = _column(deciding, "id", np.int32), _column(ended, "id", np.int32)
        self._require_single(asking, "asks")
        self._require_single(leaving, "ends")
        return (
            DecisionSteps(
                self.observations(deciding),
                self.rewards(deciding, "reward"),
                asking,
                self.masks(deciding),
                self._groups(deciding),
                self.rewards(deciding, "group_reward"),
            ),
            TerminalSteps(
                self.observations(ended),
                self.rewards(ended, "reward"),
                _column(ended, "max_step_reached", np.bool_),
                leaving,
                self._groups(ended),
                self.rewards(ended, "group_reward"),
            ),
        )

    def observations(self, infos: Sequence[Any]) -> list[np.ndarray]:
        """Decode the observations of agents, one (agents, *shape) array each; see `decode`."""
        count = len(self._layouts)
        sensors = [info.observations for info in infos]
        for info, protos in zip(infos, sensors, strict=True):
            if len(protos) != count:
                raise self._changed(info, f"{len(protos)} observations now, {count} before")
        for layout in self._layouts:
            # A vector of the right number of values is one in any shape, so that one agent's says enough.
            compared = len(infos) if len(layout.shape) > 1 else 1
            for info, protos in zip(infos[:compared], sensors, strict=False):
                if tuple(protos[layout.index].shape) != layout.shape:
                    raise self._reshaped(layout, info)
        return [
            self._observation(layout, infos, [protos[layout.index] for protos in sensors])
            for layout in self._layouts
        ]

    def _observation(self, layout: _Layout, infos: Sequence[Any], protos: Sequence[Any]) -> np.ndarray:
        """Decode one observation of all agents; `protos` holds it for each agent."""
        if not infos:
            return np.zeros((0, *layout.spec.shape), layout.dtype)
        if layout.is_png:
            return np.stack([self._image(layout, info) for info in infos])
        index = layout.index
        rows = [proto.float_data.data for proto in protos]
        size = 4 * math.prod(layout.shape)
        if any(len(row) != size for row in rows):
            wrong = next(info for info, row in zip(infos, rows, strict=True) if len(row) != size)
            raise self._reshaped(layout, wrong)
        values = np.frombuffer(bytearray().join(rows), np.float32).reshape(len(infos), *layout.sent)
        if not np.isfinite(values).all():
            row, *place = (int(axis[0]) for axis in np.nonzero(~np.isfinite(values)))
            where = place[0] if len(place) == 1 else tuple(place)
            raise UserError(
                f"behavior {self.name}, agent {infos[row].id}: observation {index} ({layout.name}) is "
                f"{values[row, *place]} at index {where}; the player must send finite numbers"
            )
        return np.ascontiguousarray(values.transpose(0, 3, 1, 2)) if layout.channels_last else values

    def _image(self, layout: _Layout, info: Any) -> np.ndarray:
        proto = info.observations[layout.index]
        shape = layout.spec.shape
        if proto.compression_type != wire.PNG:
            raise self._changed(info, f"observation {layout.index} is no PNG now, it was before")
        try:
            image = decode_png(proto.compressed_data, shape, proto.compressed_channel_mapping)
        except ValueError as error:
            raise UserError(
                f"behavior {self.name}, agent {info.id}: image observation {layout.index} ({layout.name}): {error}"
            ) from error
        if image.dtype != layout.dtype:
            raise self._changed(info, f"the channel mapping of observation {layout.index} is another one now")
        return image

    def rewards(self, infos: Sequence[Any], field: str) -> np.ndarray:
        """Decode the `reward` or `group_reward` of agents, (agents,) float32; see `decode`."""
        rewards = _column(infos, field, np.float32)
        if not np.isfinite(rewards).all():
            row = int(np.flatnonzero(~np.isfinite(rewards))[0])
            raise UserError(
                f"behavior {self.name}, agent {infos[row].id}: {field.replace('_', ' ')} is {rewards[row]}; "
                "the player must send finite numbers"
            )
        return rewards

    def _groups(self, infos: Sequence[Any]) -> np.ndarray:
        groups = _column(infos, "group_id", np.int32)
        if groups.min(initial=0) < 0:
            row = int(groups.argmin())
            raise UserError(
                f"behavior {self.name}, agent {infos[row].id}: group id {groups[row]}; groups count from 1, "
                "and 0 is none"
            )
        return groups

    def _require_single(self, ids: np.ndarray, does: str) -> None:
        """An agent may ask for a decision and end in one message, but neither twice."""
        twice = repeated(ids)
        if twice is not None:
            raise UserError(
                f"behavior {self.name}: agent {twice} {does} twice in one message; each agent needs an id of its own"
            )

    def masks(self, infos: Sequence[Any]) -> list[np.ndarray] | None:
        """Decode one mask per branch, shape (agents, choices), True = forbidden; None without branches."""
        branches = self.spec.action_spec.discrete_branches
        if not branches:
            return None
        total = sum(branches)
        nothing = bytes(total)
        rows = [info.action_mask or nothing for info in infos]
        for info, row in zip(infos, rows, strict=True):
            if len(row) != total:
                raise self._changed(info, f"an action mask of {len(row)}, expected {total}")
        mask = (np.frombuffer(b"".join(rows), np.uint8) != 0).reshape(len(rows), total)
        return [np.ascontiguousarray(part) for part in by_branch(mask, branches)]

    def _reshaped(self, layout: _Layout, info: Any) -> UserError:
        proto = info.observations[layout.index]
        found = tuple(proto.shape)
        if found == layout.shape and proto.compression_type == wire.PNG:
            return self._changed(info, f"observation {layout.index} is a PNG now, it was none before")
        if found == layout.shape:
            return UserError(f"behavior {self.name}, agent {info.id}: {odd_numbers(layout.index, proto)}")
        return self._changed(
            info, f"observation {layout.index} is of shape {found} now, of shape {layout.shape} before"
        )

    def _changed(self, info: Any, what: str) -> UserError:
        return UserError(f"behavior {self.name}, agent {info.id}: {what}; {ALIKE}")


def _column(infos: Sequence[Any], field: str, dtype: type[np.generic]) -> np.ndarray:
    """One field of every agent, shape (agents,)."""
    return np.fromiter(map(attrgetter(field), infos), dtype, len(infos))


def _layout(index: int, proto: Any, pixelwise: bool) -> _Layout:
    shape = tuple(proto.shape)
    properties = tuple(DimensionProperty(value) for value in proto.dimension_properties)
    if len(properties) != len(shape):
        properties = (DimensionProperty.UNSPECIFIED,) * len(shape)
    channels_last = len(shape) == 3 and _channels_are_last(shape, properties)
    seen = (shape[2], *shape[:2]) if channels_last else shape
    seen_properties = (properties[2], *properties[:2]) if channels_last else properties
    spec = ObservationSpec(seen, seen_properties, ObservationType(proto.observation_type), proto.name)
    is_png = proto.compression_type == wire.PNG
    sent = shape
    if pixelwise and len(shape) == 3 and not channels_last and not is_png:
        sent, channels_last = (*shape[1:], shape[0]), True
    whole = is_png and not averages(proto.compressed_channel_mapping)
    return _Layout(index, shape, sent, spec, channels_last, is_png, np.uint8 if whole else np.float32)


def _channels_are_last(shape: tuple[int, ...], properties: tuple[DimensionProperty, ...]) -> bool:
    """Whether an image is height-width-channel.

    The dimension without properties holds the channels. If there is none, the smaller of the first and the last does.
    """
    plain = [position for position, value in enumerate(properties) if value == DimensionProperty.NONE]
    return plain[0] == 2 if plain in ([0], [2]) else shape[2] <= shape[0]
