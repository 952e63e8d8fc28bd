"""Which parser reads which log: by the name of its group, and by what a message looks like."""

from __future__ import annotations

from contextlib import suppress
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opensearch_strata.archive.decode.object_reader import Reading
from opensearch_strata.archive.documents.shaper import Document, Shaper
from opensearch_strata.archive.events import Event, Origin, Place
from opensearch_strata.archive.parsers.parsed import NearParser, Parsed, Unreadable
from opensearch_strata.archive.parsers.registry import PARSERS, parser_name
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.definition.loading.intake import Intake, ParserName
from tests.streams import definition_of

UTC = ZoneInfo("UTC")
NEAR = 1704067200000
REQUEST = "9f294aed-ba7e-49fe-a1b9-9a7ad6313712"

TEXTS: dict[str, list[str]] = {
    "syslog": [
        "<165>1 2003-10-11T22:14:15.003Z host app 8710 ID47 - message",
        "<34>Oct 11 22:14:15 host su: message",
        "Oct 11 22:14:15 ip-10-0-0-36 sshd[2589]: Accepted publickey",
    ],
    "cloud_init": [
        "2024-01-16 11:17:41,274 - handlers.py[DEBUG]: finish: init-network",
        "Cloud-init v. 23.4 running 'init' at Tue, 16 Jan 2024 11:17:52 +0000. Up 21.43 seconds.",
    ],
    "container": ["2016-10-06T00:17:09.669794202Z stdout F message"],
    "eks_control_plane": ["I0520 05:24:43.888087      11 tagging_controller.go:152] Skip putting node"],
    "postgresql": [
        "2018-08-22 16:00:04 UTC:10.0.0.7(48808):app@shop:[18762]:LOG:  connection received",
        '2017-07-06 08:57:03.187 UTC,,,9996,"10.10.10.10:34422",595e339f.270c,1,"",2017-07-06 08:57:03 UTC,,0,LOG,'
        '00000,"connection received",,,,,,,,,""',
    ],
    "lambda": [
        f"START RequestId: {REQUEST} Version: $LATEST\n",
        f"REPORT RequestId: {REQUEST}\tDuration: 26.73 ms\t\n",
        "INIT_START Runtime Version: python:3.12.v7\n",
        "EXTENSION\tName: a\tState: Ready\tEvents: [INVOKE]\n",
        f"[INFO]\t2026-05-02T21:55:11.504Z\t{REQUEST}\tmessage\n",
        f"2026-05-02T21:55:11.504Z\t{REQUEST}\tINFO\tmessage\n",
    ],
}
OBJECTS: dict[str, dict[str, Any]] = {
    "container": {"log": "a\n", "stream": "stdout", "time": "x", "kubernetes": {"labels": {"a.b": "c"}}},
    "journald": {"__REALTIME_TIMESTAMP": "1342540861416351", "MESSAGE": [104, 105], "_PID": "7"},
    "eks_control_plane": {"kind": "Event", "apiVersion": "audit.k8s.io/v1", "requestObject": {"a": 1}},
    "lambda": {"type": "platform.report", "record": {"requestId": "r", "metrics": {"durationMs": 1.5}}},
}


def read(name: str, message: Any) -> Parsed:
    parser = PARSERS[name](UTC)
    parsed = parser.read(message, NEAR) if isinstance(parser, NearParser) else parser(message)
    assert parsed is not None
    return parsed


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in TEXTS.items() for text in texts])
def test_auto_reads_a_line_as_the_parser_that_it_is_for(name: str, text: str) -> None:
    parsed = read("auto", text)
    assert parsed == read(name, text)
    assert parsed.fields.keys() != {"message"}


@pytest.mark.parametrize(("name", "fields"), OBJECTS.items())
def test_auto_reads_an_object_likewise_but_leaves_its_time_to_the_dataset(name: str, fields: dict[str, Any]) -> None:
    for message in (fields, orjson.dumps(fields).decode()):
        assert read("auto", message) == Parsed(read(name, orjson.loads(orjson.dumps(fields))).fields, None)


@pytest.mark.parametrize(
    "message",
    [
        "2024-05-06T07:08:09.123Z server main: started", "2024-05-06 07:08:09 INFO started", "Oct 11: a good day",
        "May the 4th", "<xml/>", "<html>", "START of the day", "Error: x", "INFO hello", "[ERROR] broken",
        "1.2.3.4 GET /", "time=x", "Warning: I0520", " leading", "Cloud-init is", "2024",
    ],
)  # fmt: skip
def test_auto_leaves_alone_what_it_does_not_know_for_certain(message: str) -> None:
    assert read("auto", message) == Parsed({"message": message}, None)


def test_auto_opens_no_object_inside_a_log_as_applications_disagree_on_types() -> None:
    message = {"log": '{"status": 200}', "stream": "stdout"}
    assert read("auto", message).fields == message
    assert read("container", message).fields == {**message, "log_processed": {"status": 200}}


def test_the_field_that_a_dataset_names_is_the_time_of_an_object() -> None:
    definition = definition_of("t", intake={"rename": {"logged": "@timestamp"}})
    shaper = Shaper(Dataset.model_validate(definition), Place("logs", "2013/01/05/12/x"))
    fields = {"log": "a", "stream": "stdout", "time": "2013-01-04T00:00:00Z", "logged": "2013-01-05T12:00:00Z"}
    made = shaper.shaped(Event(0, 0, fields, raw=b"{}"))
    assert isinstance(made, Document)
    assert orjson.loads(made.source)["@timestamp"] == "2013-01-05T12:00:00.000Z"


@pytest.mark.parametrize(
    ("group", "key", "name"),
    [
        ("/aws/rds/instance/shop/postgresql", "", "postgresql"),
        ("/aws/rds/cluster/shop/postgresql", "", "postgresql"),
        ("API-Gateway-Execution-Logs_a1b2c3/prod", "", "api_gateway_execution"),
        ("/aws/eks/shop/cluster", "", "eks_control_plane"),
        ("/aws/containerinsights/shop/application", "", "container"),
        ("/aws/containerinsights/shop/performance", "", "container"),
        ("/aws/ecs/containerinsights/shop/performance", "", "container"),
        ("/ecs/web", "", "container"),
        ("shop-firelens-container", "", "container"),
        ("/var/log/messages", "", "syslog"),
        ("var/log/secure", "", "syslog"),
        ("/shop/var/log/auth.log", "", "syslog"),
        ("", "hosts/web-1/var/log/syslog-20240506.gz", "syslog"),
        ("/var/log/cloud-init-output.log", "", "cloud_init"),
        ("/shop/journald", "", "journald"),
        ("/aws/eks/shop/application", "", "auto"),
        ("/shop/journal", "", "auto"),
    ],
)
def test_auto_goes_by_the_name_of_the_log(group: str, key: str, name: str) -> None:
    assert parser_name(Intake(), Origin("", group, ""), key) == name


@pytest.mark.parametrize(
    ("group", "name"),
    [
        ("/aws/rds/instance/shop/postgresql", "pattern"),
        ("/aws/containerinsights/shop/application", "pattern"),
        ("/var/log/messages", "pattern"),
        ("/aws/lambda/resize", "lambda"),
        ("anything", "pattern"),
    ],
)
def test_a_dataset_that_describes_its_lines_keeps_its_own_names(group: str, name: str) -> None:
    assert parser_name(Intake(pattern="(?P<message>.*)"), Origin("", group, ""), "") == name


SEEDS = [text for texts in TEXTS.values() for text in texts] + [orjson.dumps(one).decode() for one in OBJECTS.values()]
NASTY = st.one_of(
    st.text(max_size=8),
    st.sampled_from(
        ["\0", "\x1b[2J", "\ud83d", "\ufffd", "\u202e", "\r\n", "\t", '"', "\\", "٣", "[", "]", "=", ":", "{"]
    ),
)


@settings(max_examples=300)
@given(st.sampled_from(SEEDS), st.sampled_from(sorted(PARSERS)), st.integers(-(2**45), 2**60), st.data())
def test_damage_is_read_or_unreadable_and_nothing_is_lost_without_a_word(
    seed: str, name: ParserName, near: int, data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(seed)))
    damaged = seed[:at] + data.draw(NASTY) + seed[at + data.draw(st.integers(0, 5)) :]
    parser = PARSERS[name](UTC)
    with suppress(Unreadable):
        parsed = parser.read(damaged, near) if isinstance(parser, NearParser) else parser(damaged)
        if parsed is not None:
            assert isinstance(parsed.fields, dict)
            assert parsed.fields or not damaged.strip() or damaged.lstrip()[0] == "{"


@pytest.mark.parametrize(
    "name", ["syslog", "journald", "cloud_init", "container", "eks_control_plane", "postgresql", "auto"]
)
@pytest.mark.parametrize("seed", [*SEEDS, ""])
def test_a_megabyte_behind_any_head_is_kept(name: ParserName, seed: str) -> None:
    parser = PARSERS[name](UTC)
    tail = "x" * 2**20
    with suppress(Unreadable):
        parsed = parser.read(seed + tail, NEAR) if isinstance(parser, NearParser) else parser(seed + tail)
        assert parsed is not None
        assert any(isinstance(value, str) and value.endswith(tail) for value in parsed.fields.values())


GROUPS = [
    "/var/log/messages", "/shop/journald", "/var/log/cloud-init.log", "/aws/containerinsights/shop/application",
    "/aws/eks/shop/cluster", "/aws/rds/instance/shop/postgresql", "API-Gateway-Execution-Logs_a/prod", "anything",
]  # fmt: skip
DATASET = Dataset.model_validate(definition_of("t"))


@settings(max_examples=200)
@given(st.sampled_from(GROUPS), st.lists(st.sampled_from(SEEDS) | NASTY | st.binary(max_size=9), max_size=4))
def test_any_bytes_in_a_log_group_become_a_document(group: str, pieces: list[str | bytes]) -> None:
    """Half of a character, NUL, escapes of a terminal: what an envelope holds is kept, whatever it is."""
    parts = [one if isinstance(one, bytes) else one.encode("utf-8", "surrogatepass") for one in pieces]
    message = orjson.dumps(b"".join(parts).decode("latin-1")).decode().encode("latin-1", "replace")
    envelope = (
        b'{"messageType":"DATA_MESSAGE","owner":"1","logGroup":"%b","logStream":"s","subscriptionFilters":["f"],'
        b'"logEvents":[{"id":"37","timestamp":1357387200123,"message":%b}]}' % (group.encode(), message)
    )
    shaper = Shaper(DATASET, Place("logs", "2013/01/05/12/x"))
    made = [shaper.shaped(item) for item in Reading([envelope])]
    assert len(made) == 1
    assert isinstance(made[0], Document), made
    source = orjson.loads(made[0].source)
    assert source["@timestamp"] == "2013-01-05T12:00:00.123Z"
    assert source["archive"]["log_group"] == group
