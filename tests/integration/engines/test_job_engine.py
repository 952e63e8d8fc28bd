"""The engine ``transform_job`` writes what the engine ``search`` writes."""

from __future__ import annotations

import pytest
from opensearchpy import OpenSearch

from opensearch_strata.history.condense.condense import condense
from opensearch_strata.history.condense.engines.base import choose_engine
from opensearch_strata.history.verify.verify import verify
from tests.jobs import DOCUMENTS, assert_exact, condense_day, raw_of
from tests.streams import DAY, Stream, StreamFactory, measurements
from tests.transform_api import TransformApi

pytestmark = pytest.mark.usefixtures("quick_jobs")


def assert_engines_agree(cluster: OpenSearch, stream: Stream) -> None:
    """Both engines write the same ids and the same ``_source``."""
    stream.write([{"device": "d1", "temperature": 1.0}, {"load": 3}, {}])  # no time, no group, no metric
    by_search = condense(cluster, stream.dataset, DAY, engine="search")
    rows = stream.rows()
    stream.drop_rows()
    by_job = condense_day(cluster, stream)
    assert stream.rows() == rows
    assert by_search is not None
    assert (by_job.documents, by_job.rows) == (by_search.documents, by_search.rows)
    assert_exact(cluster, stream, DOCUMENTS + 3)


@pytest.mark.index_management
def test_both_engines_write_the_same_rows(cluster: OpenSearch, filled: Stream) -> None:
    assert_engines_agree(cluster, filled)


@pytest.mark.index_management
def test_both_engines_write_the_same_ids_for_groups_of_every_type(
    cluster: OpenSearch, make_stream: StreamFactory
) -> None:
    types = {"@timestamp": "date", "ip": "ip", "on": "boolean", "number": "long", "temperature": "double"}
    stream = make_stream(types, history={"group_by": ["ip", "on", "number"]})
    base = {"@timestamp": DAY.isoformat(), "temperature": 1.0}
    stream.write([base, *({**base, "ip": "::1", "on": on, "number": n} for on in (True, False) for n in (-1, 2**60))])
    condense(cluster, stream.dataset, DAY, engine="search")
    rows = stream.rows()
    stream.drop_rows()
    condense_day(cluster, stream)
    assert stream.rows() == rows
    assert len(rows) == 5


@pytest.mark.index_management
def test_auto_asks_the_cluster(cluster: OpenSearch, filled: Stream) -> None:
    raw = raw_of(cluster, filled)
    assert choose_engine(cluster, filled.dataset, raw) == "transform_job"
    assert choose_engine(cluster, filled.dataset, raw, "search") == "search"
    run = condense(cluster, filled.dataset, DAY)
    assert run is not None
    assert run.engine == "transform_job"
    assert choose_engine(cluster, filled.dataset, raw) == "transform_job"  # now that it has a system index


def test_auto_searches_where_there_is_no_plugin(client: OpenSearch, filled: Stream) -> None:
    if any("index-management" in plugin["component"] for plugin in client.cat.plugins(format="json")):
        pytest.skip("this cluster has the Index Management plugin")
    assert choose_engine(client, filled.dataset, raw_of(client, filled)) == "search"


@pytest.mark.index_management
def test_auto_searches_a_day_that_a_job_would_not_take(cluster: OpenSearch, make_stream: StreamFactory) -> None:
    stream = make_stream({"@timestamp": "date", "device": "keyword"})
    stream.write([{"@timestamp": DAY.isoformat(), "device": "d"}])
    run = condense(cluster, stream.dataset, DAY)
    assert run is not None
    assert (run.engine, run.documents) == ("search", 1)
    assert (
        verify(cluster, stream.dataset, DAY).state == "held"
    )  # its name may be wrong, until a mapping knows the field
    known = {"properties": {"site": {"type": "keyword"}}}
    cluster.indices.put_mapping(index=stream.dataset.raw_index(DAY), body=known)
    assert_exact(cluster, stream, 1)


def test_progress_is_told_once_per_document(cluster: OpenSearch, api: TransformApi, filled: Stream) -> None:
    api.faults.page_delay = 0.05
    seen: list[int] = []
    run = condense_day(cluster, filled, on_documents=seen.append)
    assert sum(seen) == run.documents == DOCUMENTS
    assert len([documents for documents in seen if documents]) > 1


def test_a_source_that_moves_is_condensed_again(cluster: OpenSearch, filled: Stream) -> None:
    late = [measurements(count=10, seed=1)]

    def producer(documents: int) -> None:
        if documents and late:
            filled.write(late.pop())

    assert condense_day(cluster, filled, on_documents=producer).documents == DOCUMENTS + 10
    assert_exact(cluster, filled, DOCUMENTS + 10)


@pytest.mark.index_management
def test_the_sign_of_zero_is_the_same_from_both_engines(cluster: OpenSearch, make_stream: StreamFactory) -> None:
    stream = make_stream(shards=2)
    base = {"@timestamp": DAY.isoformat(), "device": "d"}
    stream.write([{**base, "temperature": zero} for zero in (-0.0, 0.0, 0.0, -0.0) * 3])
    stream.write([{**base, "device": "e", "temperature": -0.0}])
    condense(cluster, stream.dataset, DAY, engine="search")
    rows = stream.rows()
    stream.drop_rows()
    condense_day(cluster, stream)
    assert repr(stream.rows()) == repr(rows)
    assert "-0.0" not in repr(rows)
