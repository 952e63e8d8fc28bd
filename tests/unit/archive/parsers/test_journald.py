"""Entries of the systemd journal, and what cloud-init writes."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensearch_strata.archive.decode.object_reader import Reading
from opensearch_strata.archive.events import Event
from opensearch_strata.archive.parsers.parsed import Parsed
from opensearch_strata.archive.parsers.registry import begins_of
from opensearch_strata.archive.parsers.system.cloud_init import cloud_init
from opensearch_strata.archive.parsers.system.journald import journald
from opensearch_strata.archive.timestamps import read_iso
from opensearch_strata.definition.loading.intake import Intake

ZONE = ZoneInfo("UTC")


def journal(message: Any) -> Parsed:
    parsed = journald(ZONE)(message)
    assert parsed is not None
    return parsed


ENTRY = {
    "__CURSOR": "s=739ad463348b4ceca5a9e69c95a3c93f;i=4ece7",
    "__REALTIME_TIMESTAMP": "1342540861416351",
    "_BOOT_ID": "6c7c6013a26343b29e964691ff25d04c",
    "_TRANSPORT": "syslog",
    "PRIORITY": "4",
    "SYSLOG_FACILITY": "3",
    "SYSLOG_IDENTIFIER": "gdm-password]",
    "MESSAGE": "AccountsService-DEBUG(+): ActUserManager: ignoring unspecified session '8'",
    "_PID": "587",
    "_UID": "0",
    "_HOSTNAME": "epsilon",
}
TYPED = {
    **ENTRY, "__REALTIME_TIMESTAMP": 1342540861416351, "PRIORITY": 4, "SYSLOG_FACILITY": 3, "_PID": 587, "_UID": 0,
}  # fmt: skip


def exported(entry: dict[str, str]) -> str:
    """As ``journalctl -o export`` writes it."""
    lines = []
    for name, value in entry.items():
        if all(character >= " " or character == "\t" for character in value):
            lines.append(f"{name}={value}\n")
        else:
            length = len(value.encode()).to_bytes(8, "little").decode("latin-1")
            lines.append(f"{name}\n{length}{value}\n")
    return "".join(lines)


@pytest.mark.parametrize("message", [orjson.dumps(ENTRY).decode(), ENTRY, exported(ENTRY), exported(ENTRY) + "\n"])
def test_an_entry_in_either_form(message: Any) -> None:
    assert journal(message) == Parsed(TYPED, 1342540861416)


def test_bytes_and_repeated_fields_in_json() -> None:
    message = '{"MESSAGE":[102,111,111,255],"TAGS":["a","b"],"BOTH":[[104,105],"c"],"BIG":null,"_PID":"x"}'
    assert journal(message) == Parsed(
        {"MESSAGE": "foo\ufffd", "TAGS": ["a", "b"], "BOTH": ["hi", "c"], "BIG": None, "_PID": "x"}, None
    )


def test_repeated_fields_and_line_breaks_in_an_export() -> None:
    entry = {"__CURSOR": "c", "MESSAGE": "a\nTAGS=no\n\nb"}
    assert journal(exported(entry) + "TAGS=1\nTAGS=2\nTAGS=3\n").fields == {**entry, "TAGS": ["1", "2", "3"]}


VALUES = st.text(st.characters(max_codepoint=0x7F), max_size=100)  # lengths of others are not text


@given(st.dictionaries(st.text("ABC_", min_size=1, max_size=4), VALUES, max_size=5))
def test_any_entry_survives_its_export(entry: dict[str, str]) -> None:
    whole = {"__CURSOR": "c", **entry}
    found = journal(exported(whole)).fields
    assert found == journal(whole).fields


@pytest.mark.parametrize(
    "message",
    [
        "", "hello", "{", "[1]", "__CURSOR=c\nhello world\n", "__CURSOR=c\nMESSAGE\n\x09\0\0\0\0\0\0\0short\n",
        "__CURSOR=c\nMESSAGE\n\xff\xff\xff\xff\xff\xff\xff\xffx\n", "__CURSOR=c\nMESSAGE\n\x01\0\0\0\0\0\0\0xY\n",
        "__CURSOR=c\n" + "".join(f"A{number}=1\n" for number in range(1000)), "__CURSOR=c\nMESSAGE",
    ],
)  # fmt: skip
def test_what_is_no_entry_of_a_journal_stays_as_it_is(message: str) -> None:
    assert journal(message) == Parsed({"message": message}, None)


def messages(name: str, content: str) -> list[Any]:
    begins = begins_of(Intake(parser=name), "")
    return [item.message for item in Reading([content.encode()], "lines", begins) if isinstance(item, Event)]


def test_a_file_of_exported_entries_is_divided_by_their_cursors() -> None:
    first, second = ({"__CURSOR": name, "MESSAGE": name} for name in "ab")
    found = messages("journald", f"{exported(first)}\n{exported(second)}\n")
    assert [journal(message).fields for message in found] == [first, second]
    assert messages("journald", "a\nb\n") == ["a", "b"]


def init(message: Any, zone: ZoneInfo = ZONE) -> Parsed:
    parsed = cloud_init(zone).read(message, 1608307200000)  # 2020-12-18T16:00:00Z
    assert parsed is not None
    return parsed


MOUNT = """2019-10-10 04:51:25,321 - util.py[DEBUG]: Failed mount of '/dev/sr0' as 'auto': Unexpected error.
Command: ['mount', '-o', 'ro,sync', '-t', 'auto', u'/dev/sr0', '/run/cloud-init/tmp/tmpLIrklc']
Exit code: 32"""


def test_lines_of_cloud_init() -> None:
    assert init(MOUNT) == Parsed(
        {
            "time": "2019-10-10T04:51:25.321Z", "filename": "util.py", "levelname": "DEBUG",
            "message": MOUNT.partition("]: ")[2],
        },
        read_iso("2019-10-10T04:51:25.321Z"),
    )  # fmt: skip
    assert init("[CLOUDINIT]" + MOUNT) == init(MOUNT)
    assert init(MOUNT, ZoneInfo("Asia/Tokyo")).time == read_iso("2019-10-09T19:51:25.321Z")


def test_lines_of_cloud_init_on_amazon_linux_2() -> None:
    line = "Dec 18 15:46:23 cloud-init[3290]: util.py[DEBUG]: Cloud-init v. 19.3-3.amzn2 finished at …\n"
    assert init(line) == Parsed(
        {
            "time": "2020-12-18T15:46:23.000Z", "filename": "util.py", "levelname": "DEBUG",
            "message": "Cloud-init v. 19.3-3.amzn2 finished at …",
        },
        read_iso("2020-12-18T15:46:23Z"),
    )  # fmt: skip
    assert init(line.replace("cloud-init[", "ip-10-0-0-36 cloud-init[")) == init(line)
    assert cloud_init(ZONE)(line) == Parsed({**init(line).fields, "time": "Dec 18 15:46:23"}, None)
    assert init(line.replace("Dec 18", "Dec 32")).fields.keys() == {"message"}


def test_stages_of_cloud_init() -> None:
    running = "Cloud-init v. 23.4 running 'modules:final' at Tue, 16 Jan 2024 11:17:52 +0000. Up 21.43 seconds.\n"
    assert init(running) == Parsed(
        {
            "time": "2024-01-16T11:17:52.000Z", "version": "23.4", "mode": "modules:final", "up_seconds": 21.43,
            "message": running.rstrip(),
        },
        read_iso("2024-01-16T11:17:52Z"),
    )  # fmt: skip
    finished = (
        "Cloud-init v. 22.2.2 finished at Mon, 06 May 2024 07:08:09 +0000. Datasource DataSourceEc2Local.  "
        "Up 20.51 seconds"
    )
    assert init(finished).fields["datasource"] == "DataSourceEc2Local"


@pytest.mark.parametrize(
    "message",
    [
        "", "Generating public/private rsa key pair.", "2019-13-10 04:51:25,321 - util.py[DEBUG]: x", "\0",
        "2019-10-10 04:51:25,321 - util.py: x", "Cloud-init v. 1 finished at noon. Up 1.0 seconds",
        "Cloud-init v. 1 finished at " + "a" * 1000,
    ],
)  # fmt: skip
def test_what_commands_print_stays_as_it_is(message: str) -> None:
    assert init(message) == Parsed({"message": message}, None)


def test_entries_of_either_file_of_cloud_init() -> None:
    assert messages("cloud_init", f"{MOUNT}\n{MOUNT}\n") == [MOUNT, MOUNT]
    output = "Cloud-init v. 23.4 running 'init' at …\nGenerating keys\nDone\n"
    assert messages("cloud_init", output) == output.splitlines()
