"""An encoder for small pictures, such as those of grid worlds, in which every pixel counts."""

from torch import nn

from trainers import UserError
from trainers.config import NetworkSettings
from trainers.networks.layers import ACTIVATIONS, hidden_layer

LARGEST = 32
CHANNELS = 8


def grid_encoder(shape: tuple[int, int, int], units: int, settings: NetworkSettings) -> nn.Module:
    """Two convolutions that keep the size of the picture, and a layer over all of it.

    Args:
        shape: (channels, height, width) of the image; the module gets float images (n, *shape) in [0, 1].
        units: what it must give: (n, units).
        settings: the `network_settings` of the training file.

    Raises:
        UserError: the picture is too large for it.
    """
    channels, height, width = shape
    if max(height, width) > LARGEST:
        raise UserError(
            f"network_settings.vis_encode_type: grid takes images of at most {LARGEST} x {LARGEST}, got "
            f"{height} x {width}; use nature_cnn"
        )
    activation = ACTIVATIONS[settings.activation]
    return nn.Sequential(
        nn.Conv2d(channels, CHANNELS, 3, padding=1),
        activation(),
        nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1),
        activation(),
        nn.Flatten(),
        hidden_layer(CHANNELS * height * width, units, settings),
        activation(),
    )
