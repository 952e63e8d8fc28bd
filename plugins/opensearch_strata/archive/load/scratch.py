"""The documents of an archived day into an index that nobody else knows, to see that they can be read and written."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import orjson

from opensearch_strata.archive.decode.layers import decoded
from opensearch_strata.archive.events import Place
from opensearch_strata.archive.export.content import Content
from opensearch_strata.archive.export.folder import KnownManifest
from opensearch_strata.archive.lines import Hit, document_of, lines_in
from opensearch_strata.archive.store.manifest import Archived, Measure
from opensearch_strata.archive.store.objects import open_object
from opensearch_strata.connections.retrying import patiently
from opensearch_strata.errors import Refused
from opensearch_strata.errors.judging import explain, is_transient

if TYPE_CHECKING:
    from botocore.client import BaseClient
    from opensearchpy import OpenSearch

_BODY_BYTES = 5 << 20
_IN_FLIGHT = 2
_PATIENCE = 300.0  # seconds for which OpenSearch may refuse a request for now


def write_archived(
    client: OpenSearch,
    s3: BaseClient,
    known: KnownManifest,
    key_of: Callable[[str], str],
    index: str,
    on_documents: Callable[[int], None] = lambda _: None,
) -> Content:
    """Write every document of an archived day into an index, under its own id and routing.

    :param known: the manifest of the day
    :param key_of: where an object is that the manifest names
    :param index: exact name; documents of the same id are replaced
    :param on_documents: called with the number of documents of each step
    :returns: what the objects hold
    :raises Refused: an object is not what was written, or OpenSearch does not accept a document
    :raises Damaged: an object cannot be decompressed
    :raises ObjectGone: an object does not exist
    :raises ObjectChanged: an object has been rewritten
    """
    content = Content()
    with ThreadPoolExecutor(_IN_FLIGHT, thread_name_prefix="strata-scratch") as pool:
        sent: deque[Future[None]] = deque()
        for archived in known.manifest.objects:
            for hits in _bodies(
                s3, Place(known.place.bucket, key_of(archived.key), archived.etag or ""), archived, content
            ):
                if len(sent) > _IN_FLIGHT:
                    sent.popleft().result()
                sent.append(pool.submit(_write, client, index, hits))
                on_documents(len(hits))
        for one in sent:
            one.result()
    return content


def _bodies(s3: BaseClient, place: Place, archived: Archived, content: Content) -> Iterator[list[Hit]]:
    measure, hits, size = Measure(), list[Hit](), 0
    blocks = open_object(s3, place, archived.stored_bytes or 0)
    for lines in lines_in(measure.watched(decoded(blocks))):
        content.add(lines)
        for line in lines:
            hits.append(_document(place, line))
            size += len(line)
            if size >= _BODY_BYTES:
                yield hits
                hits, size = [], 0
    if hits:
        yield hits
    if difference := measure.difference(archived):
        raise Refused(f"{place} is not what was written: {difference}.")


def _document(place: Place, line: bytes) -> Hit:
    try:
        return document_of(line)
    except ValueError as error:
        raise Refused(f"{place} has a line that is not one of an archive ({error}).") from error


def _write(client: OpenSearch, index: str, hits: Sequence[Hit]) -> None:
    """Write documents; those whose source has line feeds one by one, because a bulk request ends them there."""
    together = [hit for hit in hits if b"\n" not in hit[2]]
    if together:
        patiently(lambda: _bulk(client, index, together), _PATIENCE)
    for hit in hits:
        if b"\n" in hit[2]:
            _single(client, index, hit)


def _bulk(client: OpenSearch, index: str, hits: Sequence[Hit]) -> None:
    from opensearchpy.helpers.errors import BulkIndexError

    lines = []
    for identity, routing, source in hits:
        lines += [orjson.dumps({"index": _action(identity, routing)}), source]
    kept = {"filter_path": "errors,items.*.error,items.*.status,items.*._id,items.*._index"}
    answer = client.bulk(body=b"\n".join([*lines, b""]), index=index, params=kept)
    if not answer["errors"]:
        return
    refused = [item for item in answer["items"] if "error" in next(iter(item.values()))]
    error = BulkIndexError(f"{len(refused)} refused", refused)
    if is_transient(error):
        raise error
    raise Refused(f"An archived document was not accepted. {explain(error)}")


def _action(identity: str, routing: str | None) -> dict[str, Any]:
    return {"_id": identity} if routing is None else {"_id": identity, "routing": routing}


def _single(client: OpenSearch, index: str, hit: Hit) -> None:
    from opensearchpy import RequestError

    identity, routing, source = hit
    params = {} if routing is None else {"routing": routing}
    try:
        patiently(lambda: client.index(index=index, id=identity, body=source, params=params), _PATIENCE)
    except RequestError as error:
        raise Refused(f"An archived document was not accepted. {explain(error)}") from error
