"""From events to documents of the raw days: names, types, times, ids, and what cannot become one."""

from __future__ import annotations

import gzip
import re
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import opensearch_strata.archive.documents.shaper as shape_module
from opensearch_strata.archive.decode.formats import cloudwatch, json, strata
from opensearch_strata.archive.decode.object_reader import Reading
from opensearch_strata.archive.documents.shaper import Dead, Document, Shaped, Shaper
from opensearch_strata.archive.events import Broken, Event, Origin, Place, raw_of
from opensearch_strata.archive.lines import line_of
from opensearch_strata.archive.timestamps import iso_text, read_iso, read_time
from opensearch_strata.definition.dataset import Dataset
from tests.streams import definition_of

NOON = 1357387200123  # 2013-01-05T12:00:00.123Z
OBJECT = Place("logs", "2013/01/05/12/stream-1-2013-01-05-12-00-00-uuid", "etag")
GENERAL = Origin("123456789012", "/aws/rds/instance/shop/general", "shop")
ENTRY = "2013-01-05T12:00:00.123456Z\t    7 Init DB\tshop"
EVER = (0, 2**62)
APP = Origin("123456789012", "app", "web-1")


@cache
def dataset_in(time_zone: str) -> Dataset:
    """For tests that need one many times over."""
    return dataset_with(time_zone)


def dataset_with(time_zone: str = "UTC", timestamp: str = "@timestamp", **intake: Any) -> Dataset:
    raw = {"index": "t-{day}", "timestamp": timestamp}
    return Dataset.model_validate(definition_of("t", raw=raw, intake=intake) | {"time_zone": time_zone})


def logged(message: Any, time: int | None = NOON, origin: Origin = APP, event_id: str = "3631") -> Event:
    """An event of CloudWatch Logs."""
    return Event(4, 2, message, b"", time, event_id, origin)


def line(message: Any, raw: bytes | None = None) -> Event:
    """An event that says of itself all that is known."""
    return Event(4, 0, message, raw if raw is not None else orjson.dumps(message))


def shape(event: Event | Broken, dataset: Dataset | None = None, **options: Any) -> Shaped:
    return Shaper(dataset or dataset_in("UTC"), OBJECT, **options).shaped(event)


def document(event: Event, dataset: Dataset | None = None) -> Document:
    made = shape(event, dataset)
    assert isinstance(made, Document), made
    return made


def source(event: Event, dataset: Dataset | None = None) -> dict[str, Any]:
    fields: dict[str, Any] = orjson.loads(document(event, dataset).source)
    return fields


def dead(event: Event | Broken, dataset: Dataset | None = None) -> Dead:
    made = shape(event, dataset)
    assert isinstance(made, Dead), made
    return made


def test_an_event_of_cloudwatch() -> None:
    event = logged(ENTRY, origin=GENERAL)
    made = document(event)
    assert (made.index, made.day, made.event) == ("t-2013.01.05", date(2013, 1, 5), event)
    assert re.fullmatch(r"[A-Za-z0-9_-]{24}", made.id)
    assert orjson.loads(made.source) == {
        "time": "2013-01-05T12:00:00.123456Z",
        "pid": 7,
        "perform": "Init DB",
        "statement": "shop",
        "@timestamp": "2013-01-05T12:00:00.123Z",
        "archive": {
            "owner": "123456789012",
            "log_group": "/aws/rds/instance/shop/general",
            "log_stream": "shop",
            "event_id": "3631",
            "object": f"s3://logs/{OBJECT.key}",
            "position": "4:2",
        },
    }


def test_a_line_of_a_file() -> None:
    made = source(line('{"@timestamp": "2013-01-05T13:00:00.123987+01:00", "archive": "mine", "load": 3}'))
    assert made == {
        "@timestamp": "2013-01-05T12:00:00.123Z",
        "load": 3,
        "archive": {"object": f"s3://logs/{OBJECT.key}", "position": "4:0"},
    }


def test_an_id_is_not_left_over_for_the_next_event() -> None:
    shaper = Shaper(dataset_in("UTC"), OBJECT)
    shaper.shaped(logged("a"))
    made = shaper.shaped(logged("b", event_id="")._replace(raw=b"b"))
    assert isinstance(made, Document)
    assert "event_id" not in orjson.loads(made.source)["archive"]


def test_metadata_is_left_out_or_named_as_the_dataset_says() -> None:
    assert source(logged("hi"), dataset_with(metadata=None)).keys() == {"@timestamp", "message"}
    assert source(logged("hi"), dataset_with(metadata="aws")).keys() == {"@timestamp", "message", "aws"}


def test_the_time_is_the_events_then_the_parsers_then_the_fields() -> None:
    message = '{"@timestamp": "2012-01-01T00:00:00Z", "timestamp": "2011-01-01T00:00:00Z"}'
    as_lambda = dataset_with(parser="lambda")
    assert source(logged(message), as_lambda)["@timestamp"] == "2013-01-05T12:00:00.123Z"
    assert source(logged(message, time=None), as_lambda)["@timestamp"] == "2011-01-01T00:00:00.000Z"
    assert source(logged(message, time=None))["@timestamp"] == "2012-01-01T00:00:00.000Z"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("2013-01-05T12:00:00.123456789Z", "2013-01-05T12:00:00.123Z"),
        ("2013-01-05T07:30:00-04:30", "2013-01-05T12:00:00.000Z"),
        ("2013-01-05T12:00", "2013-01-05T12:00:00.000Z"),  # as OpenSearch reads it, whatever the dataset's zone
        ("2013-01-05", "2013-01-05T00:00:00.000Z"),
        ("2013", "2013-01-01T00:00:00.000Z"),  # a year, by strict_date_optional_time
        ("20130000000", "1970-08-21T23:40:00.000Z"),
        (20130000000, "1970-08-21T23:40:00.000Z"),
        (NOON, "2013-01-05T12:00:00.123Z"),
        (str(NOON), "2013-01-05T12:00:00.123Z"),
        (NOON + 0.75, "2013-01-05T12:00:00.123Z"),
        (str(NOON) + ".75", "2013-01-05T12:00:00.123Z"),
    ],
)
def test_times_in_fields(value: Any, text: str) -> None:
    assert source(line({"@timestamp": value}))["@timestamp"] == text


@pytest.mark.parametrize("value", [None, "", "now", "0000", "2013-02-30", True, [], {}, float("inf"), float("nan")])
def test_without_a_time_there_is_no_document(value: Any) -> None:
    made = dead(line({"@timestamp": value}, raw=b"raw"))
    assert made[:1] + made[2:] == ("no_time", 4, 0, b"raw", "", "")
    assert made.detail.startswith(f"It has no valid time: the field '@timestamp' is {value!r}, which is neither")
    assert made.detail.endswith("state its format as intake.timestamp_format.")
    assert "the field '@timestamp' is missing. If another field holds the time, name it in intake.rename" in (
        dead(line({})).detail
    )


@pytest.mark.parametrize("time", [-1, -(10**20), 253402300800000, 10**15, 10**30])
def test_a_time_that_no_raw_day_has_is_dead(time: int) -> None:
    for event in (logged("x", time=time), line({"@timestamp": time}, raw=b"raw")):
        made = shape(event, span=(-(10**40), 10**40))
        assert isinstance(made, Dead)
        assert (made.reason, made.index, made.id) == ("time_out_of_range", "", "")
        assert "state" in made.detail
        assert "as intake.timestamp_format" in made.detail


def test_the_day_is_the_one_of_the_datasets_calendar() -> None:
    auckland = dataset_with("Pacific/Auckland")
    assert document(logged("x", time=NOON - 3_600_124), auckland).index == "t-2013.01.05"
    assert document(logged("x", time=NOON - 3_600_123), auckland).index == "t-2013.01.06"
    new_york = dataset_with("America/New_York")
    assert isinstance(shape(logged("x", time=0), new_york, span=EVER), Dead)  # 1969 there
    made = shape(logged("x", time=5 * 3_600_000), new_york, span=EVER)
    assert isinstance(made, Document)
    assert made.index == "t-1970.01.01"


@given(
    st.lists(st.integers(0, 253402127999999), min_size=1, max_size=8),
    st.sampled_from(["UTC", "Europe/Berlin", "Africa/Monrovia", "Asia/Kathmandu", "Australia/Lord_Howe"]),
)
@example([1382835599999, 1382835600000, 1382835600001], "Europe/Berlin")  # the night of 25 hours
@example([1364691600000, 1364684399999, 1364684400000], "Europe/Berlin")  # and of 23
def test_index_and_text_are_functions_of_the_time_alone(times: list[int], zone: str) -> None:
    shaper = Shaper(dataset_in(zone), OBJECT, EVER)
    for time in times:
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=time)
        day = moment.astimezone(ZoneInfo(zone)).date()
        made = shaper.shaped(logged("x", time=time))
        if day.year < 1970:
            assert isinstance(made, Dead)
            continue
        assert isinstance(made, Document)
        assert (made.index, made.day) == (f"t-{day:%Y.%m.%d}", day)
        text = orjson.loads(made.source)["@timestamp"]
        assert text == f"{moment:%Y-%m-%dT%H:%M:%S}.{time % 1000:03d}Z"


@given(st.integers(-62135596800000, 253402300799999))
@example(-1)
@example(-1000)
@example(-1001)
def test_texts_of_times_are_read_again_also_before_1970(time: int) -> None:
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", iso_text(time))
    assert read_iso(iso_text(time)) == read_time(iso_text(time)) == time


@pytest.mark.parametrize(("time", "inside"), [(99, False), (100, True), (199, True), (200, False)])
def test_the_span_has_its_start_and_not_its_end(time: int, inside: bool) -> None:
    events = [
        logged("x", time=time),
        line({"@timestamp": time}),
        logged(ENTRY, time=time, origin=GENERAL),
        line({"@timestamp": time})._replace(document_id="x"),
    ]
    for event in events:
        assert isinstance(shape(event, span=(100, 200)), Document) == inside
        assert (shape(event, span=(100, 200)) is None) != inside


def test_what_is_outside_of_the_span_is_no_dead_letter() -> None:
    assert shape(logged("no entry", time=99, origin=GENERAL), span=(100, 200)) is None
    assert shape(logged("{", time=99), dataset_with(parser="json"), span=(100, 200)) is None


def test_an_entry_outside_of_the_span_is_remembered_by_those_inside() -> None:
    shaper = Shaper(dataset_in("UTC"), OBJECT, span=(100, 200))
    assert shaper.shaped(logged("130801  9:05:01\t    1 Ping\t", time=99, origin=GENERAL)) is None
    made = shaper.shaped(logged("\t\t    1 Ping\t", time=100, origin=GENERAL))
    assert isinstance(made, Document)
    assert orjson.loads(made.source)["time"] == "2013-08-01T09:05:01.000Z"


def test_log_streams_are_remembered_apart() -> None:
    shaper = Shaper(dataset_in("UTC"), OBJECT)
    shaper.shaped(logged("130801  9:05:01\t    1 Ping\t", origin=GENERAL))
    other = shaper.shaped(logged("\t\t    1 Ping\t", origin=GENERAL._replace(log_stream="other")))
    again = shaper.shaped(logged("\t\t    1 Ping\t", origin=Origin(*GENERAL)))
    assert isinstance(other, Document)
    assert isinstance(again, Document)
    assert "time" not in orjson.loads(other.source)
    assert "time" in orjson.loads(again.source)


def test_a_banner_is_no_event() -> None:
    assert shape(logged("Time                 Id Command    Argument\n", origin=GENERAL)) is None


def test_what_cannot_be_parsed_is_dead_with_index_and_id() -> None:
    event = logged("no entry", origin=GENERAL)
    made = dead(event)
    assert made[:4] == (
        "unparsed",
        "The parser mysql_general cannot read the message: it does not begin with a time, a connection id and "
        "a command.",
        4,
        2,
    )
    assert (made.index, made.id) == ("t-2013.01.05", document(logged("x")._replace(origin=GENERAL, message=ENTRY)).id)
    (again,) = cloudwatch.events([made.raw])
    assert again == event._replace(record=0, ordinal=0)


def test_what_cannot_be_parsed_is_a_document_where_the_dataset_says_so() -> None:
    keep = dataset_with(unparsed="document", rename={"parse_error": "problem"}, cast={"pid": "string"})
    made = source(logged("no entry", origin=GENERAL), keep)
    assert made["message"] == "no entry"
    assert made["problem"].startswith("The parser mysql_general cannot read the message: it does not")
    assert dead(line("no entry"), dataset_with(unparsed="document", parser="vpc_flow")).reason == "no_time"
    fields = source(logged({"a": 1}, origin=GENERAL), keep)
    assert fields["message"] == '{"a":1}'


@pytest.mark.parametrize("fault", [ValueError("Exceeds the limit"), OverflowError("out of range"), RecursionError()])
def test_what_a_parser_did_not_expect_is_dead_and_no_crash(monkeypatch: pytest.MonkeyPatch, fault: Exception) -> None:
    def parse(_: Any) -> Any:
        raise fault

    monkeypatch.setattr(shape_module, "parser_of", lambda name, intake: parse)
    shaper = Shaper(dataset_with(parser="raw"), OBJECT)
    made = shaper.shaped(logged("x"))
    assert isinstance(made, Dead)
    assert (made.reason, made.index, len(made.id)) == ("unparsed", "t-2013.01.05", 24)
    assert made.detail == (
        f"The parser raw cannot read the message: it contains something that is not expected ({fault})."
    )


@pytest.mark.parametrize(("zone", "hour"), [("UTC", 12), ("Europe/Berlin", 11)])
def test_times_without_a_zone_are_of_the_zone_of_the_log(zone: str, hour: int) -> None:
    entry = "130105 12:00:00\t    1 Ping\t"
    for calendar in ("UTC", "Pacific/Auckland"):
        dataset = dataset_with(calendar, parser="mysql_general", log_time_zone=zone)
        assert source(line(entry, raw=b"raw"), dataset)["@timestamp"] == f"2013-01-05T{hour}:00:00.000Z"
    assert dataset_with("Pacific/Auckland").intake.log_time_zone == "UTC"
    with pytest.raises(ValueError, match="'Berlin' is not a time zone of the IANA database"):
        dataset_with(log_time_zone="Berlin")


def test_a_broken_record_is_dead() -> None:
    assert dead(Broken(9, "It ends too early.", b"raw")) == Dead("broken", "It ends too early.", 9, 0, b"raw", "", "")


def test_rename_cast_drop_and_add_in_this_order() -> None:
    rules = dataset_with(
        rename={"ts": "@timestamp", "user.id": "user_id", "absent": "nothing", "secret": "password"},
        cast={"user_id": "integer", "user.age": "float", "ok": "boolean", "code": "string", "many": "integer"},
        drop=["password", "user.name", "none"],
        add={"site": "plant 1", "tags": ["restored"]},
    )
    message = {
        "ts": NOON, "user": {"id": "7", "age": "40.5", "name": "ada"}, "ok": "TRUE", "code": 7,
        "many": ["1", None, 2.0], "secret": "x", "site": "other", "null": None,
    }  # fmt: skip
    assert source(line(message), dataset_with(metadata=None).model_copy(update={"intake": rules.intake})) == {
        "@timestamp": "2013-01-05T12:00:00.123Z",
        "user": {"age": 40.5},
        "user_id": 7,
        "ok": True,
        "code": "7",
        "many": [1, None, 2],
        "site": "plant 1",
        "tags": ["restored"],
        "null": None,
        "archive": {"object": f"s3://logs/{OBJECT.key}", "position": "4:0"},
    }


@pytest.mark.parametrize(
    ("kind", "value", "cast"),
    [
        ("integer", " 12 ", 12),
        ("integer", "12.0", 12),
        ("integer", 12.0, 12),
        ("integer", "+7", 7),
        ("integer", True, 1),
        ("integer", "-9223372036854775808", -(2**63)),
        ("float", "1e3", 1000.0),
        ("float", 3, 3.0),
        ("boolean", 0, False),
        ("boolean", "false", False),
        ("string", {"a": [1]}, '{"a":[1]}'),
        ("string", True, "true"),
        ("string", "1", "1"),
    ],
)
def test_values_that_can_be_cast(kind: str, value: Any, cast: Any) -> None:
    made = source(logged({"a": {"b": value}}), dataset_with(cast={"a.b": kind}))
    assert made["a"] == {"b": cast}
    assert type(made["a"]["b"]) is type(cast)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("integer", "12.5"),
        ("integer", "1_234"),
        ("integer", "1,234"),
        ("integer", "١٢"),
        ("integer", ""),
        ("integer", "-"),
        ("integer", "1e400"),
        ("float", "1_234.5"),
        ("float", "1,5"),
        ("float", "inf"),
        ("integer", 12.5),
        ("integer", "9223372036854775808"),
        ("integer", {}),
        ("integer", float("inf")),
        ("float", "nan"),
        ("float", "ten"),
        ("boolean", "yes"),
        ("boolean", 2),
        ("integer", ["1", "x"]),
    ],
)
def test_a_value_that_cannot_be_cast_is_dead(kind: str, value: Any) -> None:
    made = dead(logged({"a": value}), dataset_with(cast={"a": kind}))
    assert (made.reason, made.index) == ("bad_value", "t-2013.01.05")
    assert made.detail == f"The field 'a' is {value!r}, which cannot be cast to {kind}."
    assert made.id == document(logged("x")).id


def test_a_timestamp_inside_of_an_object() -> None:
    nested = dataset_with(timestamp="event.time")
    made = source(line({"event": {"time": NOON, "kind": "x"}}), nested)
    assert (made["event"], made["event.time"]) == ({"kind": "x"}, "2013-01-05T12:00:00.123Z")
    flat = source(line({"event.time": NOON}), nested)
    assert flat["event.time"] == "2013-01-05T12:00:00.123Z"


def test_what_utf_8_and_json_cannot_hold() -> None:
    assert source(logged('{"a\\udc00": ["\\ud800"]}'))["a?"] == ["?"]
    assert source(logged('{"a": NaN}'))["a"] is None
    deep: Any = 1
    for _ in range(3000):
        deep = {"a": deep}
    assert source(logged({"a": 2**70, "b": 10**400, "c": 2**64 - 1})).items() >= {"a": 2.0**70, "b": None}.items()
    made = dead(logged({"a": deep})._replace(raw=b"raw"))
    assert made.reason == "bad_value"
    assert made.detail.startswith("It cannot be written as JSON")


def test_a_dead_letter_of_what_utf_8_cannot_hold() -> None:
    event = logged("no \ud800", origin=GENERAL._replace(log_stream="\udfff"), event_id="\ud800")
    made = dead(event)
    assert orjson.loads(made.raw)["logEvents"][0]["message"] == "no ?"
    assert source(event._replace(message=ENTRY))["archive"]["log_stream"] == "?"


def test_events_are_not_changed() -> None:
    message = {"@timestamp": NOON, "a": 1, "drop": 2}
    event = line(message)
    document(event, dataset_with(drop=["drop"], add={"b": 1}))
    assert message == {"@timestamp": NOON, "a": 1, "drop": 2}


def archived(source: bytes, document_id: str = "an id") -> Event:
    """A document of an archive of our own, as it is read."""
    (event,) = strata.events([line_of(document_id, source)])
    assert isinstance(event, Event)
    return event


def test_an_archive_of_our_own_is_restored_byte_for_byte() -> None:
    exact = b'{"@timestamp":"2013-01-05T12:00:00+02:00","n":123456789012345678901234567890,"f":1.10,"archive":"x"}'
    rules = dataset_with(rename={"n": "m"}, add={"b": 1}, drop=["f"])
    made = document(archived(exact), rules)
    assert (made.index, made.id, made.source) == ("t-2013.01.05", "an id", exact)


@pytest.mark.parametrize(
    "written",
    [
        b'{"_id": "x",\n "_source": {"@timestamp": 1357387200123, "a": 1}, "more": 1}',
        b'{"_id":"x","_source":{"@timestamp":1357387200123,\n"a":1}}',
        b'{"_id":"x","_source":{"@timestamp":1357387200123,"a":1},"more":{}}',
        b'{"_id":"x","_source":{"@timestamp":1357387200123,"a":1} }',
    ],
)
def test_an_archive_that_was_written_in_another_way_is_restored_too(written: bytes) -> None:
    (event,) = strata.events([written])
    assert isinstance(event, Event)
    assert (document(event).id, orjson.loads(document(event).source)) == ("x", {"@timestamp": NOON, "a": 1})
    assert b"\n" not in document(event).source


def test_a_restored_document_without_a_time_is_dead_under_its_id() -> None:
    made = dead(archived(b'{"a":1}'))
    assert (made.reason, made.id, made.index) == ("no_time", "an id", "")


def test_a_dead_letter_keeps_its_id_when_it_is_loaded_again() -> None:
    shaper = Shaper(dataset_in("UTC"), OBJECT)
    made = shaper.shaped(line({"@timestamp": NOON}), fixed_id="as before")
    assert isinstance(made, Document)
    assert made.id == "as before"
    assert shaper.shaped(logged("no", origin=GENERAL), "as before")[-1] == "as before"  # type: ignore[index]


@given(st.lists(st.sampled_from(["a", "b"]), max_size=6), st.lists(st.sampled_from(["a", "b"]), max_size=6))
def test_ids_of_lines_follow_what_they_say(lines: list[str], added: list[str]) -> None:
    def ids(messages: list[str]) -> list[str]:
        shaper = Shaper(dataset_in("UTC"), OBJECT)
        made = [shaper.shaped(line({"@timestamp": NOON, "m": message})) for message in messages]
        return [document.id for document in made if isinstance(document, Document)]

    assert len(set(ids(lines))) == len(lines)
    assert set(ids(lines)) <= set(ids(added + lines))


def test_lines_outside_of_the_span_are_counted() -> None:
    """What a line's id is must not depend on the span that is loaded."""
    both = [line({"@timestamp": NOON}, raw=b"same"), line({"@timestamp": NOON + 1}, raw=b"same")]
    whole, part = Shaper(dataset_in("UTC"), OBJECT), Shaper(dataset_in("UTC"), OBJECT, span=(NOON + 1, NOON + 2))
    made = [(whole.shaped(event), part.shaped(event)) for event in both]
    assert made[0][1] is None
    assert made[1][0] == made[1][1]


def test_the_same_event_in_two_objects_is_one_document() -> None:
    envelope = raw_of(logged(ENTRY, origin=GENERAL))
    control = b'{"messageType":"CONTROL_MESSAGE","owner":"CloudwatchLogs","logGroup":"","logStream":"","logEvents":[]}'
    objects = {"a": gzip.compress(envelope), "b": gzip.compress(control) + gzip.compress(envelope)}
    made = {
        shaped.id
        for key, data in objects.items()
        for shaped in map(Shaper(dataset_in("UTC"), Place("logs", key)).shaped, Reading([data]))
        if isinstance(shaped, Document)
    }
    assert len(made) == 1


def test_a_second_run_gives_the_same() -> None:
    text = b"".join(orjson.dumps({"@timestamp": NOON + n % 3, "n": n % 2}) for n in range(20))
    runs = [[Shaper(dataset_in("UTC"), OBJECT).shaped(event) for event in json.events([text])] for _ in range(2)]
    assert runs[0] == runs[1]
