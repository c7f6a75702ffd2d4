"""What every settings block shares: strictness, number types that read what people write, error texts."""

import difflib
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, ValidationError, model_validator
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError, core_schema

INT32_MAX, FLOAT32_MAX = 2**31 - 1, 3.4e38
"""The largest whole number and the largest number in a message to a player."""

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def problem(message: str) -> PydanticCustomError:
    """Return the error a validator raises; its text reaches the user as it stands."""
    return PydanticCustomError("problem", "{message}", {"message": message})


def show(value: Any) -> str:
    """Return a value as error texts quote it: short, and ``nothing`` for an empty YAML value."""
    text = "nothing" if value is None else "a map" if isinstance(value, Mapping) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def one_of(choices: Iterable[str]) -> str:
    """Return names as a sentence lists them: `ppo, a2c or dqn`."""
    *most, last = choices
    return " or ".join(filter(None, (", ".join(most), last)))


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return ``; did you mean X?`` for the nearest known name, or an empty text if none is near."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""


def extension(default: Any = ..., *, description: str, **options: Any) -> Any:
    """Return the field of a key that ML-Agents does not have; the schema marks it ``extension: true``."""
    return Field(
        default,
        description=f"{description} (Extension: not an ML-Agents key.)",
        json_schema_extra={"extension": True},
        **options,
    )


def deprecated(default: Any = None, *, description: str) -> Any:
    """Return the field of an old ML-Agents key that is still read."""
    return Field(default, description=description, json_schema_extra={"deprecated": True})


@dataclass(frozen=True)
class Number:
    """The type and range of a numeric key, as ``Annotated`` metadata.

    YAML 1.1 reads ``3e-4`` and ``1e7`` as text, and people write both, so text that spells a number counts as
    that number. A whole number may be written as ``1.0e7``. ``true`` and ``false`` are not numbers.
    """

    whole: bool = False
    ge: float | None = None
    gt: float | None = None
    le: float | None = None

    @property
    def expected(self) -> str:
        """What the key takes, in words."""
        kind = "a whole number" if self.whole else "a number"
        lower = f">= {self.ge}" if self.ge is not None else f"> {self.gt}" if self.gt is not None else ""
        upper = f"<= {self.le}" if self.le is not None else ""
        bounds = " and ".join(bound for bound in (lower, upper) if bound)
        return f"{kind} {bounds}".rstrip()

    def read(self, value: Any) -> int | float:
        """Return the number that ``value`` spells, or raise an error that says what was expected."""
        number = _parse_number(value)
        if number is None or not self._allows(number):
            raise problem(f"expected {self.expected}, got {show(value)}")
        return int(number) if self.whole else float(number)

    def _allows(self, number: int | float) -> bool:
        return (
            (not self.whole or number == int(number))
            and (self.ge is None or number >= self.ge)
            and (self.gt is None or number > self.gt)
            and (self.le is None or number <= self.le)
        )

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        bounds: dict[str, Any] = {"ge": self.ge, "gt": self.gt, "le": self.le}
        number = core_schema.int_schema(**bounds) if self.whole else core_schema.float_schema(**bounds)
        return core_schema.no_info_before_validator_function(self.read, number)


def _parse_number(value: Any) -> int | float | None:
    """Return the finite number that ``value`` is or spells, else None."""
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        text = value.strip()
        value = int(text) if re.fullmatch(r"[+-]?\d+", text) else float(text)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if is_number and abs(value) <= sys.float_info.max else None


Real = Annotated[float, Number()]
Positive = Annotated[float, Number(gt=0)]
NonNegative = Annotated[float, Number(ge=0)]
Fraction = Annotated[float, Number(ge=0, le=1)]
Whole = Annotated[int, Number(whole=True)]
Count = Annotated[int, Number(whole=True, ge=1)]
CountOrZero = Annotated[int, Number(whole=True, ge=0)]
CountOrUnlimited = Annotated[int, Number(whole=True, ge=-1)]
Port = Annotated[int, Number(whole=True, ge=1, le=65535)]
Threads = Annotated[int, Number(whole=True, ge=1, le=1024)]
Seed = Annotated[int, Number(whole=True, ge=-1, le=INT32_MAX)]
SentCount = Annotated[int, Number(whole=True, ge=1, le=INT32_MAX)]
SentCountOrZero = Annotated[int, Number(whole=True, ge=0, le=INT32_MAX)]
SentCountOrUnlimited = Annotated[int, Number(whole=True, ge=-1, le=INT32_MAX)]
SentPositive = Annotated[float, Number(gt=0, le=FLOAT32_MAX)]
Flag = Annotated[bool, Field(strict=True)]


class Settings(BaseModel):
    """A block of the training file: immutable, and strict about keys it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)

    @classmethod
    def known_keys(cls) -> Iterable[str]:
        """Return the keys that the block may have."""
        return cls.model_fields

    @model_validator(mode="before")
    @classmethod
    def _name_unknown_keys(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        known = cls.known_keys()
        errors = [
            InitErrorDetails(
                type=problem(f"unknown key{suggestion(str(key), known)}"),
                loc=(str(key),),
                input=value,
            )
            for key, value in data.items()
            if key not in known
        ]
        if errors:
            raise ValidationError.from_exception_data(cls.__name__, errors)
        return data
