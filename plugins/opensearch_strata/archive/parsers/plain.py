"""Messages that are JSON, and messages that are left as they are."""

from __future__ import annotations

import json
from typing import Any
from zoneinfo import ZoneInfo

from opensearch_strata.archive.json_bytes import loads
from opensearch_strata.archive.parsers.parsed import Message, Parsed, Parser, Unreadable, parsed_before


def json_fields(message: Message) -> dict[str, Any]:
    """The fields of a message, in a new dictionary.

    Anything that orjson refuses but Python reads (``NaN``, half of a surrogate pair) is accepted.

    :raises Unreadable: it is not a JSON object
    """
    if not isinstance(message, str):
        return dict(message)
    try:
        fields = loads(message)
    except (ValueError, RecursionError):
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
    return parsed_before


def json_object(text: str) -> dict[str, Any] | None:
    """The fields of a text that is a JSON object; None if it is not.

    :param text: a message, or a value in one
    """
    try:
        return json_fields(text)
    except Unreadable:
        return None


def plain_event(message: Message) -> Parsed:
    """What a message is to which no parser applies: the fields of a JSON object, else ``message``."""
    if not isinstance(message, str):
        return Parsed(dict(message), None)
    fields = json_object(message) if message.lstrip().startswith("{") else None
    return Parsed({"message": message} if fields is None else fields, None)
