"""The order in which the server lists the values of a group: missing ones, then the others by what they are. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from typing import Any


def key_order(key: Mapping[str, Any], types: Mapping[str, str]) -> tuple[Any, ...]:
    """Sort key for keys of a composite aggregation: texts are ordered by code point, addresses by their bytes.

    :param key: name of each source -> its value; None where it is missing
    :param types: mapping type of each group
    """
    return tuple(
        (False,) if value is None else (True, _sortable(value, types.get(name, ""))) for name, value in key.items()
    )


def group_order(lists: Sequence[Sequence[Any]], kind: str) -> tuple[list[Any], list[list[int]]]:
    """All values of a group in order, and of each list the place of each of its values among them.

    :param lists: values of a group, each of them once in a list
    :param kind: mapping type of the group
    """
    ordered = sorted({value for values in lists for value in values}, key=lambda value: _sortable(value, kind))
    places = {value: place for place, value in enumerate(ordered)}
    return ordered, [[places[value] for value in values] for values in lists]


def _sortable(value: Any, kind: str) -> Any:
    """What compares as the server compares values of this mapping type."""
    return _address(value) if kind == "ip" else value


def _address(text: str) -> bytes:
    """An address as Lucene stores it: 16 bytes, with IPv4 mapped to IPv6."""
    packed = ip_address(text).packed
    return packed if len(packed) == 16 else b"\0" * 10 + b"\xff" * 2 + packed
