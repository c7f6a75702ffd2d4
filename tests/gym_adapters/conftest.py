"""Every test runs in a folder of its own: MuJoCo writes its log where it is."""

import pytest


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
