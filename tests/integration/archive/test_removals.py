"""How the state of raw days is read: exact, whoever writes to them meanwhile, and whatever their documents are."""

from __future__ import annotations

from typing import Any

import pytest
from opensearchpy import OpenSearch

from opensearch_strata.connections import decisive
from opensearch_strata.connections.decisive import states
from opensearch_strata.connections.decisive.states import DayCount, counts_of_days
from opensearch_strata.errors import Refused
from tests.streams import DAY, Stream, StreamFactory


def state(client: OpenSearch, index: str) -> DayCount:
    found = counts_of_days(client, [index])[index]
    assert found is not None
    return found


@pytest.fixture
def sharded(make_stream: StreamFactory) -> Stream:
    """A raw day of three shards whose documents have nested ones, and some stand for several."""
    stream = make_stream(types={"@timestamp": "date", "device": "keyword", "parts": "nested"}, shards=3)
    index = stream.create()
    lines: list[dict[str, Any]] = []
    for number in range(60):
        document = {"device": f"d{number}", "parts": [{"n": 1}, {"n": 2}]}
        lines += [{"create": {"_id": f"{number}"}}, document | ({"_doc_count": 5} if number % 2 else {})]
    assert not stream.client.bulk(index=index, body=lines)["errors"]
    return stream


def test_creating_documents_changes_nothing_and_any_other_write_does(client: OpenSearch, sharded: Stream) -> None:
    index = sharded.dataset.raw_index(DAY)
    before = state(client, index)
    assert (before.documents, before.removals.removed) == (60, 0)
    assert before.removals.history
    client.bulk(index=index, body=[{"create": {}}, {"device": "more"}] * 9)
    grown = state(client, index)
    assert (grown.documents, grown.removals) == (69, before.removals._replace(operations=69))
    assert grown.removals.is_unbroken_since(before.removals)
    client.index(index=index, id="7", body={"device": "other"})
    client.update(index=index, id="8", body={"doc": {"device": "other"}})
    client.delete(index=index, id="9")
    after = state(client, index)
    assert (after.documents, after.removals.removed) == (68, 4)
    assert not after.removals.is_unbroken_since(grown.removals)
    client.indices.forcemerge(index=index, params={"max_num_segments": "1"})
    assert state(client, index) == after


@pytest.mark.parametrize("between", ["before the refresh", "after the refresh"])
def test_documents_that_come_meanwhile_are_not_taken_for_removed_ones_and_hide_none(
    client: OpenSearch, sharded: Stream, monkeypatch: pytest.MonkeyPatch, between: str
) -> None:
    """Such a state, noted before a load, would hide as many removals afterwards."""
    index = sharded.dataset.raw_index(DAY)
    client.delete(index=index, id="1")
    refresh = decisive.refresh

    def busy(*about: Any, **params: Any) -> None:
        if between == "before the refresh":
            client.bulk(index=index, body=[{"create": {}}, {"device": "more"}] * 9)
        refresh(*about, **params)
        if between == "after the refresh":
            client.bulk(index=index, body=[{"create": {}}, {"device": "more"}] * 9)

    monkeypatch.setattr(states, "refresh", busy)
    assert state(client, index).removals.removed == 2
    monkeypatch.undo()
    assert (state(client, index).documents, state(client, index).removals.removed) == (68, 2)


def test_what_is_missing_or_an_alias_has_no_state_and_what_is_closed_is_refused(
    client: OpenSearch, stream: Stream
) -> None:
    index = stream.create()
    client.indices.put_alias(index=index, name=f"{index}-alias")
    absent = f"{index}-absent"
    assert counts_of_days(client, [absent, f"{index}-alias"]) == {absent: None, f"{index}-alias": None}
    assert counts_of_days(client, []) == {}
    assert state(client, index).removals.removed == 0
    client.indices.close(index=index)
    with pytest.raises(Refused, match=f"{index} is closed"):
        counts_of_days(client, [index])
