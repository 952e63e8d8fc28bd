"""Which field types of a raw mapping fit which part of a dataset, and why a type does not fit. Pure."""

from __future__ import annotations

from typing import Literal

Part = Literal["date", "keyword", "number"]

WHOLE_TYPES = frozenset({"byte", "short", "integer"})
SINGLE_TYPES = frozenset({"half_float", "float"})
NUMERIC_TYPES = WHOLE_TYPES | SINGLE_TYPES | {"long", "unsigned_long", "double", "scaled_float"}

_FITTING: dict[Part, frozenset[str]] = {
    "date": frozenset({"date"}),
    "keyword": WHOLE_TYPES | {"long", "keyword", "boolean", "ip"},
    "number": NUMERIC_TYPES,
}
_COUNTED = "count it with stats [count] and distribution {top_values: 10}"
# What to do with a field that is not a number, by the types that people try. {} stands for the field.
_NO_NUMBER = {
    "date": "a date has no sum and no relative error: let producers send a duration or an age as a number",
    "date_nanos": "a date has no sum and no relative error: let producers send a duration or an age as a number",
    "boolean": f"true and false have no average: {_COUNTED}",
    "keyword": f"names have no average: name a numeric field, or {_COUNTED}",
    "text": f"words have no average: name a numeric field, or a multi-field such as {{}}.keyword and {_COUNTED}",
}
_NO_DATE = {
    "date_nanos": (
        "let the index template map it as date: fractions of a second are then cut to milliseconds, and rows cover "
        "whole buckets anyway"
    ),
}
# Types that rows store in fewer bytes than a double, and the types whose values fit into those bytes as well.
_KEPT_SMALL = {
    **dict.fromkeys(WHOLE_TYPES, WHOLE_TYPES),
    **dict.fromkeys(SINGLE_TYPES, SINGLE_TYPES | {"byte", "short"}),
}


def misfit(field: str, kind: str, part: Part) -> str | None:
    """Why a field does not fit the part that a definition gives it; None if it fits.

    :param field: its full path, as sentences name it
    :param kind: its type in the mapping
    :param part: the part that the definition gives it
    """
    fitting = _FITTING[part]
    if kind in fitting:
        return None
    cure = f"name another field or a multi-field such as {field}.keyword"
    if part == "date":
        cure = _NO_DATE.get(kind, "name a field of type date")
    elif part == "number":
        cure = _NO_NUMBER.get(kind, "name a numeric field").replace("{}", field)
    return f"field {field!r} is {kind}, but it must be a {part} ({', '.join(sorted(fitting))}); {cure}"


def loss(field: str, stated: str, kind: str) -> str | None:
    """What rows would lose of a number because the definition states a smaller type than the mapping has.

    :param field: its full path, as sentences name it
    :param stated: its type in the definition's ``raw.fields``
    :param kind: its type in the mapping
    """
    if stated not in _KEPT_SMALL or kind in _KEPT_SMALL[stated] or kind not in NUMERIC_TYPES:
        return None
    return (
        f"raw.fields declares {field!r} as {stated}, but it is {kind}, and rows made for {stated} would lose some of "
        f"its digits; correct raw.fields, or set decimals"
    )
