"""The documents of an archived day into an index that nobody else knows, to see that they can be read and written.

Lines become requests as in every restore. But nobody else writes to the index, so there is no ledger, and no document
that may already be there.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, NoReturn

from opensearch_strata.archive.bulk.body import Body
from opensearch_strata.archive.bulk.requests import create, unusual
from opensearch_strata.archive.decode.layers import decoded
from opensearch_strata.archive.events import Place
from opensearch_strata.archive.export.content import Content
from opensearch_strata.archive.export.folder import KnownManifest
from opensearch_strata.archive.lines import lines_in
from opensearch_strata.archive.load.restored_objects import run_of
from opensearch_strata.archive.store.manifest import Archived, Measure
from opensearch_strata.archive.store.objects import open_object
from opensearch_strata.connections.retrying import part_of, patiently
from opensearch_strata.errors import Refused
from opensearch_strata.errors.judging import explain, is_transient

if TYPE_CHECKING:
    from botocore.client import BaseClient
    from opensearchpy import OpenSearch

_BODY_BYTES = 5 << 20
_IN_FLIGHT = 2
_PATIENCE = 300.0  # seconds for which OpenSearch may refuse a request for now
_CONFLICT = 409  # an earlier attempt, whose response was lost, has created the document


def write_archived(
    client: OpenSearch,
    s3: BaseClient,
    known: KnownManifest,
    key_of: Callable[[str], str],
    index: str,
    on_documents: Callable[[int], None] = lambda _: None,
) -> Content:
    """Write every document of an archived day into an empty index, under its own id and routing.

    :param known: the manifest of the day
    :param key_of: where an object is that the manifest names
    :param index: exact name
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
            place = Place(known.place.bucket, key_of(archived.key), archived.etag or "")
            for body in _bodies(s3, place, archived, content, index):
                if len(sent) > _IN_FLIGHT:
                    sent.popleft().result()
                sent.append(pool.submit(patiently, lambda body=body: _write(client, body), _PATIENCE))
                on_documents(len(body))
        for one in sent:
            one.result()
    return content


def _bodies(s3: BaseClient, place: Place, archived: Archived, content: Content, index: str) -> Iterator[Body[None]]:
    def on_broken(line: int, why: str) -> NoReturn:
        raise Refused(f"Line {line + 1:,} of {place} cannot be restored. {why}")

    measure, body, number = Measure(), Body[None](), 0
    blocks = open_object(s3, place, archived.stored_bytes or 0)
    for lines in lines_in(measure.watched(decoded(blocks))):
        content.add(lines)
        body.extend(index, run_of(index, number, lines, on_broken), None)
        number += len(lines)
        if body.size >= _BODY_BYTES:
            yield body
            body = Body[None]()
    if body:
        yield body
    if difference := measure.difference(archived):
        raise Refused(f"{place} is not what was written: {difference}.")


def _write(client: OpenSearch, body: Body[None]) -> None:
    """Create the documents of a body; safe to repeat.

    :raises Refused: OpenSearch does not accept one of them
    :raises BulkIndexError: it does not accept some of them right now
    """
    from opensearchpy.helpers.errors import BulkIndexError

    answer = unusual(create(client, body), body)
    if answer is None or answer["errors"] is False:
        return
    items = part_of(answer, "items")
    refused = [item for item in items if next(iter(item.values())).get("status") not in (200, 201, _CONFLICT)]
    if not refused:
        return
    error = BulkIndexError(f"{len(refused)} refused", refused)
    if is_transient(error):
        raise error
    raise Refused(f"An archived document was not accepted. {explain(error)}")
