"""Reading YAML: training files and single values. A repeated key is an error."""

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import yaml

from gym_adapters.errors import UserError
from trainers.config.base import show


class _StrictLoader(yaml.SafeLoader):
    """PyYAML's safe loader that refuses a repeated key in a map."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Build a map, or raise an error if a key is repeated. A merge key (``<<``) may be overridden."""
        lines: dict[str, int] = {}
        for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:merge":
                continue
            if key.value in lines:
                first = lines[key.value]
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value} is repeated, first on line {first}", key.start_mark
                )
            lines[key.value] = key.start_mark.line + 1
        return super().construct_mapping(node, deep=deep)


def read_source(source: Path | str | Mapping[str, Any] | None) -> tuple[str, Mapping[str, Any]]:
    """Return the label of the source in error messages, and its content.

    Raises:
        UserError: The file is missing, unreadable, empty, not YAML, or not a map.
    """
    if source is None:
        return "settings", {}
    if isinstance(source, Mapping):
        return "settings", source
    if isinstance(source, str) and _is_text(source):
        label, text = "settings", source
    else:
        label, text = str(source), _read_file(Path(source))
    content = parse_yaml(text, label)
    if content is None:
        raise UserError(
            f"{label}: the file is empty; a training file holds at least behaviors or default_settings"
        )
    if not isinstance(content, dict):
        raise UserError(f"{label}: expected a map with keys such as behaviors, got {show(content)}")
    return label, content


def parse_yaml(text: str, label: str) -> Any:
    """Return the content of YAML text.

    Raises:
        UserError: The text is not YAML. The message starts with ``label`` and names the line and column.
    """
    try:
        return yaml.load(text, Loader=_StrictLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        raise UserError(f"{label}: invalid YAML{where}: {error.problem or error.context}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise UserError(f"{label}: invalid YAML: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise UserError(f"{label}: invalid YAML: nested too deeply") from None


def _is_text(source: str) -> bool:
    """Whether a string is YAML text and not a path: it is empty, has a line break, or looks like ``key: value``."""
    return (
        "\n" in source
        or ": " in source
        or source.endswith(":")
        or source.startswith("{")
        or not source.strip()
    )


def _read_file(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; give the path of a training file (.yaml)") from None
    except IsADirectoryError:
        raise UserError(f"{path}: is a folder; give the path of a training file (.yaml)") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: is not UTF-8 text; give the path of a training file (.yaml)") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:  # NUL, or half a surrogate pair
        raise UserError(f"{str(path)!a}: cannot be the path of a file: {error}") from None
