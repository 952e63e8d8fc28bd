"""Messages of every shape: what is new, what is something else, and what is not understood."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensearch_strata.archive.arrivals.messages import NewObject, Told, read_message

KEYS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60)


def record(key: str, **more: Any) -> dict[str, Any]:
    """A record of a notification, https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html."""
    about = {"key": key, "size": 7, "eTag": "d41d8cd98f", "sequencer": "0055AED6DCD90281E5", **more}
    return {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": "eu-west-1",
        "eventTime": "2026-11-29T14:00:00.000Z",
        "eventName": "ObjectCreated:Put",
        "s3": {"s3SchemaVersion": "1.0", "configurationId": "c", "bucket": {"name": "logs"}, "object": about},
    }


def event(key: str, **more: Any) -> dict[str, Any]:
    """An event of EventBridge, https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html."""
    detail = {"version": "0", "event-version": "1.1", "bucket": {"name": "logs"}, "reason": "PutObject"}
    about = {"key": key, "size": 7, "etag": "d41d8cd98f", "version-id": "v", "sequencer": "0055AED6DCD90281E5", **more}
    return {"version": "0", "source": "aws.s3", "detail-type": "Object Created", "detail": {**detail, "object": about}}


def told(body: Any) -> Told:
    """What a message of JSON says."""
    return read_message(json.dumps(body))


def only(body: Any) -> NewObject:
    """The one new object of a message."""
    found = told(body)
    assert (found.aside, found.not_understood) == ((), "")
    (new,) = found.new
    return new


@given(KEYS)
def test_keys_of_notifications_are_decoded_like_forms(key: str) -> None:
    new = only({"Records": [record(quote_plus(key, safe="/"))]})
    assert new[:2] == ("logs", key)
    assert new.other_key in ("", quote_plus(key, safe="/"))


@given(KEYS)
def test_keys_of_minio_are_too_whose_slashes_are_encoded(key: str) -> None:
    assert only({"Records": [record(quote(key, safe=""))]}).key == key


@given(KEYS)
def test_keys_of_eventbridge_are_taken_as_they_are(key: str) -> None:
    assert only(event(key)).key == key


@pytest.mark.parametrize(
    ("key", "first", "other"),
    [
        ("a/dt%3D2026-11-29/b+c", "a/dt=2026-11-29/b c", "a/dt%3D2026-11-29/b+c"),
        ("plain/2026/11/29/x", "plain/2026/11/29/x", ""),
        ("not%FFutf8", "not%FFutf8", ""),
        ("a%2Bb", "a+b", "a%2Bb"),
    ],
)
def test_the_other_way_to_read_a_key_is_kept_for_writers_that_do_not_keep_to_theirs(
    key: str, first: str, other: str
) -> None:
    assert only({"Records": [record(key)]}) == NewObject("logs", first, other, "d41d8cd98f", 7)
    turned = only(event(key))
    assert (turned.key, turned.other_key) == (key, first if other else "")


def test_every_record_counts() -> None:
    found = told({"Records": [record(f"k{number}") for number in range(5)]})
    assert [new.key for new in found.new] == [f"k{number}" for number in range(5)]


def test_a_message_of_sns_is_unwrapped() -> None:
    inner = {"Records": [record("k")]}
    wrapped = {"Type": "Notification", "MessageId": "m", "TopicArn": "t", "Message": json.dumps(inner)}
    assert told(wrapped) == told(inner)
    assert told({**wrapped, "Message": json.dumps(event("k"))}) == told(event("k"))


TEST_EVENT = {"Service": "Amazon S3", "Event": "s3:TestEvent", "Time": "2026-11-29T14:00:00.000Z", "Bucket": "logs"}


def test_a_test_event_is_told_and_is_no_object() -> None:
    assert told(TEST_EVENT) == Told(aside=("s3:TestEvent",))
    assert told({"Type": "Notification", "Message": json.dumps(TEST_EVENT)}) == Told(aside=("s3:TestEvent",))


@pytest.mark.parametrize(
    "name",
    [
        "ObjectRemoved:Delete",
        "ObjectRemoved:DeleteMarkerCreated",
        "s3:ObjectRestore:Completed",
        "ReducedRedundancyLostObject",
        "Replication:OperationFailedReplication",
        "LifecycleExpiration:Delete",
        "LifecycleTransition",
        "IntelligentTiering",
        "ObjectTagging:Put",
        "ObjectAcl:Put",
    ],
)
def test_other_events_of_s3_are_no_objects(name: str) -> None:
    assert told({"Records": [{**record("k"), "eventName": name}]}) == Told(aside=(name.removeprefix("s3:"),))


@pytest.mark.parametrize(
    "kind", ["Object Deleted", "Object Restore Completed", "Object Storage Class Changed", "Object Tags Added"]
)
def test_other_events_of_eventbridge_are_no_objects(kind: str) -> None:
    assert told({**event("k"), "detail-type": kind}) == Told(aside=(kind,))


@pytest.mark.parametrize("name", [None, "", 7, "s3:", "Put", "ObjectCreated", "ObjectRemoved", "ObjectMoved:Put", "*"])
def test_an_event_of_s3_that_is_not_known_may_be_a_new_object(name: Any) -> None:
    found = told({"Records": [{**record("k"), "eventName": name}]})
    assert (found.new, found.aside) == ((), ())
    assert found.not_understood.startswith("Its eventName is none that S3 sends")
    bare = record("k")
    del bare["eventName"]
    assert told({"Records": [bare]}).not_understood


@pytest.mark.parametrize("kind", [None, "", "object created", "AWS API Call via CloudTrail", ["Object Deleted"]])
def test_nor_is_one_of_eventbridge(kind: Any) -> None:
    found = told({**event("k"), "detail-type": kind})
    assert (found.new, found.aside) == ((), ())
    assert found.not_understood.startswith("Its detail-type is none that S3 sends")
    bare = event("k")
    del bare["detail-type"]
    assert told(bare).not_understood


def test_what_was_encoded_once_more_is_opened() -> None:
    """Gateways and functions that pass messages on do that."""
    inner = {"Records": [record("k")]}
    assert told(json.dumps(inner)) == told(inner)
    assert told({"Type": "Notification", "Message": json.dumps(json.dumps(inner))}) == told(inner)
    assert told({"Records": [json.dumps(record("k")), record("l")]}) == told({"Records": [record("k"), record("l")]})
    assert told(json.dumps(TEST_EVENT)) == told(TEST_EVENT)


def test_what_was_encoded_again_and_again_is_not() -> None:
    body: Any = {"Records": [record("k")]}
    for _ in range(6):
        body = json.dumps(body)
    found = read_message(body)
    assert (found.new, found.aside) == ((), ())
    assert found.not_understood.startswith("It is wrapped more than 4 times")


def test_a_part_that_is_text_is_not_understood() -> None:
    for text in ("some text", "s3:TestEvent", '"s3:TestEvent"', "7"):
        assert told({"Type": "Notification", "Message": json.dumps(text)}).not_understood
        assert told({"Records": [text]}).not_understood
        assert not told({"Records": [text]}).aside


def test_what_a_message_does_not_say_is_left_open() -> None:
    assert only({"Records": [record("k", size=None, eTag=None)]})[3:] == ("", -1)
    assert only(event("k", etag='"quoted"', size=True))[3:] == ("quoted", -1)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("not JSON", "It is not JSON: 'not JSON'."),
        ("", "It is not JSON: ''."),
        ('{"Type": "Notification", "Message": "text"}', "It is not JSON: 'text'."),
        ("[]", "It is no notification of S3"),
        ("17", "It is no notification of S3"),
        ('{"Records": []}', "It is no notification of S3"),
        ('{"requestContext": {"functionArn": "f"}, "responsePayload": 1}', "It is no notification of S3"),
        ('{"Records": [{"eventSource": "aws:kinesis"}]}', "It is no notification of S3"),
        ('{"Records": [{"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": {}}]}', "It names no bucket"),
        ('{"source": "aws.s3", "detail-type": "Object Created", "detail": {"bucket": {"name": "b"}}}', "names no key"),
    ],
)
def test_what_is_not_understood_is_said(body: str, why: str) -> None:
    found = read_message(body)
    assert found.new == ()
    assert why in found.not_understood


def test_a_key_that_s3_does_not_take_is_not_understood_and_not_shown_as_a_whole() -> None:
    for one in ("\u00e4" * 513, "k" * 2000):
        for found in (told(event(one)), told({"Records": [record(quote(one))]})):
            assert found.new == ()
            assert "more than 1,024 bytes, which S3 does not take" in found.not_understood
            assert len(found.not_understood) < 550
    assert only(event("k" * 1024)).key == "k" * 1024
    encoded = only({"Records": [record(quote("\u00e4" * 512))]})
    assert (encoded.key, encoded.other_key) == ("\u00e4" * 512, "")  # as it is written, it could not be one


def test_what_is_understood_of_a_message_counts_beside_what_is_not() -> None:
    found = told({"Records": [record("k"), {"eventSource": "aws:kinesis"}]})
    assert [new.key for new in found.new] == ["k"]
    assert found.not_understood


@given(st.recursive(st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=8), lambda inner: (
    st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        ["Records", "Type", "Message", "Event", "source", "detail", "detail-type", "s3", "bucket", "object", "key"]
    ), inner, max_size=4)
)))  # fmt: skip
def test_no_message_is_taken_for_nothing(body: Any) -> None:
    """A message that says nothing of new objects, and nothing else that is known, is never deleted."""
    found = told(body)
    assert found.new or found.not_understood or set(found.aside) == {"s3:TestEvent"}


@pytest.mark.parametrize("depth", [200, 300, 800, 5000])
def test_what_is_nested_deeply_is_not_understood(depth: int) -> None:
    deep = "[" * depth + "]" * depth
    for body in (deep, f'{{"Records":[{deep},{json.dumps(record("a"))}]}}', f'{{"source":"aws.s3","detail":{deep}}}'):
        assert read_message(body).not_understood


@pytest.mark.parametrize("etag", ["", "x" * 40_000, "a\nX-Evil: 1", "\u00e4", "a b", 7, ["a"]])
def test_what_cannot_be_an_etag_is_not_taken_for_one(etag: Any) -> None:
    assert only({"Records": [record("a", eTag=etag)]}).etag == ""


@pytest.mark.parametrize("size", [0, -1, 2**63, 2**64 - 1, "7", None, True, 7.0])
def test_what_cannot_be_a_size_is_not_taken_for_one(size: Any) -> None:
    assert only({"Records": [record("a", size=size)]}).size == -1
