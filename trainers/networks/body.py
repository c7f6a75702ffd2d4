"""Encoders and the body that turns all observations of an agent into one feature vector."""

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gym_adapters.errors import UserError
from trainers.config import NetworkSettings, plugins
from trainers.config.network import ENCODERS
from trainers.networks.entities import EMBEDDING_SIZE, EntityEncoder
from trainers.networks.layers import ACTIVATIONS, hidden_layer, initialise

SMALLEST_IMAGE = {"simple": 20, "nature_cnn": 36, "resnet": 15, "fully_connected": 1}

STRIDED = {
    "simple": ((16, 32), ((8, 4), (4, 2))),
    "nature_cnn": ((32, 64, 64), ((8, 4), (4, 2), (3, 1))),
}
"""Channels, and kernel and stride, of each convolution."""


class Body(nn.Module):
    """Vector observations, encoded images and encoded entities, concatenated and passed through the hidden layers.

    Args:
        vector_size: length of all vector observations together; 0 without any.
        image_shapes: (channels, height, width) of each image observation.
        row_sizes: numbers per entity, one for each observation of variable length.
        settings: ML-Agents' `network_settings`.
        hidden_units: width of the hidden layers and of each image's encoding.

    Attributes:
        mixed_precision: image encoders compute in bfloat16 and hand on float32.
    """

    def __init__(
        self,
        vector_size: int,
        image_shapes: Sequence[tuple[int, int, int]],
        row_sizes: Sequence[int],
        settings: NetworkSettings,
        hidden_units: int,
    ) -> None:
        super().__init__()
        self.vector_size = vector_size
        self.mixed_precision = False
        self.image_encoders = nn.ModuleList(
            image_encoder(settings.vis_encode_type, shape, hidden_units, settings) for shape in image_shapes
        )
        size = vector_size + hidden_units * len(image_shapes)
        self.entity_encoder = EntityEncoder(row_sizes, size, settings) if row_sizes else None
        sizes = [size + (EMBEDDING_SIZE if row_sizes else 0)] + [hidden_units] * settings.num_layers
        layers: list[nn.Module] = []
        for inputs, outputs in itertools.pairwise(sizes):
            layers.append(hidden_layer(inputs, outputs, settings))
            if settings.layer_norm:
                layers.append(nn.LayerNorm(outputs))
            layers.append(ACTIVATIONS[settings.activation]())
            if settings.dropout:
                layers.append(nn.Dropout(settings.dropout))
        self.layers = nn.Sequential(*layers)
        self.output_size = sizes[-1]

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Features (n, output_size).

        Args:
            inputs: the vectors as one (n, vector_size), if there are any, then each image, then the entities of each
                observation, (n, rows, row size).
        """
        features = list(inputs[:1]) if self.vector_size else []
        rest = inputs[len(features) :]
        features += [self._encode(*pair) for pair in zip(self.image_encoders, rest, strict=False)]
        if self.entity_encoder is not None:
            own = _side_by_side(features) if features else None
            features.append(self.entity_encoder(own, rest[len(self.image_encoders) :]))
        hidden: Tensor = self.layers(_side_by_side(features))
        return hidden

    def _encode(self, encoder: nn.Module, image: Tensor) -> Tensor:
        """(n, C, H, W) to (n, hidden_units), in the precision and memory layout that are fastest."""
        if torch.onnx.is_in_onnx_export():  # for the exported model
            plain: Tensor = encoder(image)
            return plain
        if self.mixed_precision:
            with torch.autocast(image.device.type, torch.bfloat16):
                encoded: Tensor = encoder(image)
            return encoded.float()
        encoded = encoder(image.contiguous(memory_format=torch.channels_last))
        return encoded


def _side_by_side(features: Sequence[Tensor]) -> Tensor:
    return features[0] if len(features) == 1 else torch.cat(list(features), dim=1)


class ImageInput(nn.Module):
    """uint8 pixels to [0, 1]; float images are there already."""

    def forward(self, image: Tensor) -> Tensor:
        """(n, C, H, W) uint8 or float to float."""
        return image.float() / 255.0 if image.dtype == torch.uint8 else image


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions beside a skip connection. Source: Espeholt et al. 2018, IMPALA, figure 3."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
        )

    def forward(self, image: Tensor) -> Tensor:
        """Same shape in and out, (n, channels, H, W)."""
        result: Tensor = image + self.layers(image)
        return result


def image_encoder(
    kind: str, shape: tuple[int, int, int], hidden_units: int, settings: NetworkSettings
) -> nn.Sequential:
    """The encoder that ML-Agents calls `vis_encode_type`: (n, C, H, W) to (n, hidden_units).

    `simple`: two convolutions; `nature_cnn`: Mnih et al. 2015; `resnet`: Espeholt et al. 2018;
    `fully_connected`: no convolution; any other: what a package adds (`trainers.config.plugins.ENCODER`).

    Raises:
        UserError: the image is smaller than the encoder can take, or an added encoder is not what it should be.
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
            initialise(layer, settings, gain=math.sqrt(2.0))
    encoder = nn.Sequential(ImageInput(), *convolutions, nn.Flatten())
    with torch.no_grad():
        flat_size = encoder(torch.zeros(1, *shape)).shape[1]
    return encoder.extend([hidden_layer(flat_size, hidden_units, settings), nn.ReLU()])


def _added_encoder(
    kind: str, shape: tuple[int, int, int], hidden_units: int, settings: NetworkSettings
) -> nn.Sequential:
    """An encoder of another package, which sees floats in [0, 1]."""
    added = plugins.load(plugins.ENCODER, kind)(shape, hidden_units, settings)
    if not isinstance(added, nn.Module):
        raise plugins.unusable(plugins.ENCODER, kind, f"gives {added!r}, expected a torch.nn.Module")
    with torch.no_grad():
        found = tuple(added(torch.zeros(2, *shape)).shape)
    if found != (2, hidden_units):
        reason = f"turns 2 images of shape {shape} into {found}, expected (2, {hidden_units})"
        raise plugins.unusable(plugins.ENCODER, kind, reason)
    return nn.Sequential(ImageInput(), added)
