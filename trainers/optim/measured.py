"""Results of measurements that hold for one machine, kept in the user's cache folder from run to run."""

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

from gym_adapters.files import write_text

MOST = 200
"""Results that are kept; the oldest are dropped."""


class Measured:
    """A small JSON file of results. A file that cannot be read or written costs another measurement and nothing else.

    Args:
        path: the file; None takes `compute.json` in the user's cache folder.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or user_cache_path("mlagents-bridge", appauthor=False) / "compute.json"

    def read(self, **conditions: Any) -> dict[str, Any] | None:
        """Return the result under these conditions, or None if there is none."""
        found = self._all().get(_key(conditions))
        return found if isinstance(found, dict) else None

    def write(self, result: Mapping[str, Any], **conditions: Any) -> None:
        """Keep the result under these conditions."""
        kept = {**self._all(), _key(conditions): dict(result)}
        with suppress(OSError):
            write_text(self.path, json.dumps(dict(list(kept.items())[-MOST:]), indent=1))

    def _all(self) -> dict[str, Any]:
        with suppress(OSError, ValueError, RecursionError):
            content = json.loads(self.path.read_text(encoding="utf-8"))
            if isinstance(content, dict):
                return content
        return {}


def _key(conditions: Mapping[str, Any]) -> str:
    text = json.dumps(conditions, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]
