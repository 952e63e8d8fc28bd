"""What the mapping of a raw day must contain before documents from an archive arrive. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opensearch_strata.definition.dataset import Dataset

_KEYWORD = {"type": "keyword"}
_LONGEST = 1024  # characters up to which a keyword is searchable; the URL of an object may be slightly longer

METADATA = ("owner", "log_group", "log_stream", "event_id", "object", "position")
"""Fields of the metadata object; see :class:`~opensearch_strata.archive.documents.shaper.Shaper`."""


def raw_properties(dataset: Dataset) -> dict[str, dict[str, Any]]:
    """Field path -> mapping, for every field that the dataset states of the documents that are loaded."""
    intake, raw = dataset.intake, dataset.raw
    wanted = mapped({**dict.fromkeys(dataset.history.group_by, "keyword"), raw.timestamp: "date", **raw.fields})
    if intake.metadata:
        for name in METADATA:
            wanted.setdefault(f"{intake.metadata}.{name}", _KEYWORD)
    if intake.unparsed == "document":
        wanted.setdefault("parse_error", {**_KEYWORD, "ignore_above": _LONGEST})
    if intake.unparsed == "document" or "raw" in (intake.parser, *intake.parsers.values()):
        wanted.setdefault("message", {"type": "text"})
    return wanted


def mapped(stated: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Field path -> mapping, for fields of stated types.

    A multi-field (``device.keyword``) is mapped together with the field above it if that one is stated. Otherwise it is
    left to dynamic mapping: mapped on its own, it would turn the field above it into an object.

    :param stated: field path -> type
    """
    wanted: dict[str, dict[str, Any]] = {}
    for path, kind in sorted(stated.items()):
        above, _, name = path.rpartition(".")
        if above in wanted:
            wanted[above].setdefault("fields", {})[name] = {"type": kind}
        elif name != "keyword" and above not in stated:
            wanted[path] = {"type": kind}
    return wanted


def missing_properties(wanted: Mapping[str, dict[str, Any]], properties: Mapping[str, Any]) -> dict[str, Any]:
    """The wanted properties that a mapping lacks. Existing fields stay as they are, whatever their type.

    :param properties: of the mapping, as the server shows them
    """
    there = set(_paths(properties))
    return {path: body for path, body in wanted.items() if path not in there and not _inside(path, there)}


def _paths(properties: Mapping[str, Any], above: str = "") -> Iterator[str]:
    """Yield the paths of all fields that hold values and of all empty objects."""
    for name, body in properties.items():
        if body.get("properties"):
            yield from _paths(body["properties"], f"{above}{name}.")
        else:
            yield f"{above}{name}"


def _inside(path: str, there: set[str]) -> bool:
    """Whether a field above the path holds values, so that the path cannot be a field."""
    parts = path.split(".")
    return any(".".join(parts[:end]) in there for end in range(1, len(parts)))
