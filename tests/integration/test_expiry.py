"""A run over everything that has left the window: each day stands for itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from opensearchpy import OpenSearch

from opensearch_strata.cycle import Retirement, retire_expired
from opensearch_strata.retention import list_expired
from tests.mutations import change_a_sum
from tests.streams import DAY, Stream, StreamFactory, measurements
from tests.transform_api import TransformApi

NOW = datetime(2024, 12, 1, tzinfo=UTC)
KINDS = ["condensed", "late", "wrong", "never condensed", "empty", "closed", "of another type", "poorer", "read-only"]


def fill(stream: Stream, kind: str, offset: int) -> None:
    """Make one day of a kind."""
    day = DAY + timedelta(days=offset)
    index = stream.dataset.raw_index(day)
    match kind:
        case "never condensed":
            stream.fill(day, count=20)
            return
        case "empty":
            stream.create(day)
            return
        case "of another type":
            body = {"mappings": {"properties": {"device": {"type": "text"}}}, "settings": {"number_of_replicas": 0}}
            stream.client.indices.create(index=index, body=body)
            return
    stream.condensed(day, count=20)
    match kind:
        case "wrong":
            change_a_sum(stream, day)
        case "late":
            stream.write(measurements(day, count=3, seed=4), day)
        case "closed":
            stream.client.indices.close(index=index)
        case "poorer":
            stream.client.indices.delete(index=index)
            stream.fill(day, count=10)
        case "read-only":
            stream.set_block("read_only", on=True, day=day)


def expire(stream: Stream, client: OpenSearch, *, apply: bool) -> dict[str, Retirement]:
    """Kind -> what became of its day."""
    newest = DAY + timedelta(days=len(KINDS))
    expired = list_expired(client, stream.dataset, newest, NOW)
    retired = list(retire_expired(client, stream.dataset, expired, newest, apply=apply, engine="search"))
    assert [retirement.day for retirement in retired] == sorted(retirement.day for retirement in retired)
    return {KINDS[(retirement.day - DAY).days]: retirement for retirement in retired}


def test_a_day_that_cannot_go_never_keeps_the_others(make_stream: StreamFactory, client: OpenSearch) -> None:
    stream = make_stream(raw={"window_days": 1}, cycle={"max_deletes_per_run": len(KINDS)})
    for offset, kind in enumerate(KINDS):
        fill(stream, kind, offset)
    retired = expire(stream, client, apply=True)
    assert list(retired) == KINDS
    gone = {"condensed", "late", "wrong", "never condensed"}
    assert {kind for kind, retirement in retired.items() if retirement.outcome == "deleted"} == gone
    assert {kind for offset, kind in enumerate(KINDS) if not stream.exists(DAY + timedelta(days=offset))} == gone
    for kind, words in {
        "empty": "is empty, which proves nothing",
        "closed": "is closed, so its documents cannot be read",
        "of another type": "field 'device' is text",
        "poorer": "rows are not rebuilt from less",
        "read-only": "set index.blocks.read_only to null",
    }.items():
        assert retired[kind].outcome == "kept"
        assert words in retired[kind].note
    assert (retired["late"].documents, retired["never condensed"].documents) == (23, 20)


def test_without_apply_nothing_changes(make_stream: StreamFactory, client: OpenSearch) -> None:
    stream = make_stream(raw={"window_days": 1}, cycle={"max_deletes_per_run": len(KINDS)})
    for offset, kind in enumerate(KINDS[:3]):
        fill(stream, kind, offset)
    before = stream.rows()
    retired = expire(stream, client, apply=False)
    outcomes = {kind: retirement.outcome for kind, retirement in retired.items()}
    assert outcomes == {"condensed": "dry_run", "late": "kept", "wrong": "kept"}
    assert stream.rows() == before
    assert all(stream.exists(DAY + timedelta(days=offset)) for offset in range(3))


def test_a_server_that_is_busy_for_one_day_does_not_keep_the_others(
    make_stream: StreamFactory, opensearch_url: str
) -> None:
    stream = make_stream(raw={"window_days": 1})
    for offset in range(2):
        stream.condensed(DAY + timedelta(days=offset), count=20)
    with TransformApi(opensearch_url) as api, OpenSearch(api.url) as client:
        api.faults.refuse(1, 429, path=f"/{stream.dataset.raw_index(DAY)}/_search")
        expired = list_expired(client, stream.dataset, DAY + timedelta(days=2), NOW)
        kept, deleted = retire_expired(client, stream.dataset, expired, DAY + timedelta(days=2), apply=True)
    assert (kept.outcome, deleted.outcome) == ("kept", "deleted")
    assert "OpenSearch answered 429" in kept.note
    assert (stream.exists(DAY), stream.exists(DAY + timedelta(days=1))) == (True, False)
