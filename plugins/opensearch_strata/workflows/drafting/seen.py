"""What an index shows: its fields, how many values they have, and what a sample of documents contains. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

NAMING_TYPES = frozenset({"keyword", "boolean", "ip"})
"""Types whose values name something, so that rows can be grouped by them."""


@dataclass(frozen=True)
class SeenField:
    """A field of an index whose values searches see.

    :param kind: its type in the mapping
    :param documents: how many documents have a value
    :param values: how many values they have in total
    :param distinct: about how many different values there are; 0 for a type that rows cannot be grouped by
    :param first: the lowest value as a number, None if there is none; for a date, epoch milliseconds
    :param last: the highest value, in the same form
    :param decimals: for a number, the most decimals in the sample, None if the sample has no value
    :param looked_at: for a number, how many values are in the sample
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

    :param documents: how many documents searches see
    :param fields: those that can be a time, a group or a metric, in the order of their paths
    :param left_out: path -> why a field can be none of these
    """

    index: str
    documents: int
    fields: Sequence[SeenField]
    left_out: Mapping[str, str]


def values_at(place: Any, path: Sequence[str]) -> Iterator[Any]:
    """Yield the values of a field in a document, whether dots of its path are part of a name or nest objects.

    :param place: a document, or a part of one
    :param path: the names of the path that are still to be followed
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
    """Count the decimals that a number is written with, without trailing zeros; None if it is not a number.

    :param value: as it stands in JSON: a number, or a text that contains one
    """
    if isinstance(value, bool):
        return None
    try:
        exponent = Decimal(str(value)).normalize().as_tuple().exponent
    except InvalidOperation:
        return None
    return max(0, -exponent) if isinstance(exponent, int) else None
