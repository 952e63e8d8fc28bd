"""What an index template sets, part by part, spelled alike for bodies that are sent and those that come back. Pure.

See https://docs.opensearch.org/latest/im-plugin/index-templates/ for both kinds: composable ones keep what they set in
``template``, legacy ones at the top.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from opensearch_strata.errors.printable import brief

_MOST_NAMED = 8

Parts = dict[str, str]
"""Name of a part, like ``field device`` -> its value as text; empty for a part that is its name."""


def parts_of(body: Mapping[str, Any]) -> Parts:
    """Everything that a template sets for the indices that it matches.

    :param body: of a composable or legacy template, as it is sent or as the server returns it
    """
    within = body.get("template", body)
    mappings, settings = within.get("mappings", {}), within.get("settings", {})
    return {
        **{f"setting index.{key.removeprefix('index.')}": value for key, value in _settings(settings)},
        **{f"alias {name}": _text(alias) if alias else "" for name, alias in within.get("aliases", {}).items()},
        **{f"component template {name}": "" for name in body.get("composed_of", ())},
        **({"data stream": ""} if "data_stream" in body else {}),
        **{f"mapping {key}": _text(value) for key, value in mappings.items() if key != "properties"},
        **{f"field {path}": value for path, value in _fields(mappings.get("properties", {}))},
    }


def whole_of(body: Mapping[str, Any]) -> Parts:
    """Everything that a composable template sets, with what decides for which indices it counts.

    :param body: as it is sent or as the server returns it
    """
    return {
        **parts_of(body),
        "index_patterns": ", ".join(body["index_patterns"]),
        "priority": str(body.get("priority", 0)),
    }


def digest_of(body: Mapping[str, Any]) -> str:
    """A code that changes with anything that a template sets, with its patterns and with its priority."""
    return hashlib.sha256(json.dumps(whole_of(body), sort_keys=True).encode()).hexdigest()[:16]


def lost(old: Parts, new: Parts) -> list[str]:
    """The parts of one template that another one does not set, or sets in another way.

    :returns: each in words, with its value
    """
    return [f"{name} = {value}" if value else name for name, value in old.items() if new.get(name) != value]


def named(parts: list[str]) -> str:
    """The first parts of many, in a sentence."""
    more = len(parts) - _MOST_NAMED
    return ", ".join(map(brief, parts[:_MOST_NAMED])) + (f" and {more} more" if more > 0 else "")


def _settings(level: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Names with dots and values as texts, which is how the server returns them."""
    for name, value in level.items():
        if isinstance(value, Mapping):
            yield from _settings(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", _text(value)


def _fields(properties: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    for name, body in properties.items():
        own = {key: value for key, value in body.items() if key != "properties"}
        if own or "properties" not in body:
            yield f"{above}{name}", _text(own)
        yield from _fields(body.get("properties", {}), f"{above}{name}.")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)
