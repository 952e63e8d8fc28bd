"""Restored days stay for as long as they are wanted, and then go behind the proofs that they have."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from opensearchpy import OpenSearch

from opensearch_strata.archive.export.folder import DayFolder
from opensearch_strata.archive.targets.wanted_days import Wanted
from opensearch_strata.errors import Refused
from opensearch_strata.history.verify.repair import prove
from opensearch_strata.workflows.archiving import settings_of
from opensearch_strata.workflows.backfill.restored_days import wanted_for
from opensearch_strata.workflows.backfill.settle import settle_day
from opensearch_strata.workflows.cycle import require_proven, retire_expired, run_cycle
from opensearch_strata.workflows.expired import Expired, list_expired
from opensearch_strata.workflows.retention import retire
from tests.archives import forget_ledger
from tests.raw_archives import archived, documents, restore
from tests.shell import Shell
from tests.streams import DAY, Stream, StreamFactory

NOW = datetime.now(UTC)
WINDOW_END = DAY + timedelta(days=100)
TOMORROW = Wanted(NOW + timedelta(days=1), exactly=True)
OVER = Wanted(NOW - timedelta(days=1), exactly=True)


@pytest.fixture
def stream(client: OpenSearch, make_stream: StreamFactory, bucket: str) -> Iterator[Stream]:
    """A dataset whose raw day is in its archive alone; its window has left it long ago."""
    made = make_stream(archive={"bucket": bucket, "prefix": "days/"})
    yield made
    forget_ledger(client, made.dataset.name)


def leave(stream: Stream, s3: Any) -> dict[str, Any]:
    """Fill a day, archive it and delete it; returns its documents."""
    stream.fill(DAY, 60)
    index = stream.dataset.raw_index(DAY)
    sent = documents(stream.client, index)
    archived(stream, s3)
    stream.client.indices.delete(index=index)
    return sent


def mark(stream: Stream) -> Any:
    """Until when the raw day is wanted, as the index says."""
    index = stream.dataset.raw_index(DAY)
    return stream.client.indices.get_mapping(index=index)[index]["mappings"]["_meta"]["strata"]["keep_until"]


def set_mark(stream: Stream, value: Any) -> None:
    body = {"_meta": {"strata": {"keep_until": value}}}
    stream.client.indices.put_mapping(index=stream.dataset.raw_index(DAY), body=body)


def test_a_restored_day_stays_while_it_is_wanted_and_goes_then_without_a_new_archive(stream: Stream, s3: Any) -> None:
    sent = leave(stream, s3)
    index = stream.dataset.raw_index(DAY)
    folder = DayFolder(s3, settings_of(stream.dataset), DAY)
    manifest = folder.read()
    assert restore(stream, s3, wanted=TOMORROW).holds

    run = run_cycle(stream.client, stream.dataset, WINDOW_END, NOW, apply=True, s3=lambda: s3, engine="search")
    assert (run.failed, run.report.deleted, list(run.report.kept)) == (False, [], [index])
    until = f"{TOMORROW.until:%Y-%m-%d %H:%M} UTC"
    assert run.report.kept[index].startswith(f"it was restored and is wanted until {until}; restore it again with")
    assert run.report.asks == ""
    assert stream.exists()

    assert restore(stream, s3, wanted=OVER).counts.created == len(sent)  # all of it by the first restore
    later = run_cycle(stream.client, stream.dataset, WINDOW_END, NOW, apply=True, s3=lambda: s3, engine="search")
    assert (later.failed, later.report.deleted, later.report.kept) == (False, [index], {})
    assert not stream.exists()
    assert folder.read() == manifest

    assert restore(stream, s3, wanted=TOMORROW).holds  # and back again
    assert documents(stream.client, index) == sent


def test_a_day_that_became_wanted_since_it_was_listed_stays(stream: Stream, s3: Any) -> None:
    leave(stream, s3)
    restore(stream, s3, wanted=TOMORROW)
    proven = require_proven(prove(stream.client, stream.dataset, DAY, engine="search"))
    for dry_run in (True, False):
        with pytest.raises(Refused, match=f"{proven.index} was kept: it was restored and is wanted until"):
            retire(stream.client, stream.dataset, proven, WINDOW_END, dry_run=dry_run, archive=lambda _: None)
    (kept,) = retire_expired(
        stream.client, stream.dataset, Expired({proven.index: DAY}), WINDOW_END, apply=True, s3=lambda: s3
    )
    assert kept.outcome == "kept"
    assert "is wanted until" in kept.note
    assert stream.blocks() == set()


def test_the_usual_number_of_days_never_shortens_what_somebody_asked_for(stream: Stream, s3: Any) -> None:
    leave(stream, s3)
    long = Wanted(NOW + timedelta(days=30), exactly=True)
    restore(stream, s3, wanted=long)
    assert mark(stream) == long.text
    restore(stream, s3, wanted=wanted_for(None, "keep", NOW))
    assert mark(stream) == long.text
    restore(stream, s3, wanted=TOMORROW)
    assert mark(stream) == TOMORROW.text
    usual = wanted_for(None, "keep", NOW)
    assert usual.until - NOW > timedelta(days=6, hours=23)
    restore(stream, s3, wanted=usual)
    assert mark(stream) == usual.text


def test_a_day_that_was_there_before_is_wanted_too(stream: Stream, s3: Any) -> None:
    stream.fill(DAY, 60)
    archived(stream, s3)
    restore(stream, s3, wanted=TOMORROW)
    assert mark(stream) == TOMORROW.text
    expired = list_expired(stream.client, stream.dataset, WINDOW_END, NOW)
    assert (expired.indices, list(expired.wanted)) == ({}, [stream.dataset.raw_index(DAY)])
    after = list_expired(stream.client, stream.dataset, WINDOW_END, TOMORROW.until + timedelta(seconds=1))
    assert (list(after.indices), after.wanted) == ([stream.dataset.raw_index(DAY)], {})


@pytest.mark.parametrize("value", ["next week", 12, "2999-01-01T00:00:00"])
def test_a_mark_that_nobody_can_read_keeps_the_day_and_is_told(stream: Stream, value: Any) -> None:
    stream.fill(DAY, 5)
    set_mark(stream, value)
    (why,) = list_expired(stream.client, stream.dataset, WINDOW_END, NOW).wanted.values()
    assert why == (
        f"it was restored, but its note _meta.strata.keep_until ({str(value)!r}) is not a time; restore it again with "
        f"keep_until 0 to let it go"
    )


def test_days_that_are_dropped_again_are_not_kept_before(stream: Stream, s3: Any) -> None:
    leave(stream, s3)
    restore(stream, s3, wanted=wanted_for(None, "condense_and_drop", NOW - timedelta(seconds=1)))
    settled = settle_day(stream.client, stream.dataset, DAY, "condense_and_drop", NOW, lambda: s3)
    assert (settled.outcome, settled.documents) == ("dropped", 60)
    assert not stream.exists()


def test_dropping_does_not_take_a_day_that_somebody_else_wants(stream: Stream, s3: Any) -> None:
    leave(stream, s3)
    restore(stream, s3, wanted=TOMORROW)
    restore(stream, s3, wanted=wanted_for(None, "condense_and_drop", NOW))
    with pytest.raises(Refused, match="was kept: it was restored and is wanted until"):
        settle_day(stream.client, stream.dataset, DAY, "condense_and_drop", NOW, lambda: s3)
    assert stream.exists()


@pytest.mark.usefixtures("aws")
def test_the_shell_says_what_stays_and_why(
    shell: Shell, client: OpenSearch, s3: Any, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = shell.stream(archive={"bucket": bucket, "prefix": "days/"})
    leave(stream, s3)
    name, index = stream.dataset.name, stream.dataset.raw_index(DAY)
    shown = shell.run(f"backfill {name} --source archive --from {DAY} --to {DAY}").stdout
    assert "To restore for 2024-05-06: 1 archived day, 1 object, " in shown
    assert "| documents                    | 60 " in shown
    assert shown.splitlines()[-1] == "Nothing was loaded; add --apply to load."
    done = shell.run(f"backfill {name} --source archive --from {DAY} --to {DAY} --keep-until 3 --apply").stdout
    assert "Proven: 60 events read = 60 created" in done
    assert done.splitlines()[-1].startswith("Restored days stay at least until ")

    expired = shell.run(f"expire {name} --day {WINDOW_END} --apply")
    assert f"{index} stays: it was restored and is wanted until " in expired.stderr
    assert f"No raw day of {name} other than those that are still wanted is older than" in expired.stdout
    told = shell.json(f"expire {name} --day {WINDOW_END}")
    assert (list(told["wanted"]), told["expired"]) == ([index], [])

    found = shell.json(f"backfill {name} --source archive --from {DAY} --to {DAY} --keep-until 0 --apply")
    assert (found["plan"]["batches"], found["restore"]["archived"]) == (0, [f"{DAY}"])
    assert found["proof"]["holds"]
    gone = shell.run(f"expire {name} --day {WINDOW_END} --apply")
    assert f"{index}: deleted." in gone.stderr
    assert not stream.exists()
    for words in ("--keep-until 3", "--source archive --then condense_and_drop --keep-until 3"):
        refused = shell.run(f"backfill {name} --from {DAY} --to {DAY} {words}", exit_code=2)
        assert "keep-until" in refused.stderr
    for text in ("2024-06-01", "-1", "1000000"):
        line = f"backfill {name} --source archive --from {DAY} --to {DAY} --keep-until {text}"
        refused = shell.run(line, exit_code=2)
        assert f"'{text}' is not a number of days from 0 to" in " ".join(refused.stderr.replace("│", " ").split())
    forget_ledger(client, name)
