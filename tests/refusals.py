"""What is refused, and with which words."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from gym_adapters import ContractError, UserError


def refused(call: Callable[..., object], *arguments: Any, **named: Any) -> str:
    """The one line, or the list of mistakes, with which a call refuses its arguments."""
    with pytest.raises((UserError, ContractError)) as caught:
        call(*arguments, **named)
    message = str(caught.value)
    assert "\n" not in message or re.match(r"\d+ mistakes:\n", message), message
    return message
