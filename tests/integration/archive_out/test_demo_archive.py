"""What `make run` checks about archives and restored days, with everything that it must not overlook."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from opensearchpy import OpenSearch

from local.errors import StackError
from local.samples.demo import archives_of
from local.samples.raw_day import RawDay, read_raw_day, require_same
from opensearch_strata.connections.safe_settings import SAFE
from opensearch_strata.workflows.archiving import settings_of
from tests.archives import forget_ledger
from tests.raw_archives import archived, restore
from tests.streams import DAY, Stream, StreamFactory

CHANGED = '{"@timestamp":"2024-05-06T10:00:00Z","device":"d1"}'


@pytest.fixture
def stream(client: OpenSearch, make_stream: StreamFactory, bucket: str) -> Iterator[Stream]:
    """A dataset with an archive and one raw day."""
    made = make_stream(archive={"bucket": bucket, "prefix": "days/"}, engine="search")
    made.fill(DAY, 40)
    client.indices.put_settings(index=made.dataset.raw_index(DAY), body=dict(SAFE))  # as a backfill creates it
    client.index(index=made.dataset.raw_index(DAY), id="zürich/1?", body=CHANGED, params={"refresh": "true"})
    yield made
    forget_ledger(client, made.dataset.name)


def change(stream: Stream, how: str) -> None:
    """Change one thing of the raw day."""
    index, client = stream.dataset.raw_index(DAY), stream.client
    match how:
        case "a blank":
            client.index(index=index, id="zürich/1?", body=CHANGED.replace(",", ", "), params={"refresh": "true"})
        case "lost":
            client.delete(index=index, id="zürich/1?", params={"refresh": "true"})
        case "new":
            client.index(index=index, id="other", body=CHANGED, params={"refresh": "true"})
        case "mapping":
            client.indices.put_mapping(index=index, body={"properties": {"more": {"type": "keyword"}}})
        case _:
            client.indices.put_settings(index=index, body={"index.refresh_interval": "17s"})


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("a blank", "1 document of .* came back with another _source. zürich/1. was b'"),
        ("lost", "1 document of .* did not come back, such as zürich/1"),
        ("new", "came back with 1 document that it did not have: other"),
        ("mapping", "came back with other mappings: "),
        ("settings", "came back with other settings: "),
    ],
)
def test_a_restored_day_is_the_same_until_anything_differs(
    stream: Stream, opensearch_url: str, s3: Any, how: str, told: str
) -> None:
    index = stream.dataset.raw_index(DAY)
    before = read_raw_day(opensearch_url, index)
    assert (len(before.sources), before.sources["zürich/1?"]) == (41, CHANGED.encode())
    archived(stream, s3)
    stream.client.indices.delete(index=index)
    restore(stream, s3)
    require_same(index, before, read_raw_day(opensearch_url, index))
    change(stream, how)
    with pytest.raises(StackError, match=told):
        require_same(index, before, read_raw_day(opensearch_url, index))


def test_an_archive_is_what_the_day_was_until_anything_differs(stream: Stream, opensearch_url: str, s3: Any) -> None:
    index = stream.dataset.raw_index(DAY)
    before = read_raw_day(opensearch_url, index)
    with pytest.raises(StackError, match=rf"\[\] are archived, but \['{DAY}'\] were deleted"):
        archives_of(s3, stream.dataset, {DAY: before})
    (one,) = archived(stream, s3).manifest.objects
    (shown,) = archives_of(s3, stream.dataset, {DAY: before})
    assert (shown.day, shown.documents, shown.raw_bytes) == (DAY, 41, before.stored_bytes)
    assert shown.stored_bytes == one.stored_bytes
    fewer = RawDay(dict(list(before.sources.items())[1:]), before.mappings, before.settings, before.stored_bytes)
    with pytest.raises(StackError, match="is not what was deleted: it holds 41 documents"):
        archives_of(s3, stream.dataset, {DAY: fewer})
    s3.put_object(Bucket=settings_of(stream.dataset).bucket, Key=one.key, Body=b"other")
    with pytest.raises(StackError, match=f"The archive of {DAY} is not what was deleted: "):
        archives_of(s3, stream.dataset, {DAY: before})
