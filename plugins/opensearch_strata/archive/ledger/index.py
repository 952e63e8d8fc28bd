"""The index of the ledger: reads and changes single documents, and waits out faults of the index itself.

Every change is conditional on a sequence number: of two writers one wins, and the other one finds out. Faults that pass
on their own (no connection, 429, 503, a block that is lifted, an index that was deleted and is recreated by its
template) are waited out, but not forever. Confirmed writes are on disk, whatever a template sets for the index.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import orjson

from opensearch_strata.archive.ledger.mapping import MAPPINGS
from opensearch_strata.connections import decisive
from opensearch_strata.connections.retrying import ODD_TRIES, OddAnswer, is_odd, part_of, patiently
from opensearch_strata.connections.safe_settings import made_safely, weaker
from opensearch_strata.errors import Refused, TransientError
from opensearch_strata.errors.amounts import counted
from opensearch_strata.errors.judging import TRANSIENT_STATUSES, explain, is_transient

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

LEDGER_INDEX = "strata-ledger"

_ITEMS = 1000
_BYTES = 4_000_000  # in one request; far below the 10 MiB that small domains and Serverless accept
_PAGE = 1000
_PRIORITY = 1000  # above templates that match all names; the server refuses templates with equal priorities

_SETTINGS = {"index.number_of_shards": 1, "index.auto_expand_replicas": "0-1"}

_T = TypeVar("_T")


class Stored(NamedTuple):
    """A document as it was read, with the version that a change to it must name."""

    id: str
    source: dict[str, Any]
    seq_no: int
    primary_term: int


class Change(NamedTuple):
    """One write.

    :param source: the new source; None deletes the document
    :param seq_no: sequence number of the document to change, as ``primary_term`` is its term; None if the document must
        not exist yet
    """

    id: str
    source: Mapping[str, Any] | None
    seq_no: int | None = None
    primary_term: int | None = None

    @property
    def lines(self) -> bytes:
        """The lines of the write in a bulk request."""
        if self.seq_no is None:
            action: dict[str, Any] = {"create": {"_id": self.id}}
        else:
            about = {"_id": self.id, "if_seq_no": self.seq_no, "if_primary_term": self.primary_term}
            action = {"delete" if self.source is None else "index": about}
        return b"".join(orjson.dumps(line) + b"\n" for line in (action, self.source) if line is not None)


class Version(NamedTuple):
    """The version of a document after a write."""

    seq_no: int
    primary_term: int


class _NotNow(TransientError):  # noqa: N818 - reads as what happened
    """The server answered, but could not do everything that was asked."""


class LedgerIndex:
    """Documents of the ledger.

    :param patience: seconds for which a fault of the index is waited out
    :param serverless: whether it is OpenSearch Serverless, where shards cannot be set and a refresh cannot be requested
    """

    def __init__(self, client: OpenSearch, name: str, *, patience: float, serverless: bool) -> None:
        self.client = client
        self.name = name
        self.serverless = serverless
        self._patience = patience

    def ensure(self) -> None:
        """Create the template, so that even an index created by a write is mapped; then create the index itself.

        :raises Refused: an index with other mappings exists, or a template is in the way
        :raises TransientError: the server does not answer, or cannot do it right now
        """
        self.patiently(self._ensure)

    def get(self, ids: Iterable[str]) -> dict[str, Stored]:
        """Documents by id as they are at this moment, without a refresh; missing ones are left out."""
        wanted = list(ids)
        found: dict[str, Stored] = {}
        for start in range(0, len(wanted), _ITEMS):
            part = wanted[start : start + _ITEMS]
            found |= {stored.id: stored for stored in self.patiently(partial(self._get, part))}
        return found

    def write(self, changes: Sequence[Change]) -> list[Version | None]:
        """Write changes and return the new version of each; None if the document was not as the change expected.

        With None nothing was written. But a request without a response is sent again, so None may also mean that the
        first attempt wrote the change.

        :raises Refused: the index does not accept such documents
        :raises TransientError: the index accepts no documents right now; earlier changes may have been written
        """
        written: list[Version | None] = []
        for part in _parts(changes):
            settled: dict[int, Version | None] = {}
            self.patiently(partial(self._write, part, settled))
            written += [settled[position] for position in range(len(part))]
        return written

    def change(
        self, ids: Iterable[str], changed: Callable[[str, dict[str, Any] | None], Mapping[str, Any] | None]
    ) -> None:
        """Read, change and write documents, repeating until no other writer comes in between.

        :param changed: returns the new source, given the id and the present source (None if there is none); the
            document stays as it is if this returns the present source or None
        """
        pending = list(ids)
        while pending:
            there = self.get(pending)
            changes = []
            for identity in pending:
                stored = there.get(identity)
                source = changed(identity, stored.source if stored else None)
                if source is not None and (stored is None or source != stored.source):
                    about = (stored.seq_no, stored.primary_term) if stored else (None, None)
                    changes.append(Change(identity, source, *about))
            outcomes = self.write(changes)
            pending = [change.id for change, version in zip(changes, outcomes, strict=True) if version is None]

    def find(self, query: Mapping[str, Any]) -> Iterator[Stored]:
        """Yield every document that matches a query, after a refresh, page by page, in the order of writing."""
        self.refresh()
        body: dict[str, Any] = {"size": _PAGE, "query": query, "sort": ["_seq_no"], "seq_no_primary_term": True}
        while True:
            hits = part_of(self.search(body), "hits", "hits")
            for hit in hits:
                yield Stored(hit["_id"], hit["_source"], hit["_seq_no"], hit["_primary_term"])
            if len(hits) < _PAGE:
                return
            body["search_after"] = hits[-1]["sort"]

    def search(self, body: Mapping[str, Any]) -> Any:
        """The response to a search; a missing index has no documents."""
        return self.patiently(lambda: self._search(body))

    def _search(self, body: Mapping[str, Any]) -> Any:
        if not self.serverless:
            return decisive.search(self.client, self.name, body, ignore_unavailable="true")
        # Primaries cannot be selected, and responses do not report shards.
        return self.client.search(index=self.name, body=body, params={"ignore_unavailable": "true"})

    def refresh(self) -> None:
        """Refresh the index, so that searches see what was written. Serverless refreshes on its own within seconds."""
        if not self.serverless:
            self.patiently(lambda: decisive.refresh(self.client, self.name, ignore_unavailable="true"))

    def patiently(self, call: Callable[[], _T]) -> _T:
        """The result of a call, which is repeated as long as its fault may pass.

        :raises TransientError: the fault did not pass
        """
        try:
            return patiently(call, self._patience, may_pass=_may_pass)
        except Exception as error:
            if not (_may_pass(error) or is_odd(error)):
                raise
            tried = f"{ODD_TRIES} times" if is_odd(error) else f"for {self._patience:g} s"
            raise TransientError(
                f"The ledger {self.name} could not be used {tried}: {explain(error)} Its contents are kept, and so is "
                f"everything that was loaded. Repair the index (to lift a block, set index.blocks.write to null), then "
                f"run again; it resumes where it stopped."
            ) from error

    def _ensure(self) -> None:
        from opensearchpy import RequestError

        try:
            if self.serverless:
                self._make({"mappings": MAPPINGS})
            else:
                made_safely(lambda safe: self._make({"mappings": MAPPINGS, "settings": {**_SETTINGS, **safe}}))
                self._mend()
        except RequestError as error:
            raise Refused(
                f"The ledger {self.name} cannot be set up: {explain(error)} Nothing was changed. Remove any other "
                f"index or template of that name; no other template may match it with priority {_PRIORITY}."
            ) from error

    def _make(self, shape: Mapping[str, Any]) -> None:
        template = {"index_patterns": [self.name], "priority": _PRIORITY, "template": shape}
        self.client.indices.put_index_template(name=self.name, body=template)
        if not self._created(shape):
            self.client.indices.put_mapping(index=self.name, body=MAPPINGS)

    def _mend(self) -> None:
        """Restore the safe settings that the index lacks, if it was created by hand or by an earlier template."""
        from opensearchpy import AuthorizationException

        found = self.client.indices.get_settings(index=self.name, params={"flat_settings": "true"})
        lacking = [weaker(part_of(index, "settings")) for index in found.values()]
        if not any(lacking):
            return
        wanted = {key: value for one in lacking for key, value in one.items()}
        try:
            self.client.indices.put_settings(index=self.name, body=wanted)
        except AuthorizationException as error:
            if _may_pass(error):
                raise
            raise Refused(
                f"The ledger {self.name} may lose confirmed writes, and the user may not change its settings: "
                f"{explain(error)} Nothing was loaded. Apply these settings to it: {wanted}."
            ) from error

    def _created(self, shape: Mapping[str, Any]) -> bool:
        from opensearchpy import RequestError

        try:
            self.client.indices.create(index=self.name, body=shape)
        except RequestError as error:
            if "resource_already_exists_exception" not in str(error.error):  # the raw text, if the response was cut off
                raise
            return False
        return True

    def _get(self, ids: list[str]) -> list[Stored]:
        docs = self._documents(ids)
        for fault in (doc["error"] for doc in docs if "error" in doc):
            # A missing answer does not mean that the document is missing.
            if fault["type"] == "security_exception":
                raise Refused(
                    f"The ledger {self.name} cannot be read: {fault['reason']}. Nothing was changed. Give the user "
                    f"the role of a backfill."
                )
            if fault["type"] != "index_not_found_exception":
                raise _NotNow(f"A document cannot be read: {fault['type']} ({fault['reason']}).")
        return [Stored(d["_id"], d["_source"], d["_seq_no"], d["_primary_term"]) for d in docs if d.get("found")]

    def _documents(self, ids: list[str]) -> Sequence[Mapping[str, Any]]:
        if not self.serverless:
            return decisive.get_documents(self.client, [{"_index": self.name, "_id": identity} for identity in ids])
        docs: Sequence[Mapping[str, Any]] = part_of(self.client.mget(index=self.name, body={"ids": ids}), "docs")
        if len(docs) != len(ids):
            raise OddAnswer(f"OpenSearch returned results for {len(docs)} of {counted(len(ids), 'document')}.")
        return docs

    def _write(self, part: Sequence[Change], settled: dict[int, Version | None]) -> None:
        """Send the changes that are not settled yet.

        :raises _NotNow: some of them are still not settled
        """
        pending = [position for position in range(len(part)) if position not in settled]
        body = b"".join(part[position].lines for position in pending)
        items = part_of(self.client.bulk(body=body, index=self.name), "items")
        if len(items) != len(pending):
            raise OddAnswer(f"OpenSearch returned results for {len(items)} of {counted(len(pending), 'document')}.")
        fault: dict[str, Any] = {}
        for position, item in zip(pending, items, strict=True):
            (outcome,) = item.values()
            error = outcome.get("error") or {}
            if outcome["status"] == 409:
                settled[position] = None
            elif not error and "_seq_no" in outcome:
                settled[position] = Version(outcome["_seq_no"], outcome["_primary_term"])
            elif outcome["status"] in TRANSIENT_STATUSES or error.get("type") in _PASSING:
                fault = error
            else:
                raise Refused(
                    f"The ledger {self.name} rejected a document: {error.get('type')} ({error.get('reason')}). Other "
                    f"documents of the same request may have been written. Grant the permission or add the mapping "
                    f"that is needed, or delete the index: then all objects are loaded again, which duplicates nothing."
                )
        if fault.get("type") == "index_not_found_exception":
            with suppress(TransientError):
                self._ensure()
        if fault:
            raise _NotNow(f"A document cannot be written: {fault['type']} ({fault['reason']}).")


# A block may be lifted; an index may be recreated, by its template or by us.
_PASSING = frozenset({"cluster_block_exception", "index_not_found_exception"})


def _may_pass(error: BaseException) -> bool:
    from opensearchpy import AuthorizationException

    return is_transient(error) or (isinstance(error, AuthorizationException) and error.error in _PASSING)


def _parts(changes: Sequence[Change]) -> Iterator[Sequence[Change]]:
    """Yield slices that each fit into one request."""
    start = size = 0
    for end, change in enumerate(changes):
        length = len(change.lines)
        if end > start and (end - start == _ITEMS or size + length > _BYTES):
            yield changes[start:end]
            start, size = end, 0
        size += length
    if start < len(changes):
        yield changes[start:]
