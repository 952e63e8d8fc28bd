"""The shell on a real node, days and window: what it prints, what it changes, and its exit codes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from opensearch_strata.workflows.overview.overview import look_over
from tests.shell import Shell, days_before
from tests.streams import DAY


def test_a_day_is_condensed_verified_and_shown(shell: Shell) -> None:
    stream = shell.stream()
    name, index = stream.dataset.name, stream.dataset.raw_index(DAY)
    stream.fill(count=240)
    condensed = shell.run(f"condense {name} {DAY}")
    rows = len(stream.rows())
    month = stream.dataset.month_index(DAY)
    assert condensed.stdout.splitlines()[-1] == f"{index} is condensed: 240 documents in {rows} rows of {month}."
    assert condensed.stderr == f"Condensing 240 documents of {index}.\n"

    verified = shell.run(f"verify {name} {DAY}")
    assert f"Proof of {index}: verified" in verified.stdout
    assert verified.stdout.splitlines()[-1] == f"{index} is verified: all its documents are in {rows} rows."
    assert verified.stderr == f"Comparing 240 documents of {index}.\n"

    shown = shell.json(f"status {name}")
    day = shown["days"].pop()
    assert shown == {"dataset": name, "days": [], "uncondensed": []}
    assert day.pop("raw_bytes") > 0 < day.pop("history_bytes")
    assert day.pop("problem") == ""
    assert day == {"day": f"{DAY}", "place": "raw and history", "raw_documents": 240, "rows": rows, "carried": 240}


def test_status_names_the_days_that_the_pages_do_not_count(shell: Shell) -> None:
    stream = shell.stream()
    now = datetime.now(UTC)
    days = days_before(now.date(), 3)
    stream.condensed(days[0], count=30)
    assert "do not count" not in shell.run(f"status {stream.dataset.name}").stdout
    for day in days[1:]:
        stream.fill(day, count=10)
    seen = look_over(stream.client, None, stream.dataset, now)
    shown = shell.json(f"status {stream.dataset.name}")["days"]
    told = [(day["day"], day["raw_documents"], day["rows"], day["carried"]) for day in shown]
    assert [day for day, *_ in told] == [f"{day}" for day in days]
    assert [(f"{cell.day}", cell.documents, cell.rows, cell.carried) for cell in seen.cells] == told[:-1]
    text = shell.run(f"status {stream.dataset.name}").stdout
    assert f"Not over yet, so the pages in Airflow do not count: {days[-1]}\n" in text


def test_condense_as_json(shell: Shell) -> None:
    stream = shell.stream()
    stream.fill(count=60)
    value = shell.json(f"condense {stream.dataset.name} {DAY} --engine search")
    assert value.pop("search_seconds") > 0 < value.pop("index_seconds")
    assert value == {
        "dataset": stream.dataset.name,
        "day": str(DAY),
        "index": stream.dataset.raw_index(DAY),
        "month": stream.dataset.month_index(DAY),
        "state": "condensed",
        "engine": "search",
        "documents": 60,
        "rows": len(stream.rows()),
    }


def test_an_empty_day_is_no_failure_unless_it_is_required_and_a_missing_one_is(shell: Shell) -> None:
    stream, demanding = shell.stream(), shell.stream(raw={"index": "required-{day}", "required_daily": True})
    name, index = stream.dataset.name, stream.dataset.raw_index(DAY)
    missing = shell.run(f"condense {name} {DAY}", 1).stderr
    assert missing.startswith(f"Error: {index} does not exist; there is nothing to condense. Check the day")
    assert shell.json(f"condense {name} {DAY}", 1)["state"] == "missing"
    stream.create()
    assert shell.run(f"condense {name} {DAY}").stdout == f"{index} is empty; there is nothing to condense.\n"
    assert shell.json(f"condense {name} {DAY}")["state"] == "empty"

    result = shell.run(f"condense {demanding.dataset.name} {DAY}", 1)
    assert result.stdout == ""
    assert "does not exist, but" in result.stderr
    assert "requires every day (raw.required_daily)" in result.stderr


def test_history_gets_poorer_only_on_an_explicit_word(shell: Shell) -> None:
    stream = shell.stream()
    name, index = stream.dataset.name, stream.dataset.raw_index(DAY)
    stream.condensed(count=100)
    stream.client.indices.delete(index=index)
    stream.fill(count=40, seed=1)
    before = stream.rows()
    result = shell.run(f"condense {name} {DAY}", 1)
    assert result.stderr.startswith(f"Condensing 40 documents of {index}.\nError: {index} holds 40 documents, but its")
    assert "carries 100 documents" in result.stderr
    assert stream.rows() == before
    shell.run(f"condense {name} {DAY} --allow-poorer")
    assert shell.json(f"verify {name} {DAY}")["documents"] == 40


def test_verify_fails_with_the_table_until_it_is_repaired(shell: Shell) -> None:
    stream = shell.stream()
    name = stream.dataset.name
    stream.condensed(count=100)
    stream.drop_row(next(iter(stream.rows())))
    failed = shell.run(f"verify {name} {DAY}", 1)
    assert "differs" in failed.stdout.splitlines()[0]
    assert "| NO " in failed.stdout
    assert f"{stream.dataset.raw_index(DAY)} differs from its" in failed.stderr
    proof = shell.json(f"verify {name} {DAY}", 1)
    assert (proof["state"], proof["verified"], proof["documents"]) == ("differs", False, 100)
    documents = proof["checks"][0]
    assert (documents["name"], documents["raw"], documents["holds"]) == ("documents", 100, False)
    assert documents["history"] < 100

    assert shell.json(f"verify {name} {DAY} --repair")["verified"] is True
    shell.run(f"verify {name} {DAY}")


def test_what_is_missing_empty_or_not_condensed_is_never_verified(shell: Shell) -> None:
    stream = shell.stream()
    name, index = stream.dataset.name, stream.dataset.raw_index(DAY)
    missing = shell.run(f"verify {name} {DAY}", 1)
    assert missing.stderr == f"Error: {index} does not exist, and history has no rows for it.\n"
    stream.create()
    assert "is empty, which proves nothing" in shell.run(f"verify {name} {DAY}", 1).stderr
    assert shell.json(f"verify {name} {DAY}", 1)["state"] == "empty"
    stream.fill(count=10)
    assert f"{index} is not condensed" in shell.run(f"verify {name} {DAY}", 1).stderr


def test_expire_is_dry_until_it_is_told_to_delete(shell: Shell) -> None:
    stream = shell.stream(raw={"window_days": 2}, cycle={"max_deletes_per_run": 2})
    name, raw_index = stream.dataset.name, stream.dataset.raw_index
    days = days_before(DAY, 5)
    for day in days:
        stream.condensed(day, count=30)
    undated = stream.create(index=f"{name}-spare")
    expired, postponed = [raw_index(day) for day in days[:2]], [raw_index(days[2])]

    dry = shell.json(f"expire {name} --day {DAY}")
    assert (dry["applied"], dry["postponed"], dry["undated"]) == (False, postponed, [undated])
    assert [(day["index"], day["outcome"], day["documents"]) for day in dry["expired"]] == [
        (index, "dry_run", 30) for index in expired
    ]
    shown = shell.run(f"expire {name} --day {DAY}")
    told = shown.stdout
    assert shown.stderr.splitlines() == [f"{index} would be deleted: it is proven." for index in expired]
    assert "Nothing was deleted; run this again with --apply" in told
    assert all(f"| {index} |" in told for index in expired)
    assert f"One run deletes at most 2 days; these wait for the next: {postponed[0]}." in told
    assert f"contain no date, so they are never touched: {undated}." in told
    assert all(stream.exists(day) for day in days)

    assert [day["outcome"] for day in shell.json(f"expire {name} --day {DAY} --apply")["expired"]] == ["deleted"] * 2
    assert [stream.exists(day) for day in days] == [False, False, True, True, True]
    assert stream.client.indices.exists(index=undated)
    shell.run(f"expire {name} --day {DAY} --apply")
    assert [stream.exists(day) for day in days] == [False, False, False, True, True]
    assert shell.run(f"expire {name} --day {DAY}").stdout.startswith(f"No raw day of {name} is older than the window")


def test_expire_keeps_what_cannot_be_proven_and_exits_with_1(shell: Shell) -> None:
    stream = shell.stream(raw={"window_days": 1})
    name, raw_index = stream.dataset.name, stream.dataset.raw_index
    lost, late, _ = days = days_before(DAY, 3)
    for day in days:
        stream.condensed(day, count=30)
    one = stream.client.search(index=raw_index(lost), body={"size": 1})["hits"]["hits"][0]["_id"]
    stream.client.delete(index=raw_index(lost), id=one, params={"refresh": "true"})
    stream.fill(late, count=5, seed=9)

    dry = shell.json(f"expire {name} --day {DAY}", 1)
    assert [day["outcome"] for day in dry["expired"]] == ["kept", "dry_run"]
    assert "would first condense it" not in dry["expired"][0]["note"]
    assert "a run that deletes would first condense it (not all of it is in its" in dry["expired"][1]["note"]
    told = shell.run(f"expire {name} --day {DAY}", 1).stderr
    assert f"{raw_index(late)} would be deleted: a run that deletes would first condense it" in told
    assert f"{raw_index(lost)}: kept." in told

    result = shell.run(f"expire {name} --day {DAY} --apply", 1)
    assert f"{raw_index(lost)}: kept.\n{raw_index(late)}: deleted.\n" in result.stderr
    assert result.stderr.endswith(f"Error: Kept, each for the reason shown with it: {raw_index(lost)}.\n")
    assert "rows are not rebuilt from fewer documents" in " ".join(result.stdout.replace("|", " ").split())
    assert [stream.exists(day) for day in days] == [True, False, True]


def test_a_cycle_condenses_proves_and_retires(shell: Shell) -> None:
    stream = shell.stream(raw={"window_days": 1})
    name, raw_index = stream.dataset.name, stream.dataset.raw_index
    oldest, old, _ = days = days_before(DAY, 3)
    for day in days:
        stream.fill(day, count=30)
    stream.condense(oldest)
    stream.condense(old)

    dry = shell.json(f"cycle {name} {DAY}")
    assert (dry["would_delete"], dry["kept"]) == ([raw_index(oldest), raw_index(old)], {})
    assert (dry["verified"], dry["deleted"], dry["raw_documents"]) == (True, [], 30)
    assert all(stream.exists(day) for day in days)

    report = shell.json(f"cycle {name} {DAY} --apply")
    assert report.pop("raw_bytes") > 0 < report.pop("history_bytes")
    assert report.pop("verdict").startswith(
        f"{DAY} verified, 30 documents in {report['rows']} rows; 2 raw days deleted"
    )
    assert report == {
        "day": str(DAY),
        "raw_documents": 30,
        "raw_days": 1,
        "rows": report["rows"],
        "verified": True,
        "deleted": [raw_index(oldest), raw_index(old)],
        "would_delete": [],
        "kept": {},
        "waiting": 0,
        "uncondensed": [],
        "copies": [],
        "asks": "",
        "overtaken": False,
    }
    assert [stream.exists(day) for day in days] == [False, False, True]
    assert shell.json(f"verify {name} {DAY}")["rows"] == report["rows"]


def test_a_cycle_names_the_days_of_the_window_that_nobody_condensed(shell: Shell) -> None:
    stream = shell.stream()
    forgotten, condensed, _ = days = days_before(DAY, 3)
    for day in days:
        stream.fill(day, count=30)
    stream.condense(condensed)
    told = " ".join(shell.run(f"cycle {stream.dataset.name} {DAY}").stdout.replace("|", " ").split())
    index = stream.dataset.raw_index(forgotten)
    assert f"in the window, not fully condensed {index} " in told
    assert f"Raw days in the window that are not fully condensed: {index}. Condense each: strata condense" in told
    assert stream.dataset.raw_index(condensed) not in told


def test_a_cycle_whose_day_cannot_even_be_read_still_retires(shell: Shell) -> None:
    stream = shell.stream(raw={"window_days": 1})
    old = DAY - timedelta(days=1)
    stream.condensed(old, count=30)
    stream.client.indices.close(index=stream.create(DAY))
    result = shell.run(f"cycle {stream.dataset.name} {DAY} --apply", 1)
    assert "is closed, so its documents cannot be read" in result.stderr
    assert not stream.exists(old)


def test_a_cycle_whose_day_is_refused_still_retires_and_exits_with_1(shell: Shell) -> None:
    stream = shell.stream(raw={"window_days": 1, "required_daily": True})
    name, raw_index = stream.dataset.name, stream.dataset.raw_index
    old = DAY - timedelta(days=1)
    stream.condensed(old, count=30)
    result = shell.run(f"cycle {name} {DAY} --apply", 1)
    assert result.stdout.splitlines()[-1].startswith(f"{DAY} is not verified: {raw_index(DAY)} does not exist, but")
    assert "requires every day (raw.required_daily)" in result.stderr
    assert not stream.exists(old)
