"""Mapping of the ledger's index. Pure."""

from __future__ import annotations

from typing import Any

_KEYWORD = {"type": "keyword"}
_LONG = {"type": "long"}
_NOTE = {"type": "keyword", "index": False, "doc_values": False}
_LONGEST_KEY = {"type": "keyword", "ignore_above": 1024}  # characters; a key has at most 1,024 bytes of UTF-8
_OPAQUE = {"type": "object", "enabled": False}

PROPERTIES: dict[str, Any] = {
    # "object", "batch" (of a plan) or "settings" (of a raw index under load: who loads into it)
    "kind": _KEYWORD,
    "dataset": _KEYWORD,
    "bucket": _KEYWORD,
    "key": _LONGEST_KEY,
    "etag": _KEYWORD,
    "size": _LONG,
    "span_start": _LONG,
    "span_end": _LONG,
    "state": _KEYWORD,
    "owner": _KEYWORD,
    "process": _NOTE,
    "lease_until": _LONG,
    "attempt": _LONG,
    "deaths": _LONG,
    "begun": _LONG,
    "read": _LONG,
    "created": _LONG,
    "existed": _LONG,
    "filtered": _LONG,
    "dead": _LONG,
    "days": {
        "type": "nested",
        "properties": {"index": _KEYWORD, "created": _LONG, "existed": _LONG, "earlier": _LONG},
    },
    "loads": _OPAQUE,
    "samples": _NOTE,
    "causes": _OPAQUE,
    "marks": _OPAQUE,
    "ahead": _LONG,
    "latest": _LONG,
    "reach": _OPAQUE,
    "unwanted": _LONG,
    "rules": _KEYWORD,
    "landing": _KEYWORD,
    "resume": _LONG,
    "format": _KEYWORD,
    "layers": _KEYWORD,
    "bytes_in": _LONG,
    "seconds": {"type": "double"},
    "error": _NOTE,
    "plan": _KEYWORD,
    "number": _LONG,
    "objects": _OPAQUE,
    "raw_index": _KEYWORD,
    "originals": _OPAQUE,  # written only by versions that also set up indices of others for loading
    "users": {"properties": {"owner": _KEYWORD, "lease_until": _LONG, "process": _NOTE}},
}
MAPPINGS = {"dynamic": "strict", "properties": PROPERTIES}
