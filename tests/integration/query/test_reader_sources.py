"""Which source a day is read from, and that no document is lost or counted twice when that changes."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any

import pandas as pd
import pytest
from opensearchpy import OpenSearch

from opensearch_strata.errors import Refused, TransientError
from opensearch_strata.history.condense.condense import condense
from opensearch_strata.history.month.marks import marks_in, remember
from opensearch_strata.history.month.rows_of_day import carried
from opensearch_strata.history.raw_day.inspection import inspect_raw_day
from opensearch_strata.history.verify import repair as proving
from opensearch_strata.history.verify.repair import prove
from opensearch_strata.reader import read
from tests.mutations import change_a_sum, drop_a_row
from tests.streams import DAY, TYPES, Document, Stream, StreamFactory, dataset_of, definition_of, measurements

NEXT = DAY + timedelta(days=1)
START = datetime(DAY.year, DAY.month, DAY.day, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


def ask(stream: Stream, start: datetime = START, end: datetime = START + 48 * HOUR, **question: Any) -> pd.DataFrame:
    asked = {"client": stream.client, "metrics": ["load"], "stats": ["sum", "count"], **question}
    return read(dataset=stream.dataset, start=start, end=end, **asked)


def sources(stream: Stream, **question: Any) -> list[str]:
    return list(ask(stream, interval="1d", **question)["source"])


def proven(stream: Stream, day: date = DAY, count: int = 100) -> None:
    stream.condensed(day, count=count)
    assert prove(stream.client, stream.dataset, day).state == "verified"


def delete(stream: Stream, day: date = DAY) -> None:
    stream.client.indices.delete(index=stream.dataset.raw_index(day))


def meta(stream: Stream) -> dict[str, Any]:
    index = stream.dataset.month_index(DAY)
    found: dict[str, Any] = stream.client.indices.get_mapping(index=index)[index]["mappings"]["_meta"]
    return found


def test_a_verified_day_is_read_from_history_until_it_grows(stream: Stream) -> None:
    stream.condensed(count=100)
    stream.fill(NEXT, count=100)
    before = ask(stream)
    assert sources(stream) == ["raw", "raw"]  # condensed, but nobody has proven it
    prove(stream.client, stream.dataset, DAY)
    assert sources(stream) == ["history", "raw"]
    assert ask(stream)["load.sum"].tolist() == before["load.sum"].tolist()
    stream.write([{"@timestamp": START.isoformat(), "device": "d9", "load": 10_000}])
    assert sources(stream) == ["raw", "raw"]
    assert ask(stream)["load.sum"].tolist() == [before["load.sum"].iloc[0] + 10_000]
    prove(stream.client, stream.dataset, DAY)
    assert sources(stream) == ["history", "raw"]
    assert ask(stream)["load.sum"].tolist() == [before["load.sum"].iloc[0] + 10_000]


def test_a_mark_is_of_one_index_and_one_definition(stream: Stream) -> None:
    proven(stream, count=20)
    metrics = {**definition_of("t")["metrics"], "heat": {"field": "temperature", "stats": ["count"]}}
    richer = Stream(stream.client, dataset_of(stream.dataset.name, metrics=metrics))
    assert (sources(stream), sources(richer)) == (["history"], ["raw"])
    delete(stream)
    stream.fill(DAY, count=20)  # as many documents under the same name
    assert sources(stream) == ["raw"]


def test_marks_are_one_note_of_several_in_the_mapping(stream: Stream) -> None:
    proven(stream, count=20)
    proven(stream, NEXT, count=20)
    index = stream.dataset.month_index(DAY)
    stream.client.indices.put_mapping(index=index, body={"_meta": {**meta(stream), "owner": "somebody"}})
    before = meta(stream)
    raw = inspect_raw_day(stream.client, stream.dataset, DAY)
    assert raw
    version = carried(stream.client, stream.dataset, DAY).rows_version
    mark = {"documents": 20, "uuid": raw.uuid, "fingerprint": stream.dataset.fingerprint, "rows_version": version}
    assert before["strata"]["verified"][f"{DAY}"] == mark
    remember(stream.client, stream.dataset, raw, "of other rows")
    after = meta(stream)
    assert marks_in(after["strata"])[DAY].rows_version == "of other rows"
    assert set(marks_in(after["strata"])) == {DAY, NEXT}
    assert after["owner"] == "somebody"
    assert {**after["strata"], "verified": 0} == {**before["strata"], "verified": 0}
    remember(stream.client, stream.dataset, raw, version)
    assert meta(stream)["strata"] == before["strata"]
    proven(stream, NEXT + timedelta(days=1), count=20)  # ensures the month once more
    assert set(marks_in(meta(stream)["strata"])) == {DAY, NEXT, NEXT + timedelta(days=1)}


def test_rows_that_are_made_anew_are_not_read(stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    proven(stream)
    expected = ask(stream)
    seen = []
    real = condense
    raw = inspect_raw_day(stream.client, stream.dataset, DAY)
    assert raw
    old = carried(stream.client, stream.dataset, DAY).rows_version

    def look_between(*args: Any, **options: Any) -> Any:
        remember(stream.client, stream.dataset, raw, old)  # as another run may, which marks another day of the month
        seen.append(ask(stream))
        return real(*args, **options)

    change_a_sum(stream)
    assert ask(stream)["load.sum"].tolist() == expected["load.sum"].tolist()  # the mark is of the rows as they were
    assert sources(stream) == ["raw"]
    monkeypatch.setattr(proving, "condense", look_between)
    prove(stream.client, stream.dataset, DAY)
    assert [frame["source"].tolist() for frame in seen] == [["raw"]]
    assert seen[0]["load.sum"].tolist() == ask(stream)["load.sum"].tolist() == expected["load.sum"].tolist()
    assert sources(stream) == ["history"]


def test_an_empty_raw_day_hides_no_history(stream: Stream) -> None:
    proven(stream)
    before = ask(stream)
    delete(stream)
    stream.create()
    assert sources(stream) == ["history"]
    assert ask(stream)["load.sum"].tolist() == before["load.sum"].tolist()
    assert ask(stream).attrs["notes"] == [f"{stream.dataset.raw_index(DAY)} is empty, so its history is read."]


@pytest.fixture
def late(stream: Stream) -> Stream:
    """A day in history, the next one raw with two documents of the day before and one of the last month."""
    stream.condensed(count=48)
    delete(stream)
    stream.fill(NEXT, count=48)
    moments = (START + 5 * HOUR, START + 23 * HOUR, datetime(2024, 4, 2, 3, tzinfo=UTC))
    stream.write([{"@timestamp": moment.isoformat(), "device": "late", "load": 1000} for moment in moments], NEXT)
    return stream


def test_late_documents_are_found_wherever_they_lie(late: Stream) -> None:
    hours = ask(late, interval="1h")
    both = hours[hours["source"] == "both"]
    assert [time.hour for time in both.index] == [5, 23]
    april = ask(late, datetime(2024, 4, 1, tzinfo=UTC), datetime(2024, 5, 1, tzinfo=UTC))
    assert (april["load.sum"].tolist(), april["source"].tolist()) == ([1000.0], ["raw"])
    before = ask(late, interval="1d", by=["device"])
    proven(late, NEXT + timedelta(days=1), count=3)
    late.condense(NEXT)
    delete(late, NEXT)
    after = ask(late, interval="1d", by=["device"])
    assert set(after["source"]) == {"history"}
    pd.testing.assert_frame_equal(after.drop(columns="source"), before.drop(columns="source"))


CUTS = [
    (START + 30 * MINUTE, START + 48 * HOUR),
    (START, START + 47 * HOUR + 59 * MINUTE),
    (START + 5 * HOUR + MINUTE, START + 30 * HOUR + 15 * MINUTE),
    (START + 5 * HOUR + 10 * MINUTE, START + 5 * HOUR + 50 * MINUTE),
    (START + 5 * HOUR, START + 5 * HOUR + 1 * MINUTE),
]


@pytest.mark.parametrize("interval", [None, "1h", "6h", "1d"])
def test_buckets_that_are_cut_come_from_raw_documents(make_stream: StreamFactory, interval: str | None) -> None:
    stream = make_stream()
    for day in (DAY, NEXT):
        stream.condensed(day, count=600)
    raw = [ask(stream, *cut, interval=interval, by=["device"]) for cut in CUTS]
    for day in (DAY, NEXT):
        prove(stream.client, stream.dataset, day)
    for cut, expected in zip(CUTS, raw, strict=True):
        found = ask(stream, *cut, interval=interval, by=["device"])
        pd.testing.assert_frame_equal(found.drop(columns="source"), expected.drop(columns="source"))
        assert set(expected["source"]) == {"raw"}
    in_a_bucket = ask(stream, *CUTS[3], interval=interval)
    assert set(in_a_bucket["source"]) == {"raw"}
    if interval == "1h":
        hours = ask(stream, *CUTS[2], interval="1h")
        assert hours["source"].tolist() == ["raw", *["history"] * 24, "raw"]
    if interval is None:
        assert ask(stream, *CUTS[2])["source"].tolist() == ["both"]


def test_a_bucket_without_its_raw_documents_cannot_be_cut(stream: Stream) -> None:
    for day in (DAY, NEXT):
        proven(stream, day, count=240)
    delete(stream)
    begin = START + 5 * HOUR + 10 * MINUTE
    times = r"2024-05-06T05:00:00\+00:00 to 2024-05-06T06:00:00\+00:00"
    with pytest.raises(Refused, match=rf"rows from {times} cannot be cut at 2024-05-06T05:10:00\+00:00.*Let the span"):
        ask(stream, begin)
    with pytest.raises(Refused, match=rf"rows from {times} cannot be cut at 2024-05-06T05:10:00\+00:00"):
        ask(stream, START, begin)
    with pytest.raises(Refused, match=rf"rows from {times} cannot be cut at 2024-05-06T05:10:00\+00:00"):
        ask(stream, begin, begin + MINUTE)
    assert ask(stream, START + 5 * HOUR, START + 47 * HOUR + 30 * MINUTE)["source"].tolist() == ["both"]
    assert ask(stream, begin, where={"device": "d99"}).empty  # nothing that is asked for is cut


class Interrupted:
    """A client to which something happens after its n-th search for a page."""

    def __init__(self, client: OpenSearch, after: int, happening: Callable[[], object]) -> None:
        self._client = client
        self._left = after
        self._happening = happening

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def search(self, **request: Any) -> Any:
        answer = self._client.search(**request)
        if "page" in request["body"].get("aggs", {}):
            self._left -= 1
            if self._left == 0:
                self._happening()
        return answer


@pytest.mark.parametrize("after", [1, 2, 3])
def test_a_raw_day_that_goes_meanwhile_is_read_on_from_history(
    stream: Stream, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    monkeypatch.setattr("opensearch_strata.history.query.recall.PAGE_SIZE", 2)
    monkeypatch.setattr("opensearch_strata.history.query.recall._LEAST_PAGE", 2)
    for day in (DAY, NEXT):
        stream.condensed(day, count=240)
    question: dict[str, Any] = {"interval": "1h", "by": ["device"], "stats": ["min"], "metrics": ["temperature"]}
    expected = ask(stream, **question)
    gone = Interrupted(stream.client, after, partial(delete, stream))
    found = ask(stream, client=gone, **question)
    assert not stream.exists()
    pd.testing.assert_frame_equal(found.drop(columns="source"), expected.drop(columns="source"))
    assert "history" in set(found["source"])


def test_rows_that_are_rebuilt_meanwhile_are_an_error_and_not_an_answer(stream: Stream) -> None:
    proven(stream)
    name = stream.dataset.raw_index(DAY)
    lost = Interrupted(stream.client, 1, lambda: change_a_sum(stream))
    with pytest.raises(TransientError, match=f"{name} or its rows were recreated while they were read"):
        ask(stream, interval="1h", client=lost)


def test_a_raw_day_that_is_made_anew_meanwhile_is_an_error_and_not_an_answer(stream: Stream) -> None:
    stream.fill()

    def make_anew() -> None:
        delete(stream)
        stream.write([{"@timestamp": START.isoformat(), "device": "d9", "load": 1}])

    with pytest.raises(TransientError, match=f"{stream.dataset.raw_index(DAY)} or its rows were recreated"):
        ask(stream, interval="1h", client=Interrupted(stream.client, 1, make_anew))


def answer(stream: Stream, **question: Any) -> tuple[float, int, str, list[str]]:
    """Sum and count of a metric, source, and notes."""
    frame = ask(stream, **question)
    (record,) = frame.to_dict("records")
    return record["load.sum"], record["load.count"], record["source"], frame.attrs["notes"]


def loads(documents: list[Document]) -> tuple[float, int]:
    found = [document["load"] for document in documents if "load" in document]
    return sum(found), len(found)


def moved(documents: list[Document], device: str) -> list[Document]:
    """Other documents of the same hours, with the same values."""
    return [{**document, "device": device} for document in documents]


@pytest.mark.parametrize("count", [1, 48, 49])
def test_a_day_made_anew_by_a_late_flush_hides_no_history(stream: Stream, count: int) -> None:
    """As few documents as one, as many as the rows carry, more: they are others, so both are read."""
    documents = stream.condensed(count=48)
    prove(stream.client, stream.dataset, DAY)
    delete(stream)
    late = [{"@timestamp": (START + 3 * HOUR).isoformat(), "device": "late", "load": 7}] * (count % 48)
    late += moved(documents, "other")[: count // 48 * 48]
    stream.write(late)
    expected = tuple(map(sum, zip(loads(documents), loads(late), strict=True)))
    total, number, source, notes = answer(stream)
    assert (total, number) == expected
    assert source == "both"
    told = f"its {count} document{'' if count == 1 else 's'} and the 48 that its history carries are added up"
    assert notes == [f"{stream.dataset.raw_index(DAY)} was recreated: {told}."]
    for record in ask(stream, by=["device"]).to_dict("records"):
        of_device = [d for d in [*documents, *late] if d["device"] == record["device"]]
        assert (record["load.sum"], record["load.count"]) == loads(of_device)
    cut = ask(stream, START + 3 * HOUR, START + 4 * HOUR, by=["device"])
    hour = [d for d in [*documents, *late] if "T03" in d["@timestamp"]]
    assert cut["load.sum"].sum() == loads(hour)[0]


@pytest.mark.parametrize("extra", [0, 5])
def test_a_restored_day_is_not_counted_twice(stream: Stream, extra: int) -> None:
    documents = stream.condensed(count=48)
    prove(stream.client, stream.dataset, DAY)
    delete(stream)
    more = [{"@timestamp": START.isoformat(), "device": "d0", "load": 1000}] * extra
    stream.write([*reversed(documents), *more])
    total, number, source, notes = answer(stream)
    assert (total, number, source) == (*loads([*documents, *more]), "raw")
    told = (
        "which may include all of the 48 that its history carries: only the raw day"
        if extra
        else "holds everything that its"
    )
    assert told in notes[0]


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ("other values", {"top_values": 5}),
        ("other words", {"top_values": 5}),
        ("other words", {"distinct": {"error": 0.05}}),
    ],
)
def test_a_day_made_anew_with_other_values_of_the_same_groups_and_hours_is_added(
    make_stream: StreamFactory, change: str, kind: dict[str, Any]
) -> None:
    """As many documents of each device and hour; what is kept of them differs in a sum or in counted words alone."""
    words = {"field": "word", "stats": ["count"], "distribution": kind}
    numbers = {"field": "load", "stats": ["sum", "count"]}
    stream = make_stream({**TYPES, "word": "keyword"}, metrics={"load": numbers, "word": words})
    documents: list[Document] = [{**one, "load": 3, "word": "a"} for one in measurements(count=48)]
    stream.write(documents)
    stream.condense()
    prove(stream.client, stream.dataset, DAY)
    delete(stream)
    others = [{**one, **({"load": 4} if change == "other values" else {"word": "b"})} for one in documents]
    stream.write(others)
    total, number, source, notes = answer(stream)
    assert (total, number, source) == (*loads([*documents, *others]), "both")
    assert "its 48 documents and the 48 that its history carries are added up" in notes[0]


def test_a_restored_day_of_many_words_and_small_numbers_is_not_counted_twice(make_stream: StreamFactory) -> None:
    words = {"field": "word", "stats": ["count"], "distribution": {"top_values": 5}}
    numbers = {"field": "load", "stats": ["min", "max", "sum", "count", "avg"], "decimals": 2}
    narrow = {"field": "narrow", "stats": ["min", "max", "sum", "count"], "distribution": {"relative_error": 0.02}}
    types = {**TYPES, "word": "keyword", "load": "double", "narrow": "half_float"}
    kinds = {"field": "word", "stats": ["count"], "distribution": {"distinct": {"error": 0.05}}}
    metrics = {"load": numbers, "word": words, "narrow": narrow, "kinds": kinds}
    stream = make_stream(types, metrics=metrics, shards=2)
    rng = random.Random(5)
    documents: list[Document] = [
        {**one, "load": rng.uniform(-1, 1), "narrow": rng.gauss(0, 9), "word": f"w{int(rng.expovariate(0.03))}"}
        for one in measurements(count=3000)
    ]
    stream.write(documents)
    stream.condense()
    prove(stream.client, stream.dataset, DAY)
    delete(stream)
    rng.shuffle(documents)
    stream.write(documents)
    assert answer(stream)[1:3] == (3000, "raw")


def test_a_proven_day_that_lost_documents_is_read_from_its_history(stream: Stream) -> None:
    documents = stream.condensed(count=48)
    prove(stream.client, stream.dataset, DAY)
    everything_of = {"query": {"term": {"device": "d0"}}}
    stream.client.delete_by_query(index=stream.dataset.raw_index(DAY), body=everything_of, params={"refresh": "true"})
    total, number, source, notes = answer(stream)
    assert (total, number, source) == (*loads(documents), "history")
    assert "fewer than the 48 that its history carries, so its history is read" in notes[0]
    with pytest.raises(Refused, match="cannot be cut at"):  # the raw day has not all of it
        ask(stream, START + 30 * MINUTE, START + HOUR, metrics=["temperature"])


def test_late_documents_are_read_as_long_as_they_are_not_condensed(stream: Stream) -> None:
    documents = stream.condensed(count=48)
    prove(stream.client, stream.dataset, DAY)
    documents += stream.fill(count=7, seed=2)
    assert answer(stream) == (*loads(documents), "raw", [])


def test_history_that_nobody_has_proven_is_named_once_its_raw_day_is_gone(stream: Stream) -> None:
    documents = stream.condensed(count=48)
    assert answer(stream) == (*loads(documents), "raw", [])
    delete(stream)
    noted = f"No proof is recorded that the history of {DAY} is complete, and its raw day is gone."
    assert answer(stream) == (*loads(documents), "history", [noted])


def test_rows_that_went_after_the_raw_day_are_missed(stream: Stream) -> None:
    hours = [(START + hour * HOUR).isoformat() for hour in range(24)]
    stream.write([{"@timestamp": hour, "device": "d", "temperature": 1.0, "load": 1} for hour in hours])
    stream.condense()
    prove(stream.client, stream.dataset, DAY)
    delete(stream)
    drop_a_row(stream)
    (note,) = answer(stream)[3]
    assert note == f"The history of {DAY} carries 23 of 24 proven documents, and its raw day is gone."


def test_a_red_raw_day_is_refused_where_it_may_hold_something(stream: Stream) -> None:
    stream.fill(count=24)
    red = stream.dataset.raw_index(NEXT)
    nowhere = {"index.routing.allocation.include._name": "nosuch", "index.number_of_replicas": 0}
    stream.client.indices.create(index=red, body={"settings": nowhere}, params={"wait_for_active_shards": "0"})
    with pytest.raises(Refused, match=f"{red} is red, so it cannot be read: a primary shard is not assigned"):
        ask(stream)
    stream.fill(NEXT + timedelta(days=1), count=24)
    assert len(ask(stream, START + 48 * HOUR, START + 72 * HOUR)) == 1


def test_more_raw_days_than_one_request_can_name(make_stream: StreamFactory) -> None:
    """Clocks that are wrong: every raw day may hold events of any day."""
    stream = make_stream()
    name = f"{stream.dataset.name}-{'x' * 90}"
    stream.dataset = dataset_of(stream.dataset.name, raw={"index": f"{name}-{{day}}"})
    for day in (DAY + timedelta(days=number) for number in range(40)):
        times = (START, START + timedelta(days=30))
        stream.write([{"@timestamp": time.isoformat(), "device": "d", "load": 1} for time in times], day)
    end = START + timedelta(days=50)
    assert ask(stream, end=end, interval="1h")["load.count"].tolist() == [40, 40]
    assert ask(stream, end=end, interval="1d", by=["device"])["load.count"].tolist() == [40, 40]
    assert ask(stream, end=end, by=["device"])["load.count"].tolist() == [80]
