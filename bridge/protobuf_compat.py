"""`mlagents_envs` under today's protobuf and Python, with nothing installed being modified.

The message modules of `mlagents_envs` were generated for protobuf 3: executed under protobuf 4 or newer, they refuse
to load. The descriptor that each of them carries in serialised form is still valid. The import hook here reads it from
the module's source, without executing the module, adds it to protobuf's default descriptor pool and builds the
messages from it, with whatever implementation protobuf uses (C, as a rule).

`mlagents_envs.environment` also imports `distutils`, which Python dropped in 3.12; where it is missing, a stand-in is
served.
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

import google.protobuf
from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.internal import builder

MESSAGES = "mlagents_envs.communicator_objects."
STAND_IN = Path(__file__).with_name("distutils_version.py")


def install() -> None:
    """Make `mlagents_envs` importable from now on; a second call changes nothing.

    Where protobuf is older than 4, the package's own modules load as they are, and are left to.
    """
    major = int(google.protobuf.__version__.split(".")[0])
    if major >= 4 and not any(isinstance(finder, MessageFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, MessageFinder())
    if not any(isinstance(finder, StandInFinder) for finder in sys.meta_path):
        sys.meta_path.append(StandInFinder())


class MessageFinder(importlib.abc.MetaPathFinder):
    """Finds the generated message modules of `mlagents_envs` ahead of the usual finders."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """The spec of a message module, with a loader that does not execute it; None for any other module."""
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
        """Fill the module with what protobuf's own generator would have put there."""
        serialized = serialized_descriptor(Path(self.path))
        for dependency in descriptor_pb2.FileDescriptorProto.FromString(serialized).dependency:
            importlib.import_module(dependency.removesuffix(".proto").replace("/", ".") + "_pb2")
        file = descriptor_pool.Default().AddSerializedFile(serialized)
        contents = vars(module)
        contents["DESCRIPTOR"] = file
        builder.BuildMessageAndEnumDescriptors(file, contents)
        builder.BuildTopDescriptorsAndMessages(file, module.__name__, contents)


class StandInFinder(importlib.abc.MetaPathFinder):
    """Serves the stand-in for `distutils`; it is asked last, so that a real one wins."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """The spec of the stand-in, under the name it stands in for; None for any other module."""
        if fullname == "distutils":
            return importlib.util.spec_from_file_location(fullname, STAND_IN, submodule_search_locations=[])
        return (
            importlib.util.spec_from_file_location(fullname, STAND_IN)
            if fullname == "distutils.version"
            else None
        )


def serialized_descriptor(path: Path) -> bytes:
    """The serialised `FileDescriptorProto` in the source of a generated module.

    Raises:
        ImportError: The source holds none in a form that a protobuf generator has written so far.
    """
    for node in ast.walk(ast.parse(path.read_bytes())):
        for argument in _descriptor_arguments(node):
            literal = argument.args[0] if isinstance(argument, ast.Call) and argument.args else argument
            value = literal.value if isinstance(literal, ast.Constant) else None
            if isinstance(value, (bytes, str)):
                return value if isinstance(value, bytes) else value.encode("latin1")
    raise ImportError(f"{path}: no serialised protobuf descriptor; reinstall mlagents-envs", path=str(path))


def _descriptor_arguments(node: ast.AST) -> Iterator[ast.expr]:
    """What is passed as `serialized_pb=` (protobuf 3), or to `AddSerializedFile` (later)."""
    if isinstance(node, ast.Call):
        yield from (keyword.value for keyword in node.keywords if keyword.arg == "serialized_pb")
        if isinstance(node.func, ast.Attribute) and node.func.attr == "AddSerializedFile":
            yield from node.args[:1]
