"""Syslog as it is sent and as files hold it, and the year of times that name none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from opensearch_strata.archive.documents.shaper import Document, Shaper
from opensearch_strata.archive.events import Event, Origin, Place
from opensearch_strata.archive.parsers.parsed import Parsed
from opensearch_strata.archive.parsers.system.syslog import syslog
from opensearch_strata.archive.timestamps import read_iso
from opensearch_strata.definition.dataset import Dataset
from tests.streams import definition_of

ZONE = ZoneInfo("UTC")
NEAR = 1704067200000  # 2024-01-01T00:00:00Z


def ms(text: str) -> int:
    time = read_iso(text)
    assert time is not None
    return time


def read(message: Any, near: int | None = NEAR, zone: ZoneInfo = ZONE) -> Parsed:
    parsed = syslog(zone).read(message, near)
    assert parsed is not None
    return parsed


def test_rfc_5424_as_its_own_examples() -> None:
    said = "'su root' failed for lonvick on /dev/pts/8"
    first = f"<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - \ufeff{said}"
    assert read(first) == Parsed(
        {
            "facility": 4, "severity": 2, "version": 1, "timestamp": "2003-10-11T22:14:15.003Z",
            "hostname": "mymachine.example.com", "app_name": "su", "msgid": "ID47",
            "message": said,
        },
        ms("2003-10-11T22:14:15.003Z"),
    )  # fmt: skip
    second = (
        "<165>1 2003-08-24T05:14:15.000003-07:00 192.0.2.1 myproc 8710 - "
        '[exampleSDID@32473 iut="3" eventSource="Application" eventID="1011"][examplePriority@32473 class="high"]'
    )
    fields = read(second).fields
    assert (fields["procid"], fields["message"], read(second).time) == ("8710", "", ms("2003-08-24T12:14:15.000Z"))
    assert fields["structured_data"] == {
        "exampleSDID@32473": {"iut": "3", "eventSource": "Application", "eventID": "1011"},
        "examplePriority@32473": {"class": "high"},
    }


def test_structured_data_has_escapes_and_names_that_are_no_paths() -> None:
    data = r'<13>1 - - - - - [a.b@1 c.d="say \"no\" \\ \] \n"][e] text'
    assert read(data) == Parsed(
        {
            "facility": 1, "severity": 5, "version": 1, "message": "text",
            "structured_data": {"a_b@1": {"c_d": 'say "no" \\ ] \\n'}, "e": {}},
        },
        None,
    )  # fmt: skip


@pytest.mark.parametrize(
    "data", ['[a b="c', "[a b=c] x", "[]", "[a" + ' b="c"' * 200 + "]", '[a b="c"] '.replace("]", "")]
)
def test_structured_data_that_is_broken_is_part_of_the_message(data: str) -> None:
    fields = read(f"<13>1 - host app - - {data}").fields
    assert (fields["hostname"], fields["message"]) == ("host", data)
    assert "structured_data" not in fields


LOGIN = "sshd[2589]: Accepted publickey for ec2-user"


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        (
            f"Dec 31 23:59:58 ip-10-0-0-36 {LOGIN}",
            {"hostname": "ip-10-0-0-36", "app_name": "sshd", "procid": "2589", "message": LOGIN[12:]},
        ),
        (
            f"<38>Dec 31 23:59:58 {LOGIN}",  # as syslog(3) writes it to /dev/log
            {"facility": 4, "severity": 6, "app_name": "sshd", "procid": "2589", "message": LOGIN[12:]},
        ),
        (
            "Dec 31 23:59:58 db kernel: [    0.000000] Linux version 6.1",
            {"hostname": "db", "app_name": "kernel", "message": "[    0.000000] Linux version 6.1"},
        ),
        (
            "Dec 31 23:59:58 fe80::1 postfix/smtpd[12]: connect: x",
            {"hostname": "fe80::1", "app_name": "postfix/smtpd", "procid": "12", "message": "connect: x"},
        ),
        (
            "Dec 31 23:59:58 db last message repeated 3 times\n",
            {"hostname": "db", "message": "last message repeated 3 times"},
        ),
        ("Dec 31 23:59:58 db CRON[1]:", {"hostname": "db", "app_name": "CRON", "procid": "1", "message": ""}),
    ],
)
def test_rfc_3164(line: str, fields: dict[str, Any]) -> None:
    time = ms("2023-12-31T23:59:58.000Z")
    assert read(line) == Parsed({"timestamp": "2023-12-31T23:59:58.000Z", **fields}, time)


def test_the_formats_of_rsyslog_with_a_whole_time() -> None:
    assert read("2024-05-06T09:08:09.123456+02:00 ip-1 systemd[1]: Started sshd.") == Parsed(
        {
            "timestamp": "2024-05-06T09:08:09.123456+02:00", "hostname": "ip-1", "app_name": "systemd", "procid": "1",
            "message": "Started sshd.",
        },
        ms("2024-05-06T07:08:09.123Z"),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "near", "zone", "time"),
    [
        ("Dec 31 23:59:59", "2024-01-01T00:00:01Z", "UTC", "2023-12-31T23:59:59Z"),
        ("Jan  1 00:00:01", "2023-12-31T23:59:59Z", "UTC", "2024-01-01T00:00:01Z"),  # the event's clock is behind
        ("Jan  1 00:00:01", "2024-01-01T00:00:02Z", "UTC", "2024-01-01T00:00:01Z"),
        ("Jan  1 08:00:00", "2023-12-31T23:00:00Z", "Asia/Tokyo", "2023-12-31T23:00:00Z"),
        ("Dec 31 20:00:00", "2024-01-01T01:00:01Z", "America/New_York", "2024-01-01T01:00:00Z"),
        ("Feb 29 12:00:00", "2024-02-29T12:00:00Z", "UTC", "2024-02-29T12:00:00Z"),
        ("Feb 29 12:00:00", "2026-03-01T00:00:00Z", "UTC", "2024-02-29T12:00:00Z"),
        ("Jul  4 12:00:00", "2024-07-01T00:00:00Z", "UTC", "2023-07-04T12:00:00Z"),
        ("Mar 10 03:30:00", "2024-03-10T08:00:00Z", "America/New_York", "2024-03-10T07:30:00Z"),  # summer begins
        ("Jun 30 23:59:60", "2015-07-01T00:00:00Z", "UTC", "2015-07-01T00:00:00Z"),  # a leap second
        ("Jan  1 00:00:00", "1960-01-01T00:00:00Z", "Africa/Monrovia", "1960-01-01T00:44:30Z"),
    ],
)
def test_the_year_is_that_of_the_event(text: str, near: str, zone: str, time: str) -> None:
    parsed = read(f"{text} host app: x", ms(near), ZoneInfo(zone))
    assert parsed.time == ms(time)
    assert ms(parsed.fields["timestamp"]) == ms(time)


def test_fractions_of_a_second() -> None:
    assert read("Dec 31 23:59:58.1 h a: x").time == ms("2023-12-31T23:59:58.100Z")
    assert read("Dec 31 23:59:58.123456 h a: x").fields["timestamp"] == "2023-12-31T23:59:58.123Z"


MOMENTS = st.datetimes(datetime(1980, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC))


@given(MOMENTS, st.timedeltas(timedelta(hours=-23), timedelta(days=363)))
@example(datetime(2024, 2, 29, 23, 59, 59, tzinfo=UTC), timedelta(days=1))
def test_any_time_is_found_again_from_an_event_up_to_a_year_later(moment: datetime, later: timedelta) -> None:
    moment = moment.replace(microsecond=0)
    near = int((moment + later).timestamp() * 1000)
    line = f"{moment:%b} {moment.day:2d} {moment:%H:%M:%S} host app: x"
    assert read(line, near).time == int(moment.timestamp() * 1000)


def test_a_line_is_read_like_the_first_of_its_minute() -> None:
    parser = syslog(ZONE)
    for second in (5, 6, 5):
        parsed = parser.read(f"Dec 31 23:59:{second:02d} h a: x", NEAR)
        assert parsed is not None
        assert parsed.fields["timestamp"] == f"2023-12-31T23:59:{second:02d}.000Z"
    same = parser.read("Dec 31 23:59:05 h a: x", NEAR + 366 * 86_400_000)
    assert same is not None
    assert same.fields["timestamp"] == "2024-12-31T23:59:05.000Z"


def test_without_an_event_the_time_stays_as_it_is_written() -> None:
    parsed = syslog(ZONE)("May  6 07:08:09 host app: x")
    assert parsed == Parsed(
        {"timestamp": "May  6 07:08:09", "hostname": "host", "app_name": "app", "message": "x"}, None
    )


@pytest.mark.parametrize(
    "message",
    [
        "", "hello", "<34>", "<34>hello", "<192>Oct 11 22:14:15 h a: x", "<999>1 - - - - - - x",
        "Feb 30 12:00:00 h a: x", "Feb 10 24:61:00 h a: x", "Oct 11 22:14:61 h a: x", "Oct 11", "\0",
        "<34>1 2003-13-11T22:14:15.003Z h a - - - x", "2003-10-32T22:14:15+00:00 host app[1]: x",
        "<34>1 yesterday h a - - - x",
    ],
)  # fmt: skip
def test_other_lines_stay_as_they_are(message: str) -> None:
    assert read(message) == Parsed({"message": message}, None)


def test_json_among_the_lines_keeps_its_fields() -> None:
    assert read('{"a": 1}') == Parsed({"a": 1}, None)
    assert read({"a": 1}) == Parsed({"a": 1}, None)


def dataset(**intake: Any) -> Dataset:
    return Dataset.model_validate(definition_of("t", intake=intake))


def shaped(event: Event, key: str, span: tuple[int, int] | None = None, **intake: Any) -> tuple[dict[str, Any], Shaper]:
    shaper = Shaper(dataset(**intake), Place("logs", key), span)
    made = shaper.shaped(event)
    assert isinstance(made, Document), made
    return orjson.loads(made.source), shaper


LINE = "Dec 31 23:59:58 ip-1 sshd[7]: Accepted"
MESSAGES = Origin("123456789012", "/var/log/messages", "i-0abc")


@pytest.mark.parametrize("parser", ["auto", "syslog"])
def test_in_cloudwatch_the_year_is_that_of_its_own_time(parser: str) -> None:
    event = Event(0, 0, LINE, time=ms("2020-01-01T00:00:03Z"), event_id="37", origin=MESSAGES)
    made, _ = shaped(event, "2024/05/06/07/x", parser=parser)  # an old log, exported years later
    assert made["timestamp"] == "2019-12-31T23:59:58.000Z"
    assert made["@timestamp"] == "2020-01-01T00:00:03.000Z"


def test_in_a_file_the_year_is_that_of_its_object() -> None:
    made, shaper = shaped(Event(0, 0, LINE, raw=LINE.encode()), "2021/01/01/00/x", parser="syslog")
    assert made["@timestamp"] == made["timestamp"] == "2020-12-31T23:59:58.000Z"
    assert shaper.reach is not None


def test_a_year_that_only_the_requested_days_give_is_not_taken_for_certain() -> None:
    span = (ms("2020-12-01T00:00:00Z"), ms("2021-01-01T00:00:00Z"))
    made, shaper = shaped(Event(0, 0, LINE, raw=LINE.encode()), "x", span, parser="syslog", layout=None)
    assert made["@timestamp"] == "2020-12-31T23:59:58.000Z"
    assert shaper.reach is None
