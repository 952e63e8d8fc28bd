"""A pass over a queue: objects become documents, and messages are deleted when everything in them is accounted for."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from opensearchpy import OpenSearch

from opensearch_strata.archive.arrivals.drain import DrainLimits
from opensearch_strata.archive.arrivals.queue import Queue
from opensearch_strata.archive.events import Place
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.errors import DefinitionError
from opensearch_strata.workflows.arrivals.arrivals import Arrivals, Clients, live_span
from tests.archives import ledger_of
from tests.arrivals import ALL_DAYS, Inflow
from tests.faults.archives import INTAKE, START, cloudwatch, events, message, ndjson
from tests.streams import DAY, StreamFactory, dataset_of


def test_new_objects_are_loaded_and_their_messages_deleted(inflow: Inflow) -> None:
    for start in range(0, 500, 100):
        inflow.put(cloudwatch(events(range(start, start + 100))))
    drained = inflow.drain()
    assert (drained.messages, drained.deleted, drained.done) == (5, 5, 5)
    assert (drained.counts.read, drained.counts.created, drained.counts.filtered) == (500, 500, 0)
    assert 0 <= drained.oldest < 60
    assert inflow.queues.depth() == (0, 0)
    inflow.assert_loaded(range(500))
    inflow.assert_done()


def test_small_objects_of_many_messages_share_bodies(inflow: Inflow, proxy: Any, through: OpenSearch) -> None:
    for number in range(40):
        inflow.put(ndjson(range(number * 5, number * 5 + 5)))
    assert inflow.drain(through, body_bytes=9_000_000).done == 40
    inflow.assert_loaded(range(200))
    assert len([documents for documents in proxy.bulks if documents > 5]) < 8
    assert max(proxy.bulks) > 20


def test_a_new_raw_day_keeps_its_refresh_and_replicas_and_stays(inflow: Inflow) -> None:
    inflow.put(ndjson(range(10)))
    inflow.drain()
    index = inflow.dataset.raw_index(DAY)
    found = inflow.stream.client.indices.get(index=index)[index]
    assert "refresh_interval" not in found["settings"]["index"]
    assert found["settings"]["index"]["number_of_replicas"] == "1"
    assert "loading" not in found["mappings"]["_meta"]["strata"]
    assert found["mappings"]["properties"]["@timestamp"]["type"] == "date"
    assert ledger_of(inflow.stream.client, inflow.dataset.name, "settings") == []


def test_every_shape_of_a_message_leads_to_its_object(inflow: Inflow) -> None:
    inflow.s3.put_bucket_notification_configuration(Bucket=inflow.bucket, NotificationConfiguration={})
    key = "logs/2024/05/06/00/a dt=1+%.gz"
    sent: dict[str, Any] = {}
    for number, name in enumerate(("plain", "sns", "eventbridge", "no size", "two")):
        listed = inflow.put(ndjson(range(number * 10, number * 10 + 10)), f"{key}{number}")
        sent[name] = listed.place.key, listed.place.etag, listed.size
    encoded = {name: (key.replace("%", "%25").replace("+", "%2B").replace("=", "%3D").replace(" ", "+"), *rest)
               for name, (key, *rest) in sent.items()}  # fmt: skip
    more = inflow.put(ndjson(range(50, 60)), "logs/2024/05/06/01/more")
    queues = inflow.queues
    queues.send({"Records": [inflow.notified(*encoded["plain"])]})
    queues.send({"Type": "Notification", "Message": json.dumps({"Records": [inflow.notified(*encoded["sns"])]})})
    about = dict(zip(("key", "etag", "size"), sent["eventbridge"], strict=True))
    detail = {"bucket": {"name": inflow.bucket}, "object": about}
    queues.send({"source": "aws.s3", "detail-type": "Object Created", "detail": detail})
    bare = inflow.notified(*encoded["no size"])
    del bare["s3"]["object"]["size"], bare["s3"]["object"]["eTag"]
    queues.send({"Records": [bare]})
    second = inflow.notified(more.place.key, more.place.etag, more.size)
    queues.send({"Records": [inflow.notified(*encoded["two"]), second]})
    queues.send({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": inflow.bucket})
    drained = inflow.drain()
    assert (drained.messages, drained.deleted, drained.done) == (6, 6, 6)
    assert drained.aside == {"other_event": 1}
    inflow.assert_loaded(range(60))


@pytest.mark.parametrize("is_bridge", [False, True])
def test_a_key_that_is_written_the_other_way_is_found_at_the_second_look(inflow: Inflow, is_bridge: bool) -> None:
    """Emulators send notifications whose keys are not encoded, and gateways send events whose keys are."""
    inflow.s3.put_bucket_notification_configuration(Bucket=inflow.bucket, NotificationConfiguration={})
    listed = inflow.put(ndjson(range(10)), "logs/2024/05/06/00/dt=1+a%20b")
    if is_bridge:
        about = {"key": "logs/2024/05/06/00/dt%3D1%2Ba%2520b", "etag": listed.place.etag, "size": listed.size}
        detail = {"bucket": {"name": inflow.bucket}, "object": about}
        inflow.queues.send({"source": "aws.s3", "detail-type": "Object Created", "detail": detail})
    else:
        inflow.queues.send({"Records": [inflow.notified(*listed.place[1:], listed.size)]})
    drained = inflow.drain()
    assert (drained.done, drained.gone, drained.deleted) == (1, 0, 1)
    inflow.assert_loaded(range(10))


def test_what_is_not_understood_stays_and_goes_to_the_dead_letter_queue(
    inflow: Inflow, caplog: pytest.LogCaptureFixture
) -> None:
    listed = inflow.put(ndjson(range(10)))
    inflow.drain()
    again = inflow.notified(listed.place.key, listed.place.etag, listed.size)
    inflow.queues.send({"Records": [again, {"eventSource": "aws:sns"}]})
    inflow.queues.send("what is this")
    drained = inflow.drain()
    assert (drained.messages, drained.deleted, drained.not_understood, drained.there) == (2, 0, 2, 1)
    assert inflow.queues.depth() == (0, 2)  # they come back when their visibility timeout is over
    assert "is left to the redrive policy of the queue (receive 1). It is not JSON: 'what is this'." in caplog.text


def test_a_message_that_is_nested_deeply_costs_its_neighbours_nothing(inflow: Inflow) -> None:
    inflow.put(ndjson(range(10)))
    inflow.queues.send("[" * 300 + "]" * 300)
    inflow.put(ndjson(range(10, 20)))
    drained = inflow.drain()
    assert (drained.messages, drained.deleted, drained.not_understood) == (3, 2, 1)
    inflow.assert_loaded(range(20))


@pytest.mark.parametrize(
    "more", [{"eTag": "x" * 40_000}, {"eTag": "a\nb: 1"}, {"size": 2**64 - 1}, {"size": 0}, {"size": 3}], ids=str
)
def test_a_field_that_is_not_true_is_looked_up(
    inflow: Inflow, more: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """Whether it cannot be, or only is not; the object is read once more at most, and decided upon once."""
    listed = inflow.put(ndjson(range(10)))
    inflow.queues.empty()
    told = inflow.notified(listed.place.key, listed.place.etag, listed.size)
    told["s3"]["object"] |= more
    inflow.queues.send({"Records": [told]})
    reads = list[Any]()
    inflow.s3.meta.events.register("before-send.s3.GetObject", lambda **_: reads.append(1), unique_id="reads")
    drained = inflow.drain()
    inflow.s3.meta.events.unregister("before-send.s3.GetObject", unique_id="reads")
    assert (drained.deleted, drained.done, drained.quarantined) == (1, 1, 0)
    assert len(reads) <= 3
    assert caplog.text.count("is quarantined") <= 1
    inflow.assert_loaded(range(10))


def test_objects_of_no_dataset_are_counted_and_named(inflow: Inflow, caplog: pytest.LogCaptureFixture) -> None:
    inflow.put(ndjson(range(5)), "elsewhere/x")
    inflow.put(ndjson(range(5)), "logs/dead-letters/x")
    inflow.put(b"", "logs/2024/05/06/00/nothing")
    inflow.objects = []
    drained = inflow.drain()
    assert (drained.messages, drained.deleted, drained.objects) == (3, 3, 0)
    assert drained.aside == {"no_dataset": 1, "dead_letters": 1, "empty": 1}
    assert f"s3://{inflow.bucket}/elsewhere/x is not loaded: it is below the source of no dataset" in caplog.text
    assert f"s3://{inflow.bucket}/logs/2024/05/06/00/nothing is not loaded: it is empty" in caplog.text


def test_what_may_be_a_new_object_is_never_deleted_because_it_is_not_known(inflow: Inflow) -> None:
    inflow.s3.put_bucket_notification_configuration(Bucket=inflow.bucket, NotificationConfiguration={})
    listed = inflow.put(ndjson(range(10)))
    about = inflow.notified(*listed.place[1:], listed.size)["s3"]
    for body in (
        {"Records": [{"eventSource": "aws:s3", "s3": about}]},
        {"source": "aws.s3", "detail": about},
        {"source": "aws.s3", "detail-type": "AWS API Call via CloudTrail", "detail": {"eventName": "PutObject"}},
        {"Type": "Notification", "Message": json.dumps("some text")},
    ):
        inflow.queues.send(body)
    drained = inflow.drain()
    assert (drained.messages, drained.deleted, drained.not_understood) == (4, 0, 4)
    assert drained.aside == {}
    inflow.queues.send(
        json.dumps(json.dumps({"Records": [json.dumps(inflow.notified(*listed.place[1:], listed.size))]}))
    )
    drained = inflow.drain()
    assert (drained.deleted, drained.done) == (1, 1)
    inflow.assert_loaded(range(10))


def test_messages_are_kept_while_a_dataset_that_cannot_be_read_may_need_them(
    inflow: Inflow, make_stream: StreamFactory, caplog: pytest.LogCaptureFixture
) -> None:
    """Its source may overlap, or lie where others leave objects aside. The others are loaded meanwhile."""
    intake = {**INTAKE, "source": f"s3://{inflow.bucket}/logs/web/", "queue": inflow.queues.arn}
    broken = make_stream(raw={"window_days": ALL_DAYS}, intake=intake)
    inflow.are_all_known = False
    inflow.put(ndjson(range(5)), "elsewhere/x")
    inflow.put(ndjson(range(5)), "logs/dead-letters/x")
    inflow.put(ndjson(range(5)), "logs/web/2024/05/06/00/x")
    mine = inflow.put(ndjson(range(100, 110)))
    inflow.queues.send({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": inflow.bucket})
    drained = inflow.drain()
    assert (drained.messages, drained.deleted, drained.held, drained.given_back) == (5, 1, 4, 0)
    assert "messages 5 (deleted 1, 4 kept for broken definitions)" in str(drained)
    assert (inflow.ledger.rows([mine.place])[mine.place].state, inflow.queues.depth()) == ("done", (0, 4))
    assert caplog.text.count("Some definitions cannot be read (see `strata check`).") == 1
    inflow.queues.set_visibility(1)
    assert inflow.drain(empty=2).messages == 0  # no receive is used up until the first hour is over
    inflow.are_all_known = True
    inflow.others = [broken.dataset]
    inflow.queues.hurry()
    drained = inflow.drain()
    assert (drained.messages, drained.deleted, drained.held) == (4, 4, 0)
    client = broken.client
    client.indices.refresh(index=broken.dataset.raw_index(DAY))
    assert client.count(index=broken.dataset.raw_index(DAY))["count"] == 5


def test_one_consumer_loads_for_all_datasets_of_the_queue(inflow: Inflow, make_stream: StreamFactory) -> None:
    """A message with objects of two datasets is received by one of them alone."""
    inflow.s3.put_bucket_notification_configuration(Bucket=inflow.bucket, NotificationConfiguration={})
    intake = {**INTAKE, "source": f"s3://{inflow.bucket}/web/", "queue": inflow.queues.url}
    other = make_stream(raw={"window_days": ALL_DAYS}, intake=intake)
    inflow.others = [other.dataset]
    mine = inflow.put(ndjson(range(10)))
    theirs = inflow.put(ndjson(range(10, 30)), "web/2024/05/06/00/x")
    records = [inflow.notified(*one.place[1:], one.size) for one in (mine, theirs)]
    inflow.queues.send({"Records": records})
    drained = inflow.drain()
    assert (drained.messages, drained.deleted, drained.done) == (1, 1, 2)
    inflow.objects = [mine]
    inflow.assert_loaded(range(10))
    client = other.client
    client.indices.refresh(index=other.dataset.raw_index(DAY))
    assert client.count(index=other.dataset.raw_index(DAY))["count"] == 20


def test_the_same_message_ten_times_is_loaded_once(inflow: Inflow) -> None:
    listed = inflow.put(cloudwatch(events(range(100))))
    for _ in range(9):
        inflow.queues.send({"Records": [inflow.notified(*listed.place[1:], listed.size)]})
    drained = inflow.drain()
    assert (drained.messages, drained.deleted, drained.done + drained.there) == (10, 10, 1)
    (row,) = inflow.rows()
    assert row.attempt == 1
    for _ in range(3):
        inflow.queues.send({"Records": [inflow.notified(*listed.place[1:], listed.size)]})
    assert (again := inflow.drain()).there == 1
    assert again.deleted == 3
    inflow.assert_loaded(range(100))


def test_an_object_that_is_gone_is_told_and_its_message_deleted(
    inflow: Inflow, caplog: pytest.LogCaptureFixture
) -> None:
    listed = inflow.put(ndjson(range(10)))
    inflow.s3.delete_object(Bucket=inflow.bucket, Key=listed.place.key)
    drained = inflow.drain()
    assert (drained.gone, drained.deleted, drained.done) == (1, 1, 0)
    assert [row.state for row in inflow.rows()] == ["quarantined"]
    assert f"{listed.place} was deleted before it was read, so it is not loaded." in caplog.text


def test_the_version_that_is_there_is_loaded_whichever_the_messages_name(inflow: Inflow) -> None:
    first = inflow.put(ndjson(range(10)), "logs/2024/05/06/00/x")
    second = inflow.put(ndjson(range(100, 130)), "logs/2024/05/06/00/x")
    drained = inflow.drain()
    assert (drained.messages, drained.deleted, drained.done) == (2, 2, 1)
    inflow.queues.send({"Records": [inflow.notified(*first.place[1:], first.size)]})  # late
    assert inflow.drain().there == 1
    inflow.assert_loaded(range(100, 130))
    rows = inflow.ledger.rows([first.place, second.place])
    assert {place.etag: row.state for place, row in rows.items()} == {
        first.place.etag: "quarantined",
        second.place.etag: "done",
    }


def test_a_poison_object_is_in_quarantine_and_stops_nobody(inflow: Inflow) -> None:
    bad = inflow.put(b"\x1f\x8b" + b"not gzip" * 20)
    good = [inflow.put(ndjson(range(start, start + 10))) for start in (0, 10)]
    drained = inflow.drain()
    assert (drained.quarantined, drained.done) == (1, 2)
    assert drained.aside == {"dead_letters": 1}  # which the bucket tells of, too
    assert drained.deleted == 4
    assert inflow.ledger.rows([bad.place])[bad.place].state == "quarantined"
    inflow.objects = good
    inflow.assert_loaded(range(20))


def test_events_before_the_window_are_filtered_and_left_to_a_backfill(inflow: Inflow) -> None:
    today = datetime.now(UTC)
    inflow.dataset = dataset_of(
        inflow.dataset.name, raw={"window_days": 10}, intake=inflow.dataset.intake.model_dump(exclude_none=True)
    )
    old, new = today - timedelta(days=12), today - timedelta(minutes=5)
    lines = [json.dumps({"@timestamp": f"{moment.isoformat()}", **message(7)}) for moment in (old, new)]
    inflow.put("\n".join([*lines, ""]).encode(), f"logs/{new:%Y/%m/%d/%H}/x")
    drained = inflow.drain()
    assert (drained.counts.created, drained.counts.filtered) == (1, 1)
    start, _ = live_span(inflow.dataset, today)
    assert start == int(
        (today.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=10)).timestamp() * 1000
    )
    inflow.stream.client.indices.delete(index=inflow.dataset.raw_index(new.date()))


def test_a_dataset_without_a_queue_is_refused() -> None:
    nothing = Clients(opensearch=lambda _: None, s3=lambda _: None, sqs=lambda _: None)  # type: ignore[arg-type,return-value]
    with pytest.raises(DefinitionError, match=r"has no queue\. Set intake\.queue"):
        Arrivals(dataset_of("none"), [], nothing)


def test_the_state_of_a_queue_is_told(inflow: Inflow, caplog: pytest.LogCaptureFixture) -> None:
    queues = inflow.queues
    for _ in range(3):
        queues.send("x")
    queues.sqs.send_message(QueueUrl=queues.letters, MessageBody="dead")
    state = Queue(queues.sqs, queues.arn).state()
    assert (state.waiting, state.in_flight, state.dead_letters, state.most_receives) == (3, 0, 1, 5)
    assert state.visibility == 30


def test_places_of_the_ledger_are_those_of_a_backfill(inflow: Inflow) -> None:
    """A notification and a listing lead to one row of the ledger, so that neither loads what the other has loaded."""
    listed = inflow.put(ndjson(range(10)))
    inflow.drain()
    result = inflow.load()
    assert [row.place for row in result.skipped] == [Place(*listed.place)]
    assert START  # the day of the events


def test_a_pass_says_what_somebody_should_look_at(inflow: Inflow, caplog: pytest.LogCaptureFixture) -> None:
    elsewhere = Dataset.model_validate(
        {**inflow.dataset.model_dump(), "intake": {**inflow.dataset.intake.model_dump(), "source": "s3://other/typo/"}}
    )
    inflow.put(ndjson(range(5)))
    clients = Clients(
        opensearch=lambda _: inflow.stream.client, s3=lambda _: inflow.s3, sqs=lambda _: inflow.queues.sqs
    )
    inflow.s3.create_bucket(Bucket="other")
    Arrivals(elsewhere, [elsewhere], clients).drain("tests", DrainLimits(30, 0))
    assert "Nothing was loaded: 1 object, and none lies below a source of this queue's datasets" in caplog.text
    assert "(s3://other/typo/)" in caplog.text
    inflow.put(b"\x1f\x8b" + b"not gzip" * 20)
    inflow.put(gzip.compress(gzip.decompress(ndjson(range(5, 10))) + b'{"temperature": 1}\n'))
    drained = inflow.drain()
    assert (drained.quarantined, drained.counts.dead) == (1, 2)
    assert "1 object put into quarantine, for the reasons above." in caplog.text
    assert "2 events could not be loaded and became dead letters: 1 broken, the first:" in caplog.text
    assert "1 without a time, the first:" in caplog.text
    (row,) = inflow.arrivals().quarantined(5)
    assert row.error
    inflow.s3.delete_object(Bucket=inflow.bucket, Key=row.place.key)
    assert inflow.arrivals().quarantined(5) == []
