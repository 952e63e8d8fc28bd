"""Rows of the ledger as the documents that the index stores: their ids, and their sources. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from opensearch_strata.archive.causes import Cause
from opensearch_strata.archive.documents.reading import Landing
from opensearch_strata.archive.events import Place
from opensearch_strata.archive.ledger.loads import Counts, Loaded, Reach
from opensearch_strata.archive.ledger.rows import ObjectRow
from opensearch_strata.connections.removals import Removals
from opensearch_strata.definition.loading.event_rules import RuleMarks


def ledger_row_id(dataset: str, place: Place) -> str:
    """The ``_id`` of an object's row: short even for long keys (an ``_id`` may have 512 bytes, a key 1,024)."""
    # The key comes last because it is the only one of the four that may contain the separator.
    return _hashed("object", dataset, place.bucket, place.etag, place.key)


def batch_id(dataset: str, plan_id: str, number: int) -> str:
    """The ``_id`` of a batch of a plan."""
    return _hashed("batch", dataset, str(number), plan_id)


def settings_id(dataset: str, index: str) -> str:
    """The ``_id`` of the document about a raw index under load.

    :param dataset: name of the dataset
    :param index: the raw index
    """
    return _hashed("settings", dataset, index)


def _hashed(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def source_of(dataset: str, row: ObjectRow) -> dict[str, Any]:
    """The document of a row, as :data:`~opensearch_strata.archive.ledger.mapping.PROPERTIES` maps it."""
    return {
        "kind": "object",
        "dataset": dataset,
        "bucket": row.place.bucket,
        "key": row.place.key,
        "etag": row.place.etag,
        "size": row.size,
        "state": row.state,
        "owner": row.owner,
        "lease_until": row.lease_until,
        **({"process": row.process} if row.process else {}),
        "attempt": row.attempt,
        **({"deaths": row.deaths, "begun": row.begun} if row.deaths or row.begun else {}),
        **_source_of_load(row.current),
        "days": [
            _source_of_day(row.current, index) | ({"earlier": row.earlier[index]} if index in row.earlier else {})
            for index in sorted(row.indices)
        ],
        "resume": row.resume,
        "format": row.format,
        "layers": list(row.layers),
        "bytes_in": row.bytes_in,
        "seconds": row.seconds,
        "error": row.error,
        # A row without loads also fits an index from before loads were kept, which a run may still be using.
        **({"loads": [_source_of_load(load) for load in row.loads]} if row.loads else {}),
    }


def row_of(source: Mapping[str, Any], seq_no: int, primary_term: int) -> ObjectRow:
    """The row that :func:`source_of` turned into a document.

    :param source: the document
    :param seq_no: its sequence number; any number if the row is only looked at
    :param primary_term: of its last write, likewise
    """
    return ObjectRow(
        place=Place(source["bucket"], source["key"], source["etag"]),
        size=source["size"],
        state=source["state"],
        owner=source["owner"],
        lease_until=source["lease_until"],
        process=source.get("process", ""),
        attempt=source["attempt"],
        deaths=source.get("deaths", 0),
        begun=source.get("begun", 0),
        **vars(_load_of(source)),
        resume=source["resume"],
        format=source["format"],
        layers=tuple(source["layers"]),
        bytes_in=source["bytes_in"],
        seconds=source["seconds"],
        error=source["error"],
        earlier=_by_day(source, "earlier"),
        loads=tuple(_load_of(load) for load in source.get("loads", ())),
        seq_no=seq_no,
        primary_term=primary_term,
    )


def _source_of_load(load: Loaded) -> dict[str, Any]:
    return {
        "span_start": load.span[0],
        "span_end": load.span[1],
        **{name: count for name, count in asdict(load.counts).items() if name != "unwanted"},
        "days": [_source_of_day(load, index) for index in sorted(load.indices)],
        "samples": list(load.samples),
        # Rows without these also fit an index from before they were kept, which a run may still be using.
        **(
            {"causes": {why: [cause.records, cause.first] for why, cause in load.causes.items()}} if load.causes else {}
        ),
        **({"ahead": load.ahead, "latest": load.latest} if load.ahead else {}),
        **({"reach": list(load.reach)} if load.reach else {}),
        **({"unwanted": load.counts.unwanted, "rules": load.rules.text} if load.counts.unwanted else {}),
        **({"landing": load.landing.text} if load.landing else {}),
        **({"marks": {index: list(one) for index, one in load.removals.items()}} if load.removals else {}),
    }


def _source_of_day(load: Loaded, index: str) -> dict[str, Any]:
    return {"index": index, "created": load.days.get(index, 0), "existed": load.there.get(index, 0)}


def _load_of(source: Mapping[str, Any]) -> Loaded:
    span = source["span_start"], source["span_end"]
    counts = Counts(**{count.name: source.get(count.name, 0) for count in fields(Counts)})
    days, there = _by_day(source, "created"), _by_day(source, "existed")
    removals = {index: Removals(*one) for index, one in source.get("marks", {}).items()}
    causes = {reason: Cause(*cause) for reason, cause in source.get("causes", {}).items()}
    ahead = source.get("ahead", 0), source.get("latest", 0)
    reach = Reach(*source["reach"]) if "reach" in source else None
    rules = RuleMarks.read(source.get("rules", ""))
    landing = Landing.read(source["landing"]) if "landing" in source else None
    return Loaded(span, counts, days, there, tuple(source["samples"]), causes, removals, *ahead, reach, rules, landing)


def _by_day(source: Mapping[str, Any], number: str) -> dict[str, int]:
    return {day["index"]: day[number] for day in source["days"] if day.get(number)}
