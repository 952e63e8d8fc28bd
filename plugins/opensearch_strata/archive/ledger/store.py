"""The ledger: which objects are loaded, which are being loaded, by whom and how far. It has one row per object version.

An object is loaded by one loader at a time. Whoever claims it holds a lease and renews it while loading; without
renewal, others may take the object over. Since documents get the same ids every time, a loader that notices this too
late does no harm.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from opensearch_strata.archive.events import Place
from opensearch_strata.archive.ledger.index import LEDGER_INDEX, Change, LedgerIndex, Stored
from opensearch_strata.archive.ledger.row_documents import ledger_row_id, row_of, source_of
from opensearch_strata.archive.ledger.rows import Claims, LeaseLost, ObjectRow
from opensearch_strata.archive.ledger.takeover import lost_days, retimed_days, taken_over, without_days
from opensearch_strata.archive.spans import Span
from opensearch_strata.connections.processes import is_dead, this_process
from opensearch_strata.connections.removals import Removals

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

    from opensearch_strata.archive.documents.reading import ReadAs

LEASE = 90.0
"""Seconds; a loader renews about every 20 s. The clocks of loaders may differ by a few seconds, but not by more."""

PATIENCE = 60.0
"""Seconds for which a fault of the ledger itself is waited out; shorter than a lease."""

DAY_LEASE = 6 * 3600.0
"""Seconds for which a raw day stays registered between two steps of a run: a task may wait that long for a worker."""

_NAMED = 10
_PAGE = 1000


class Ledger:
    """Rows of one dataset. Safe to use from several threads and processes.

    Every method raises TransientError if the index cannot be used for longer than ``patience``, and Refused if the
    index rejects what is written.

    :param lease: seconds for which a claim is valid unless it is renewed
    :param day_lease: seconds for which a raw day stays registered as under load unless it is renewed
    :param patience: seconds for which faults of the index are waited out
    :param serverless: whether the client talks to OpenSearch Serverless
    """

    def __init__(
        self,
        client: OpenSearch,
        dataset_name: str,
        *,
        index: str = LEDGER_INDEX,
        lease: float = LEASE,
        day_lease: float = DAY_LEASE,
        patience: float = PATIENCE,
        serverless: bool = False,
    ) -> None:
        self.dataset_name = dataset_name
        self.lease = lease
        self.day_lease = day_lease
        self.index = LedgerIndex(client, index, patience=patience, serverless=serverless)

    def ensure(self) -> None:
        """Create the index, if necessary, and its template. Every run calls this once.

        :raises Refused: an index with other mappings exists, or a template is in the way
        """
        self.index.ensure()

    def rows(self, places: Iterable[Place]) -> dict[Place, ObjectRow]:
        """The rows of objects; objects that nobody ever claimed are left out.

        :param places: of the objects
        """
        found = self.index.get(ledger_row_id(self.dataset_name, place) for place in places)
        rows = [row_of(stored.source, stored.seq_no, stored.primary_term) for stored in found.values()]
        return {row.place: row for row in rows}

    def claim(
        self,
        objects: Iterable[tuple[Place, int]],
        span: Span,
        owner: str,
        *,
        leave_suspects: bool = False,
        now: ReadAs | None = None,
    ) -> Claims:
        """Take objects that nobody else is loading.

        These are new, interrupted, failed and quarantined objects, those that were loaded for other ranges only, and
        those whose loads are obsolete, unless their events may have other times now: see :meth:`ObjectRow.obsolete`.

        :param objects: each with its size in bytes
        :param span: event times that will be loaded
        :param owner: who loads them, a name that no other loader uses
        :param leave_suspects: do not take objects whose loaders died: if they were claimed together with others, it
            would not be known which object kills the next loader
        :param now: how the objects will be read; None if that makes no difference
        """
        claims = Claims()
        sizes = dict(objects)
        tried: dict[Place, int] = {}
        while sizes:
            wanted = []
            there = self.rows(sizes)
            moment = now_ms()
            for place, size in sizes.items():
                row = there.get(place)
                obsolete = row and row.obsolete(span, now)
                if row is None:
                    wanted.append(ObjectRow(place, size, span))
                elif row.owner == owner and row.attempt == tried.get(place):
                    claims.claimed.append(row)  # we wrote it, but the response was lost
                elif obsolete == "times" or (obsolete is None and row.is_done_for(span)):
                    claims.done.append(row)
                elif _is_held(row, moment):
                    claims.busy.append(row)
                elif (taken := taken_over(replace(row, size=size), span)).deaths and leave_suspects:
                    claims.suspects.append(row)
                else:
                    wanted.append(taken)
            wanted = [replace(row, owner=owner, process=this_process(), lease_until=self.new_lease()) for row in wanted]
            tried = {row.place: row.attempt for row in wanted}
            written, refused = self._write(wanted)
            claims.claimed.extend(written)
            sizes = {row.place: row.size for row in refused}
        return claims

    def renew(self, rows: Sequence[ObjectRow]) -> list[ObjectRow]:
        """Write rows as they are, with a new lease: a checkpoint.

        Rows that are gone because the index was deleted are claimed again.

        :param rows: as this load claimed or last wrote them
        :returns: the rows to continue with, in the same order
        :raises LeaseLost: somebody else took over some of them; the others were written
        """
        return self._save([replace(row, state="running", lease_until=self.new_lease()) for row in rows])

    def finish(self, rows: Sequence[ObjectRow]) -> list[ObjectRow]:
        """Write rows with their final state: done, quarantined or failed.

        :param rows: as this load claimed or last wrote them, each with its final state
        :raises LeaseLost: somebody else took over some of them; the others were written
        :raises ValueError: a row has no final state; nothing was written
        """
        if unfinished := [row for row in rows if row.state == "running"]:
            raise ValueError(f"{unfinished[0].place} has no final state")
        return self._save([replace(row, lease_until=0) for row in rows])

    def created_by_day(self) -> dict[str, int]:
        """Raw index -> documents created in it by any attempt, according to rows in any state.

        It is 0 if all documents already existed. A raw day that nobody else deletes from must hold at least this many
        documents, unless it was loaded, deleted and restored; see :meth:`created_by_uuid`.
        """
        source = {"sources": [{"index": {"terms": {"field": "days.index"}}}], "size": _PAGE}
        sums = {name: {"sum": {"field": f"days.{name}"}} for name in ("created", "earlier")}
        page: dict[str, Any] = {"composite": source, "aggs": sums}
        body = {
            "size": 0,
            "query": self.query("object"),
            "aggs": {"days": {"nested": {"path": "days"}, "aggs": {"page": page}}},
        }
        created: dict[str, int] = {}
        self.index.refresh()
        while True:
            found = self.index.search(body).get("aggregations", {}).get("days", {}).get("page", {})
            for day in found.get("buckets", []):
                created[day["key"]["index"]] = int(day["created"]["value"] + day["earlier"]["value"])
            if "after_key" not in found:
                return created
            source["after"] = found["after_key"]

    def created_by_uuid(self, indices: Collection[str]) -> dict[str, Counter[str]]:
        """Raw index -> UUID of each index that had this name -> documents created in it by any attempt.

        Documents of an index whose UUID no row knows are under an empty text. This reads all rows of these days, so ask
        only about days that seem to have lost documents.

        :param indices: names of raw indices
        """
        created: dict[str, Counter[str]] = {index: Counter() for index in indices}
        for row in self.rows_in(created):
            for index in row.indices & created.keys():
                created[index] += row.created_in(index)
        return created

    def rows_in(self, indices: Iterable[str]) -> Iterator[ObjectRow]:
        """Yield the rows of objects that have documents in raw indices.

        :param indices: names of raw indices
        """
        for stored in self.index.find(self._query_of_days(indices)):
            yield row_of(stored.source, stored.seq_no, stored.primary_term)

    def forget_days(
        self,
        indices: Collection[str],
        now: Mapping[str, Removals | None] | None = None,
        reading: ReadAs | None = None,
    ) -> int:
        """Forget loads whose documents in raw indices are gone, so that the objects are loaded again for those ranges.

        Rows of objects that are being loaded stay, and so do rows whose documents are all certain to exist, and rows of
        objects that must not be loaded again.

        :param indices: names of raw indices
        :param now: the present state of the indices, as for :func:`lost_days`; None if all of them are gone
        :param reading: how the objects will be read; None if that makes no difference
        :returns: number of objects whose loads were forgotten
        """
        now = dict.fromkeys(indices) if now is None else now
        query = self._query_of_days(indices)

        def without(stored: Stored) -> Iterator[Change]:
            row = row_of(stored.source, stored.seq_no, stored.primary_term)
            if not (_is_held(row, now_ms()) or (reading and retimed_days(row, reading, now))):
                left = without_days(row, lost_days(row, indices, now))
                source = source_of(self.dataset_name, left) if left else None
                if left is row:
                    return
                yield Change(stored.id, source, stored.seq_no, stored.primary_term)

        forgotten = 0
        found = self.index.find(query)
        while part := list(islice(found, _PAGE)):  # rows that are changed here no longer match the query
            changes = [change for stored in part for change in without(stored)]
            forgotten += sum(version is not None for version in self.index.write(changes))
        return forgotten

    def _query_of_days(self, indices: Iterable[str]) -> dict[str, Any]:
        """Query for the rows of objects that have documents in raw indices."""
        return self.query("object", {"nested": {"path": "days", "query": {"terms": {"days.index": sorted(indices)}}}})

    def quarantined(self) -> Iterator[ObjectRow]:
        """Yield the rows of objects in quarantine, in the order in which they were put there."""
        for stored in self.index.find(self.query("object", {"term": {"state": "quarantined"}})):
            yield row_of(stored.source, stored.seq_no, stored.primary_term)

    def query(self, kind: str, *filters: dict[str, Any]) -> dict[str, Any]:
        """Query for the dataset's documents of one kind.

        :param kind: ``object``, ``batch`` or ``settings``
        """
        ours = [{"term": {"kind": kind}}, {"term": {"dataset": self.dataset_name}}]
        return {"bool": {"filter": [*ours, *filters]}}

    def new_lease(self) -> int:
        """The end of a lease that begins now, epoch milliseconds."""
        return now_ms() + int(self.lease * 1000)

    def _write(self, rows: Sequence[ObjectRow]) -> tuple[list[ObjectRow], list[ObjectRow]]:
        """Write rows; return the written ones as they are now, and those that somebody else has changed."""
        versions = self.index.write(
            [
                Change(
                    ledger_row_id(self.dataset_name, row.place),
                    source_of(self.dataset_name, row),
                    row.seq_no,
                    row.primary_term,
                )
                for row in rows
            ]
        )
        both = list(zip(rows, versions, strict=True))
        written = [replace(row, seq_no=v.seq_no, primary_term=v.primary_term) for row, v in both if v is not None]
        return written, [row for row, version in both if version is None]

    def _save(self, rows: Sequence[ObjectRow]) -> list[ObjectRow]:
        """Write rows, reading them before each write.

        In an index that was deleted and recreated, sequence numbers start over, so those that a loader remembers may be
        those of somebody else's row.
        """
        saved: dict[Place, ObjectRow] = {}
        lost: list[tuple[ObjectRow, ObjectRow]] = []
        pending: Sequence[ObjectRow] = rows
        while pending:
            there = self.rows(row.place for row in pending)
            ours = []
            for row in pending:
                now = there.get(row.place)
                if now is None or _same_attempt(row, now):
                    version = (now.seq_no, now.primary_term) if now else (None, None)
                    ours.append(replace(row, seq_no=version[0], primary_term=version[1]))
                else:
                    lost.append((row, now))
            written, pending = self._write(ours)
            saved |= {row.place: row for row in written}
        if lost:
            raise LeaseLost(_lost_sentence(lost), [row for row, _ in lost], list(saved.values()))
        return [saved[row.place] for row in rows]


def now_ms() -> int:
    """The current time, epoch milliseconds."""
    return time.time_ns() // 1_000_000


def _is_held(row: ObjectRow, now: int) -> bool:
    """Whether somebody is loading the object, as far as is known: a dead process of this machine holds nothing."""
    return row.state == "running" and row.lease_until > now and not is_dead(row.process)


def _same_attempt(mine: ObjectRow, there: ObjectRow) -> bool:
    same = (mine.owner, mine.attempt) == (there.owner, there.attempt)
    return same and there.state in ("running", mine.state)


def _lost_sentence(lost: Sequence[tuple[ObjectRow, ObjectRow]]) -> str:
    named = ", ".join(f"{mine.place} (now {now.owner}, attempt {now.attempt})" for mine, now in lost[:_NAMED])
    more = f" and {len(lost) - _NAMED} more" if len(lost) > _NAMED else ""
    return (
        f"Somebody else took over {named}{more}, because the lease was not renewed in time and expired. The documents "
        f"that were loaded are kept, and their ids prevent duplicates; the other loader finishes the rest."
    )
