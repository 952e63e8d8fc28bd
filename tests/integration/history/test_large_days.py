"""Days with more groups or documents than one search can take: the same rows, and faults that hold up nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from opensearchpy import ConnectionTimeout, OpenSearch
from opensearchpy.exceptions import AuthorizationException, TransportError

from opensearch_strata.connections import decisive
from opensearch_strata.history.buckets import aggregation, at_once, bucket_pages, counting, group_ranges
from opensearch_strata.history.carriable.unseen import unseen
from opensearch_strata.history.condense.engines.search import condense_by_search
from opensearch_strata.history.month.index import ensure_month
from opensearch_strata.history.raw_day.inspection import RawDay, inspect_raw_day
from opensearch_strata.history.verify.verify import verify
from tests.streams import DAY, TYPES, Stream, StreamFactory, assert_verified, measurements

pytestmark = pytest.mark.versions

Rows = dict[str, dict[str, Any]]
Body = Mapping[str, Any]


@pytest.fixture
def fleet(make_stream: StreamFactory) -> Stream:
    """Sixty devices, some without a site, and documents without a device, a time or both."""
    stream = make_stream()
    stream.write(measurements(count=1500, devices=60))
    stream.write([{"temperature": 1.5}, {"device": "d1", "temperature": 2.5}, {"site": "north", "load": 3}, {}])
    return stream


@pytest.fixture
def whole(fleet: Stream) -> Rows:
    """Its rows as a single search makes them."""
    fleet.condense()
    return fleet.rows()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Body]:
    """The body of each search of a raw day's pages."""
    found: list[Body] = []
    search = decisive.search

    def spy(client: OpenSearch, index: str, body: Body, **options: Any) -> decisive.Answer:
        found.append(body)
        return search(client, index, body, **options)

    monkeypatch.setattr(decisive, "search", spy)
    return found


def raw_of(stream: Stream) -> RawDay:
    raw = inspect_raw_day(stream.client, stream.dataset, DAY)
    assert raw is not None
    return raw


def pages_of(bodies: list[Body]) -> list[Body]:
    return [body for body in bodies if "metrics" in body.get("aggs", {}).get("rows", {}).get("aggs", {})]


def is_cut_by_groups(body: Body) -> bool:
    """Slices of all groups need no filter."""
    return "filter" in body["query"].get("bool", {})


def test_groups_are_cut_where_an_hour_has_more_than_a_page(
    fleet: Stream, whole: Rows, asked: list[Body], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aggregation, "PAGE_SIZE", 20)
    run = fleet.condense()
    assert run is not None
    assert (run.documents, run.rows) == (1504, len(whole))
    assert fleet.rows() == whole
    pages = pages_of(asked)
    assert sum(map(is_cut_by_groups, pages)) > len(pages) / 2
    # Each search that goes on where another ended looks at the same documents once more.
    assert sum("after" in body["aggs"]["rows"]["composite"] for body in pages) < len(pages) / 2
    assert_verified(fleet)


@pytest.mark.parametrize("most", ["MOST_GROUPS", "MOST_DOCUMENTS"])
def test_groups_are_cut_where_an_hour_has_too_many_groups_or_documents(
    fleet: Stream, whole: Rows, asked: list[Body], monkeypatch: pytest.MonkeyPatch, most: str
) -> None:
    monkeypatch.setattr(aggregation, "PAGE_SIZE", 1000)
    monkeypatch.setattr(group_ranges, most, 20)
    fleet.condense()
    assert fleet.rows() == whole
    assert sum(map(is_cut_by_groups, pages_of(asked))) > len(pages_of(asked)) / 2
    assert_verified(fleet)


def test_a_cluster_that_refuses_ranges_of_keywords_gets_searches_of_all_groups(
    fleet: Stream, whole: Rows, asked: list[Body], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aggregation, "PAGE_SIZE", 20)
    raw = raw_of(fleet)
    setting = "search.allow_expensive_queries"
    fleet.client.cluster.put_settings(body={"transient": {setting: False}})
    try:
        condense_by_search(fleet.client, fleet.dataset, raw)
        assert fleet.rows() == whole
        assert not any(map(is_cut_by_groups, pages_of(asked)))
    finally:
        fleet.client.cluster.put_settings(body={"transient": {setting: None}})


def failing(
    monkeypatch: pytest.MonkeyPatch, fails: Callable[[Body], bool], error: Callable[[], Exception]
) -> list[Body]:
    """Let some searches fail, without waiting before the next attempt; returns those that did."""
    failed: list[Body] = []
    search = decisive.search

    def faulty(client: OpenSearch, index: str, body: Body, **options: Any) -> decisive.Answer:
        if fails(body):
            failed.append(body)
            raise error()
        return search(client, index, body, **options)

    monkeypatch.setattr(decisive, "search", faulty)
    monkeypatch.setattr(bucket_pages, "_PAGES_PATIENTLY", lambda call, *args: call(*args))
    return failed


def too_slow() -> Exception:
    return ConnectionTimeout("TIMEOUT", "slow", None)


def test_a_page_that_takes_too_long_is_made_smaller_and_not_asked_for_again(
    fleet: Stream, whole: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aggregation, "PAGE_SIZE", 40)

    def size(body: Body) -> int:
        found: int = body.get("aggs", {}).get("rows", {}).get("composite", {}).get("size", 0)
        return found

    failed = failing(monkeypatch, lambda body: size(body) > 10, too_slow)
    run = fleet.condense()
    assert run is not None
    assert (run.documents, fleet.rows()) == (1504, whole)
    assert {size(body) for body in failed} <= {80, 40, 20}


def test_a_slice_that_failed_is_done_again_when_the_others_are_done(
    fleet: Stream, whole: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aggregation, "PAGE_SIZE", 20)
    monkeypatch.setattr(bucket_pages, "searches_at_once", lambda *_: 1)
    bodies: list[Body] = []

    def third_page_fails_twice(body: Body) -> bool:
        if not pages_of([body]):
            return False
        bodies.append(body)
        return body["query"] == bodies[min(2, len(bodies) - 1)]["query"] and len(bodies) > 2 and len(failed) < 2

    failed = failing(monkeypatch, third_page_fails_twice, lambda: decisive.IncompleteAnswer("A shard failed."))
    seen: list[int] = []
    run = fleet.condense(on_documents=seen.append)
    assert run is not None
    assert (run.documents, run.rows, sum(seen)) == (1504, len(whole), 1504)
    assert fleet.rows() == whole
    assert len(failed) == 2
    queries = [body["query"] for body in bodies]
    assert queries[-1] == queries[2], "it comes last"
    assert len(queries) - queries[::-1].index(queries[2]) == len(queries)


def unavailable() -> Exception:
    return TransportError(503, "unavailable", "unavailable")


def forbidden() -> Exception:
    return AuthorizationException(403, "no", {})


def test_a_cluster_that_answers_nothing_ends_the_run(fleet: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aggregation, "PAGE_SIZE", 20)
    failed = failing(monkeypatch, lambda body: bool(pages_of([body])), unavailable)
    ensure_month(fleet.client, fleet.dataset, DAY)
    with pytest.raises(TransportError):
        condense_by_search(fleet.client, fleet.dataset, raw_of(fleet))
    assert len(failed) <= 2 + bucket_pages._FAILURES


def test_what_another_attempt_does_not_cure_is_not_tried_again(fleet: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aggregation, "PAGE_SIZE", 20)
    monkeypatch.setattr(bucket_pages, "searches_at_once", lambda *_: 1)
    failed = failing(monkeypatch, lambda body: bool(pages_of([body])), forbidden)
    ensure_month(fleet.client, fleet.dataset, DAY)
    with pytest.raises(AuthorizationException):
        condense_by_search(fleet.client, fleet.dataset, raw_of(fleet))
    assert len(failed) == 1


def test_the_proof_tells_its_progress_and_does_failed_parts_again(
    fleet: Stream, whole: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aggregation, "PAGE_SIZE", 20)
    seen: list[int] = []
    failed = failing(
        monkeypatch,
        lambda body: bool(pages_of([body])) and bool(seen) and not failed,
        lambda: decisive.IncompleteAnswer("A shard failed."),
    )
    proof = verify(fleet.client, fleet.dataset, DAY, seen.append)
    assert (proof.state, proof.failed, proof.rows) == ("verified", [], len(whole))
    assert (sum(seen), len(failed)) == (1504, 1)
    assert len(seen) > 10


@pytest.fixture
def lossy(make_stream: StreamFactory) -> Stream:
    """A day with values that its mapping ignores."""
    number = {"type": "integer", "ignore_malformed": True}
    stream = make_stream({**TYPES, "load": number})
    stream.write(measurements(count=100))
    stream.write([{"@timestamp": "2024-05-06T12:00:00Z", "device": "d", "load": "many"} for _ in range(3)])
    return stream


def test_counts_over_a_day_are_the_same_in_parts(lossy: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    at_once_found = unseen(lossy.client, raw_of(lossy))
    assert [(one.field, one.documents) for one in at_once_found] == [("load", 3)]
    monkeypatch.setattr(counting, "_STEP", 10)
    assert unseen(lossy.client, raw_of(lossy)) == at_once_found


def test_as_many_searches_as_the_cluster_has_cores(stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    client, dataset = stream.client, stream.dataset
    nodes = client.nodes.info(metric="os")["nodes"].values()
    cores = min(node["os"]["allocated_processors"] for node in nodes)
    assert at_once.searches_at_once(client, dataset, 1) == at_once.usual_searches([cores] * len(nodes), 1)
    stated = dataset.model_copy(update={"history": dataset.history.model_copy(update={"parallel": 5})})
    assert at_once.searches_at_once(client, stated, 1) == 5

    def refuse(**_: object) -> None:
        raise forbidden()

    monkeypatch.setattr(client.nodes, "info", refuse)
    assert at_once.searches_at_once(client, dataset, 1) == at_once.LEAST_SEARCHES
