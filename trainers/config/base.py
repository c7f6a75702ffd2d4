"""What the settings blocks share: their base class, the types of their keys, and the words of their errors."""

import difflib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from gym_adapters.limits import (
    BINS,
    ENVIRONMENTS,
    LAYERS,
    ROWS,
    SNAPSHOTS,
    STEPS,
    THREADS,
    UNITS,
    WINDOW_PIXELS,
)

INT32_MAX, FLOAT32_MAX = 2**31 - 1, 3.4e38
"""The largest whole number and the largest number that a message to a player holds."""

NAME_BYTES, PATH_BYTES = 255, 4000
"""The longest name of a file or folder, and about the longest path, that Linux and macOS take."""


def problem(message: str) -> PydanticCustomError:
    """Return an error for a validator to raise; the user reads exactly this message."""
    return PydanticCustomError("problem", "{message}", {"message": message})


def show(value: Any) -> str:
    """Return a value as error messages quote it: at most 60 characters, and ``nothing`` for null."""
    text = "nothing" if value is None else "a map" if isinstance(value, Mapping) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


_EXPECTED = {
    "bool_type": "true or false",
    "string_type": "text",
    "dict_type": "a map of keys and values",
    "model_type": "a map of keys and values",
    "tuple_type": "a list",
    "string_too_short": "text that is not empty",
    "too_short": "more values",
    "too_long": "fewer values",
}

UNKNOWN = "unknown key"
NO_FACTORY = "default_factory_not_called"
"""Type of an error that only follows from another one."""


def detail_text(detail: Mapping[str, Any]) -> str:
    """Return the message of one of pydantic's problems."""
    kind, got = detail["type"], show(detail["input"])
    if kind == "missing":
        return (
            "this key is needed" if isinstance(detail["loc"][-1], str) else f"expected more values, got {got}"
        )
    if kind == "literal_error":
        return f"expected {detail['ctx']['expected']}, got {got}"
    if kind == "string_type" and isinstance(detail["input"], bool):
        return "expected text, got true or false, as YAML reads on, off, yes and no; put it in quotes"
    if kind in _EXPECTED:
        return f"expected {_EXPECTED[kind]}, got {got}"
    return str(detail["msg"])


def one_of(choices: Iterable[str]) -> str:
    """Join names as a sentence lists them: ``ppo, a2c or dqn``."""
    *most, last = choices
    return " or ".join(filter(None, (", ".join(most), last)))


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return ``; did you mean X?`` with the most similar known name, or an empty text if none is similar."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""


def in_home(path: str) -> str:
    """Return a path with the home folder in place of a ``~`` at its start, which a shell does not always replace."""
    return os.path.expanduser(path)  # noqa: PTH111 - pathlib refuses unknown users


EXTENSION = " (Extension: not an ML-Agents key.)"
"""End of the description of a key that ML-Agents does not have."""


def extension(default: Any = ..., *, description: str, **options: Any) -> Any:
    """Return the field of a key that ML-Agents does not have; the schema marks it ``extension: true``."""
    return Field(
        default,
        description=f"{description}{EXTENSION}",
        json_schema_extra={"extension": True},
        **options,
    )


def deprecated(default: Any = None, *, description: str) -> Any:
    """Return the field of a deprecated ML-Agents key; the schema marks it ``deprecated: true``."""
    return Field(default, description=description, json_schema_extra={"deprecated": True})


def possible_path(text: str) -> str:
    """Return a path that a system can open and every report can hold.

    Raises:
        PydanticCustomError: it has NUL or half a surrogate pair, as undecodable bytes become, or a name is too long.
    """
    if "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
        raise problem(f"expected a path of letters that UTF-8 has, without NUL, got {text!a:.60}")
    if len(text.encode()) > PATH_BYTES or any(
        len(name.encode()) > NAME_BYTES for name in re.split(r"[/\\]", text)
    ):
        raise problem(f"expected a path of at most {NAME_BYTES} bytes in each name, got {text!a:.60}")
    return text


def number(kind: str, most: int | None = None, **bounds: Any) -> tuple[Any, WrapValidator]:
    """Return the ``Annotated`` metadata of a numeric key.

    Text counts as the number that it spells, because YAML 1.1 reads ``3e-4`` and ``1e7`` as text. A whole number may
    be written as ``1.0e7``. ``true``, ``false``, NaN and infinity are refused.

    Args:
        kind: ``a number`` or ``a whole number``, for error texts.
        most: The largest that ``limits`` allow, which only the error about a larger number names.
        bounds: ``ge``, ``gt`` and ``le``, as pydantic's ``Field`` takes them.
    """
    signs = {"ge": ">=", "gt": ">", "le": "<="}
    limits = " and ".join(f"{signs[name]} {bound}" for name, bound in bounds.items())
    expected = f"{kind} {limits}".rstrip()

    def read(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        try:
            return handler(_written_out(value))
        except (ValueError, OverflowError):
            needed = expected if most is None or not _exceeds(value, most) else f"{kind} up to {most:,}"
            raise problem(f"expected {needed}, got {show(value)}") from None

    if most is not None:
        bounds["le"] = most
    return Field(allow_inf_nan=False, **bounds), WrapValidator(read)


def _exceeds(value: Any, most: int) -> bool:
    try:
        return float(value) > most
    except (TypeError, ValueError, OverflowError):
        return isinstance(value, int)


def _written_out(value: Any) -> Any:
    """Return text with an exponent as a number, and whole floats as ints, which pydantic itself does not read as int.

    Raises:
        ValueError: The value is true or false, or text with an ``e`` that spells no number.
    """
    if isinstance(value, bool):
        raise ValueError
    if isinstance(value, str) and "e" in value.lower():
        value = float(value)
    return int(value) if isinstance(value, float) and value.is_integer() else value


Real = Annotated[float, *number("a number")]
Positive = Annotated[float, *number("a number", gt=0)]
Whole = Annotated[int, *number("a whole number")]
NonNegative = Annotated[float, *number("a number", ge=0)]
Fraction = Annotated[float, *number("a number", ge=0, le=1)]
Count = Annotated[int, *number("a whole number", most=STEPS, ge=1)]
CountOrZero = Annotated[int, *number("a whole number", most=STEPS, ge=0)]
CountOrUnlimited = Annotated[int, *number("a whole number", most=STEPS, ge=-1)]
Rows = Annotated[int, *number("a whole number", most=ROWS, ge=1)]
RowsOrZero = Annotated[int, *number("a whole number", most=ROWS, ge=0)]
Units = Annotated[int, *number("a whole number", most=UNITS, ge=1)]
Layers = Annotated[int, *number("a whole number", most=LAYERS, ge=1)]
Bins = Annotated[int, *number("a whole number", most=BINS, ge=2)]
Snapshots = Annotated[int, *number("a whole number", most=SNAPSHOTS, ge=1)]
Environments = Annotated[int, *number("a whole number", most=ENVIRONMENTS, ge=1)]
Pixels = Annotated[int, *number("a whole number", most=WINDOW_PIXELS, ge=0)]
Port = Annotated[int, *number("a whole number", ge=1, le=65535)]
Threads = Annotated[int, *number("a whole number", most=THREADS, ge=1)]
Seed = Annotated[int, *number("a whole number", ge=-1, le=INT32_MAX)]
Seconds = Annotated[int, *number("a whole number", ge=1, le=INT32_MAX)]
SentCountOrZero = Annotated[int, *number("a whole number", ge=0, le=INT32_MAX)]
SentCountOrUnlimited = Annotated[int, *number("a whole number", ge=-1, le=INT32_MAX)]
SentPositive = Annotated[float, *number("a number", gt=0, le=FLOAT32_MAX)]
Flag = Annotated[bool, Field(strict=True)]
PathText = Annotated[str, AfterValidator(in_home), AfterValidator(possible_path)]

TOTAL = "total of all ranks"
Kind = TypeVar("Kind")
Total = Annotated[Kind, TOTAL]
"""``Total[Count]`` marks a key that counts what all agents of a run do together, or what all ranks learn from together.
The option `--scale-batch` multiplies it by the number of ranks.
"""


class Settings(BaseModel):
    """A block of the training file. It is immutable and refuses unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)

    @classmethod
    def known_keys(cls) -> Iterable[str]:
        """Return the names of the keys that the block accepts."""
        return cls.model_fields

    def contradictions(self) -> Iterator[str]:
        """Yield a message for each set of keys that do not go together. Subclasses add theirs."""
        yield from ()

    @model_validator(mode="after")
    def _keys_go_together(self) -> Self:
        found = [InitErrorDetails(type=problem(text), input=self) for text in self.contradictions()]
        if found:
            raise ValidationError.from_exception_data(type(self).__name__, found)
        return self

    @model_validator(mode="before")
    @classmethod
    def _name_unknown_keys(cls, data: Any) -> Any:
        """Report unknown keys together with what is wrong with the known ones."""
        known = cls.known_keys()
        unknown = [key for key in data if key not in known] if isinstance(data, Mapping) else []
        if not unknown:
            return data
        errors = [
            InitErrorDetails(
                type=problem(f"{UNKNOWN}{suggestion(str(key), known)}"), loc=(str(key),), input=data[key]
            )
            for key in unknown
        ]
        try:
            cls.model_validate({key: value for key, value in data.items() if key in known})
        except ValidationError as error:
            errors += [
                InitErrorDetails(type=problem(detail_text(detail)), loc=detail["loc"], input=detail["input"])
                for detail in error.errors()
                if detail["type"] != NO_FACTORY
            ]
        raise ValidationError.from_exception_data(cls.__name__, errors)
