"""Reading YAML: training files and single values. A repeated key is an error."""

import codecs
import re
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from gym_adapters.errors import UserError
from gym_adapters.limits import NUMBER_LETTERS, TEXT_BYTES, YAML_LEVELS, YAML_VALUES
from gym_adapters.text import joined_lines
from trainers.config.base import show
from trainers.config.old_files import OLD_TAGS
from trainers.config.written import written

SETTINGS = "settings"
"""Label of settings that come from no file."""

_TAG = "tag:yaml.org,2002:"
_NUMBERS = (f"{_TAG}int", f"{_TAG}float")
_PLAIN = (*_NUMBERS, f"{_TAG}bool", f"{_TAG}null")
_DATE = f"{_TAG}timestamp"

_INDENTATION = "indent the keys of one map alike, and those below a key further than the key"
_ADVICE = {
    "\\t": "indent with blanks; YAML takes no tab there",
    "cannot start any token": "put the text in quotes",
    "another document": "one file holds one document, so remove the line ---",
    "<block end>": _INDENTATION,
    "<document start>": _INDENTATION,
    "mapping values are not allowed": f"write a blank after each colon, and {_INDENTATION}",
    "could not find expected ':'": "write KEY: VALUE",
    "',' or": "close each bracket",
    "undefined alias": "put text that begins with * in quotes, or define the anchor (&) above it",
    "for the tag": "remove the tag, or put text that begins with ! in quotes",
}
"""What to do about what PyYAML finds, by words of its message."""


class _StrictLoader(yaml.SafeLoader):
    """PyYAML's safe loader that refuses a repeated key in a map, and what is larger than it looks.

    A key is the text that is written, also where YAML reads it as a number or a flag, such as 1.10 or on. A number
    remembers how it is written, for settings that are text. A date is text.
    """

    yaml_implicit_resolvers = {  # noqa: RUF012 - as PyYAML declares it
        letter: [(tag, pattern) for tag, pattern in found if tag != _DATE]
        for letter, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Merge what ``<<`` names into a map, and make its keys text."""
        super().flatten_mapping(node)
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag in _PLAIN:
                key.tag = f"{_TAG}str"

    def construct_written(self, node: yaml.ScalarNode) -> int | float:
        """Build a number that remembers its text."""
        build = self.construct_yaml_int if node.tag == f"{_TAG}int" else self.construct_yaml_float
        return written(build(node), node.value)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """Build a value, or raise an error that names its place if its text is no value of its tag."""
        try:
            return super().construct_object(node, deep=deep)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
            kind = str(node.tag).removeprefix(_TAG)
            raise _refusal(node, f"{show(node.value)} cannot be read as !!{kind}") from None

    def get_single_node(self) -> yaml.Node | None:
        """Return the tree of the text, or raise an error if it stands for more than `limits` allow."""
        root: yaml.Node | None = super().get_single_node()
        if root is not None:
            _measure(root, {})
        return root

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Build a map, or raise an error if a key is repeated. A merge key (``<<``) may be overridden."""
        lines: dict[str, int] = {}
        for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            if not isinstance(key, yaml.ScalarNode) or key.tag == f"{_TAG}merge":
                continue
            if key.value in lines:
                raise _refusal(key, f"the key {key.value} is repeated, first on line {lines[key.value]}")
            lines[key.value] = key.start_mark.line + 1
        return super().construct_mapping(node, deep=deep)


for _tag in _NUMBERS:
    _StrictLoader.add_constructor(_tag, _StrictLoader.construct_written)


def _measure(node: yaml.Node, known: dict[int, tuple[int, int]]) -> tuple[int, int]:
    """Return the number of values below a node and their levels, with every alias written out.

    Args:
        node: A node of the composed tree, in which all aliases of an anchor are one node.
        known: The results so far, by the node's identity.

    Raises:
        ConstructorError: They are more than `limits` allow, or an anchor contains itself.
    """
    if isinstance(node, yaml.ScalarNode):
        if node.tag in _NUMBERS and len(node.value) > NUMBER_LETTERS:
            raise _refusal(
                node, f"a number of {len(node.value):,} letters; expected at most {NUMBER_LETTERS}"
            )
        return 1, 1
    if id(node) not in known:
        known[id(node)] = YAML_VALUES, YAML_LEVELS  # until it is measured; found only below itself
        pairs = isinstance(node, yaml.MappingNode)
        below = [child for pair in node.value for child in pair] if pairs else node.value
        sizes = [_measure(child, known) for child in below]
        values = 1 + sum(size for size, _ in sizes)
        levels = 1 + max((depth for _, depth in sizes), default=0)
        if values > YAML_VALUES:
            raise _refusal(
                node, f"more than {YAML_VALUES:,} values with every alias (*) written out; use fewer"
            )
        if levels > YAML_LEVELS:
            raise _refusal(node, f"more than {YAML_LEVELS} levels of maps and lists; use fewer")
        known[id(node)] = values, levels
    return known[id(node)]


def _refusal(node: yaml.Node, what: str) -> yaml.constructor.ConstructorError:
    """Return the error about a node, which names its line and column."""
    return yaml.constructor.ConstructorError(None, None, what, node.start_mark)


class FileKind(NamedTuple):
    """What a file should be, for error messages.

    Attributes:
        name: What it is called.
        keys: What it must hold.
    """

    name: str
    keys: str


TRAINING_FILE = FileKind("a training file (.yaml)", "behaviors or default_settings")


def read_source(
    source: Path | str | Mapping[str, Any] | None, kind: FileKind = TRAINING_FILE
) -> tuple[str, Mapping[str, Any]]:
    """Return the label of the source in error messages, and its content.

    Args:
        source: The path of a file, YAML text, a dictionary, or nothing.
        kind: What the file should be.

    Raises:
        UserError: The file is missing, unreadable, empty, not YAML, or not a map.
    """
    if source is None:
        return SETTINGS, {}
    if isinstance(source, Mapping):
        return SETTINGS, source
    if not isinstance(source, str | Path):
        raise UserError(
            f"{SETTINGS}: expected the path of a training file, its YAML text or a dictionary, got "
            f"{type(source).__name__}"
        )
    if isinstance(source, str) and _is_text(source):
        label, text = SETTINGS, source
    else:
        label, text = str(source), _read_file(Path(source), kind)
    content = parse_yaml(text, label)
    if content is None:
        raise UserError(f"{label}: the file is empty; give {kind.name}, which holds at least {kind.keys}")
    if not isinstance(content, dict):
        raise UserError(
            f"{label}: expected a map with keys such as {kind.keys.split()[0]}, got {show(content)}"
        )
    return label, content


def parse_yaml(text: str, label: str) -> Any:
    """Return the content of YAML text.

    Raises:
        UserError: The text is not YAML, or stands for more than `limits` allow. The message starts with ``label`` and
            names the line and column.
    """
    if len(text) > TEXT_BYTES:
        raise UserError(f"{label}: expected at most {TEXT_BYTES:,} letters of YAML, got {len(text):,}")
    try:
        return yaml.load(text, Loader=_StrictLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        raise UserError(f"{label}: invalid YAML{where}: {_reason(error)}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise UserError(f"{label}: invalid YAML: {joined_lines(error)}") from None
    except RecursionError:
        raise UserError(f"{label}: invalid YAML: nested too deeply") from None


def _reason(error: yaml.MarkedYAMLError) -> str:
    """Return what is wrong and what to do about it."""
    found = str(error.problem or error.context)
    if "yaml.org,2002:python/" in found:
        return OLD_TAGS
    if found.startswith("but ") and error.context:
        found = f"{error.context}, {found}"
    advice = next((advice for words, advice in _ADVICE.items() if words in found), "")
    return f"{found}; {advice}" if advice else found


def _is_text(source: str) -> bool:
    """Whether a string is YAML text and not a path: it is empty, has a line break, or looks like ``key: value``."""
    return (
        "\n" in source
        or ": " in source
        or source.endswith(":")
        or source.startswith("{")
        or not source.strip()
    )


ENVIRONMENT = re.compile(r"[\w:/.][-_]v\d+$")
"""How the name of an environment ends: Hopper-v5, my_module:Maze-v0, games/tag_v0."""
UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
"""How a file begins that was redirected from a command in Windows PowerShell."""


def _read_file(path: Path, kind: FileKind) -> str:
    try:
        with path.open("rb") as stream:
            content = stream.read(TEXT_BYTES + 1)
        if len(content) > TEXT_BYTES:
            raise UserError(f"{path}: is larger than {TEXT_BYTES:,} bytes; give the path of {kind.name}")
        return content.decode("utf-16" if content.startswith(UTF_16) else "utf-8")
    except FileNotFoundError:
        hint = (
            f"; training commands take an environment as --env {path}"
            if ENVIRONMENT.search(str(path))
            else ""
        )
        raise UserError(f"{path}: no such file; give the path of {kind.name}{hint}") from None
    except IsADirectoryError:
        such = next((f", such as {file}" for file in sorted(path.glob("*.yaml"))), "")
        raise UserError(f"{path}: is a folder; give the path of {kind.name}{such}") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: is not UTF-8 text; give the path of {kind.name}") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:  # NUL, or half a surrogate pair
        raise UserError(f"{str(path)!a}: cannot be the path of a file: {error}") from None
