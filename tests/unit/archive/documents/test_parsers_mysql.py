"""Logs of MySQL, in the grammar of its own sources, 5.0 to 8.x, and of MariaDB."""

from __future__ import annotations

import re
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensearch_strata.archive.decode.object_reader import Reading
from opensearch_strata.archive.events import Event
from opensearch_strata.archive.parsers.mysql import audit, error, slow
from opensearch_strata.archive.parsers.mysql import general as mysql_general
from opensearch_strata.archive.parsers.parsed import Parsed, Parser, Unreadable
from opensearch_strata.archive.timestamps import iso_text

UTC = ZoneInfo("UTC")
BERLIN = ZoneInfo("Europe/Berlin")
NOON = "2013-01-05T12:00:00.123456Z"
NOON_MS = 1357387200123


def read(parser: Parser, message: Any) -> Parsed:
    parsed = parser(message)
    assert parsed is not None
    return parsed


def general(*messages: Any, zone: ZoneInfo = UTC) -> list[Parsed | None]:
    parser = mysql_general.mysql_general(zone)
    return [parser(message) for message in messages]


COMMANDS = [
    "Sleep", "Quit", "Init DB", "Query", "Field List", "Create DB", "Drop DB", "Refresh", "Shutdown", "Statistics",
    "Processlist", "Connect", "Kill", "Debug", "Ping", "Time", "Delayed insert", "Change user", "Binlog Dump",
    "Table Dump", "Connect Out", "Register Slave", "Prepare", "Execute", "Long Data", "Close stmt", "Reset stmt",
    "Set option", "Fetch", "Daemon", "Binlog Dump GTID", "Error", "Register Replica", "Reset Connection", "clone",
    "Group Replication Data Stream subscription",
]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("time", [NOON, "2013-01-05T13:00:00.123456+01:00", "130105 12:00:00"])
def test_a_command_of_any_number_of_words_ends_at_the_tab(command: str, time: str) -> None:
    (entry,) = general(f"{time}\t   42 {command}\tshop\tfloor\n")
    assert entry is not None
    assert entry.fields["perform"] == command
    assert (entry.fields["pid"], entry.fields["statement"]) == (42, "shop\tfloor")


@pytest.mark.parametrize(
    ("head", "shown", "time"),
    [
        (NOON, NOON, NOON_MS),
        ("2013-01-05T20:00:00.123456+08:00", "2013-01-05T20:00:00.123456+08:00", NOON_MS),
        ("2013-01-05T06:30:00.123999-05:30", "2013-01-05T06:30:00.123999-05:30", NOON_MS),
        ("130105 12:00:00", "2013-01-05T12:00:00.000Z", NOON_MS - 123),
        ("130105  9:05:01", "2013-01-05T09:05:01.000Z", NOON_MS - 123 - 10_499_000),
        ("991231 23:59:59", "1999-12-31T23:59:59.000Z", 946684799000),
    ],
)
def test_times_of_every_version(head: str, shown: str, time: int) -> None:
    (entry,) = general(f"{head}\t    1 Query\tselect 1")
    assert entry == Parsed({"time": shown, "pid": 1, "perform": "Query", "statement": "select 1"}, time)


def test_local_times_are_of_the_zone_that_is_given() -> None:
    (summer, winter) = general("130801  9:05:01\t    1 Ping\t", "130101  9:05:01\t    1 Ping\t", zone=BERLIN)
    assert summer is not None
    assert winter is not None
    assert summer.fields["time"] == "2013-08-01T07:05:01.000Z"
    assert winter.fields["time"] == "2013-01-01T08:05:01.000Z"


def test_two_tabs_stand_for_the_time_before() -> None:
    entries = general(
        "130801  9:05:01\t    1 Connect\troot@localhost on ",
        "\t\t    1 Query\tselect 1",
        "130801  9:05:02\t    1 Query\tselect 2",
        "\t\t    1 Quit\t",
    )
    times = [entry.time for entry in entries if entry]
    assert times == [1375347901000, 1375347901000, 1375347902000, 1375347902000]
    assert entries[3] == Parsed(
        {"time": "2013-08-01T09:05:02.000Z", "pid": 1, "perform": "Quit", "statement": ""}, 1375347902000
    )


def test_two_tabs_with_nothing_before_say_no_time() -> None:
    (entry,) = general("\t\t    1 Query\tselect 1")
    assert entry == Parsed({"pid": 1, "perform": "Query", "statement": "select 1"}, None)


def test_each_log_stream_remembers_for_itself() -> None:
    one, other = mysql_general.mysql_general(UTC), mysql_general.mysql_general(UTC)
    one("130801  9:05:01\t    1 Ping\t")
    assert read(other, "\t\t    1 Ping\t").time is None


def test_the_second_that_is_remembered_ends() -> None:
    messages = [f"2013-01-05T12:00:{second:02d}.{second:03d}999Z\t    1 Ping\t" for second in (5, 5, 6, 5, 59)]
    assert [entry.time for entry in general(*messages) if entry] == [
        1357387200000 + second * 1001 for second in (5, 5, 6, 5, 59)
    ]


@given(
    st.integers(0, 2**53), st.integers(0, 2**32 - 1), st.sampled_from(COMMANDS), st.text().filter(lambda t: t != "\n")
)
def test_a_statement_is_kept_as_it_is(micros: int, pid: int, command: str, statement: str) -> None:
    second, micro = divmod(micros % (2**31 * 10**6), 10**6)
    head = f"{iso_text(second * 1000)[:19]}.{micro:06d}Z"
    first, again = general(*[f"{head}\t{pid:5d} {command}\t{statement}\n"] * 2)
    assert (
        first
        == again
        == Parsed({"time": head, "pid": pid, "perform": command, "statement": statement}, second * 1000 + micro // 1000)
    )


def test_lines_tabs_and_nul_of_a_statement_stay() -> None:
    statement = "select '\x00',\n\t-- 2013-01-05T12:00:00.123456Z\t    7 Quit\t\n\t\t    1 Query\tx\n"
    (entry,) = general(f"{NOON}\t    1 Query\t{statement}\n")
    assert entry is not None
    assert entry.fields["statement"] == statement


def test_a_command_without_argument_needs_no_tab() -> None:
    with_tab, without = general(f"{NOON}\t    1 Quit\t\n", f"{NOON}\t    1 Quit")
    assert with_tab == without == Parsed({"time": NOON, "pid": 1, "perform": "Quit", "statement": ""}, NOON_MS)


BANNER = (
    "/rdsdbbin/mysql/bin/mysqld, Version: 5.6.51-log (Source distribution). started with:",
    "Tcp port: 3306  Unix socket: /tmp/mysql.sock",
    "Time                 Id Command    Argument",
)
WINDOWS = (
    "C:\\mysqld.exe, Version: 8.0.36 (MySQL Community Server - GPL). started with:\nTCP Port: 3306, Named Pipe: MySQL\n"
)


MARIADB = (
    "/usr/sbin/mariadbd, Version: 10.11.6-MariaDB-log (MariaDB Server). started with:\n"
    "Tcp port: 3306  Unix socket: /run/mysqld/mysqld.sock\nTime\t\t    Id Command\tArgument\n"
)


@pytest.mark.parametrize("banner", [*BANNER, MARIADB, MARIADB.splitlines()[2], "\n".join(BANNER) + "\n", WINDOWS])
def test_a_banner_is_no_event(banner: str) -> None:
    assert general(banner) == [None]
    assert slow.mysql_slow(UTC)(banner) is None
    assert all(mysql_general.GeneralLogEntries()(line) and slow.begins(line) for line in banner.splitlines())


@pytest.mark.parametrize(
    "message",
    [
        "",
        "\n",
        "select 1",
        f"{NOON}\tQuery\tselect 1",
        f"{NOON}\t    x Query\tselect 1",
        f"{NOON}\t    1 \tselect 1",
        "2013-13-05T12:00:00.123456Z\t    1 Query\tselect 1",
        "2013-01-05T12:00:00.12x456Z\t    1 Query\tselect 1",
        "130231  9:05:01\t    1 Query\tselect 1",
        f"{NOON}\t{'9' * 5000} Query\tselect 1",
        {"message": "fields"},
    ],
)
def test_what_is_no_entry_is_unreadable(message: Any) -> None:
    with pytest.raises(Unreadable):
        general(message)


def test_a_known_second_in_another_zone_is_another_second() -> None:
    near, far = general(f"{NOON}\t    1 Ping\t", f"{NOON[:-1]}+08:00\t    1 Ping\t")
    assert near is not None
    assert far is not None
    assert (near.time, far.time) == (NOON_MS, NOON_MS - 8 * 3_600_000)


def test_a_damaged_fraction_of_a_known_second_is_unreadable() -> None:
    parser = mysql_general.mysql_general(UTC)
    parser(f"{NOON}\t    1 Ping\t")
    with pytest.raises(Unreadable):
        parser("2013-01-05T12:00:00.1x3456Z\t    1 Ping\t")


@pytest.mark.parametrize(
    ("line", "begins"),
    [
        (f"{NOON}\t    1 Query\tselect 1", True),
        ("2013-01-05T12:00:00.123456+08:00\t123456 Init DB\tshop", True),
        ("130801  9:05:01\t    1 Query\tselect 1", True),
        ("\t\t    1 Query\tselect 1", True),
        ("\t\t    1 Quit", True),
        ("\t\t    1 AND x\t= 2", False),
        ("\t\tselect 1", False),
        ("  from t", False),
        ("", False),
    ],
)
def test_which_lines_of_a_file_begin_an_entry(line: str, begins: bool) -> None:
    assert mysql_general.GeneralLogEntries()(line) is begins


OLD = """\
/usr/sbin/mysqld, Version: 5.5.62 (Source distribution). started with:
Tcp port: 3306  Unix socket: /tmp/mysql.sock
Time                 Id Command    Argument
130305  7:00:01\t    1 Connect\troot@localhost on shop
\t\t    1 Query\tselect 1,
       2
\t\t    1 Processlist\t
\t\t    1 Query\tselect 3
130305 17:00:02\t   12 Init DB\tshop
\t\t   12 Delayed insert\tx
\t\t   12 Quit\t
"""
CONNECTED, LATER = 1362466801000, 1362502802000
ENTRIES = [
    (CONNECTED, 1, "Connect", "root@localhost on shop"),
    (CONNECTED, 1, "Query", "select 1,\n       2"),
    (CONNECTED, 1, "Processlist", ""),
    (CONNECTED, 1, "Query", "select 3"),
    (LATER, 12, "Init DB", "shop"),
    (LATER, 12, "Delayed insert", "x"),
    (LATER, 12, "Quit", ""),
]


def padded(log: str) -> str:
    """As 5.0 writes it: the command in eleven columns and a blank, the id in seven."""
    return re.sub(
        r"(\d|\t\t) *(\d+) ([A-Z][A-Za-z ]+)\t",
        lambda entry: f"{entry[1]} {int(entry[2]):7d} {entry[3]:11.11} ",
        log.replace("\t\t", "\0").replace("\t  ", "  ").replace("\0", "\t\t"),
    )


def entries_of(log: str) -> tuple[list[tuple[Any, ...]], str]:
    """Time, connection, command and argument of each entry of a file, and what is doubtful."""
    begins, parse = mysql_general.GeneralLogEntries(), mysql_general.mysql_general(UTC)
    entries = [parse(event.message) for event in Reading([log.encode()], "lines", begins) if isinstance(event, Event)]
    found = [(e.time, *(e.fields[name] for name in ("pid", "perform", "statement"))) for e in entries if e]
    return found, begins.doubts


@pytest.mark.parametrize(
    "log",
    [
        OLD,
        OLD.expandtabs(8),
        OLD.expandtabs(4),
        OLD.replace("\t", " "),
        OLD.replace("\t\t", ""),
        OLD.replace("\n", "\r\n"),
        OLD.split("\n", 3)[3].expandtabs(),
    ],
    ids=["tabs", "tabs of eight", "tabs of four", "a blank for each", "no tabs before", "of Windows", "no banner"],
)
def test_entries_are_found_whatever_became_of_the_tabs(log: str) -> None:
    assert entries_of(log) == (ENTRIES, "")


def test_a_general_log_of_5_0_pads_its_commands() -> None:
    log = padded(OLD)
    assert "\t\t       1 Query       select 1" in log
    assert "\t\t      12 Delayed ins x" in log
    cut = [(*entry[:2], entry[2][:11], entry[3]) for entry in ENTRIES]
    assert entries_of(log) == (cut, "")
    assert entries_of(log.expandtabs()) == (cut, "")


def test_entries_of_newer_servers_are_found_without_tabs() -> None:
    log = "".join(f"2025-03-01T07:00:0{n}.000000Z\t   1{n} Query\tselect {n}\n  from t\n" for n in range(3))
    expected = [(1740812400000 + n * 1000, 10 + n, "Query", f"select {n}\n  from t") for n in range(3)]
    for spelt in (log, log.expandtabs(), log.replace("\t", "    ")):
        assert entries_of(spelt) == (expected, "")


def test_a_line_that_may_be_an_entry_is_never_swallowed_without_a_word() -> None:
    log = (
        "130305  7:00:01\t    1 Query\tselect 1\n"
        "                    1 Query       select 2\n"
        "130305  7:00:02     1 Invented      select 3\n"
    )
    (entry,), doubts = entries_of(log)
    assert entry[3].count("\n") == 2
    assert doubts.startswith("2 lines look like entries of a general log")
    assert "1 Query       select 2" in doubts
    parsed = read(mysql_general.mysql_general(UTC), log)
    assert parsed.fields["doubtful_lines"] == 2


def test_lines_of_a_statement_are_no_doubt() -> None:
    log = f"{NOON}\t    1 Query\tselect a, -- 5 Time\n    1 from t\n  2013 AND x\n\t\t   1 AND x\t= 2\n\t7, 'Query'\n"
    (entry,), doubts = entries_of(log)
    assert (entry[3].count("\n"), doubts) == (4, "")
    assert "doubtful_lines" not in read(mysql_general.mysql_general(UTC), log).fields


SLOW_8 = """\
# Time: 2024-05-06T07:08:09.123456Z
# User@Host: app[app] @ web-1 [10.0.0.7]  Id:   812
# Query_time: 2.500000  Lock_time: 0.000012 Rows_sent: 1  Rows_examined: 100000 Thread_id: 812 Errno: 0 Killed: 0 \
Bytes_received: 0 Bytes_sent: 62 Read_first: 1 Read_last: 0 Read_key: 1 Read_next: 0 Read_prev: 0 Read_rnd: 0 \
Read_rnd_next: 100001 Sort_merge_passes: 0 Sort_range_count: 0 Sort_rows: 0 Sort_scan_count: 0 \
Created_tmp_disk_tables: 0 Created_tmp_tables: 0 Start: 2024-05-06T07:08:06.623456Z End: 2024-05-06T07:08:09.123456Z
use shop;
SET timestamp=1714979286;
select count(*)
  from `order lines`; # all of them;
"""


def test_a_slow_query_with_all_its_extra_fields() -> None:
    entry = read(slow.mysql_slow(BERLIN), SLOW_8)
    assert entry.time == 1714979289123
    assert len(entry.fields) == 6 + 4 + 19 + 2
    expected = {
        "time": "2024-05-06T07:08:09.123456Z", "user": "app", "host": "web-1", "ip": "10.0.0.7", "pid": 812,
        "query_time": 2.5, "lock_time": 0.000012, "rows_sent": 1, "rows_examined": 100000, "thread_id": 812,
        "read_rnd_next": 100001, "start": "2024-05-06T07:08:06.623456Z", "schema": "shop",
        "statement": "select count(*)\n  from `order lines`; # all of them",
    }  # fmt: skip
    assert expected.items() <= entry.fields.items()


def test_slow_queries_of_5_6() -> None:
    parser = slow.mysql_slow(BERLIN)
    first = read(
        parser,
        "# Time: 130801  9:05:01\n# User@Host: root[root] @ localhost []  Id:     1\n"
        "# Query_time: 12.345678  Lock_time: 0.000000 Rows_sent: 0  Rows_examined: 0\n"
        "SET last_insert_id=7,insert_id=8,timestamp=1375340701;\nselect sleep(12);",
    )
    assert first.time == 1375340701000
    assert first.fields["time"] == "2013-08-01T07:05:01.000Z"
    assert "ip" not in first.fields
    same_second = read(
        parser,
        "# User@Host: root[root] @ localhost []  Id:     1\n"
        "# Query_time: 1.0  Lock_time: 0.0 Rows_sent: 0  Rows_examined: 0\nSET timestamp=1375340701;\n"
        "# administrator command: Close stmt;\n",
    )
    assert same_second.time == 1375340701000
    assert same_second.fields["perform"] == "Close stmt"
    assert "statement" not in same_second.fields


def test_a_local_time_is_all_that_an_old_slow_query_may_say() -> None:
    text = "# Time: 130801  9:05:01\n# User@Host: a[b] @ c []\n# Query_time: 1  Lock_time: 0\nselect 1;"
    entry = read(slow.mysql_slow(BERLIN), text)
    assert (entry.time, entry.fields["user"], entry.fields["query_time"]) == (1375340701000, "b", 1)


def test_slow_queries_of_mariadb_leave_values_out() -> None:
    text = "# User@Host: a[b] @  [::1]\n# Thread_id: 9  Schema:   QC_hit: No\n# Query_time: 0.5  Lock_time: 0\nx;"
    fields = read(slow.mysql_slow(UTC), text).fields
    assert fields == {
        "user": "b", "ip": "::1", "thread_id": 9, "qc_hit": "No", "query_time": 0.5, "lock_time": 0,
        "statement": "x",
    }  # fmt: skip


def test_a_slow_query_keeps_what_only_looks_like_a_number() -> None:
    head = "# Thread_id: 9  Schema: 2013  QC_hit: 1e5\n# Query_time: 0.5  Start: 2013-01-05 Rows: 1. Long: "
    fields = read(slow.mysql_slow(UTC), f"# User@Host: a[b] @ c []\n{head}{'9' * 400}\nx;").fields
    assert fields == {
        "user": "b", "host": "c", "thread_id": 9, "schema": "2013", "qc_hit": "1e5", "query_time": 0.5,
        "start": "2013-01-05", "rows": "1.", "long": "9" * 400, "statement": "x",
    }  # fmt: skip


def test_a_line_with_the_time_belongs_to_the_entry_that_follows() -> None:
    parser = slow.mysql_slow(UTC)
    time, rest = SLOW_8.split("\n", 1)
    assert slow.begins(time)
    assert slow.begins(rest)
    assert not slow.begins(rest.split("\n")[1])
    assert parser(time) is None
    assert read(parser, rest).time == 1714979289123
    assert read(parser, rest).time == 1714979286000  # only that one


@pytest.mark.parametrize("message", ["", "select 1;", "# Query_time", "# User@Host: a[b] @ c []\nselect 1;", {"a": 1}])
def test_what_is_no_slow_query(message: Any) -> None:
    with pytest.raises(Unreadable):
        slow.mysql_slow(UTC)(message)


@pytest.mark.parametrize(
    ("message", "fields"),
    [
        ("130801  9:05:01 [Note] Ready.", {"time": "2013-08-01T07:05:01.000Z", "level": "Note", "message": "Ready."}),
        (
            "2013-08-01 09:05:01 1234 [Warning] IP\naddress\n",
            {"time": "2013-08-01T07:05:01.000Z", "pid": 1234, "level": "Warning", "message": "IP\naddress"},
        ),
        (
            "2013-08-01 09:05:01 7f8a1c0d5700 InnoDB: Error",
            {"time": "2013-08-01T07:05:01.000Z", "message": "7f8a1c0d5700 InnoDB: Error"},
        ),
        (
            "2013-08-01T07:05:01.123456Z 0 [Note] Ready.",
            {"time": "2013-08-01T07:05:01.123456Z", "pid": 0, "level": "Note", "message": "Ready."},
        ),
        (
            "2013-08-01T07:05:01.123456Z 7 [System] [MY-010116] [Server] mysqld (8.0.36) starting",
            {
                "time": "2013-08-01T07:05:01.123456Z", "pid": 7, "level": "System", "code": "MY-010116",
                "subsystem": "Server", "message": "mysqld (8.0.36) starting",
            },
        ),
        (
            "2013-08-01  9:05:01 139650012345 [Note] InnoDB: Ready.",
            {"time": "2013-08-01T07:05:01.000Z", "pid": 139650012345, "level": "Note", "message": "InnoDB: Ready."},
        ),
        ("Version: '8.0.36'  socket: '/tmp/mysql.sock'", {"message": "Version: '8.0.36'  socket: '/tmp/mysql.sock'"}),
    ],
)  # fmt: skip
def test_the_error_log_of_every_version(message: str, fields: dict[str, Any]) -> None:
    entry = read(error.mysql_error(BERLIN), message)
    assert entry.fields == fields
    assert entry.time == (None if "time" not in fields else 1375340701000 + 123 * (".123" in fields["time"]))
    assert error.begins(message) is ("time" in fields)


AUDIT = "20240506 07:08:09,ip-10-0-0-1,app,10.0.0.7,812,9913,QUERY,shop,{},0"


@pytest.mark.parametrize(
    ("logged", "statement"),
    [
        ("'select a, b from t'", "select a, b from t"),
        (r"'select \'it\'\'s\', 1'", "select 'it''s', 1"),
        (r"'a\\b\n\tc'", "a\\b\n\tc"),
        ("'select '', 0'", "select '', 0"),
        ("'cut \\'", "cut \\"),
        ("''", None),
    ],
)
def test_the_audited_statement_is_unquoted(logged: str, statement: str | None) -> None:
    entry = read(audit.mysql_audit(UTC), AUDIT.format(logged) + "\n")
    assert entry.fields.get("object") == statement
    assert entry.fields["retcode"] == 0


def test_every_column_of_an_audit_log() -> None:
    entry = read(audit.mysql_audit(BERLIN), AUDIT.format("'select 1'") + ",SSL/TLS")
    assert entry == Parsed(
        {
            "time": "2024-05-06T05:08:09.000Z", "serverhost": "ip-10-0-0-1", "username": "app", "host": "10.0.0.7",
            "connectionid": 812, "queryid": 9913, "operation": "QUERY", "database": "shop", "object": "select 1",
            "retcode": 0, "connection_type": "SSL/TLS",
        },
        1714972089000,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("rest", "kind"), [("'select 1',0,,", None), ("'select \\', 2, 1',0,TCP,,", "TCP"), ("orders,0,,", None)]
)
def test_more_columns_behind_the_return_code(rest: str, kind: str | None) -> None:
    line = f"20230501 10:02:19,ip-10-1-0-50,rdsadmin,localhost,7,585281,QUERY,,{rest}"
    fields = read(audit.mysql_audit(UTC), line).fields
    assert (fields["retcode"], fields.get("connection_type")) == (0, kind)
    assert fields["object"] in ("select 1", "select ', 2, 1", "orders")


def test_aurora_writes_microseconds_and_empty_columns_are_left_out() -> None:
    entry = read(audit.mysql_audit(BERLIN), "1714979289123456,aurora-1,app,10.0.0.7,812,0,CONNECT,,,1045")
    assert (entry.time, entry.fields["time"]) == (1714979289123, "2024-05-06T07:08:09.123Z")
    assert entry.fields.keys() == {
        "time", "serverhost", "username", "host", "connectionid", "queryid", "operation", "retcode",
    }  # fmt: skip
    table = read(audit.mysql_audit(UTC), "20240506 07:08:09,h,u,c,1,2,READ,shop,orders,")
    assert table.fields["object"] == "orders"
    assert "retcode" not in table.fields


@pytest.mark.parametrize("message", ["", "a,b", AUDIT.format("'x'")[1:], AUDIT.format("'x"), "x" + AUDIT, {"a": 1}])
def test_what_is_no_line_of_an_audit_log(message: Any) -> None:
    with pytest.raises(Unreadable):
        audit.mysql_audit(UTC)(message)


SEEDS = [f"{NOON}\t    1 Query\tselect 1", "130801  9:05:01\t    1 Quit\t", SLOW_8, AUDIT.format("'x'"), *BANNER]


@given(st.sampled_from(SEEDS), st.data())
def test_damage_is_read_or_unreadable_and_nothing_else(seed: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(seed)))
    damaged = seed[:at] + data.draw(st.text(max_size=5)) + seed[at + data.draw(st.integers(0, 5)) :]
    makers = (mysql_general.mysql_general, slow.mysql_slow, error.mysql_error, audit.mysql_audit)
    for make in makers:
        try:
            parsed = make(UTC)(damaged)
        except Unreadable:
            continue
        assert parsed is None or parsed.fields
