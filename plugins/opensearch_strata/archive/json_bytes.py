"""JSON to and from bytes: by orjson, or by the standard library where there is no orjson, as in AWS Lambda. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _plainly_dumped(value: Any) -> bytes:
    try:
        return _ENCODER.encode(value).encode()
    except (ValueError, RecursionError) as error:
        raise TypeError(f"It cannot be written as JSON ({error}).") from error


loads: Callable[[bytes | str], Any]
"""Reads one JSON text; raises ValueError if it is not one. Without :data:`IS_STRICT`, more is taken for JSON."""

dumps: Callable[[Any], bytes]
"""Writes a value in UTF-8, without blanks; raises TypeError for anything that cannot be written, like half of a
surrogate pair. NaN and numbers of more than 64 bits are written or refused, as the library sees fit."""

IS_STRICT: bool
"""Whether :data:`loads` refuses everything that RFC 8259 forbids, as only orjson does: NaN, bytes that are not UTF-8,
halves of surrogate pairs."""

try:
    import orjson
except ImportError:
    loads, dumps, IS_STRICT = json.loads, _plainly_dumped, False
else:
    loads, dumps, IS_STRICT = orjson.loads, orjson.dumps, True
