"""The most frequent values, read over raw days and history as one."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from opensearch_strata.errors import Refused
from opensearch_strata.history.verify.repair import prove
from opensearch_strata.reader import read
from tests.shell import Shell
from tests.streams import DAY, Document, Stream, StreamFactory

TYPES = {"@timestamp": "date", "device": "keyword", "site": "keyword", "status": "short", "temperature": "double"}
METRICS = {
    "status": {"field": "status", "stats": ["count"], "distribution": {"top_values": 2}},
    "temperature": {"field": "temperature", "stats": ["sum", "count"]},
}
START = datetime(DAY.year, DAY.month, DAY.day, tzinfo=UTC)
SPAN = (START, START + timedelta(days=2))
NEXT = DAY + timedelta(days=1)


def documents(offset: int, statuses: list[int]) -> list[Document]:
    moments = [START + timedelta(days=offset, hours=number % 3) for number in range(len(statuses))]
    return [
        {"@timestamp": moment.isoformat(), "device": "d1", "site": "s", "status": status, "temperature": 1.0}
        for moment, status in zip(moments, statuses, strict=True)
    ]


@pytest.fixture
def answers(make_stream: StreamFactory) -> Stream:
    """Two raw days, the first of them proven."""
    stream = make_stream(TYPES, metrics=METRICS)
    stream.write(documents(0, [200] * 9 + [503] * 3))
    stream.write(documents(1, [200] * 5 + [404] * 4), NEXT)
    stream.condense()
    prove(stream.client, stream.dataset, DAY, engine="search")
    return stream


def test_values_of_both_sources_are_added_up(answers: Stream) -> None:
    frame = read(answers.client, answers.dataset, *SPAN, metrics=["status"], stats=["count", "top"])
    (record,) = frame.to_dict("records")
    assert record["source"] == "both"
    assert record["status.count"] == 21
    truth = Counter({"200": 14, "404": 4, "503": 3})
    top = record["status.top"]
    assert list(top["values"]) == ["200", "404"]
    assert all(low <= truth[value] <= high for value, (low, high) in top["values"].items())
    assert sum(low for low, _ in top["values"].values()) + top["rest"] == 21
    assert truth["503"] <= top["bound"]


def test_the_seam_does_not_show(answers: Stream) -> None:
    before = read(answers.client, answers.dataset, *SPAN, metrics=["status"], stats=["top"], interval="1h")
    answers.condense(NEXT)
    prove(answers.client, answers.dataset, NEXT, engine="search")
    answers.client.indices.delete(index=answers.dataset.raw_index(NEXT))
    after = read(answers.client, answers.dataset, *SPAN, metrics=["status"], stats=["top"], interval="1h")
    assert set(before["source"]) == {"raw", "history"}
    assert set(after["source"]) == {"history"}
    assert list(before["status.top"]) == list(after["status.top"])


@pytest.mark.parametrize(
    ("metric", "stat", "sentence"),
    [
        ("temperature", "top", "'temperature' carries no top"),
        ("status", "p50", "'status' carries no distribution, so no p50"),
    ],
)
def test_a_statistic_that_a_metric_does_not_carry(answers: Stream, metric: str, stat: str, sentence: str) -> None:
    with pytest.raises(Refused, match=sentence):
        read(answers.client, answers.dataset, *SPAN, metrics=[metric], stats=[stat])


def test_the_shell_shows_them(shell: Shell) -> None:
    stream = shell.stream(metrics=METRICS)
    stream.types = TYPES
    stream.write(documents(0, [200] * 9 + [503] * 3 + [404]))
    command = f"query {stream.dataset.name} --from {DAY} --to {DAY} --metric status --stat count,top"
    assert "200: 9, 503: 3, others: 1" in shell.run(command).stdout
    (record,) = shell.json(command)
    assert record["status.top"] == {"values": {"200": [9, 9], "503": [3, 3]}, "rest": 1, "bound": 1}
