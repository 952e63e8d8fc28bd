"""The shell on a real node: where the days are, what the history answers, what does not fit."""

from __future__ import annotations

import math
from datetime import timedelta

from tests.shell import Shell, days_before
from tests.streams import DAY


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
        cure = line.partition("Begin with: strata ")[2]
        shell.run(cure)
    assert shell.run(f"status {name}").stdout.splitlines()[-1].startswith("Every raw day before yesterday is condensed")


def test_query_answers_from_the_history(shell: Shell) -> None:
    stream = shell.stream()
    name = stream.dataset.name
    documents = stream.condensed(count=240)
    stream.client.indices.delete(index=stream.dataset.raw_index(DAY))
    asked = f"query {name} --from {DAY} --to {DAY} --metric temperature --stat p50,p99.9,avg --stat min,max,sum,count"
    (whole,) = shell.json(asked)
    values = sorted(d["temperature"] for d in documents if "temperature" in d)
    assert list(whole) == ["time", "p50", "p99.9", "avg", "min", "max", "sum", "count"]
    assert whole["time"] == f"{DAY}T00:00:00+00:00"
    assert (whole["min"], whole["max"], whole["count"]) == (values[0], values[-1], len(values))
    assert math.isclose(whole["sum"], math.fsum(values), rel_tol=1e-12)
    assert math.isclose(whole["avg"], math.fsum(values) / len(values), rel_tol=1e-12)
    for stat, q in (("p50", 0.5), ("p99.9", 0.999)):
        assert math.isclose(whole[stat], values[math.floor(q * (len(values) - 1))], rel_tol=0.01)

    records = shell.json(f"query {name} --from {DAY} --to {DAY} --interval 1h --metric load --stat count --by device")
    expected: dict[tuple[str, str], int] = {}
    for document in documents:
        if "load" in document:
            key = (document["@timestamp"][:13], document["device"])
            expected[key] = expected.get(key, 0) + 1
    assert {(r["time"][:13], r["device"]): r["count"] for r in records} == expected
    assert list(records[0]) == ["time", "device", "count"]

    by_site = shell.json(f"query {name} --from {DAY} --to {DAY} --metric load --stat count --by site --where device=d0")
    assert [r["site"] for r in by_site] == [None]
    refused = shell.run(f"query {name} --from {DAY} --to {DAY} --metric load --stat p50", 1)
    assert (refused.stdout, refused.stderr[:33]) == ("", "Error: 'load' carries no distribu")
    table = shell.run(f"query {name} --from {DAY} --to {DAY} --metric temperature --stat avg --by site")
    assert table.stdout.startswith(f"temperature of {name}")
    assert f"| {DAY} 00:00+00:00 | north |" in table.stdout


def test_a_day_is_queried_whole_and_a_time_is_exclusive(shell: Shell) -> None:
    stream = shell.stream(time_zone="America/New_York")
    name = stream.dataset.name
    documents = stream.condensed(count=240)

    def counted(start: str, end: str) -> int:
        asked = f"query {name} --from {start} --to {end} --metric load --stat count"
        return sum(record["count"] for record in shell.json(asked))

    def expected(start: str, end: str) -> int:
        """Documents with a load, of hours in UTC."""
        return sum("load" in d for d in documents if start <= d["@timestamp"][:13] < end)

    assert counted(f"{DAY}", f"{DAY}") == expected("2024-05-06T04", "2024-05-07T04")
    assert counted(f"{DAY}", f"{DAY}T06:00") == expected("2024-05-06T04", "2024-05-06T10")
    assert counted(f"{DAY}T06:00Z", f"{DAY}T07:00Z") == expected("2024-05-06T06", "2024-05-06T07") > 0
    (record,) = shell.json(f"query {name} --from {DAY}T02 --to {DAY} --interval 1d --metric load --stat count")
    assert record["time"] == f"{DAY}T00:00:00-04:00"


def test_a_query_that_finds_nothing_says_what_there_is(shell: Shell) -> None:
    stream = shell.stream()
    name = stream.dataset.name
    asked = f"query {name} --from 2020-01-01 --to 2020-01-31 --metric load --stat sum"
    empty = shell.run(f"{asked} --json")
    assert (empty.stdout, empty.stderr) == (
        "[]\n",
        f"The history of {name} holds no day yet; condense one first: strata condense {name} DAY\n",
    )
    stream.condensed(count=20)
    found = shell.run(asked)
    assert found.stderr == f"Nothing was found. The history of {name} holds 1 days from {DAY} to {DAY}.\n"
    assert "| time | sum |" in found.stdout


def test_check_compares_the_newest_raw_day(shell: Shell) -> None:
    stream = shell.stream()
    name = stream.dataset.name
    assert f"{name}: there is no raw day to compare with yet." in shell.run("check").stdout
    stream.create(DAY - timedelta(days=1))
    newest = stream.dataset.raw_index(DAY)
    assert shell.json("check") == {
        "datasets": [name],
        "compared": {name: stream.dataset.raw_index(DAY - timedelta(days=1))},
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
