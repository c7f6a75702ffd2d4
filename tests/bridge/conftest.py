"""Helpers beside the tests can be imported by them and by the players they start."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
