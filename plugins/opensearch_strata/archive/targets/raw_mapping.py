"""What the mapping of a raw day must say before documents of an archive come. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opensearch_strata.definition.dataset import Dataset

_KEYWORD = {"type": "keyword"}
_LONGEST = 1024  # characters of a keyword that is searched; a URL of an object may have some more

METADATA = ("owner", "log_group", "log_stream", "event_id", "object", "position")
"""Fields of the metadata object, see :class:`~opensearch_strata.archive.documents.builder.Shaper`."""


def raw_properties(dataset: Dataset) -> dict[str, dict[str, Any]]:
    """Field path -> mapping, for all that the dataset says of its raw documents.

    A multi-field (``device.keyword``) is mapped with the field above it if that one is stated, and left to dynamic
    mapping else: as a field by itself it would turn the one above into an object.
    """
    intake, raw = dataset.intake, dataset.raw
    stated = {**dict.fromkeys(dataset.history.group_by, "keyword"), raw.timestamp: "date", **raw.fields}
    wanted: dict[str, dict[str, Any]] = {}
    for path, kind in sorted(stated.items()):
        above, _, name = path.rpartition(".")
        if above in stated:
            wanted[above].setdefault("fields", {})[name] = {"type": kind}
        elif name != "keyword":
            wanted[path] = {"type": kind}
    if intake.metadata:
        for name in METADATA:
            wanted.setdefault(f"{intake.metadata}.{name}", _KEYWORD)
    if intake.unparsed == "document":
        wanted.setdefault("parse_error", {**_KEYWORD, "ignore_above": _LONGEST})
    if intake.unparsed == "document" or "raw" in (intake.parser, *intake.parsers.values()):
        wanted.setdefault("message", {"type": "text"})
    return wanted


def missing_properties(wanted: Mapping[str, dict[str, Any]], properties: Mapping[str, Any]) -> dict[str, Any]:
    """Those that a mapping does not have yet; what it has stays as it is, of whatever type.

    :param properties: of the mapping as the server shows it
    """
    there = set(_paths(properties))
    return {path: body for path, body in wanted.items() if path not in there and not _inside(path, there)}


def _paths(properties: Mapping[str, Any], above: str = "") -> Iterator[str]:
    """Paths of all fields that hold values, and of all objects with nothing in them."""
    for name, body in properties.items():
        if body.get("properties"):
            yield from _paths(body["properties"], f"{above}{name}.")
        else:
            yield f"{above}{name}"


def _inside(path: str, there: set[str]) -> bool:
    """Whether a field above the path holds values, so that the path cannot be one."""
    parts = path.split(".")
    return any(".".join(parts[:end]) in there for end in range(1, len(parts)))
