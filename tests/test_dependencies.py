"""The packages that the code imports are those that `pyproject.toml` declares."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("bridge", "gym_adapters", "trainers")
PRIVATE = {
    "protobuf": "internal message builder",
    "torch": "_fused_adam_",
    "mlagents-envs": "_validate_action",
}


def declared() -> dict[str, str]:
    """The requirements of the project and its extras, by normalised name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [
        *project["dependencies"],
        *(line for extra in project["optional-dependencies"].values() for line in extra),
    ]
    return {normalised(re.split(r"[\[<>=!~ ]", line)[0]): line for line in lines}


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def imported(path: Path) -> set[str]:
    """The modules that a file imports, at any depth."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return plain | {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}


def test_every_imported_package_is_declared():
    files = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    modules = {name.split(".")[0] for path in files for name in imported(path)}
    foreign = modules - set(sys.stdlib_module_names) - {*PACKAGES, "unity_configs", "distutils"}
    distributions = packages_distributions()
    wanted = {
        module: {normalised(name) for name in distributions[module]}
        for module in foreign
        if module in distributions
    }
    undeclared = {module for module, names in wanted.items() if not names & set(declared())}
    assert len(wanted) > 15
    assert not undeclared


@pytest.mark.parametrize("name", PRIVATE)
def test_a_package_with_a_private_part_in_use_has_an_upper_bound(name: str):
    assert re.search(r"<|==", declared()[name])
