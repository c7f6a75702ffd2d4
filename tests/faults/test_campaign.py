"""A few faults of every kind; `python -m tests.faults` tries all of them."""

from pathlib import Path
from types import ModuleType

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


def test_two_faults_of_one_name_are_an_error():
    kind = ModuleType("doubles")
    kind.faults = lambda whole: [Fault("once", print), Fault("twice", print), Fault("twice", print)]
    with pytest.raises(ValueError, match="doubles has two faults 'twice'"):
        faults(kind, whole=True)


@pytest.mark.parametrize("name", sorted(kinds().keys() - {"file_operations"}))
def test_every_fault_of_a_kind_has_a_name_of_its_own(name: str):
    assert len(faults(kinds()[name], whole=True)) >= len(faults(kinds()[name], whole=False))
