"""Short passes run on one torch thread, long ones on all."""

from collections.abc import Iterator

import pytest
import torch

from trainers.optim.threads import WORTH_SHARING, threads_for


@pytest.fixture(autouse=True)
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(("rows", "threads"), [(10, 1), (WORTH_SHARING // 1000, 2)])
def test_threads_follow_the_work_and_are_put_back(rows: int, threads: int) -> None:
    with threads_for(rows, parameters=1000):
        assert torch.get_num_threads() == threads
    assert torch.get_num_threads() == 2


def test_threads_are_put_back_after_a_failure() -> None:
    with pytest.raises(ZeroDivisionError), threads_for(1, 1):
        raise ZeroDivisionError
    assert torch.get_num_threads() == 2
