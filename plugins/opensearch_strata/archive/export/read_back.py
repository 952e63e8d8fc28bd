"""Objects of an archive read back from S3, through the layers and limits that a restore uses."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from opensearch_strata.archive.decode.layers import decoded
from opensearch_strata.archive.events import Place
from opensearch_strata.archive.export.content import Content
from opensearch_strata.archive.export.parts import head
from opensearch_strata.archive.lines import lines_in
from opensearch_strata.archive.store.manifest import Archived, Measure
from opensearch_strata.archive.store.objects import open_object
from opensearch_strata.errors import Refused

if TYPE_CHECKING:
    from botocore.client import BaseClient

_PARALLEL = 2  # objects that are read at the same time


def read_back_all(
    s3: BaseClient,
    bucket: str,
    objects: Iterable[tuple[str, Archived]],
    on_documents: Callable[[int], None] = lambda _: None,
) -> Content:
    """Read objects to their ends, two at a time: one is fetched and decompressed while the other one is hashed.

    :param bucket: their bucket
    :param objects: key, and what the manifest says of it
    :param on_documents: called in this thread with the number of documents of each object
    :returns: what they hold together
    :raises Refused: one is not what was written, with what differs
    :raises Damaged: one cannot be decompressed
    """
    whole = Content()
    with ThreadPoolExecutor(_PARALLEL, thread_name_prefix="strata-read-back") as pool:
        reads = [pool.submit(read_back, s3, bucket, key, archived) for key, archived in objects]
        try:
            for read in reads:
                content = read.result()
                whole.join(content)
                on_documents(content.documents)
        finally:
            for read in reads:
                read.cancel()
    return whole


def read_back(s3: BaseClient, bucket: str, key: str, archived: Archived) -> Content:
    """Read one object to its end.

    :param bucket: its bucket
    :param key: where it is
    :param archived: what the manifest says of it
    :returns: what it holds
    :raises Refused: it is not what was written, with what differs
    :raises Damaged: it cannot be decompressed
    """
    content, measure = Content(), Measure()
    there = archived
    if archived.stored_bytes is None:  # a manifest of version 1
        there = archived.model_copy(update=head(s3, bucket, key))
    place = Place(bucket, key, there.etag or "")
    blocks = open_object(s3, place, there.stored_bytes or 0)
    for lines in lines_in(measure.watched(decoded(blocks))):
        content.add(lines)
    if difference := measure.difference(archived):
        raise Refused(f"{place} is not what was written: {difference}.")
    return content
