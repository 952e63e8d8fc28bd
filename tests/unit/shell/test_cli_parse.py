"""``strata parse``: what an engineer sees of an object."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from typer.testing import CliRunner, Result

from local.places import PROJECT
from opensearch_strata.archive.parsers.parsed import Parsed
from opensearch_strata.cli.app import app
from tests.shell import ENVIRONMENT
from tests.streams import definition_of

NOON = 1357387200123
GENERAL = """\
/usr/sbin/mysqld, Version: 5.6.51 (Source distribution). started with:
Tcp port: 3306  Unix socket: /tmp/mysql.sock
Time                 Id Command    Argument
130105 12:00:00\t    1 Connect\troot@localhost on shop
\t\t    1 Query\tselect 1,
\t2
130105 12:00:01\t    1 Quit\t
"""

Parse = Callable[..., Result]


def envelope(*messages: str, kind: str = "DATA_MESSAGE", group: str = "/aws/rds/instance/shop/general") -> bytes:
    events = [{"id": f"36{n}", "timestamp": NOON + n, "message": message} for n, message in enumerate(messages)]
    return orjson.dumps(
        {
            "messageType": kind,
            "owner": "123456789012",
            "logGroup": group,
            "logStream": "shop",
            "subscriptionFilters": ["all"],
            "logEvents": events,
        }
    )


ENTRY = "2013-01-05T12:00:00.123456Z\t    7 Init DB\tshop"
HEALTH = envelope("CWL CONTROL MESSAGE: Checking health of destination Firehose.", kind="CONTROL_MESSAGE", group="")


@pytest.fixture
def parse(tmp_path: Path) -> Parse:
    """Run ``strata parse`` on an object of these bytes."""

    def run(content: bytes, *options: str, exit_code: int = 0) -> Result:
        (tmp_path / "object").write_bytes(content)
        result = CliRunner(env=dict.fromkeys(ENVIRONMENT)).invoke(app, ["parse", str(tmp_path / "object"), *options])
        assert result.exit_code == exit_code, result.output
        return result

    return run


def values(result: Result) -> list[Any]:
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.mark.parametrize("kind", ["format", "parser"])
def test_a_name_that_is_neither_ours_nor_installed_is_wrong_use(parse: Parse, kind: str) -> None:
    told = " ".join(re.sub("[│╭╮╰╯─]", " ", parse(b"x", f"--{kind}", "jsn", exit_code=2).output).split())
    assert f"Invalid value for '--{kind}': 'jsn' is not an installed {kind}; installed are auto, " in told


def test_events_of_a_firehose_object(parse: Parse) -> None:
    members = [HEALTH, envelope(ENTRY, "no entry"), envelope("text", group="app")]
    result = parse(gzip.compress(b"".join(gzip.compress(member) for member in members)))
    assert result.stdout.splitlines() == [
        '2013-01-05T12:00:00.123Z       1:0  {"time":"2013-01-05T12:00:00.123456Z","pid":7,"perform":"Init DB",'
        '"statement":"shop"}',
        '2013-01-05T12:00:00.123Z       2:0  {"message":"text"}',
    ]
    assert result.stderr.splitlines() == [
        "Layers:   gzip > gzip",
        "Format:   cloudwatch",
        "Parsers:  mysql_general (1), auto (1)",
        "Events:   2, filtered 0, broken 1",
        "Times:    2013-01-05T12:00:00.123Z to 2013-01-05T12:00:00.123Z",
        "Record 1, event 1 (unparsed): The parser mysql_general cannot read the message: it does not begin with a "
        "time, a connection id and a command.",
    ]


def test_json_is_an_event_a_line(parse: Parse) -> None:
    first, second = values(parse(envelope(ENTRY, ENTRY), "--json"))
    assert first == {
        "position": "0:0",
        "time": "2013-01-05T12:00:00.123Z",
        "owner": "123456789012",
        "log_group": "/aws/rds/instance/shop/general",
        "log_stream": "shop",
        "event_id": "360",
        "parser": "mysql_general",
        "fields": {"time": "2013-01-05T12:00:00.123456Z", "pid": 7, "perform": "Init DB", "statement": "shop"},
    }
    assert (second["position"], second["event_id"]) == ("0:1", "361")


def test_entries_of_several_lines_with_a_banner(parse: Parse) -> None:
    result = parse(GENERAL.encode(), "--parser", "mysql_general", "--json")
    assert [event["fields"]["statement"] for event in values(result)] == [
        "root@localhost on shop",
        "select 1,\n\t2",
        "",
    ]
    assert "Events:   3, filtered 3, broken 0" in result.stderr
    assert "Times:    2013-01-05T12:00:00.000Z to 2013-01-05T12:00:01.000Z" in result.stderr


def test_format_and_parser_can_be_forced(parse: Parse) -> None:
    content = envelope(ENTRY)
    assert values(parse(content, "--format", "lines", "--parser", "raw", "--json"))[0]["fields"] == {
        "message": content.decode()
    }
    result = parse(envelope("{}"), "--parser", "vpc_flow", exit_code=1)
    assert "The parser vpc_flow cannot read the message" in result.stderr
    assert result.stderr.endswith("could be read.\n")


def test_the_year_of_a_line_is_that_of_its_event_or_of_the_file(parse: Parse) -> None:
    line = "Jan  5 11:59:58 web-1 sshd[7]: Accepted"
    (event,) = values(parse(envelope(line, group="/var/log/secure"), "--json"))
    assert (event["parser"], event["fields"]["timestamp"]) == ("syslog", "2013-01-05T11:59:58.000Z")
    (event,) = values(parse(f"{line}\n".encode(), "--parser", "syslog", "--json"))
    year = datetime.now(UTC).year
    assert event["time"] in (f"{year}-01-05T11:59:58.000Z", f"{year - 1}-01-05T11:59:58.000Z")


def test_what_a_parser_did_not_expect_is_told(parse: Parse, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(message: Any) -> Any:
        return Parsed({"number": int(message)}, None)

    monkeypatch.setattr("opensearch_strata.cli.commands.findings.parser_of", lambda name, intake: read)
    result = parse(b"1\n1.5\n", "--parser", "raw", "--json")
    assert [value["fields"] for value in values(result)] == [{"number": 1}]
    assert "The parser raw cannot read the message: it contains something that is not expected (inv" in result.stderr


def test_standard_input() -> None:
    result = CliRunner().invoke(app, ["parse", "-"], input=gzip.compress(b'{"a":1}\n{"a":2}'))
    assert result.exit_code == 0
    assert result.stdout.count("\n") == 2
    assert "Layers:   gzip" in result.stderr


def test_a_limit_ends_reading(parse: Parse) -> None:
    result = parse(b'{"a":1}\n' * 5, "--limit", "2", "--json")
    assert len(values(result)) == 2
    assert "Events:   2," in result.stderr


def test_stats_alone(parse: Parse) -> None:
    result = parse(envelope(ENTRY, "no entry"), "--stats")
    assert result.stdout.startswith("Layers:   none\nFormat:   cloudwatch\n")
    assert result.stderr == ""
    (summary,) = values(parse(envelope(ENTRY, "no entry"), "--stats", "--json"))
    assert summary.pop("problems")[0].startswith("Record 0, event 1 (unparsed)")
    assert summary == {
        "layers": [],
        "format": "cloudwatch",
        "parsers": {"mysql_general": 1},
        "events": 1,
        "filtered": 0,
        "unwanted": {},
        "broken": 1,
        "first": "2013-01-05T12:00:00.123Z",
        "last": "2013-01-05T12:00:00.123Z",
        "damage": None,
        "notes": [],
    }


@pytest.fixture
def datasets(tmp_path: Path) -> str:
    """A folder with a dataset that changes what it gets."""
    folder = tmp_path / "datasets"
    folder.mkdir()
    rules = {"rename": {"perform": "command"}, "cast": {"pid": "string"}, "parsers": {"*": "raw"}, "format": "lines"}
    (folder / "t.yaml").write_text(yaml.safe_dump(definition_of("t", intake=rules)), "utf-8")
    return str(folder)


def test_documents_as_a_dataset_would_index_them(parse: Parse, datasets: str) -> None:
    options = ("--dataset", "t", "--datasets-dir", datasets, "--format", "cloudwatch", "--parser", "auto")
    result = parse(envelope(ENTRY), *options, "--json")
    (document,) = values(result)
    assert (document["_index"], len(document["_id"])) == ("t-2013.01.05", 24)
    source = document["_source"]
    assert (source["command"], source["pid"], source["@timestamp"]) == ("Init DB", "7", "2013-01-05T12:00:00.123Z")
    assert source["archive"]["event_id"] == "360"
    assert "Parsers:  mysql_general (1)" in result.stderr
    assert parse(envelope(ENTRY), *options).stdout.startswith(f"t-2013.01.05  {document['_id']}  {{")


def test_a_datasets_own_format_and_parsers_count(parse: Parse, datasets: str) -> None:
    result = parse(b"hello\n", "--dataset", "t", "--datasets-dir", datasets, exit_code=1)
    assert "Format:   lines" in result.stderr
    assert "Record 0, event 0 (no_time): It has no valid time" in result.stderr


def test_an_archive_of_our_own(parse: Parse, datasets: str) -> None:
    content = b'{"_id":"x","_source":{"@timestamp":86400000000,"a":1}}\n'
    (event,) = values(parse(content, "--json"))
    assert (event["document_id"], event["fields"]) == ("x", {"@timestamp": 86400000000, "a": 1})
    options = ("--dataset", "t", "--datasets-dir", datasets, "--format", "auto")
    (document,) = values(parse(content, *options, "--json"))
    assert document == {"_index": "t-1972.09.27", "_id": "x", "_source": {"@timestamp": 86400000000, "a": 1}}


def test_a_cut_off_object_shows_what_is_before(parse: Parse) -> None:
    content = gzip.compress(envelope(ENTRY))
    result = parse(content + content[: len(content) // 2], "--json")
    assert len(values(result)) == 1
    assert "Events:   1, filtered 0, broken 1" in result.stderr
    assert "(broken): The object ends too early" in result.stderr


def test_garbage_is_a_failure_with_a_sentence(parse: Parse, tmp_path: Path) -> None:
    result = parse(bytes(range(256)) * 8, exit_code=1)
    assert result.stdout == ""
    assert "Format:   unknown" in result.stderr
    assert result.stderr.endswith(f"Error: Nothing in {tmp_path / 'object'} could be read.\n")


def test_an_object_without_events_is_no_failure(parse: Parse) -> None:
    for content in (b"", HEALTH):
        assert "Events:   0, filtered 0, broken 0" in parse(content).stderr


def test_many_broken_records_are_told_in_part_and_counted(parse: Parse) -> None:
    result = parse(b"x\n" * 50, "--parser", "json", exit_code=1)
    assert result.stderr.count("(unparsed)") == 20
    assert "30 more could not be read." in result.stderr


def test_what_unpacks_to_far_too_much_is_told(parse: Parse, monkeypatch: pytest.MonkeyPatch) -> None:
    from opensearch_strata.archive.decode import object_reader
    from opensearch_strata.archive.decode.layers import DecompressionLimits

    monkeypatch.setattr(
        object_reader.Reading.__init__, "__defaults__", ("auto", None, DecompressionLimits(ratio=1, free=1000), None)
    )
    result = parse(gzip.compress(b'{"a":1}\n' * 10_000), "--stats", exit_code=1)
    assert "broken 1" in result.stdout


def test_a_file_that_is_not_there_is_wrong_use() -> None:
    result = CliRunner().invoke(app, ["parse", "/nowhere"])
    assert result.exit_code == 2
    assert "there is no file '/nowhere'" in result.stderr


RULES = {"skip": [{"field": "level", "level_below": "info"}], "metadata": None}
PAGE = (PROJECT / "docs" / "datasets.md").read_text()


def with_dataset(folder: Path, **intake: Any) -> None:
    """A file of a dataset in a folder."""
    definition = definition_of("shop", intake=intake)
    (folder / "shop.yaml").write_text(yaml.safe_dump(definition))


def test_what_a_filter_leaves_out_is_shown_as_the_reference_shows_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (log,) = re.findall(r"^```text app\.log\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    ((command, shown),) = re.findall(r"^\$ strata (parse app\.log .*?)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    (tmp_path / "app.log").write_text(log)
    with_dataset(tmp_path, **RULES)
    monkeypatch.chdir(tmp_path)
    result = CliRunner(env=dict.fromkeys(ENVIRONMENT)).invoke(app, [*command.split(), "--datasets-dir", "."])
    assert result.exit_code == 0, result.output
    assert result.stdout + result.stderr == shown


def test_events_that_a_filter_leaves_out_are_counted_by_rule(parse: Parse, tmp_path: Path) -> None:
    with_dataset(tmp_path, skip=[{"log_group": "app"}, {"field": "perform", "in": ["Ping"]}], metadata=None)
    ping, other = "2013-01-05T12:00:00.123456Z\t    7 Ping\t", envelope("x", "y", group="app")
    content = b"".join([envelope(ENTRY, ping), other])
    options = ("--dataset", "shop", "--datasets-dir", str(tmp_path), "--json")
    left_out = [shown for shown in values(parse(content, *options)) if "left_out" in shown]
    assert [(one["left_out"], one["position"], one["fields"]) for one in left_out] == [
        (
            "intake.skip.1: {field: perform, in: [Ping]}",
            "0:1",
            {"time": "2013-01-05T12:00:00.123456Z", "pid": 7, "perform": "Ping", "statement": ""},
        ),
        ("intake.skip.0: {log_group: app}", "1:0", {"message": "x"}),
        ("intake.skip.0: {log_group: app}", "1:1", {"message": "y"}),
    ]
    told = values(parse(content, *options, "--stats"))[0]
    assert (told["events"], told["filtered"], told["broken"]) == (1, 0, 0)
    assert told["unwanted"] == {"intake.skip.0: {log_group: app}": 2, "intake.skip.1: {field: perform, in: [Ping]}": 1}
    parse(other, *options)  # an object of which nothing is wanted is no failure
