"""What the ranks compare before their first step; `test_rank_runs.py` has runs of several."""

from pathlib import Path

import numpy as np

from trainers.training.joining import code_hash, software


def test_all_code_of_the_project_is_compared() -> None:
    found = software()
    assert {"Python", "torch", "numpy", "trainers/", "bridge/", "gym_adapters/"} <= found.keys()
    assert found["numpy"] == np.__version__
    assert len({found[name] for name in ("trainers/", "bridge/", "gym_adapters/")}) == 3


def test_a_hash_tells_the_names_and_the_content_of_python_files(tmp_path: Path) -> None:
    def write(name: str, text: str) -> str:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return code_hash(tmp_path)

    first = write("package/module.py", "a = 1")
    assert write("package/notes.txt", "of no matter") == first
    changed = write("package/module.py", "a = 2")
    added = write("other.py", "")
    assert len({first, changed, added}) == 3
