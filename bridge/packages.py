"""What differs between versions of the Unity package com.unity.ml-agents on the wire."""

import re

FIRST_PIXELWISE, FIRST_IN_ORDER = (3, 0, 0), (4, 0, 1)


def sends_images_pixelwise(package: str) -> bool:
    """Whether raw images of a package arrive in the order height, width, channels, though their shape is channel-first.

    In 3.0.0 to 4.0.0 the place of a number in the message does not follow from the shape that is sent with it. Unity's
    own inference feeds such images in the order of the shape. Images sent as PNG are not affected.

    Args:
        package: The version that the player reports, such as "3.0.0".
    """
    numbers = re.match(r"(\d+)\.(\d+)\.(\d+)", package)
    return numbers is not None and FIRST_PIXELWISE <= tuple(map(int, numbers.groups())) < FIRST_IN_ORDER
