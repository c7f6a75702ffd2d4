"""A few faults of every kind; `python -m tests.faults` tries all of them."""

from pathlib import Path

import pytest

from tests.faults.fault import Fault, faults, kinds

FEW = [
    pytest.param(fault, id=f"{name}-{fault.name}")
    for name, kind in kinds().items()
    for fault in faults(kind, whole=False)
]


@pytest.mark.parametrize("fault", FEW)
def test_survives(fault: Fault, tmp_path: Path):
    fault.attempt(tmp_path)
