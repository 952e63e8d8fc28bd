"""The shell on a real node: where the days are, what they answer, what does not fit."""

from __future__ import annotations

import json
import math
from datetime import timedelta
from pathlib import Path

import pytest
from opensearchpy import AuthorizationException

from opensearch_strata.definition.days import day_bounds
from tests.shell import Shell, days_before
from tests.streams import DAY, definition_of


def test_status_names_what_is_behind_and_the_command_that_cures_it(shell: Shell) -> None:
    stream = shell.stream()
    name = stream.dataset.name
    first, second, third = days_before(DAY, 3)
    stream.fill(first, count=20)
    stream.condensed(second, count=20)
    stream.fill(second, count=5, seed=1)
    stream.condensed(third, count=20)
    told = [f"2 days from {first} to {second}. ", f"rows: {second}. "]
    assert shell.json(f"status {name}")["uncondensed"] == [str(first), str(second)]
    for expected in told:
        line = shell.run(f"status {name}").stdout.splitlines()[-1]
        assert expected in line
        cure = line.partition("Start with: strata ")[2]
        shell.run(cure)
    assert shell.run(f"status {name}").stdout.splitlines()[-1].startswith("Every raw day before yesterday is condensed")


def test_query_answers_from_raw_days_and_from_history(shell: Shell) -> None:
    stream = shell.stream()
    name = stream.dataset.name
    documents = stream.condensed(count=240)
    asked = f"query {name} --from {DAY} --to {DAY} --metric temperature --stat p50,p99.9,avg --stat min,max,sum,count"
    (raw,) = shell.json(asked)
    shell.run(f"verify {name} {DAY}")
    (verified,) = shell.json(asked)
    stream.client.indices.delete(index=stream.dataset.raw_index(DAY))
    (whole,) = shell.json(asked)
    assert [record.pop("source") for record in (raw, verified, whole)] == ["raw", "history", "history"]
    assert raw == verified == whole
    assert list(whole) == [
        "time",
        *(f"temperature.{stat}" for stat in ["p50", "p99.9", "avg", "min", "max", "sum", "count"]),
    ]
    assert whole.pop("time") == f"{DAY}T00:00:00+00:00"
    found = {column.removeprefix("temperature."): value for column, value in whole.items()}
    values = sorted(d["temperature"] for d in documents if "temperature" in d)
    assert (found["min"], found["max"], found["count"]) == (values[0], values[-1], len(values))
    assert math.isclose(found["sum"], math.fsum(values), rel_tol=1e-12)
    assert math.isclose(found["avg"], math.fsum(values) / len(values), rel_tol=1e-12)
    for stat, q in (("p50", 0.5), ("p99.9", 0.999)):
        assert math.isclose(found[stat], values[math.floor(q * (len(values) - 1))], rel_tol=0.01)


def test_query_keeps_groups_and_metrics_apart(shell: Shell) -> None:
    metrics = definition_of("t")["metrics"]
    stream = shell.stream(metrics={**metrics, "temperature": {**metrics["temperature"], "unit": "°C"}})
    name = stream.dataset.name
    documents = stream.fill(count=240)
    span = f"--from {DAY} --to {DAY}"
    records = shell.json(f"query {name} {span} --interval 1h --metric load,temperature --stat count --by device")
    for metric in ("load", "temperature"):
        expected: dict[tuple[str, str], int] = {}
        for document in documents:
            if metric in document:
                key = (document["@timestamp"][:13], document["device"])
                expected[key] = expected.get(key, 0) + 1
        counts = {(r["time"][:13], r["device"]): r[f"{metric}.count"] for r in records if r[f"{metric}.count"]}
        assert counts == expected
    assert list(records[0]) == ["time", "device", "load.count", "temperature.count", "source"]

    by_site = shell.json(f"query {name} {span} --metric load --stat count --by site --where device=d0")
    assert [r["site"] for r in by_site] == [None]
    refused = shell.run(f"query {name} {span} --metric load --stat p50", 1)
    assert (refused.stdout, refused.stderr[:33]) == ("", "Error: 'load' carries no distribu")
    table = shell.run(f"query {name} {span} --metric temperature,load --stat avg,count --by site").stdout
    assert table.startswith(f"temperature, load of {name}")
    head = " ".join(table.splitlines()[2].replace("|", " ").split())
    assert head == "time site temperature.avg [°C] temperature.count load.avg load.count source"
    assert f"| {DAY} 00:00+00:00 | north |" in table
    assert f"| {DAY} 00:00+00:00 | -     |" in table


def test_pages_make_one_json_value_and_several_tables(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("opensearch_strata.history.query.frame.PAGE_RECORDS", 5)
    stream = shell.stream()
    name = stream.dataset.name
    stream.fill(count=240)
    asked = f"query {name} --from {DAY} --to {DAY} --interval 2h --metric load --stat sum"
    assert len(shell.json(asked)) == 12
    table = shell.run(asked).stdout
    assert (table.count(f"load of {name}"), table.count(f"load of {name}, continued")) == (3, 2)
    assert table.count(f"| {DAY} ") == 12


def test_a_day_is_queried_whole_and_a_time_is_exclusive(shell: Shell) -> None:
    stream = shell.stream(time_zone="America/New_York")
    name = stream.dataset.name
    documents = stream.condensed(count=240)

    def counted(start: str, end: str) -> int:
        asked = f"query {name} --from {start} --to {end} --metric load --stat count"
        return sum(record["load.count"] for record in shell.json(asked))

    def expected(start: str, end: str) -> int:
        """Documents with a load, of hours in UTC."""
        return sum("load" in d for d in documents if start <= d["@timestamp"][:13] < end)

    assert counted(f"{DAY}", f"{DAY}") == expected("2024-05-06T04", "2024-05-07T04")
    assert counted(f"{DAY}", f"{DAY}T06:00") == expected("2024-05-06T04", "2024-05-06T10")
    assert counted(f"{DAY}T06:00Z", f"{DAY}T07:00Z") == expected("2024-05-06T06", "2024-05-06T07") > 0
    (record,) = shell.json(f"query {name} --from {DAY}T02 --to {DAY} --interval 1d --metric load --stat count")
    assert record["time"] == f"{DAY}T00:00:00-04:00"


def test_a_query_that_finds_nothing_says_why(shell: Shell) -> None:
    stream = shell.stream()
    name = stream.dataset.name
    asked = f"query {name} --from 2020-01-01 --to 2020-01-31 --metric load --stat sum"
    assert f"Nothing is known about {name!r} yet" in shell.run(asked, 1).stderr
    stream.condensed(count=20)
    assert f"Nothing is known about {name!r} from 2020-01-01 00:00+00:00" in shell.run(asked, 1).stderr
    found = shell.run(f"query {name} --from {DAY} --to {DAY} --metric load --stat sum --where device=d99 --json")
    assert (found.stdout, found.stderr[:18]) == ("[]\n", "Nothing was found:")


def test_a_query_says_what_is_not_as_it_should_be(shell: Shell) -> None:
    stream = shell.stream()
    name = stream.dataset.name
    documents = stream.condensed(count=20)
    shell.run(f"verify {name} {DAY}")
    stream.client.indices.delete(index=stream.dataset.raw_index(DAY))
    stream.write([{"@timestamp": f"{DAY}T05:00:00Z", "device": "late", "load": 1}])
    asked = f"query {name} --from {DAY} --to {DAY} --metric load --stat count"
    note = (
        f"{stream.dataset.raw_index(DAY)} was recreated: its 1 document and the 20 that its history carries are added"
    )
    for command in (asked, f"{asked} --json"):
        assert note in shell.run(command).stderr
    (record,) = json.loads(shell.run(f"{asked} --json").stdout)
    assert record["load.count"] == 1 + sum("load" in document for document in documents)
    assert record["source"] == "both"


def test_local_days_are_answered_in_a_zone_off_the_hour_and_check_says_what_they_are(shell: Shell) -> None:
    stream = shell.stream(time_zone="Asia/Kolkata")
    name = stream.dataset.name
    for day in days_before(DAY, 2):
        begin = day_bounds(day, stream.dataset.zone)[0]
        moments = [begin + number * timedelta(minutes=10) for number in range(144)]
        stream.write([{"@timestamp": moment.isoformat(), "device": "d", "load": 1} for moment in moments], day)
        shell.run(f"condense {name} {day}")
        shell.run(f"verify {name} {day}")
        stream.client.indices.delete(index=stream.dataset.raw_index(day))
    first, last = days_before(DAY, 2)[0], days_before(DAY, 2)[-1]
    asked = f"query {name} --from {first} --to {last} --metric load --stat count"
    days = json.loads(shell.run(f"{asked} --interval 1d --json").stdout)
    assert [(day["time"], day["load.count"]) for day in days] == [
        (f"{day}T00:00:00+05:30", 144) for day in (first, last)
    ]
    (whole,) = json.loads(shell.run(f"{asked} --json").stdout)
    assert whole["load.count"] == 288
    hours = json.loads(shell.run(f"{asked} --interval 1h --json").stdout)
    assert [hour["load.count"] for hour in hours] == [3, *[6] * 47, 3]  # both days' rows of the hour at midnight
    assert "Ask for '1h', 1d, 1M or the whole span" in shell.run(f"{asked} --interval 6h", 1).stderr
    checked = shell.json("check")
    assert "Days in Asia/Kolkata begin inside buckets of 1h" in checked["warnings"][0]
    assert checked["problems"] == []


def test_verify_marks_where_it_may(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = shell.stream()
    name = stream.dataset.name
    stream.condensed(count=20)
    forbidden = AuthorizationException(403, "security_exception", {"error": {"type": "security_exception"}})

    def refuse(*_: object) -> None:
        raise forbidden

    with monkeypatch.context() as patched:
        patched.setattr("opensearch_strata.history.month.marks.remember", refuse)
        told = shell.run(f"verify {name} {DAY}")
    assert "is verified" in told.stdout
    assert f"{stream.dataset.raw_index(DAY)} could not be marked as verified" in told.stderr
    asked = f"query {name} --from {DAY} --to {DAY} --metric load --stat sum"
    assert shell.json(asked)[0]["source"] == "raw"
    assert "could not be marked" not in shell.run(f"verify {name} {DAY}").stderr
    assert shell.json(asked)[0]["source"] == "history"


def test_check_compares_the_newest_raw_day(shell: Shell) -> None:
    stream = shell.stream()
    name = stream.dataset.name
    assert f"{name}: there is no raw day to compare with yet." in shell.run("check").stdout
    stream.create(DAY - timedelta(days=1))
    newest = stream.dataset.raw_index(DAY)
    told = shell.json("check")
    assert told.pop("deletions")[name].endswith("(confirmed).")
    assert (Path(told.pop("folder")) / f"{name}.yaml").is_file()
    assert told == {
        "datasets": [name],
        "compared": {name: stream.dataset.raw_index(DAY - timedelta(days=1))},
        "warnings": [],
        "problems": [],
    }
    properties = {"@timestamp": {"type": "date"}, "device": {"type": "text"}, "temperature": {"type": "double"}}
    stream.client.indices.create(index=newest, body={"mappings": {"properties": properties}})
    result = shell.run("check", 1)
    assert f"{newest} does not fit dataset {name!r}: history.group_by 'device': field 'device' is text" in result.stdout

    stream.client.indices.delete(index=newest)
    properties["device"]["type"] = "keyword"
    stream.client.indices.create(index=newest, body={"mappings": {"properties": properties}})
    problems = shell.json("check", 1)["problems"]
    assert [problem.split(";")[0] for problem in problems] == [
        f"{newest} has no field 'site', which history.group_by 'site' of dataset {name!r} names",
        f"{newest} has no field 'load', which metrics.load.field of dataset {name!r} names",
    ]
