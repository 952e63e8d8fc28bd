"""Messages that are JSON, and messages that are left as they are."""

from __future__ import annotations

import json
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from opensearch_strata.archive.parsers.parsed import Message, Parsed, Parser, Unreadable


def json_fields(message: Message) -> dict[str, Any]:
    """The fields of a message, in a new dictionary.

    Anything that orjson refuses but Python reads (``NaN``, half of a surrogate pair) is accepted.

    :raises Unreadable: it is not a JSON object
    """
    if not isinstance(message, str):
        return dict(message)
    try:
        fields = orjson.loads(message)
    except ValueError:
        try:
            fields = json.loads(message)
        except (ValueError, RecursionError) as error:
            raise Unreadable(f"is not valid JSON ({error})") from None
    if isinstance(fields, dict):
        return fields
    raise Unreadable("is JSON, but not an object with fields")


def json_message(_: ZoneInfo) -> Parser:
    """The message's own fields."""
    return lambda message: Parsed(json_fields(message), None)


def raw_message(_: ZoneInfo) -> Parser:
    """One field ``message`` with the text as it is; a message that has fields keeps them."""
    return lambda message: Parsed({"message": message} if isinstance(message, str) else dict(message), None)


def auto_message(zone: ZoneInfo) -> Parser:
    """The fields of a message that is a JSON object, else ``message``."""
    raw = raw_message(zone)

    def parse(message: Message) -> Parsed | None:
        if isinstance(message, str) and message.lstrip().startswith("{"):
            try:
                return Parsed(json_fields(message), None)
            except Unreadable:
                pass
        return raw(message)

    return parse
