"""Formats: found by their content, read in any blocks, and poison costs its own record only."""

from __future__ import annotations

import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensearch_strata.archive.decode.byte_stream import KEPT, LONGEST
from opensearch_strata.archive.decode.formats import FORMATS, detected, export_task, lines
from opensearch_strata.archive.decode.formats import json as json_format
from opensearch_strata.archive.decode.formats.text import lines_of
from opensearch_strata.archive.decode.object_reader import Reading
from opensearch_strata.archive.events import Broken, Event
from opensearch_strata.archive.lines import line_of
from opensearch_strata.definition.extensions import BUILT_IN
from tests.delivered import CLOUDTRAIL, trail
from tests.envelopes import blocks_of, envelope, messages_in, packed, read


def test_the_registry_knows_the_names_that_a_dataset_may_use() -> None:
    assert {"auto", *FORMATS} == set(BUILT_IN["format"])


HEADS = {
    "cloudwatch": packed(envelope(["a"])),
    "firehose_errors": b'{"attemptsMade":4,"arrivalTimestamp":1,"errorCode":"400","errorMessage":"m","rawData":"YQ=="}',
    "cloudtrail": gzip.decompress(trail(CLOUDTRAIL)),
    "parquet": b"PAR1\x15\x04\x15\x80\x12\x15\x00\x00\x01\x02\x03\x04\x05\x06\x07\x08",
    "strata": b'{"_id":"a","_source":{"b":1}}\n',
    "json": b'{"a":1}\n',
    "export_task": b"2024-05-06T07:08:09.123Z hello\n",
    "lines": b"hello\n",
}


@pytest.mark.parametrize("name", HEADS)
def test_content_tells_its_format(name: str) -> None:
    assert detected(HEADS[name]) == name


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("cloudwatch", json.dumps(envelope(["a"]), indent=2).encode()),
        ("cloudwatch", b"garbage\n" + HEADS["cloudwatch"]),
        ("cloudwatch", packed({"owner": "1", "logGroup": "g", "messageType": "DATA_MESSAGE", "logEvents": []})),
        ("json", packed({"message": HEADS["cloudwatch"].decode()})),
        ("json", b'[{"a":1}]'),
        ("json", b"[]"),
        ("json", b"{}"),
        ("json", b'  [\n  {\n    "a": 1\n  }\n]\n'),
        ("json", b'poison\n{"a":1}\n{"b":1}\n'),
        ("lines", b"[Sun Nov 22 10:00:00 2026] [error] it failed\n"),
        ("lines", b'2024-05-06T07:08:09.123Z\tinfo\t{"a":1}\n'),
        ("lines", b"2024-05-06T07:08:09.123456Z 0 [Note] mysqld: ready for connections.\n"),
        ("lines", b"{not json}\n"),
        ("lines", "Z\u00fcrich \u65e5\u672c\n".encode("utf-16-le").replace(b"\0", b"") + "日本".encode("shift-jis")),
        ("export_task", b"Permission Check Successful"),
        (None, bytes(range(256)) * 8),
        (None, b"ORC\x15\x04\x15\x80\x12\x15\x00\x00\x01\x02\x03\x04\x05\x06\x07\x08"),
    ],
)
def test_content_tells_its_format_in_less_plain_cases(name: str | None, head: bytes) -> None:
    assert detected(head) == name


def test_json_documents_are_events_with_their_bytes() -> None:
    data = b'{"a": 1}\n\n {"b":\n 2}\n[3]\n'
    assert list(json_format.events([data])) == [
        Event(0, 0, {"a": 1}, b'{"a": 1}'),
        Event(1, 0, {"b": 2}, b'{"b":\n 2}'),
        Broken(2, "It is not a JSON object.", b"[3]"),
    ]


@given(st.text("ab\n\r \t", max_size=60), st.integers(1, 70))
def test_lines_are_the_same_in_any_blocks(text: str, size: int) -> None:
    data = text.encode()
    found = list(lines.events(blocks_of(data, size)))
    wanted = [(number, line.removesuffix("\r")) for number, line in enumerate(text.split("\n")) if line.strip()]
    assert [(item.record, item.message) for item in found if isinstance(item, Event)] == wanted
    assert all(item.raw == str(item.message).encode() for item in found if isinstance(item, Event))


def test_lines_in_any_charset_keep_their_bytes() -> None:
    (event,) = lines.events([b"caf\xe9 \xff"])
    assert event == Event(0, 0, "caf\ufffd \ufffd", b"caf\xe9 \xff")


@pytest.mark.parametrize("format", ["lines", "export_task"])
def test_a_line_that_does_not_end_is_broken_in_bounded_memory(format: str) -> None:
    begin = b"2024-05-06T07:08:09.123Z "
    data = begin + b"one\n" + begin + b"x" * (LONGEST + 2**21) + b"\n" + begin + b"two"
    assert max(map(len, lines_of(blocks_of(data, 2**20)))) <= LONGEST + 2**20
    one, broken, two = Reading(blocks_of(data, 2**20), format)
    assert isinstance(broken, Broken)
    assert (broken.record, len(broken.raw)) == (1, KEPT)
    assert (one.record, two.record) == (0, 2)


@given(st.lists(st.sampled_from(["> one", "two", "", "  three", "> four\r"]), max_size=12), st.integers(1, 40))
def test_lines_that_begin_no_entry_continue_one(written: list[str], size: int) -> None:
    def begins(line: str) -> bool:
        return line.startswith(">")

    data = "\n".join(written).encode()
    found = list(lines.entries(blocks_of(data, size), begins))
    assert all(isinstance(item, Event) for item in found)
    assert all(begins(str(item.message)) for item in found[1:] if isinstance(item, Event))
    kept = [line.removesuffix("\r") for line in written if line.strip()]
    joined = "\n".join(str(item.message) for item in found if isinstance(item, Event))
    assert [line for line in joined.split("\n") if line] == kept
    for item in found:
        assert written[item.record].removesuffix("\r") == str(getattr(item, "message", "")).split("\n")[0]


def test_an_export_task_file_is_its_messages_with_their_times() -> None:
    data = (
        b"2024-05-06T07:08:09.123Z START RequestId: 1\n"
        b"\n"
        b"2024-05-06T07:08:09.124Z Traceback:\n  File x\n\nValueError\n"
        b"2024-02-31T00:00:00.000Z no such day\n"
        b"1969-12-31T23:59:59.999Z  early \xff"
    )
    assert list(export_task.events(blocks_of(data, 11))) == [
        Event(0, 0, "START RequestId: 1", b"2024-05-06T07:08:09.123Z START RequestId: 1", 1714979289123),
        Event(
            2,
            0,
            "Traceback:\n  File x\n\nValueError",
            b"2024-05-06T07:08:09.124Z Traceback:\n  File x\n\nValueError",
            1714979289124,
        ),
        Broken(6, "It does not begin with a timestamp.", b"2024-02-31T00:00:00.000Z no such day"),
        Event(7, 0, " early \ufffd", b"1969-12-31T23:59:59.999Z  early \xff", -1),
    ]


def test_the_beginning_of_an_export_task_file_may_be_missing() -> None:
    broken, event = export_task.events([b"rest of a message\n2024-05-06T07:08:09.000Z hello\n"])
    assert broken == Broken(0, "It does not begin with a timestamp.", b"rest of a message")
    assert isinstance(event, Event)
    assert (event.message, event.time) == ("hello", 1714979289000)


@pytest.mark.parametrize("time", ["2013-01-05T12:00:00Z", "2013-01-05T12:00:00.1Z", "2013-01-05T12:00:00.123456Z"])
def test_a_time_of_another_form_continues_the_message_of_an_export(time: str) -> None:
    entry = f"2024-05-06T07:08:09.123Z first\n{time} 0 [Note] second"
    assert messages_in(list(export_task.events([entry.encode()]))) == [f"first\n{time} 0 [Note] second"]


def test_carriage_returns_inside_of_a_statement_stay() -> None:
    found = list(lines.entries([b"> a\n b\r\n c\r\n> d\r\n e\r\n> f\r\n"], lambda line: line.startswith(">")))
    assert messages_in(found) == ["> a\n b\r\n c\r", "> d\n e", "> f"]


def test_the_marker_of_an_export_task_gives_nothing() -> None:
    assert read(b"Permission Check Successful") == []
    assert read(b"Permission Check Successful\n") == []


def test_an_archive_of_our_own_gives_its_documents_and_ids() -> None:
    data = line_of('a"\u65e5', b'{"n":1}') + b'{"_id":7,"_source":{}}\n{"_id":"b","_source":{"n":2}}\n'
    one, broken, two = read(data)
    assert isinstance(one, Event)
    assert (one.document_id, one.message) == ('a"日', {"n": 1})
    assert isinstance(broken, Broken)
    assert isinstance(two, Event)
    assert two == Event(2, 0, {"n": 2}, b'{"_id":"b","_source":{"n":2}}', document_id="b")
