"""Distinct counts, read over raw days and history as one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from opensearch_strata.errors import Refused
from opensearch_strata.history.verify.repair import prove
from opensearch_strata.reader import read
from tests.shell import Shell
from tests.streams import DAY, Document, Stream, StreamFactory

TYPES = {"@timestamp": "date", "device": "keyword", "site": "keyword", "user": "keyword", "temperature": "double"}
METRICS = {
    "users": {"field": "user", "stats": ["count"], "distribution": {"distinct": {"error": 0.05}}},
    "temperature": {"field": "temperature", "stats": ["sum", "count"]},
}
START = datetime(DAY.year, DAY.month, DAY.day, tzinfo=UTC)
SPAN = (START, START + timedelta(days=2))
NEXT = DAY + timedelta(days=1)


def documents(offset: int, first: int, count: int) -> list[Document]:
    """Documents of three hours of a day, of as many users."""
    moments = [START + timedelta(days=offset, hours=number % 3) for number in range(count)]
    return [
        {
            "@timestamp": moment.isoformat(),
            "device": f"d{number % 2}",
            "site": "s",
            "user": f"u{number}",
            "temperature": 1,
        }
        for number, moment in enumerate(moments, first)
    ]


@pytest.fixture
def answers(make_stream: StreamFactory) -> Stream:
    """Two raw days, the first of them proven; 60 of the users come on both."""
    stream = make_stream(TYPES, metrics=METRICS)
    stream.write(documents(0, 0, 300))
    stream.write(documents(1, 240, 300), NEXT)
    stream.condense()
    prove(stream.client, stream.dataset, DAY, engine="search")
    return stream


def test_a_user_of_both_sources_counts_once(answers: Stream) -> None:
    frame = read(answers.client, answers.dataset, *SPAN, metrics=["users"], stats=["count", "distinct"])
    (record,) = frame.to_dict("records")
    assert record["source"] == "both"
    assert record["users.count"] == 600
    assert record["users.distinct"] == pytest.approx(540, rel=0.1)
    assert str(frame.dtypes["users.distinct"]) == "Int64"
    assert frame.attrs["distinct_errors"] == {"users": 0.05}


def test_the_seam_does_not_show(answers: Stream) -> None:
    asked: dict[str, Any] = {"metrics": ["users"], "stats": ["count", "distinct"]}
    before = [
        read(answers.client, answers.dataset, *SPAN, **asked, interval=interval, by=by)
        for interval in ("1h", "1d", None)
        for by in ((), ("device",), ("device", "site"))
    ]
    answers.condense(NEXT)
    prove(answers.client, answers.dataset, NEXT, engine="search")
    answers.client.indices.delete(index=answers.dataset.raw_index(NEXT))
    after = [
        read(answers.client, answers.dataset, *SPAN, **asked, interval=interval, by=by)
        for interval in ("1h", "1d", None)
        for by in ((), ("device",), ("device", "site"))
    ]
    assert set(before[0]["source"]) == {"raw", "history"}
    for one, other in zip(before, after, strict=True):
        assert set(other["source"]) == {"history"}
        assert one.drop(columns="source").equals(other.drop(columns="source"))


def test_rows_without_registers_are_refused(answers: Stream) -> None:
    identity, row = min(answers.rows().items())
    del row["metrics"]["users"]["registers"]
    answers.put_row(identity, row)
    answers.client.indices.delete(index=answers.dataset.raw_index(DAY))
    month = answers.dataset.month_index(DAY)
    (mapping,) = answers.client.indices.get_mapping(index=month).values()
    meta = mapping["mappings"]["_meta"]
    meta["strata"]["fingerprints"] = ["of an older definition", *meta["strata"]["fingerprints"]]
    answers.client.indices.put_mapping(index=month, body={"_meta": meta})
    with pytest.raises(Refused, match="lack the registers of 'users'"):
        read(answers.client, answers.dataset, *SPAN, metrics=["users"], stats=["distinct"])


def test_the_shell_shows_them(shell: Shell) -> None:
    stream = shell.stream(metrics=METRICS)
    stream.types = TYPES
    stream.write(documents(0, 0, 3))
    command = f"query {stream.dataset.name} --from {DAY} --to {DAY} --metric users --stat count,distinct"
    assert "users.distinct" in shell.run(command).stdout
    (record,) = shell.json(command)
    assert (record["users.count"], record["users.distinct"]) == (3, 3)
