"""What an index shows: its fields, how many values they have, and what a sample of documents tells. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

NAMING_TYPES = frozenset({"keyword", "boolean", "ip"})
"""Types whose values name something, and that a row can be grouped by."""


@dataclass(frozen=True)
class SeenField:
    """A field of an index whose values searches see.

    :param kind: its type in the mapping
    :param documents: how many have a value
    :param values: how many values they have together
    :param distinct: how many different ones, nearly; 0 for what is not grouped by
    :param first: the lowest value as a number, None without any; of a date, epoch milliseconds
    :param last: the highest
    :param decimals: most decimals of a number in the sample, None if none was in it
    :param looked_at: values of a number in the sample
    """

    path: str
    kind: str
    documents: int
    values: int
    distinct: int = 0
    first: float | None = None
    last: float | None = None
    decimals: int | None = None
    looked_at: int = 0


@dataclass(frozen=True)
class Observed:
    """An index with documents.

    :param documents: how many searches see
    :param fields: those that can be a time, a group or a metric, in the order of their paths
    :param left_out: path -> why a field can be none of it
    """

    index: str
    documents: int
    fields: Sequence[SeenField]
    left_out: Mapping[str, str]


def values_at(place: Any, path: Sequence[str]) -> Iterator[Any]:
    """Values of a field in a document, in whatever way the dots of its path are written there.

    :param place: a document, or a part of it
    :param path: the names that are left of the path
    """
    if isinstance(place, list):
        for each in place:
            yield from values_at(each, path)
    elif not path:
        if place is not None and not isinstance(place, dict):
            yield place
    elif isinstance(place, dict):
        for length in range(1, len(path) + 1):
            if (name := ".".join(path[:length])) in place:
                yield from values_at(place[name], path[length:])


def decimals_of(value: Any) -> int | None:
    """How many decimals a number is written with, zeros at its end left out; None of what is no number.

    :param value: as JSON says it: a number, or a text that holds one
    """
    if isinstance(value, bool):
        return None
    try:
        exponent = Decimal(str(value)).normalize().as_tuple().exponent
    except InvalidOperation:
        return None
    return max(0, -exponent) if isinstance(exponent, int) else None
