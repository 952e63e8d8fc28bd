"""What has left the window, and a run over all of it: each day stands for itself."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opensearchpy import OpenSearch

from opensearch_strata.errors import Refused
from opensearch_strata.workflows.cycle import Retirement, retire_expired
from opensearch_strata.workflows.expired import Expired, list_expired
from tests.mutations import change_a_sum
from tests.streams import DAY, Stream, StreamFactory, dataset_of, measurements
from tests.transform_api import TransformApi

NOW = datetime(2024, 12, 1, tzinfo=UTC)
WINDOW = {"window_days": 3}
KINDS = ["condensed", "late", "wrong", "never condensed", "empty", "closed", "of another type", "poorer", "read-only"]


@pytest.fixture(scope="module")
def many(make_stream: StreamFactory) -> Stream:
    """Eight raw days around DAY, one of them closed, and indices that only look like raw days."""
    stream = make_stream(raw=WINDOW)
    for offset in range(-5, 3):
        stream.create(DAY + timedelta(days=offset))
    name = stream.dataset.name
    for other in ("backup", "2024.13.01", "2024.05", "history-2024.04", "real"):
        stream.create(index=f"{name}-{other}")
    stream.client.indices.put_alias(index=f"{name}-real", name=f"{name}-2024.01.01")
    stream.client.indices.close(index=stream.dataset.raw_index(DAY - timedelta(days=4)))
    return stream


def expired_of(stream: Stream, day: date) -> Expired:
    return list_expired(stream.client, dataset_of(stream.dataset.name, raw=WINDOW), day, NOW)


def offsets(stream: Stream, day: date) -> list[int]:
    expired = expired_of(stream, day).indices
    assert [stream.dataset.raw_index(held) for held in expired.values()] == list(expired)
    return [(held - DAY).days for held in expired.values()]


def test_the_window_ends_with_its_day(many: Stream) -> None:
    assert offsets(many, DAY) == [-5, -4, -3]  # three days stay: -2, -1, 0
    assert offsets(many, DAY + timedelta(days=1)) == [-5, -4, -3, -2]
    assert offsets(many, DAY - timedelta(days=3)) == []


def test_days_that_were_missed_leave_with_the_next_run(many: Stream) -> None:
    assert offsets(many, DAY + timedelta(days=3)) == [-5, -4, -3, -2, -1, 0]


def test_a_window_longer_than_the_calendar_holds_everything(client: OpenSearch) -> None:
    assert list_expired(client, dataset_of("tnothing", raw={"window_days": 36_500}), date(1970, 1, 1), NOW) == Expired()


def test_what_holds_no_date_is_named_and_never_listed(many: Stream) -> None:
    expired = expired_of(many, DAY + timedelta(days=200))
    undated = [f"{many.dataset.name}-{other}" for other in ("2024.05", "2024.13.01", "backup", "real")]
    assert expired.undated == undated
    listed = [*expired.indices, *expired.undated]
    assert f"{many.dataset.name}-history-2024.04" not in listed
    assert f"{many.dataset.name}-2024.01.01" not in listed  # an alias


def test_nothing_is_listed_where_nothing_is(client: OpenSearch) -> None:
    assert list_expired(client, dataset_of("tnothing"), DAY, NOW) == Expired()


@pytest.mark.parametrize("now", [datetime(2024, 5, 6, 23, 59, tzinfo=UTC), datetime(2024, 5, 1, tzinfo=UTC)])
def test_a_day_that_is_not_over_is_refused(many: Stream, now: datetime) -> None:
    with pytest.raises(Refused, match="2024-05-06 is not over in UTC; nothing was done"):
        list_expired(many.client, many.dataset, DAY, now)


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
        "poorer": "rows are not rebuilt from fewer documents",
        "read-only": "set its index.blocks.read_only to null",
    }.items():
        assert retired[kind].outcome == "kept"
        assert words in retired[kind].note
    assert (retired["late"].documents, retired["never condensed"].documents) == (23, 20)


STUCK = ["empty", "closed", "of another type", "poorer", "read-only"]


@pytest.mark.parametrize("apply", [True, False])
def test_days_that_can_never_go_keep_no_day_behind_them_waiting(
    apply: bool, make_stream: StreamFactory, client: OpenSearch
) -> None:
    stream = make_stream(raw={"window_days": 1}, cycle={"max_deletes_per_run": 2})
    for offset, kind in enumerate(STUCK):
        fill(stream, kind, offset)
    for offset in range(len(STUCK), len(STUCK) + 3):
        stream.condensed(DAY + timedelta(days=offset), count=20)
    newest = DAY + timedelta(days=len(STUCK) + 3)
    expired = list_expired(client, stream.dataset, newest, NOW)
    retired = list(retire_expired(client, stream.dataset, expired, newest, apply=apply, engine="search"))
    leaving = "deleted" if apply else "dry_run"
    assert [retirement.outcome for retirement in retired] == ["kept"] * len(STUCK) + [leaving] * 2
    assert len(expired.indices) - len(retired) == 1  # waits


@given(st.integers(0, 60), st.integers(1, 8), st.integers(1, 8))
def test_every_expired_day_has_its_turn_whatever_the_oldest_do(count: int, most: int, spare: int) -> None:
    expired = Expired({f"x-{number:03}": DAY + timedelta(days=number) for number in range(count)})
    tried: set[str] = set()
    for run in range(count):
        some = expired.some(most, spare, DAY + timedelta(days=run))
        assert list(some) == sorted(some)
        assert len(some) == min(count, most + spare)
        assert list(some)[:most] == list(expired.indices)[:most]
        tried |= some.keys()
    assert tried == expired.indices.keys()


def test_without_apply_nothing_changes(make_stream: StreamFactory, client: OpenSearch) -> None:
    stream = make_stream(raw={"window_days": 1}, cycle={"max_deletes_per_run": len(KINDS)})
    for offset, kind in enumerate(KINDS[:3]):
        fill(stream, kind, offset)
    before = stream.rows()
    retired = expire(stream, client, apply=False)
    outcomes = {kind: retirement.outcome for kind, retirement in retired.items()}
    assert outcomes == {"condensed": "dry_run", "late": "dry_run", "wrong": "dry_run"}
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
