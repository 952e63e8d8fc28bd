"""One day of a dataset in detail: what its copies say about one another, and who loaded what into it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, NamedTuple

from opensearch_strata.archive.ledger.row_documents import row_of
from opensearch_strata.archive.ledger.store import Ledger
from opensearch_strata.connections.retrying import part_of
from opensearch_strata.workflows.audit.archived import listed_archive, see_archive
from opensearch_strata.workflows.audit.day_findings import judge_day
from opensearch_strata.workflows.audit.findings import Finding
from opensearch_strata.workflows.audit.inventory import DayState
from opensearch_strata.workflows.overview.kinds import Cell
from opensearch_strata.workflows.overview.overview import Overview

if TYPE_CHECKING:
    from botocore.client import BaseClient
    from opensearchpy import OpenSearch

_MOST_OBJECTS = 50


class Loaded(NamedTuple):
    """An object of the ledger that held events of a day.

    :param place: its ``s3://`` address
    :param state: of its row
    :param created: documents that it created in the raw day, over all attempts
    :param dead: its records that could not be loaded
    :param error: why it is in quarantine or failed; empty otherwise
    """

    place: str
    state: str
    created: int
    dead: int
    error: str


@dataclass(frozen=True)
class OneDay:
    """A day in detail.

    :param findings: what an audit says of it without reading its documents, the worst first
    :param loaded: objects of the ledger, the first ones in the order of writing
    :param objects: how many objects of the ledger there are
    :param loading: who is loading into it, a sentence; empty if nobody is
    """

    cell: Cell
    state: DayState
    findings: list[Finding] = field(default_factory=list)
    loaded: Sequence[Loaded] = ()
    objects: int = 0
    loading: str = ""


def look_at_day(client: OpenSearch, s3: BaseClient | None, overview: Overview, day: date) -> OneDay | None:
    """Look at a day that an overview knows; None if it does not know it. Changes nothing.

    :param s3: client of the archive's bucket; None if the dataset has no archive
    :param overview: of the dataset, from a moment ago
    :raises Refused: the archive or the ledger may not be read
    :raises TransientError: OpenSearch or S3 did not answer
    """
    cell = overview.by_day.get(day)
    if cell is None:
        return None
    dataset = overview.dataset
    (state,) = [one for one in overview.inventory.days if one.day == day]
    archive = see_archive(client, s3, dataset, state) if s3 and state.objects else listed_archive(dataset, state)
    findings = judge_day(dataset, state, archive, overview.inventory)
    loaded, objects = _loaded(Ledger(client, dataset.name, patience=0.0), dataset.raw_index(day))
    return OneDay(cell, state, findings, loaded, objects, overview.loading.get(day, ""))


def _loaded(ledger: Ledger, index: str) -> tuple[list[Loaded], int]:
    """Objects that held events of a raw day, and how many they are."""
    held = {"nested": {"path": "days", "query": {"term": {"days.index": index}}}}
    body = {"size": _MOST_OBJECTS, "query": ledger.query("object", held), "sort": ["_seq_no"], "track_total_hits": True}
    found = ledger.index.search(body)
    rows = [row_of(hit["_source"], 0, 0) for hit in part_of(found, "hits", "hits")]
    loaded = [
        Loaded(f"{row.place}", row.state, row.created_in(index).total(), row.counts.dead, row.error) for row in rows
    ]
    return loaded, int(part_of(found, "hits", "total")["value"])
