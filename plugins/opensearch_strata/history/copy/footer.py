"""What a file of a day says of itself: the work of a stranger until every part of it has been checked. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any

from pydantic import AfterValidator, Field
from pydantic_core import from_json

from opensearch_strata.definition.sections.field_path import FieldPath
from opensearch_strata.definition.strict_model import Strict
from opensearch_strata.errors import Refused
from opensearch_strata.history.copy.layout import RowLayout
from opensearch_strata.history.month.marks import Mark
from opensearch_strata.history.month.row_ids import RAW_UUID

FORMAT = 1
"""Version of the files that are written; a file of a later one is refused."""

_LONGEST = 4 * 1024 * 1024  # characters of one value; a mapping of a thousand metrics has a tenth of them
_DEEPEST = 20  # objects within objects, as OpenSearch allows by default (index.mapping.depth.limit)
_MOST_FIELDS = 10_000
_MOST_ROWS = 20_000_000  # of a day: a few bytes of a file can say so many that no memory holds them
_OWN_TYPES = {
    "@timestamp": ("date",),
    "transform._id": ("keyword",),
    "transform._doc_count": ("long",),
    RAW_UUID: ("keyword",),
}
"""Fields of every row, and the types that they have."""


def _shown_as_written(text: str) -> str:
    if not text.isprintable():
        raise ValueError("it contains characters that cannot be printed")
    return text


_Word = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_shown_as_written)]
_Path = Annotated[FieldPath, Field(max_length=2000), AfterValidator(_shown_as_written)]
_Number = Annotated[int, Field(ge=0, lt=2**63)]


class _Metric(Strict, extra="ignore"):
    field: _Path
    stats: list[_Word] = Field(max_length=20)
    relative_errors: list[Annotated[float, Field(gt=0, lt=1)]] = Field(max_length=1000)
    top_values: Annotated[int, Field(ge=1, le=1000)] = 0
    distinct_errors: list[Annotated[float, Field(gt=0, lt=1)]] = Field([], max_length=1000)


class _Meta(Strict, extra="ignore"):
    """``_meta.strata`` of a month. Whatever else it says is of one index, or unknown, and is not taken over."""

    dataset: _Word
    group_by: list[_Path] = Field(min_length=1, max_length=100)
    fingerprint: _Word = ""
    fingerprints: list[_Word] = Field([], max_length=1000)
    bucket: _Word = ""
    timestamp: _Path = ""
    sketch_version: _Number = 0
    metrics: dict[_Word, _Metric] = Field({}, max_length=_MOST_FIELDS)


class _Month(Strict):
    properties: dict[str, Any]
    meta: _Meta


class _Mark(Strict):
    documents: _Number
    uuid: _Word
    fingerprint: _Word
    rows_version: str = ""


@dataclass(frozen=True)
class Footer:
    """What a file says, after it was checked.

    :param rows: that it should hold
    :param documents: raw documents that they should stand for
    :param properties: of its month's mapping: fields that rows have, and no others
    :param meta: ``_meta.strata`` of its month: what is true of the rows in any index
    :param mark: of the day's proof, as a mark of no rows of any index; None for a day that is held
    """

    dataset: str
    day: date
    rows: int
    documents: int
    properties: Mapping[str, Any]
    meta: Mapping[str, Any]
    mark: Mark | None


def footer_of(said: Mapping[str, str], place: str) -> Footer:
    """What a file says of itself.

    :param said: key -> text, as the file has it
    :param place: its URL, for the sentence of an error
    :raises Refused: Strata did not write it, or a later release did, or its month has fields that no row has
    :raises ValueError: a value is not what Strata writes
    :raises KeyError: a value is missing
    """
    version = said.get("strata.format", "")
    if not (version.isascii() and version.isdecimal()):
        raise Refused(f"{place} is not the file of a day of history: it was not written by Strata.")
    if len(version) > 9 or int(version) > FORMAT:
        raise Refused(f"{place} was written by a later release of Strata (format {version[:20]}); update this one.")
    dataset, day = _shown_as_written(said["strata.dataset"]), date.fromisoformat(said["strata.day"])
    month = _Month.model_validate(_parsed("strata.month", said))
    meta = month.meta.model_dump(exclude_unset=True)
    if month.meta.dataset != dataset:
        raise ValueError(f"its rows are of dataset {dataset!r}, its month of {month.meta.dataset!r}")
    noted = _parsed("strata.mark", said)
    mark = Mark(**{**_Mark.model_validate(noted).model_dump(), "rows_version": ""}) if noted is not None else None
    documents = _number("strata.documents", said)
    if mark and mark.documents != documents:
        raise ValueError(f"it holds {documents:,} documents, and {mark.documents:,} were proven")
    if (rows := _number("strata.rows", said)) > _MOST_ROWS:
        raise ValueError(f"it says that it has {rows:,} rows, and no day of more than {_MOST_ROWS:,} is copied")
    _require_fields(month.properties)
    layout = RowLayout.of_month(place, month.properties, meta)
    properties = _only(month.properties, {*layout.fields})
    return Footer(dataset, day, rows, documents, properties, meta, mark)


def _parsed(name: str, said: Mapping[str, str]) -> Any:
    """A value that is JSON; not parsed if it is longer, or nested deeper, than any that Strata writes."""
    if len(said[name]) > _LONGEST:
        raise ValueError(f"{name} has {len(said[name]):,} characters")
    try:
        return from_json(said[name], allow_inf_nan=False)
    except ValueError as error:
        raise ValueError(f"{name} is not JSON: {error}") from None


def _number(name: str, said: Mapping[str, str]) -> int:
    text = said[name]
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise ValueError(f"{name} is {text[:40]!r}, which is not a number of rows or documents")
    return int(text)


def _require_fields(properties: Mapping[str, Any]) -> None:
    """Make sure that a mapping is one, before anything looks for fields in it.

    :raises ValueError: it is not, or has more or deeper fields than a month can have
    """
    left, fields = [(1, properties)], 0
    while left:
        depth, there = left.pop()
        fields += len(there)
        if depth > _DEEPEST or fields > _MOST_FIELDS:
            raise ValueError(f"its month has more than {_MOST_FIELDS:,} fields, or more than {_DEEPEST} levels of them")
        for name, body in there.items():
            if not isinstance(body, dict) or not name or not name.isprintable():
                raise ValueError(f"its month has a field {name[:40]!r} that cannot be one")
            if "properties" in body:
                if not isinstance(body["properties"], dict) or body.keys() - {"properties", "dynamic"}:
                    raise ValueError(f"its month has an object {name[:40]!r} that is more than an object")
                left.append((depth + 1, body["properties"]))


def _only(properties: Mapping[str, Any], wanted: Collection[str], path: str = "") -> dict[str, Any]:
    """The fields of a mapping that rows have, each with parameters that hold one value.

    :raises ValueError: one of them does more than hold a value
    """
    kept: dict[str, Any] = {}
    for name, body in properties.items():
        full = f"{path}{name}"
        if "properties" in body:
            if inner := _only(body["properties"], wanted, f"{full}."):
                kept[name] = {"properties": inner}
        elif full in wanted:
            plain = all(isinstance(value, str | int | float) for value in body.values())
            if not plain or "copy_to" in body or body.get("type") not in _OWN_TYPES.get(full, (body.get("type"),)):
                raise ValueError(f"its month has a field {full[:80]!r} that is not one of rows")
            kept[name] = body
    return kept
