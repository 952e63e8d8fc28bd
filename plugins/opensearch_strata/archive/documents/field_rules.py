"""A dataset's rules for the fields of its documents: rename, cast, drop, add. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import orjson

from opensearch_strata.definition.loading.intake import CastName, Intake

Fields = dict[str, Any]

_LONG = 2**63
_NUMBER = re.compile(r"\s*[+-]?(?:[0-9]{1,400}(?:\.[0-9]{0,400})?|\.[0-9]{1,400})(?:[eE][+-]?[0-9]{1,3})?\s*", re.ASCII)
_LARGEST = 2**1023  # that a float can hold; orjson does not read a larger one as a number


class BadValue(ValueError):  # noqa: N818 - the name says what the value is
    """A value cannot be what the dataset requires."""


class FieldRules:
    """What the ``intake`` section of a dataset does to parsed fields, in this order: rename, cast, drop, add.

    A name is a key as it is written, or a dotted path into objects.
    """

    def __init__(self, intake: Intake) -> None:
        self._rename = intake.rename
        self._cast: Mapping[str, CastName] = intake.cast
        self._drop = intake.drop
        self._add = intake.add
        self.renames = bool(self._rename)
        self.changes = bool(self._cast or self._drop or self._add)

    def rename(self, fields: Fields) -> None:
        """Rename fields in place; a field that already has the new name is overwritten."""
        for path, name in self._rename.items():
            if found := find(fields, path):
                holder, key = found
                fields[name] = holder.pop(key)

    def change(self, fields: Fields) -> None:
        """Cast, drop and add fields in place.

        :raises BadValue: a value cannot be cast; names the field, its value and the type
        """
        for path, kind in self._cast.items():
            if found := find(fields, path):
                holder, key = found
                try:
                    holder[key] = _cast_each(holder[key], kind)
                except (TypeError, ValueError, KeyError, ArithmeticError):
                    shown = repr(holder[key])[:100]
                    raise BadValue(f"The field {path!r} is {shown}, which cannot be cast to {kind}.") from None
        for path in self._drop:
            remove(fields, path)
        fields.update(self._add)


def find(fields: Fields, path: str) -> tuple[Fields, str] | None:
    """The object that holds a field, and its key there; None if there is no such field.

    :param path: names joined by dots; a name may itself contain dots
    """
    if path in fields:
        return fields, path
    first, dot, rest = path.partition(".")
    inner = fields.get(first) if dot else None
    return find(inner, rest) if isinstance(inner, dict) else None


def remove(fields: Fields, path: str) -> None:
    """Remove a field if it exists."""
    if found := find(fields, path):
        holder, key = found
        del holder[key]


def as_text(message: str | Fields) -> str:
    """A message as text; fields as JSON.

    :param message: as it was logged, or its fields
    """
    return message if isinstance(message, str) else dumped(message).decode()


def dumped(fields: Fields) -> bytes:
    """Fields as JSON, made writable by :func:`writable` if necessary.

    :raises BadValue: they are nested too deeply
    """
    try:
        return orjson.dumps(fields)
    except TypeError:
        try:
            return orjson.dumps(writable(fields))
        except (TypeError, RecursionError) as error:
            raise BadValue(f"It cannot be written as JSON ({error}).") from None


def writable(value: Any) -> Any:
    """A value in a form that orjson can write: halves of surrogate pairs, which UTF-8 cannot hold, become question
    marks, and numbers of more than 64 bits become floats, which is how orjson reads them."""
    match value:
        case str():
            return value.encode("utf-8", "replace").decode()
        case dict():
            return {writable(key): writable(item) for key, item in value.items()}
        case list():
            return [writable(item) for item in value]
        case int() if not -_LONG <= value < 2 * _LONG:
            return float(value) if abs(value) < _LARGEST else None
    return value


def plain_number(text: str) -> str:
    """A text, if it is a number in JSON's form; Python also reads ``1_234`` and the digits of other scripts.

    :param text: the value of a field
    :raises ValueError: it is not
    """
    if not _NUMBER.fullmatch(text):
        raise ValueError(text)
    return text


def _cast_each(value: Any, kind: CastName) -> Any:
    if value is None:
        return None
    if isinstance(value, list):
        return [_cast_each(item, kind) for item in value]
    return _CASTS[kind](value)


def _string(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _integer(value: Any) -> int:
    number = Decimal(plain_number(value).strip()) if isinstance(value, str) else value
    whole = int(number)
    if whole != number or not -_LONG <= whole < _LONG:
        raise ValueError(value)
    return whole


def _float(value: Any) -> float:
    number = float(plain_number(value) if isinstance(value, str) else value)
    if not math.isfinite(number):
        raise ValueError(value)
    return number


def _boolean(value: Any) -> bool:
    return {"true": True, "false": False, "1": True, "0": False}[str(value).lower()]


_CASTS: Mapping[CastName, Callable[[Any], Any]] = {
    "string": _string,
    "integer": _integer,
    "float": _float,
    "boolean": _boolean,
}
