"""PostgreSQL's log, as text behind the prefixes of RDS and as comma-separated values."""

from __future__ import annotations

import csv
import io
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensearch_strata.archive.decode.object_reader import Reading
from opensearch_strata.archive.events import Event
from opensearch_strata.archive.parsers.parsed import Parsed
from opensearch_strata.archive.parsers.postgresql import server_log
from opensearch_strata.archive.parsers.registry import begins_of
from opensearch_strata.archive.timestamps import read_iso
from opensearch_strata.definition.loading.intake import Intake

ZONE = ZoneInfo("UTC")


def read(message: Any, zone: ZoneInfo = ZONE) -> Parsed:
    parsed = server_log.postgresql(zone)(message)
    assert parsed is not None
    return parsed


HEAD = "2018-08-22 16:00:04 UTC:ec2-1-1-1-1.compute-1.amazonaws.com(48808):myuser@mydb:[18762]:"
FIELDS = {
    "timestamp": "2018-08-22T16:00:04Z", "user": "myuser", "dbname": "mydb", "pid": 18762,
    "remote_host": "ec2-1-1-1-1.compute-1.amazonaws.com", "remote_port": 48808,
}  # fmt: skip
TIME = read_iso("2018-08-22T16:00:04Z")


def test_a_timed_statement_of_several_lines_is_one_event() -> None:
    message = (
        f"{HEAD}LOG:  duration: 10.753 ms  statement: SELECT schemaname, count(*)\n\tFROM pg_stat\n\t\tGROUP BY 1\n"
    )
    assert read(message) == Parsed(
        {
            **FIELDS, "error_severity": "LOG", "duration_ms": 10.753,
            "message": "duration: 10.753 ms  statement: SELECT schemaname, count(*)\nFROM pg_stat\n\tGROUP BY 1",
        },
        TIME,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        ('ERROR:  relation "x" does not exist', {"error_severity": "ERROR", "message": 'relation "x" does not exist'}),
        ("STATEMENT:  SELECT *\n\tFROM x", {"statement": "SELECT *\nFROM x"}),
        ("DETAIL:  Key (id)=(1) exists.", {"detail": "Key (id)=(1) exists."}),
        ("HINT:  Try again.", {"hint": "Try again."}),
        ("CONTEXT:  SQL function", {"context": "SQL function"}),
        ("DEBUG5:  x", {"error_severity": "DEBUG5", "message": "x"}),
    ],
)
def test_severities_and_the_lines_that_follow_an_error(line: str, fields: dict[str, Any]) -> None:
    assert read(HEAD + line) == Parsed({**FIELDS, **fields}, TIME)


@pytest.mark.parametrize(
    ("client", "fields"),
    [
        ("::@:[9]:", {}),
        (":[local]:a@b:[9]:", {"remote_host": "[local]", "user": "a", "dbname": "b"}),
        (":::1(5):a@b:[9]:", {"remote_host": "::1", "remote_port": 5, "user": "a", "dbname": "b"}),
        (":1.2.3.4(5):[unknown]@[unknown]:[9]:", {
            "remote_host": "1.2.3.4", "remote_port": 5, "user": "[unknown]", "dbname": "[unknown]",
        }),
    ],
)  # fmt: skip
def test_clients_of_every_kind(client: str, fields: dict[str, Any]) -> None:
    parsed = read(f"2018-08-22 16:00:04 UTC{client}LOG:  checkpoint starting: time")
    assert parsed.fields == {
        "timestamp": "2018-08-22T16:00:04Z", "pid": 9, "error_severity": "LOG", "message": "checkpoint starting: time",
        **fields,
    }  # fmt: skip


@pytest.mark.parametrize(("application", "named"), [("psql:", "psql"), ("psql", "psql"), ("a: b:", "a: b"), ("", None)])
def test_the_long_prefix(application: str, named: str | None) -> None:
    parsed = read(
        "2026-02-02 21:35:40.130 UTC:10.24.155.141(34110):app_user@books_store:[32032]:2:40001:2026-02-02 21:33:19 "
        f"UTC:25/112:7:693c34cb.2398:{application}ERROR:  canceling statement"
    )
    fields = {
        "timestamp": "2026-02-02T21:35:40.130Z", "user": "app_user", "dbname": "books_store", "pid": 32032,
        "remote_host": "10.24.155.141", "remote_port": 34110, "line_num": 2, "state_code": "40001",
        "session_start": "2026-02-02T21:33:19Z", "vxid": "25/112", "txid": 7, "session_id": "693c34cb.2398",
        "error_severity": "ERROR", "message": "canceling statement",
    }  # fmt: skip
    assert parsed == Parsed(
        fields | ({"application_name": named} if named else {}), read_iso("2026-02-02T21:35:40.130Z")
    )


ROW = (
    '2019-04-30 11:21:04.883 UTC,"postgres","lzldb",173038,"30.88.75.58:37623",660b7e17.2a3ee,2,"authentication",'
    '2019-04-30 11:20:07 UTC,32/30,0,LOG,00000,"connection authorized: user=""a"", b",,,,,,,,,""'
)


@pytest.mark.parametrize("end", ["", ',"client backend"', ',"client backend",12,-4567'])
def test_comma_separated_values_of_every_version(end: str) -> None:
    parsed = read(ROW + end)
    assert parsed.time == read_iso("2019-04-30T11:21:04.883Z")
    assert parsed.fields.items() >= {
        "timestamp": "2019-04-30T11:21:04.883Z", "user": "postgres", "dbname": "lzldb", "pid": 173038,
        "remote_host": "30.88.75.58", "remote_port": 37623, "session_id": "660b7e17.2a3ee", "line_num": 2,
        "ps": "authentication", "session_start": "2019-04-30T11:20:07Z", "vxid": "32/30", "txid": 0,
        "error_severity": "LOG", "state_code": "00000", "message": 'connection authorized: user="a", b',
    }.items()  # fmt: skip
    assert parsed.fields.get("backend_type") == ("client backend" if end else None)


TEXTS = st.text(st.characters(exclude_characters="\r", exclude_categories=["Cs"]), max_size=30)


@given(TEXTS, TEXTS)
def test_any_statement_survives_its_quotes(message: str, statement: str) -> None:
    values = [""] * 23
    values[0], values[3], values[11] = "2019-04-30 11:21:04.883 UTC", "7", "ERROR"
    values[13], values[19] = message, statement
    written = io.StringIO()
    csv.writer(written, quoting=csv.QUOTE_ALL, lineterminator="").writerow(values)
    fields = read(written.getvalue().replace(f'"{values[0]}"', values[0], 1)).fields
    assert (fields.get("message", ""), fields.get("statement", "")) == (message, statement)
    assert (fields["pid"], fields["error_severity"]) == (7, "ERROR")


@pytest.mark.parametrize(
    ("named", "zone", "time"),
    [
        ("GMT", "UTC", "2018-08-22T16:00:04Z"),
        ("+08", "UTC", "2018-08-22T08:00:04Z"),
        ("EDT", "America/New_York", "2018-08-22T20:00:04Z"),
        ("CST", "Asia/Shanghai", "2018-08-22T08:00:04Z"),
    ],
)
def test_zones(named: str, zone: str, time: str) -> None:
    parsed = read(HEAD.replace("UTC", named) + "LOG:  x", ZoneInfo(zone))
    assert parsed.time == read_iso(time)
    assert read_iso(parsed.fields["timestamp"]) == read_iso(time)


@pytest.mark.parametrize(
    "message",
    [
        "", "hello", HEAD, f"{HEAD}NEWS:  x", HEAD.replace("UTC", "CST") + "LOG:  x",
        HEAD.replace("-22", "-32") + "LOG:  x", ROW + ',"too","many"', ROW.replace('"postgres"', '"post'),
        ROW.replace("LOG", ""),
        ROW.replace("UTC", "EST"), f'2019-04-30 11:21:04.883 UTC,"{"x" * 200_000}"', "2019-04-30 11:21:04.883 UTC,",
        "\0", HEAD.encode().hex(),
    ],
)  # fmt: skip
def test_what_is_in_no_known_form_stays_as_it_is(message: str) -> None:
    assert read(message) == Parsed({"message": message}, None)


def test_a_file_is_divided_where_entries_begin() -> None:
    first, second = f"{HEAD}ERROR:  x\n\ty", f'{ROW[:-2]}"a\nb"'
    begins = begins_of(Intake(parser="postgresql"), "")
    found = [
        item.message for item in Reading([f"{first}\n{second}\n".encode()], "lines", begins) if isinstance(item, Event)
    ]
    assert found == [first, second]
