"""`mlagents_envs` loads under the installed protobuf, beside the packages that share it."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf.internal import api_implementation

from bridge import protobuf_compat
from bridge.distutils_version import LooseVersion, StrictVersion

protobuf_compat.install()


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )


def test_message_round_trip_in_c() -> None:
    from mlagents_envs.communicator_objects.agent_info_pb2 import AgentInfoProto
    from mlagents_envs.communicator_objects.unity_message_pb2 import UnityMessageProto

    message = UnityMessageProto()
    message.header.status = 200
    infos = message.unity_output.rl_output.agentInfos["Walker?team=1"].value
    infos.add(id=7, reward=0.5, max_step_reached=True).observations.add().float_data.data.extend([1.0, 2.5])
    again = UnityMessageProto.FromString(message.SerializeToString())
    assert again == message
    info = again.unity_output.rl_output.agentInfos["Walker?team=1"].value[0]
    assert isinstance(info, AgentInfoProto)
    assert list(info.observations[0].float_data.data) == [1.0, 2.5]
    assert api_implementation.Type() != "python"


def test_every_message_module_loads_and_keeps_its_descriptor() -> None:
    package = importlib.import_module("mlagents_envs.communicator_objects")
    paths = sorted(Path(package.__path__[0]).glob("*_pb2.py"))
    assert len(paths) > 15
    for path in paths:
        module = importlib.import_module(f"{package.__name__}.{path.stem}")
        assert module.DESCRIPTOR.serialized_pb == protobuf_compat.serialized_descriptor(path)
        for name in module.DESCRIPTOR.message_types_by_name:
            assert getattr(module, name).DESCRIPTOR.name == name
        for enum in module.DESCRIPTOR.enum_types_by_name.values():
            assert all(getattr(module, value.name) == value.number for value in enum.values)


def test_install_twice_adds_one_finder() -> None:
    protobuf_compat.install()
    finders = [finder for finder in sys.meta_path if isinstance(finder, protobuf_compat.MessageFinder)]
    assert len(finders) == 1


@pytest.mark.parametrize(
    "imports",
    [
        "import onnx, bridge.protobuf_compat as c; c.install()",
        "import bridge.protobuf_compat as c; c.install(); import onnx",
        "import bridge.protobuf_compat as c; c.install(); from tensorboard.compat.proto import summary_pb2",
    ],
)
def test_fresh_process_beside_packages_that_share_protobuf(imports: str) -> None:
    done = run_python(
        f"{imports}; from mlagents_envs.environment import UnityEnvironment as U;"
        "import mlagents_envs.communicator_objects.unity_to_external_pb2_grpc as g;"
        "print(U._check_communication_compatibility('1.0.0', U.API_VERSION, ''), g.UnityToExternalProtoStub.__name__)"
    )
    assert done.stdout.split()[-2:] == ["True", "UnityToExternalProtoStub"], done.stderr


def test_stand_in_where_python_has_no_distutils() -> None:
    done = run_python(
        "import sys, importlib.machinery as m\n"
        "class Blocked(m.PathFinder):\n"
        "    @staticmethod\n"
        "    def find_spec(name, path=None, target=None):\n"
        "        found = m.PathFinder.find_spec(name, path, target)\n"
        "        return None if name.split('.')[0] == 'distutils' and 'bridge' not in str(found) else found\n"
        "sys.meta_path[:] = [m.BuiltinImporter, m.FrozenImporter, Blocked]\n"
        "for name in [n for n in sys.modules if n.startswith('distutils')]: del sys.modules[name]\n"
        "import bridge.protobuf_compat as c; c.install()\n"
        "import distutils.version as v, mlagents_envs.environment\n"
        "print(v.__file__)\n"
    )
    assert Path("bridge", "distutils_version.py").as_posix() in done.stdout, done.stderr


def test_other_generators_and_missing_descriptor(tmp_path: Path) -> None:
    source = tmp_path / "new_pb2.py"
    source.write_text("DESCRIPTOR = pool.Default().AddSerializedFile(b'\\n\\x01a')")
    assert protobuf_compat.serialized_descriptor(source) == b"\n\x01a"
    source.write_text("x = 1")
    with pytest.raises(ImportError, match=r"new_pb2\.py: no serialised"):
        protobuf_compat.serialized_descriptor(source)


def test_versions() -> None:
    assert StrictVersion("1.5").version == (1, 5, 0)
    assert StrictVersion("1.5.0b2") < StrictVersion("1.5.0") < "1.10"
    assert StrictVersion("1.5") == "1.5.0"
    assert LooseVersion("1.5.0.dev3").version == [1, 5, 0, "dev", 3]
    assert LooseVersion("2.9") < LooseVersion("2.10")
    with pytest.raises(ValueError, match=r"invalid version number '2\.x'"):
        StrictVersion("2.x")


def test_the_page_quotes_protobuf_where_mlagents_envs_comes_first() -> None:
    done = run_python("import mlagents_envs.environment")
    quoted = "Descriptors cannot be created directly"
    assert quoted in done.stderr
    page = (Path(__file__).parents[2] / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    (row,) = [line for line in page.splitlines() if line.startswith(f"| `{quoted}`")]
    assert "`import bridge` before" in row


@pytest.mark.parametrize(
    "before", ["", "import contextlib\nwith contextlib.suppress(TypeError): import mlagents_envs.environment"]
)
def test_importing_the_package_makes_mlagents_envs_importable_even_after_it_failed(before: str) -> None:
    done = run_python(f"{before}\nimport bridge\nimport mlagents_envs.environment")
    assert done.returncode == 0, done.stderr
