"""Makes `mlagents_envs` work with current versions of protobuf and Python, without changing installed files.

The message modules of `mlagents_envs` were generated for protobuf 3 and do not load under protobuf 4 or newer. The
serialised descriptor in each of them is still valid. An import hook reads the descriptor from the module's source
without executing the module, adds it to protobuf's default descriptor pool and builds the messages from it, with the
implementation that protobuf uses (usually C).

`mlagents_envs.environment` also imports `distutils`, which Python 3.12 removed. Where it is missing, a stand-in is
imported instead.
"""

import ast
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType

from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.internal import builder

MESSAGES = "mlagents_envs.communicator_objects."
STAND_IN = Path(__file__).with_name("distutils_version.py")


def install() -> None:
    """Make `mlagents_envs` importable. A second call has no effect."""
    if not any(isinstance(finder, MessageFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, MessageFinder())
    if not any(isinstance(finder, StandInFinder) for finder in sys.meta_path):
        sys.meta_path.append(StandInFinder())


class MessageFinder(importlib.abc.MetaPathFinder):
    """Finds the generated message modules of `mlagents_envs` ahead of the usual finders."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Return the spec of a message module, with a loader that does not execute it; None for other modules."""
        if not (fullname.startswith(MESSAGES) and fullname.endswith("_pb2")):
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
            return spec
        loader = MessageLoader(fullname, spec.origin)
        return importlib.util.spec_from_file_location(fullname, spec.origin, loader=loader)


class MessageLoader(importlib.machinery.SourceFileLoader):
    """Builds a message module from the serialised descriptor in its source."""

    def exec_module(self, module: ModuleType) -> None:
        """Give the module the contents that protobuf's own generator would give it."""
        serialized = serialized_descriptor(Path(self.path))
        for dependency in descriptor_pb2.FileDescriptorProto.FromString(serialized).dependency:
            importlib.import_module(dependency.removesuffix(".proto").replace("/", ".") + "_pb2")
        file = descriptor_pool.Default().AddSerializedFile(serialized)
        contents = vars(module)
        contents["DESCRIPTOR"] = file
        builder.BuildMessageAndEnumDescriptors(file, contents)
        builder.BuildTopDescriptorsAndMessages(file, module.__name__, contents)


class StandInFinder(importlib.abc.MetaPathFinder):
    """Finds the stand-in for `distutils`. As the last finder, it finds it only where the real one is missing."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Return the spec of the stand-in for `distutils` and `distutils.version`; None for other modules."""
        if fullname == "distutils":
            return importlib.util.spec_from_file_location(fullname, STAND_IN, submodule_search_locations=[])
        return (
            importlib.util.spec_from_file_location(fullname, STAND_IN)
            if fullname == "distutils.version"
            else None
        )


def serialized_descriptor(path: Path) -> bytes:
    """Return the serialised `FileDescriptorProto` in the source of a generated module.

    Raises:
        ImportError: The source has no descriptor in a known form.
    """
    for node in ast.walk(ast.parse(path.read_bytes())):
        for argument in _descriptor_arguments(node):
            literal = argument.args[0] if isinstance(argument, ast.Call) and argument.args else argument
            value = literal.value if isinstance(literal, ast.Constant) else None
            if isinstance(value, (bytes, str)):
                return value if isinstance(value, bytes) else value.encode("latin1")
    raise ImportError(f"{path}: no serialised protobuf descriptor; reinstall mlagents-envs", path=str(path))


def _descriptor_arguments(node: ast.AST) -> Iterator[ast.expr]:
    """Yield the values of `serialized_pb=` (protobuf 3) and the arguments of `AddSerializedFile` (later)."""
    if isinstance(node, ast.Call):
        yield from (keyword.value for keyword in node.keywords if keyword.arg == "serialized_pb")
        if isinstance(node.func, ast.Attribute) and node.func.attr == "AddSerializedFile":
            yield from node.args[:1]
