"""Envelopes of CloudWatch Logs, and Firehose's error objects around them."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensearch_strata.archive.decode.object_reader import Reading
from opensearch_strata.archive.events import NOWHERE, Broken, Event, Origin, raw_of
from tests.envelopes import CONTROL, GROUP, OWNER, STREAM, blocks_of, envelope, event_id, messages_in, packed, read

ORIGIN = Origin(OWNER, GROUP, STREAM)
AWKWARD = [
    '}{"messageType":"DATA_MESSAGE"}',
    "}{",
    '"}]}{"',
    "two\nlines\n",
    "\u0000",
    'quote " and \\',
    "日本 \U0001f600",
    "",
]


def error_object(data: bytes, **more: Any) -> bytes:
    """As Firehose writes it for a failed transformation."""
    return packed(
        {
            "attemptsMade": 4,
            "arrivalTimestamp": "1510613183395",
            "errorCode": "Lambda.FunctionError",
            "errorMessage": "it failed",
            "attemptEndingTimestamp": 1510613265474,
            "rawData": base64.b64encode(data).decode(),
            "lambdaArn": "arn:aws:lambda:eu-west-1:1:function:f",
            **more,
        }
    )


@given(
    st.lists(st.lists(st.sampled_from(AWKWARD) | st.text(st.characters(codec="utf-8")), max_size=4), max_size=5),
    st.sampled_from(["", "\n", " ", "mixed"]),
    st.booleans(),
    st.integers(1, 5000),
)
def test_envelopes_give_their_events_however_they_are_joined(
    messages: list[list[str]], between: str, pretty: bool, size: int
) -> None:
    envelopes = [envelope(texts, first=10 * number) for number, texts in enumerate(messages)]
    written = [json.dumps(one, indent=1).encode() if pretty else packed(one) for one in envelopes]
    joints = ["", "\n", "\r\n  "] if between == "mixed" else [between]
    data = b"".join(one + joints[number % len(joints)].encode() for number, one in enumerate(written))
    assert list(Reading(blocks_of(data, size), "cloudwatch")) == [
        Event(number, place, text, b"", 1_700_000_000_000 + 10 * number + place, event_id(10 * number + place), ORIGIN)
        for number, texts in enumerate(messages)
        for place, text in enumerate(texts)
    ]


def test_control_messages_are_known_by_their_type_and_are_no_events() -> None:
    data = (
        packed(CONTROL)
        + packed(envelope(["one"]))
        + packed({**CONTROL, "logEvents": []})
        + packed(envelope(["two"], 1))
    )
    found = read(data)
    assert messages_in(found) == ["one", "two"]
    assert [item.record for item in found] == [1, 3]
    assert read(packed(CONTROL)) == []


def test_an_unknown_type_is_broken_and_not_dropped() -> None:
    odd = packed({**CONTROL, "messageType": "OTHER"})
    one, broken = read(packed(envelope(["one"])) + odd)
    assert isinstance(one, Event)
    assert broken == Broken(
        1, "It is neither a DATA_MESSAGE nor a CONTROL_MESSAGE of CloudWatch Logs but 'OTHER'.", odd
    )


def test_what_aws_may_add_is_tolerated() -> None:
    data = envelope(["one"], policyLevel="ACCOUNT_LEVEL_POLICY", something={"new": 1})
    data["logEvents"][0]["extractedFields"] = {"a": "b"}
    assert messages_in(read(packed(data))) == ["one"]


@pytest.mark.parametrize("texts", [["one", "two"], ["x" * 2**10] * 100])
def test_envelopes_with_sorted_keys_are_known(texts: list[str]) -> None:
    data = envelope(texts)
    data["logEvents"] = [dict(sorted(event.items())) for event in data["logEvents"]]
    reading = Reading([packed({name: data[name] for name in ("logEvents", *sorted(data))})])
    assert messages_in(list(reading)) == texts
    assert reading.format == "cloudwatch"


def test_other_documents_with_log_events_are_none() -> None:
    assert Reading([packed({"logEvents": [{"id": "1"}]})]).format == ""
    for data in ({"logEvents": [{"id": "1"}]}, {"logEvents": [{"name": "x" * 2**17}]}):
        reading = Reading([packed(data)])
        assert messages_in(list(reading)) == [data]
        assert reading.format == "json"


@pytest.mark.parametrize("time", ["9" * 21, "9" * 5000])
def test_a_time_of_too_many_digits_is_broken(time: str) -> None:
    data = envelope(["one", "two"])
    data["logEvents"][0]["timestamp"] = time
    broken, two = read(packed(data))
    assert isinstance(broken, Broken)
    assert messages_in([two]) == ["two"]


@pytest.mark.parametrize("identity", [37_000_000, 2**63, int("3" * 56)])
def test_a_numeric_id_keeps_its_digits(identity: int) -> None:
    data = envelope(["one", "two"])
    data["logEvents"][1]["id"] = identity
    one, two = read(packed(data))
    assert isinstance(one, Event)
    assert isinstance(two, Event)
    assert (one.event_id, two.event_id, two.raw) == (event_id(0), str(identity), b"")


@pytest.mark.parametrize(
    "change", [{"message": None}, {"message": 5}, {"timestamp": "noon"}, {"timestamp": None}, {"id": [1]}]
)
def test_an_event_that_is_none_leaves_its_neighbours_alone(change: dict[str, Any]) -> None:
    data = envelope(["one", "two", "three"])
    data["logEvents"][1].update(change)
    one, broken, three = read(packed(data))
    assert messages_in([one, three]) == ["one", "three"]
    assert isinstance(broken, Broken)
    assert json.loads(broken.raw)["logEvents"] == [data["logEvents"][1]]
    (again,) = read(broken.raw)
    assert isinstance(again, Broken)


@pytest.mark.parametrize("event", [None, "text", 3, []])
def test_an_event_of_another_shape_is_broken(event: Any) -> None:
    data = envelope(["one"])
    data["logEvents"].append(event)
    one, broken = read(packed(data))
    assert messages_in([one, broken]) == ["one"]


def test_an_event_without_an_id_is_known_by_its_bytes() -> None:
    data = envelope(["one", "two"])
    del data["logEvents"][0]["id"]
    one, two = read(packed(data))
    assert isinstance(one, Event)
    assert one.event_id == ""
    assert read(one.raw, "cloudwatch") == [one]
    assert isinstance(two, Event)
    assert two.raw == b""


def test_texts_for_times_and_objects_for_messages_are_taken() -> None:
    data = envelope(["one"])
    data["logEvents"][0].update(timestamp="1700000000005", message={"a": 1})
    (event,) = read(packed(data))
    assert isinstance(event, Event)
    assert (event.time, event.message) == (1_700_000_000_005, {"a": 1})


def test_log_events_that_are_none_are_broken() -> None:
    odd: Any
    for odd in (None, "text", {}, 5):
        (broken,) = read(packed(envelope([], logEvents=odd)), "cloudwatch")
        assert isinstance(broken, Broken)
    no_object, broken = read(packed([1]) + b"\n" + packed({"a": 1}), "cloudwatch")
    assert isinstance(no_object, Broken)
    assert isinstance(broken, Broken)


def test_poison_between_envelopes_costs_itself_alone() -> None:
    good = [packed(envelope([f"m{number}"], number)) for number in range(4)]
    poison = packed(envelope(["lost"], 9))[:-3]
    for between in (b"", b"\n"):
        found = read(between.join([good[0], good[1], poison, good[2], poison, good[3]]))
        assert messages_in(found) == ["m0", "m1", "m2", "m3"]
        assert [item.raw for item in found if isinstance(item, Broken)] == [poison, poison]


def test_an_event_read_again_from_its_bytes_is_the_same() -> None:
    for item in read(packed(envelope(AWKWARD))):
        assert isinstance(item, Event)
        (again,) = read(raw_of(item), "cloudwatch")
        assert isinstance(again, Event)
        assert again._replace(ordinal=item.ordinal) == item


def test_error_objects_give_what_was_to_be_delivered() -> None:
    inner = gzip.compress(packed(envelope(["one", "two"])))
    data = error_object(inner) + error_object(gzip.compress(packed(CONTROL)), attemptsMade="4") + b"\n"
    data += error_object(b'{"a":1}\n{"b":2}\n', esDocumentId="x", esIndexName="i", esTypeName="t")
    data += error_object(b"a line\n") + error_object(b"")
    found = read(data)
    assert messages_in(found) == ["one", "two", {"a": 1}, {"b": 2}, "a line"]
    assert [(item.record, item.ordinal) for item in found if isinstance(item, Event)] == [
        (0, 0),
        (0, 1),
        (2, 0),
        (2, 1),
        (3, 0),
    ]
    one = found[0]
    assert isinstance(one, Event)
    assert (one.event_id, one.origin, one.raw) == (event_id(0), ORIGIN, b"")
    assert all(isinstance(item, Event) and item.origin == NOWHERE for item in found[2:])


@pytest.mark.parametrize("names", [("ErrorCode", "ErrorMessage"), ("lastErrorCode", "lastErrorMessage")])
def test_failed_format_conversions_name_their_error_otherwise(names: tuple[str, str]) -> None:
    failed = json.loads(error_object(b'{"a":1}\n'))
    failed |= dict(zip(names, (failed.pop("errorCode"), failed.pop("errorMessage")), strict=True))
    good, bad = packed(failed), packed({**failed, "rawData": "no base64!"})
    event, broken = read(good + b"\n" + bad)
    assert (messages_in([event]), type(broken)) == ([{"a": 1}], Broken)
    assert isinstance(broken, Broken)
    assert broken.reason == (
        "Its rawData cannot be read: it is not valid base64. Firehose could not deliver it: Lambda.FunctionError, it "
        "failed."
    )


def test_what_firehose_says_of_a_record_that_cannot_be_read_is_told_in_part() -> None:
    (broken,) = read(error_object(b"\x1f\x8b cut", errorMessage="m" * 5000, errorCode=None))
    assert isinstance(broken, Broken)
    assert broken.reason.endswith(f" Firehose could not deliver it: {'m' * 200}.")


def test_events_of_error_objects_are_read_again_in_their_format() -> None:
    data = (
        error_object(gzip.compress(packed(envelope(["one"]))))
        + error_object(b'{"a":1}\n{"b":2}')
        + error_object(b"x\ny")
    )
    for item in read(data):
        assert isinstance(item, Event)
        (again,) = read(raw_of(item), "firehose_errors")
        assert again == item._replace(record=0, ordinal=0)


def test_text_of_error_objects_is_entries_where_a_parser_knows_them() -> None:
    def begins(line: str) -> bool:
        return line.startswith(">")

    data = error_object(gzip.compress(b"> one\n two\n> three")) + error_object(packed(envelope(["> x\ny"])))
    found = read(data, begins=begins)
    assert messages_in(found) == ["> one\n two", "> three", "> x\ny"]
    assert isinstance(found[0], Event)
    assert messages_in(list(Reading([found[0].raw], "firehose_errors", begins))) == ["> one\n two"]
    assert messages_in(read(data)) == ["> one", " two", "> three", "> x\ny"]


@pytest.mark.parametrize(
    "poison",
    [
        error_object(b"", rawData="no base64!"),
        error_object(b"", rawData=5),
        error_object(bytes(range(256)) * 4),
        error_object(gzip.compress(bytes(2**25 + 2**20))),
        b'{"attemptsMade":1,"errorCode":"1","errorMessage":"an "inner" quote","rawData":"YQ=="}',
    ],
)
def test_an_error_object_that_cannot_be_read_costs_itself_alone(poison: bytes) -> None:
    for between in (b"", b"\n"):
        found = read(error_object(b"one") + between + poison + between + error_object(b"two"))
        assert messages_in(found) == ["one", "two"]
        (broken,) = (item for item in found if isinstance(item, Broken))
        assert (broken.record, broken.raw) == (1, poison)


def test_raw_data_that_are_cut_off_give_what_is_complete() -> None:
    cut = gzip.compress(packed(envelope(["one"]))) + gzip.compress(packed(envelope(["two"], 1)))[:-20]
    found = read(error_object(cut) + error_object(b"next"))
    assert messages_in(found) == ["one", "next"]
    (broken,) = (item for item in found if isinstance(item, Broken))
    assert (broken.record, broken.raw) == (0, error_object(cut))


def test_a_bomb_in_raw_data_costs_itself_alone() -> None:
    broken, event = read(error_object(gzip.compress(b"x" * 2**26)) + error_object(b"two"))
    assert isinstance(broken, Broken)
    assert "holds more than 100 bytes for each" in broken.reason
    assert messages_in([event]) == ["two"]
