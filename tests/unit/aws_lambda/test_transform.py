"""From the data of a record to lines: what a line is, and what a record must be."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from importlib import import_module
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensearch_strata.archive import json_bytes
from opensearch_strata.archive.decode.formats import cloudwatch, detected
from opensearch_strata.archive.decode.object_reader import Reading
from opensearch_strata.archive.documents.event_filter import Unwanted
from opensearch_strata.archive.documents.shaper import Dead, Shaper
from opensearch_strata.archive.events import Broken, Event, Place
from opensearch_strata.aws_lambda.settings import Settings
from opensearch_strata.aws_lambda.source import Unusable
from opensearch_strata.aws_lambda.transform import Transformed, Transformer, partition_keys
from tests.envelopes import CONTROL, GROUP, OWNER, STREAM, envelope, event_id, packed
from tests.streams import dataset_of
from tests.transformations import data_message, zipped

QUERY = "2023-11-14T22:13:20.123456Z\t   42 Query\tSELECT 1"
DATASET = dataset_of("shop")


def transformed(data: bytes, **settings: Any) -> Transformed:
    return Transformer(Settings(**settings), most=10**9).transformed(data)


def lines(data: bytes, **settings: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in transformed(data, **settings).lines.splitlines()]


def made_of(data: bytes) -> list[Any]:
    """What a backfill makes of content: ids and documents without their place, and dead letters."""
    shaper = Shaper(DATASET, Place("logs", "2023/11/14/22/a"))
    made = []
    for item in Reading([data]):
        one = shaper.shaped(item)
        if one is None or isinstance(one, Unwanted):
            continue
        if isinstance(one, Dead):
            made.append((one.id, one.index, one.detail))
            continue
        source = json.loads(one.source)
        source["archive"].pop("position")
        made.append((one.id, one.index, source))
    return made


def test_a_line_has_the_fields_of_the_parser_beside_what_identifies_the_event() -> None:
    assert lines(data_message([QUERY], first=7)) == [
        {
            "cloudwatch": {
                "owner": OWNER, "logGroup": GROUP, "logStream": STREAM, "id": event_id(7), "timestamp": 1700000000007,
            },
            "time": "2023-11-14T22:13:20.123456Z", "pid": 42, "perform": "Query", "statement": "SELECT 1",
        }
    ]  # fmt: skip


def test_two_word_commands_statements_of_several_lines_and_offsets_are_read() -> None:
    messages = [
        "2023-11-14T22:13:20.123456Z\t   42 Init DB\tshop",
        "2023-11-14T22:13:20.123456+08:00\t   42 Query\tSELECT 1,\n\t2\nFROM t",
        "231114  9:13:20\t    7 Quit\t",
    ]
    found = [(line["perform"], line["statement"]) for line in lines(data_message(messages))]
    assert found == [("Init DB", "shop"), ("Query", "SELECT 1,\n\t2\nFROM t"), ("Quit", "")]


def test_names_can_be_mapped() -> None:
    rename = {"time": "Time", "pid": "PID", "perform": "Perform", "statement": "Statement"}
    (line,) = lines(data_message([QUERY]), rename=rename)
    assert list(line) == ["cloudwatch", "Time", "PID", "Perform", "Statement"]


def test_a_name_that_is_taken_is_not_given_twice() -> None:
    message = json.dumps({"time": 1, "Time": 2})
    (line,) = lines(data_message([message], logGroup="app"), rename={"time": "Time"})
    assert (line["time"], line["Time"]) == (1, 2)


@pytest.mark.parametrize(
    ("group", "message"),
    [
        (GROUP, "not an entry"),
        (GROUP, "Tcp port: 3306  Unix socket: /tmp/mysql.sock"),
        ("app", json.dumps({"cloudwatch": "is ours"})),
        ("app", r'{"half": "\ud800"}'),
    ],
    ids=["unreadable", "banner", "our key", "half a pair"],
)
def test_what_a_line_cannot_carry_stays_an_envelope(group: str, message: str) -> None:
    data = data_message([message], logGroup=group)
    (line,) = lines(data)
    assert line["messageType"] == "DATA_MESSAGE"
    assert line["logEvents"] == [{"id": event_id(0), "timestamp": 1700000000000, "message": message}]
    assert transformed(data).unparsed == 1


def test_a_line_is_read_as_the_event_that_it_was() -> None:
    data = transformed(data_message([QUERY])).lines
    assert detected(data) == "cloudwatch"
    (event,) = Reading([data])
    assert isinstance(event, Event)
    assert (event.event_id, event.time, event.origin) == (event_id(0), 1700000000000, (OWNER, GROUP, STREAM))
    assert event.is_parsed
    assert event.raw + b"\n" == data  # a dead letter of it is read again in the same way


@pytest.mark.parametrize(
    "kept",
    [
        b"7",
        b'{"owner":"1"}',
        b'{"owner":"1","id":"2","timestamp":3}',
        b'{"owner":"1","logGroup":"g","logStream":"s","id":"2","timestamp":"3"}',
        b'{"owner":"1","logGroup":"g","logStream":"s","id":2,"timestamp":3}',
        b'{"owner":"1","logGroup":"g","logStream":"s","id":"2","timestamp":3,"more":4}',
    ],
)
@pytest.mark.parametrize("kind", ["CONTROL_MESSAGE", "DATA_MESSAGE"])
def test_a_line_without_what_identifies_an_event_is_broken(kept: bytes, kind: str) -> None:
    (item,) = cloudwatch.events([b'{"cloudwatch":%b,"messageType":"%b","logEvents":[]}' % (kept, kind.encode())])
    assert isinstance(item, Broken)
    assert item.reason.startswith("Its cloudwatch ")


@pytest.mark.parametrize(
    "fields",
    [
        {"messageType": "CONTROL_MESSAGE", "order": 8},
        {"messageType": "OrderCreated"},
        {"messageType": "DATA_MESSAGE", "logEvents": []},
        envelope(["an envelope as a message"]),
        CONTROL,
        {"rawData": "e30=", "errorCode": "Lambda.FunctionError", "attemptsMade": 4},
        {"_id": "1", "_source": {"a": 1}, "eventVersion": "1.08", "Records": []},
    ],
    ids=["control", "another type", "no events", "envelope", "health check", "failed record", "document"],
)
@pytest.mark.parametrize("order", [dict, lambda line: dict(sorted(line.items(), reverse=True))], ids=["ours", "sorted"])
def test_fields_that_are_those_of_another_format_do_not_change_what_a_line_is(
    fields: dict[str, Any], order: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    """Also if a tool has written its keys in another order."""
    (line,) = lines(data_message([json.dumps(fields)], logGroup="app"))
    written = packed(order(line))
    if order is dict:
        assert detected(written) == "cloudwatch"
    (event,) = Reading([written], "cloudwatch")
    assert isinstance(event, Event)
    assert (event.event_id, event.message, event.is_parsed) == (event_id(0), fields, True)


def test_an_envelope_to_which_somebody_added_a_key_stays_one() -> None:
    for added in (7, {}, {"id": "1", "timestamp": 2}):
        (event,) = cloudwatch.events([packed({**envelope([QUERY]), "cloudwatch": added})])
        assert isinstance(event, Event)
        assert (event.message, event.is_parsed) == (QUERY, False)


@pytest.mark.parametrize("fields", [{}, {"messageType": "CONTROL_MESSAGE"}, envelope([]), envelope([QUERY])])
def test_a_line_is_no_envelope_for_the_function_either(fields: dict[str, Any]) -> None:
    made = transformed(data_message([json.dumps({**fields, "n": 1})], logGroup="app"))
    with pytest.raises(Unusable, match="It is a line that this function has written"):
        transformed(made.lines)


def test_an_event_without_a_message_becomes_the_dead_letter_that_it_would_have_been() -> None:
    wrong: dict[str, Any] = envelope(["one", "two"])
    del wrong["logEvents"][0]["message"]
    data = zipped(wrong)
    assert [item.reason for item in Reading([transformed(data).lines]) if isinstance(item, Broken)] == [
        "Its event 0 has no message."
    ]
    assert transformed(data).events == 2


TEXTS = st.one_of(
    st.text(st.characters(), max_size=30),
    st.sampled_from(
        [
            "Nov 14 22:13:20 web sshd[42]: Accepted publickey",  # the year is that of the event
            "I1114 22:13:20.123456       1 controller.go:231] done",
            "2023-11-14 22:13:20 UTC:10.0.0.1(5432):app@shop:[42]:LOG:  connection received",
            "2023-11-14T22:13:20.123456789Z stdout F hello",
            '{"kind":"Event","apiVersion":"audit.k8s.io/v1","requestObject":{"a":"\\ud800","n":1e400}}',
        ]
    ),
    st.sampled_from(
        [QUERY, "a\nb", "\u2028", "\x00\x1b", "{", "null", "START RequestId: x Version: 1", "2 1 eni-1 - -"]
    ),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=5,
    ).map(lambda value: json.dumps({"value": value, "message": "START RequestId: x"})),
)
KEYS = [
    *["messageType", "logEvents", "owner", "logGroup", "logStream", "cloudwatch", "message", "timestamp", "id"],
    *["rawData", "errorCode", "attemptsMade", "_id", "_index", "_source", "Records", "eventVersion"],
]
VALUES = st.one_of(
    st.sampled_from(["CONTROL_MESSAGE", "DATA_MESSAGE", "OrderCreated", "e30=", "", 7, None, 1700000000000]),
    st.sampled_from([[], {}, [{"id": "1", "timestamp": 2, "message": "m"}], envelope(["m"]), CONTROL]),
    st.just({"owner": OWNER, "logGroup": GROUP, "logStream": STREAM, "id": "1", "timestamp": 2}),
)
OBJECTS = st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=6).map(json.dumps)
"""JSON messages with the keys by which formats are told from one another."""

NAMED = ["/var/log/messages", "/aws/eks/shop/cluster", "/aws/rds/instance/shop/postgresql", "/ecs/shop", "app", ""]
GROUPS = st.sampled_from(
    [GROUP, "/aws/rds/instance/shop/error", "/aws/lambda/f", "/vpcflowlogs/x", "/aws/apigateway/shop", *NAMED]
)


@contextmanager
def only_standard_library() -> Iterator[None]:
    """JSON as it is read and written where orjson is not installed."""
    modules = "events", "parsers.plain", "decode.formats.records", "decode.formats.cloudwatch"
    plain = {"loads": json.loads, "dumps": json_bytes._plainly_dumped, "IS_STRICT": False}
    with ExitStack() as patched:
        for module in (import_module(f"opensearch_strata.archive.{name}") for name in modules):
            for name in plain.keys() & vars(module).keys():
                patched.enter_context(patch.object(module, name, plain[name]))
        yield


@pytest.mark.parametrize("library", [nullcontext, only_standard_library], ids=["orjson", "standard library"])
@given(group=GROUPS, messages=st.lists(TEXTS | OBJECTS, min_size=1, max_size=4), is_ascii=st.booleans())
def test_a_backfill_makes_the_same_of_raw_and_of_transformed_records(
    library: Callable[[], AbstractContextManager[None]], group: str, messages: list[str], is_ascii: bool
) -> None:
    """Ids, indices, documents and dead letters; only the place of an event in its object differs."""
    raw = json.dumps(envelope(messages, logGroup=group), ensure_ascii=is_ascii).encode("utf-8", "surrogatepass")
    with library():
        made = transformed(gzip.compress(raw))
    assert made.events == len(messages)
    assert made.lines.count(b"\n") == len(messages)
    assert made_of(made.lines) == made_of(raw)


@pytest.mark.parametrize("pack", [gzip.compress, bytes, lambda data: data + b"\n"], ids=["gzip", "plain", "delimited"])
def test_data_may_be_compressed_or_not(pack: Any) -> None:
    assert len(lines(pack(packed(envelope([QUERY]))))) == 1


def test_several_envelopes_in_a_record() -> None:
    one, two = data_message([QUERY]), data_message([QUERY], first=1)
    for data in (one + two, packed(envelope([QUERY])) + packed(envelope([QUERY], 1)), one + zipped(CONTROL) + two):
        assert [line["cloudwatch"]["id"] for line in lines(data)] == [event_id(0), event_id(1)]


def test_a_health_check_has_no_events() -> None:
    made = transformed(zipped(CONTROL))
    assert (made.events, made.lines, made.first) == (0, b"", None)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "no envelope"),
        (zipped([]), "no envelope"),
        (b'{"a": 1}', "neither a DATA_MESSAGE nor a CONTROL_MESSAGE"),
        (zipped({**CONTROL, "messageType": "secret"}), "neither a DATA_MESSAGE nor a CONTROL_MESSAGE"),
        (zipped({**envelope([QUERY]), "logEvents": "none"}), "neither a DATA_MESSAGE nor a CONTROL_MESSAGE"),
        (b"plain text", "not a JSON object"),
        (packed(envelope([QUERY]))[:-9], "ends in the middle"),
        (data_message([QUERY])[:-9], "gzip"),
        (data_message([QUERY])[:20] + b"\0" * 20, "gzip"),
        (b"\x1f\x8b" + b"secret" * 9, "gzip"),
    ],
)
def test_what_is_no_envelope_is_told_without_its_contents(data: bytes, told: str) -> None:
    with pytest.raises(Unusable, match=told) as error:
        transformed(data)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize("id", [{}, {"id": ""}, {"id": None}, {"id": 0}], ids=str)
def test_an_event_without_an_id_would_get_another_one_from_a_line_so_its_record_fails(id: dict[str, Any]) -> None:
    """CloudWatch Logs gives an id to each event; without one, the id of a document is of bytes that a line changes."""
    one, other = envelope([QUERY, QUERY])["logEvents"]
    del other["id"]
    with pytest.raises(Unusable, match=r"Its event 1 has no id, though CloudWatch Logs gives one to each\."):
        transformed(zipped({**envelope([]), "logEvents": [one, {**other, **id}]}))


def test_a_bomb_is_refused_before_it_is_unpacked() -> None:
    bomb = gzip.compress(b'{"messageType":"DATA_MESSAGE","x":"' + b" " * 2**25)
    with pytest.raises(Unusable, match=r"holds more than 16\.0 MiB"):
        transformed(bomb)
    with pytest.raises(Unusable, match="packed in more than 3 layers"):
        transformed(gzip.compress(gzip.compress(gzip.compress(gzip.compress(b"{}")))))


def test_lines_that_no_answer_can_hold_are_counted_and_not_kept() -> None:
    made = Transformer(Settings(), most=500).transformed(data_message([QUERY] * 9))
    assert made.lines == b""
    assert made.size == sum(made.sizes[0]) > 9 * len(QUERY)
    assert made.events == 9


@pytest.mark.parametrize(
    ("time", "group", "expected"),
    [
        (
            1700000000000,
            "/aws/rds/a b/é",
            {"dt": "2023-11-14", "hour": "22", "owner": OWNER, "log_group": "aws_rds_a_b"},
        ),
        (10**18, "///", {"dt": "unknown", "hour": "unknown", "owner": OWNER, "log_group": "unknown"}),
        (0, "../..", {"dt": "1970-01-01", "hour": "00", "owner": OWNER, "log_group": "unknown"}),
    ],
)
def test_partition_keys_are_safe_parts_of_a_key(time: int, group: str, expected: dict[str, str]) -> None:
    event = Event(0, 0, "", time=time, origin=Event(0, 0, "").origin._replace(owner=OWNER, log_group=group))
    assert partition_keys(event, ("dt", "hour", "owner", "log_group")) == expected
    assert partition_keys(event, ()) == {}
