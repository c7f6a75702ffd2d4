"""The body of a network: turns all observations of an agent into one feature vector."""

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gym_adapters.errors import UserError
from trainers.config import NetworkSettings, plugins
from trainers.config.network import ENCODERS
from trainers.networks.entities import EMBEDDING_SIZE, EntityEncoder
from trainers.networks.goals import HyperLayer, Spans, goal_size, with_goals
from trainers.networks.layers import ACTIVATIONS, hidden_layer, initialise

SMALLEST_IMAGE = {"simple": 20, "nature_cnn": 36, "resnet": 15, "match3": 5, "fully_connected": 1}
"""The smallest height and width, in pixels, that each `vis_encode_type` accepts."""

STRIDED = {
    "simple": ((16, 32), ((8, 4), (4, 2))),
    "nature_cnn": ((32, 64, 64), ((8, 4), (4, 2), (3, 1))),
    "match3": ((35, 144), ((3, 1), (3, 1))),
}
"""The output channels of each encoder's convolutions, and the kernel size and stride of each, in pixels."""


class Body(nn.Module):
    """Encodes images and entities, concatenates them with the vectors, and applies the hidden layers.

    Args:
        vector_size: summed length of the vector observations; 0 without any.
        image_shapes: (channels, height, width) of each image observation.
        row_sizes: numbers per entity, for each observation of variable length.
        settings: ML-Agents' `network_settings`.
        hidden_units: width of the hidden layers and length of each encoded image.
        num_layers: number of hidden layers; None takes that of `settings`.
        goals: where the goals stand among the features of all observations; the last hidden layer depends on them.

    Attributes:
        mixed_precision: whether image encoders compute in bfloat16. Their output is float32 in any case.
        output_size: length of the feature vector.

    Raises:
        UserError: an image is smaller than its encoder accepts.
    """

    def __init__(
        self,
        vector_size: int,
        image_shapes: Sequence[tuple[int, int, int]],
        row_sizes: Sequence[int],
        settings: NetworkSettings,
        hidden_units: int,
        num_layers: int | None = None,
        goals: Spans = (),
    ) -> None:
        super().__init__()
        self.vector_size = vector_size
        self.mixed_precision = False
        self.image_encoders = nn.ModuleList(
            image_encoder(settings.vis_encode_type, shape, hidden_units, settings) for shape in image_shapes
        )
        size = vector_size + hidden_units * len(image_shapes)
        self.entity_encoder = EntityEncoder(row_sizes, size, settings) if row_sizes else None
        depth = settings.num_layers if num_layers is None else num_layers
        sizes = [size + (EMBEDDING_SIZE if row_sizes else 0)] + [hidden_units] * depth
        layers: list[nn.Module] = []
        for index, (inputs, outputs) in enumerate(itertools.pairwise(sizes)):
            if goals and index == depth - 1:
                layers.append(HyperLayer(goal_size(goals), inputs, outputs, settings))
            else:
                layers.append(hidden_layer(inputs, outputs, settings))
            if settings.layer_norm:
                layers.append(nn.LayerNorm(outputs))
            layers.append(ACTIVATIONS[settings.activation]())
            if settings.dropout:
                layers.append(nn.Dropout(settings.dropout))
        self.layers = with_goals(layers, goals)
        self.output_size = sizes[-1]

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Return features, (n, output_size).

        Args:
            inputs: one (n, vector_size) tensor if there are vectors, then one (n, C, H, W) tensor per image, then one
                (n, rows, row size) tensor per observation of entities.
        """
        features = list(inputs[:1]) if self.vector_size else []
        rest = inputs[len(features) :]
        features += [self._encode(*pair) for pair in zip(self.image_encoders, rest, strict=False)]
        if self.entity_encoder is not None:
            own = _concatenated(features) if features else None
            features.append(self.entity_encoder(own, rest[len(self.image_encoders) :]))
        hidden: Tensor = self.layers(_concatenated(features))
        return hidden

    def _encode(self, encoder: nn.Module, image: Tensor) -> Tensor:
        """Encode an image, (n, C, H, W) to (n, hidden_units), in the fastest precision and memory layout."""
        if torch.onnx.is_in_onnx_export():  # an exported model is float32 and channels-first
            plain: Tensor = encoder(image)
            return plain
        if self.mixed_precision:
            with torch.autocast(image.device.type, torch.bfloat16):
                encoded: Tensor = encoder(image)
            return encoded.float()
        encoded = encoder(image.contiguous(memory_format=torch.channels_last))
        return encoded


def set_mixed_precision(network: nn.Module, chosen: bool) -> None:
    """Choose whether the image encoders of a network compute in bfloat16."""
    for module in network.modules():
        if isinstance(module, Body):
            module.mixed_precision = chosen


def _concatenated(features: Sequence[Tensor]) -> Tensor:
    return features[0] if len(features) == 1 else torch.cat(list(features), dim=1)


class ImageInput(nn.Module):
    """Scales uint8 pixels to [0, 1]. Float images are in that range already."""

    def forward(self, image: Tensor) -> Tensor:
        """Return a float image of the same shape, (n, C, H, W)."""
        return image.float() / 255.0 if image.dtype == torch.uint8 else image


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions with a skip connection. Source: Espeholt et al. 2018, "IMPALA", figure 3."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
        )

    def forward(self, image: Tensor) -> Tensor:
        """Return an image of the same shape, (n, channels, H, W)."""
        result: Tensor = image + self.layers(image)
        return result


def image_encoder(
    kind: str, shape: tuple[int, int, int], hidden_units: int, settings: NetworkSettings
) -> nn.Sequential:
    """Return the encoder of ML-Agents' `vis_encode_type`, which maps (n, C, H, W) to (n, hidden_units).

    `simple` has two convolutions, and so has `match3`, for the small grids of board games. `nature_cnn` is that of Mnih
    et al. 2015, "Human-level control through deep reinforcement learning". `resnet` is that of Espeholt et al. 2018,
    "IMPALA", figure 3. `fully_connected` has no convolution. Every other name is that of an encoder from another
    package (`trainers.config.plugins.ENCODER`).

    Args:
        kind: the value of `vis_encode_type`.
        shape: (channels, height, width) of the image.
        hidden_units: length of the encoding.
        settings: ML-Agents' `network_settings`.

    Raises:
        UserError: the image is smaller than the encoder accepts, or an encoder of another package is unusable.
    """
    if kind not in ENCODERS:
        return _added_encoder(kind, shape, hidden_units, settings)
    channels, height, width = shape
    smallest = SMALLEST_IMAGE[kind]
    if min(height, width) < smallest:
        raise UserError(
            f"network_settings.vis_encode_type: {kind} needs images of at least {smallest} x {smallest}, "
            f"got {height} x {width}; use a smaller encoder such as fully_connected"
        )
    convolutions: list[nn.Module] = []
    if kind in STRIDED:
        widths, windows = settings.conv_channels or STRIDED[kind][0], STRIDED[kind][1]
        for (inputs, outputs), window in zip(itertools.pairwise((channels, *widths)), windows, strict=True):
            convolutions += [nn.Conv2d(inputs, outputs, *window), nn.ReLU()]
    elif kind == "resnet":
        for inputs, outputs in ((channels, 16), (16, 32), (32, 32)):
            convolutions += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.MaxPool2d(3, 2, padding=1)]
            convolutions += [ResidualBlock(outputs), ResidualBlock(outputs)]
        convolutions.append(nn.ReLU())
    for layer in convolutions:
        if isinstance(layer, nn.Conv2d):
            initialise(layer, settings, math.sqrt(2.0), for_relu=True)
    encoder = nn.Sequential(ImageInput(), *convolutions, nn.Flatten())
    with torch.no_grad():
        flat_size = encoder(torch.zeros(1, *shape)).shape[1]
    return encoder.extend([hidden_layer(flat_size, hidden_units, settings, after_images=True), nn.ReLU()])


def _added_encoder(
    kind: str, shape: tuple[int, int, int], hidden_units: int, settings: NetworkSettings
) -> nn.Sequential:
    """Return an encoder of another package, whose input is float images in [0, 1]."""
    make = plugins.load(plugins.ENCODER, kind)
    with plugins.using(plugins.ENCODER, kind):
        added = make(shape, hidden_units, settings)
    if not isinstance(added, nn.Module):
        raise plugins.unusable(plugins.ENCODER, kind, f"gives {added!r}, expected a torch.nn.Module")
    with plugins.using(plugins.ENCODER, kind), torch.no_grad():
        found = tuple(added(torch.zeros(2, *shape)).shape)
    if found != (2, hidden_units):
        reason = f"turns 2 images of shape {shape} into {found}, expected (2, {hidden_units})"
        raise plugins.unusable(plugins.ENCODER, kind, reason)
    return nn.Sequential(ImageInput(), added)
