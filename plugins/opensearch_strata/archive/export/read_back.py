"""Objects of an archive read back from S3, through the layers and limits that a restore uses."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from opensearch_strata.archive.decode.layers import decoded
from opensearch_strata.archive.events import Place
from opensearch_strata.archive.export.content import Content
from opensearch_strata.archive.lines import lines_in
from opensearch_strata.archive.store.manifest import Archived, Measure
from opensearch_strata.archive.store.objects import open_object
from opensearch_strata.errors import Refused

if TYPE_CHECKING:
    from botocore.client import BaseClient


def read_back(
    s3: BaseClient, bucket: str, key: str, archived: Archived, on_documents: Callable[[int], None] = lambda _: None
) -> Content:
    """Read one object to its end.

    :param bucket: its bucket
    :param key: where it is
    :param archived: what the manifest says of it
    :param on_documents: called with the number of documents of each step
    :returns: what it holds
    :raises Refused: it is not what was written, with what differs
    :raises Damaged: it cannot be decompressed
    """
    content, measure = Content(), Measure()
    place = Place(bucket, key, archived.etag or "")
    blocks = open_object(s3, place, archived.stored_bytes or 0)
    for lines in lines_in(measure.watched(decoded(blocks))):
        content.add(lines)
        on_documents(len(lines))
    if difference := measure.difference(archived):
        raise Refused(f"{place} is not what was written: {difference}.")
    return content
