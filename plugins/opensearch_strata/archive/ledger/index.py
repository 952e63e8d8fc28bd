"""The index of the ledger: documents read and changed one by one, and its own faults waited out.

Every change is checked by sequence number: of two writers one wins and the other one knows. What passes by itself (no
connection, 429, 503, a block that is lifted, an index that was deleted and comes back by its template) is waited
for, but not for ever. What is confirmed is on the disk, whatever a template says of the index.
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
from opensearch_strata.errors.judging import TRANSIENT_STATUSES, explain, is_transient

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

LEDGER_INDEX = "strata-ledger"

_ITEMS = 1000
_BYTES = 4_000_000  # of a request; far below the 10 MiB that small domains and Serverless take
_PAGE = 1000
_PRIORITY = 1000  # above templates for all names; equal ones are refused by the server

_SETTINGS = {"index.number_of_shards": 1, "index.auto_expand_replicas": "0-1"}

_T = TypeVar("_T")


class Stored(NamedTuple):
    """A document as it was read, and what a change of it must name."""

    id: str
    source: dict[str, Any]
    seq_no: int
    primary_term: int


class Change(NamedTuple):
    """One write.

    :param source: None deletes
    :param seq_no: of the document that is changed, as is ``primary_term``; None: there must be none yet
    """

    id: str
    source: Mapping[str, Any] | None
    seq_no: int | None = None
    primary_term: int | None = None

    @property
    def lines(self) -> bytes:
        """The write in a bulk request."""
        if self.seq_no is None:
            action: dict[str, Any] = {"create": {"_id": self.id}}
        else:
            about = {"_id": self.id, "if_seq_no": self.seq_no, "if_primary_term": self.primary_term}
            action = {"delete" if self.source is None else "index": about}
        return b"".join(orjson.dumps(line) + b"\n" for line in (action, self.source) if line is not None)


class Version(NamedTuple):
    """What a write made of a document."""

    seq_no: int
    primary_term: int


class _NotNow(TransientError):  # noqa: N818 - reads as what happened
    """The server answered, but not all of what was asked."""


class LedgerIndex:
    """Documents of the ledger.

    :param patience: seconds for which a fault of the index is waited out
    :param serverless: whether it is OpenSearch Serverless, where nobody sets shards or asks for a refresh
    """

    def __init__(self, client: OpenSearch, name: str, *, patience: float, serverless: bool) -> None:
        self.client = client
        self.name = name
        self.serverless = serverless
        self._patience = patience

    def ensure(self) -> None:
        """Template first, so that an index which a write creates is mapped as well; then the index itself.

        :raises Refused: there is an index of another shape, or a template in the way
        :raises TransientError: the server does not answer, or not now
        """
        self.patiently(self._ensure)

    def get(self, ids: Iterable[str]) -> dict[str, Stored]:
        """Documents by id as they are at this moment, without any refresh; those that are missing are left out."""
        wanted = list(ids)
        found: dict[str, Stored] = {}
        for start in range(0, len(wanted), _ITEMS):
            part = wanted[start : start + _ITEMS]
            found |= {stored.id: stored for stored in self.patiently(partial(self._get, part))}
        return found

    def write(self, changes: Sequence[Change]) -> list[Version | None]:
        """What became of each change; None if the document is not as it said, so that nothing was written.

        A request that was answered by nobody is sent again; None may therefore also mean that it was written by us.

        :raises Refused: the index does not take such documents
        :raises TransientError: it does not take any for now; the changes before may be written
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
        """Read, change, write, until nobody is in between.

        :param changed: the new source by id and the present one (None if there is none); the present one, or None
            for none, leaves it
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
        """Every document that a query finds, after a refresh, in pages, in order of their writing."""
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
        """The answer to a search; an index that is missing has no documents."""
        return self.patiently(lambda: self._search(body))

    def _search(self, body: Mapping[str, Any]) -> Any:
        if not self.serverless:
            return decisive.search(self.client, self.name, body, ignore_unavailable="true")
        # No primaries to name, and no account of shards.
        return self.client.search(index=self.name, body=body, params={"ignore_unavailable": "true"})

    def refresh(self) -> None:
        """Let searches see what was written; Serverless does it by itself within seconds."""
        if not self.serverless:
            self.patiently(lambda: decisive.refresh(self.client, self.name, ignore_unavailable="true"))

    def patiently(self, call: Callable[[], _T]) -> _T:
        """The result of a call that is made again while its fault may pass.

        :raises TransientError: it did not pass
        """
        try:
            return patiently(call, self._patience, may_pass=_may_pass)
        except Exception as error:
            if not (_may_pass(error) or is_odd(error)):
                raise
            tried = f"{ODD_TRIES} times" if is_odd(error) else f"for {self._patience:g} s"
            raise TransientError(
                f"The ledger {self.name} could not be used {tried}: {explain(error)} What it says is kept, and so is "
                f"all that was loaded. Mend the index (a block is lifted with index.blocks.write: null), then run "
                f"again: it goes on from there."
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
                f"The ledger {self.name} cannot be set up: {explain(error)} Nothing was changed. Move an index or a "
                f"template of that name away; no other template may match it with priority {_PRIORITY}."
            ) from error

    def _make(self, shape: Mapping[str, Any]) -> None:
        template = {"index_patterns": [self.name], "priority": _PRIORITY, "template": shape}
        self.client.indices.put_index_template(name=self.name, body=template)
        if not self._created(shape):
            self.client.indices.put_mapping(index=self.name, body=MAPPINGS)

    def _mend(self) -> None:
        """Make safe what an index was made without, by hand or by a template of before."""
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
                f"The ledger {self.name} may lose what it confirmed, and the user may not mend it: {explain(error)} "
                f"Nothing was loaded. Set on it {wanted}."
            ) from error

    def _created(self, shape: Mapping[str, Any]) -> bool:
        from opensearchpy import RequestError

        try:
            self.client.indices.create(index=self.name, body=shape)
        except RequestError as error:
            if "resource_already_exists_exception" not in str(error.error):  # the text, where half of it was lost
                raise
            return False
        return True

    def _get(self, ids: list[str]) -> list[Stored]:
        docs = self._documents(ids)
        for fault in (doc["error"] for doc in docs if "error" in doc):
            # No answer is not the same as no document.
            if fault["type"] == "security_exception":
                raise Refused(
                    f"The ledger {self.name} cannot be read: {fault['reason']}. Nothing was changed. Give the user "
                    f"the role of a backfill."
                )
            if fault["type"] != "index_not_found_exception":
                raise _NotNow(f"A document cannot be read, {fault['type']} ({fault['reason']}).")
        return [Stored(d["_id"], d["_source"], d["_seq_no"], d["_primary_term"]) for d in docs if d.get("found")]

    def _documents(self, ids: list[str]) -> Sequence[Mapping[str, Any]]:
        if not self.serverless:
            return decisive.get_documents(self.client, [{"_index": self.name, "_id": identity} for identity in ids])
        docs: Sequence[Mapping[str, Any]] = part_of(self.client.mget(index=self.name, body={"ids": ids}), "docs")
        if len(docs) != len(ids):
            raise OddAnswer(f"OpenSearch answered for {len(docs)} of {len(ids)} documents.")
        return docs

    def _write(self, part: Sequence[Change], settled: dict[int, Version | None]) -> None:
        """Send what is not settled yet.

        :raises _NotNow: some of it is still not settled
        """
        pending = [position for position in range(len(part)) if position not in settled]
        body = b"".join(part[position].lines for position in pending)
        items = part_of(self.client.bulk(body=body, index=self.name), "items")
        if len(items) != len(pending):
            raise OddAnswer(f"OpenSearch answered on {len(items)} of {len(pending)} documents.")
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
                    f"The ledger {self.name} does not take a document: {error.get('type')} ({error.get('reason')}). "
                    f"Nothing else was changed. Give it the permission or the mapping it needs, or delete the index: "
                    f"then all objects are loaded again, which adds nothing twice."
                )
        if fault.get("type") == "index_not_found_exception":
            with suppress(TransientError):
                self._ensure()
        if fault:
            raise _NotNow(f"A document cannot be written, {fault['type']} ({fault['reason']}).")


# A block may be lifted; an index may be made again, by its template or by us.
_PASSING = frozenset({"cluster_block_exception", "index_not_found_exception"})


def _may_pass(error: BaseException) -> bool:
    from opensearchpy import AuthorizationException

    return is_transient(error) or (isinstance(error, AuthorizationException) and error.error in _PASSING)


def _parts(changes: Sequence[Change]) -> Iterator[Sequence[Change]]:
    """Slices that fit into a request each."""
    start = size = 0
    for end, change in enumerate(changes):
        length = len(change.lines)
        if end > start and (end - start == _ITEMS or size + length > _BYTES):
            yield changes[start:end]
            start, size = end, 0
        size += length
    if start < len(changes):
        yield changes[start:]
