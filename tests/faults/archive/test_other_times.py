"""Objects whose events are of other times than their keys allow: such a load is no success."""

from __future__ import annotations

import pytest

from local.samples.cloudwatch import data_record, log_event
from opensearch_strata.archive.reconcile import prove_range
from tests.faults.archives import SPAN, START, Archive, cloudwatch, events

HOUR = 3_600_000
LOCAL = range(18_000, 18_100)  # seconds of the day: five hours behind what the key says, as in New York


def failed(archive: Archive) -> dict[str, tuple[str, ...]]:
    places = [listed.place for listed in archive.objects]
    proof = prove_range(archive.stream.client, archive.ledger, places, SPAN)
    return {check.name: check.named for check in proof.failed}


def test_keys_of_another_clock_are_no_success_though_all_that_was_found_is_loaded(archive: Archive) -> None:
    archive.put(cloudwatch(events(LOCAL)))
    archive.load().require_success()
    archive.assert_loaded(LOCAL)
    (named,) = failed(archive)["keys that show another clock"]
    assert named.startswith("100 of 100 events are later than the keys of their objects")
    assert "intake.layout_time_zone" in named
    places = [listed.place for listed in archive.objects]
    later = SPAN[0] + 8 * HOUR  # what the key allows by the clock of New York
    assert prove_range(archive.stream.client, archive.ledger, places, SPAN, latest_of=lambda _: later).holds


def test_objects_that_hold_some_later_events_are_no_sign_of_another_clock(archive: Archive) -> None:
    archive.put(cloudwatch(events(LOCAL)))
    archive.put(cloudwatch(events(range(100))))
    archive.load().require_success()
    archive.assert_loaded([*LOCAL, *range(100)])
    assert failed(archive) == {}


def test_events_of_another_month_are_no_success_though_none_is_of_the_day(archive: Archive) -> None:
    """A day and a month that were exchanged, for example."""
    found = [log_event(n, START - 30 * 24 * HOUR + n, "{}") for n in range(20)]
    archive.put(data_record("/app", "stream", found))
    archive.load().require_success()
    (named,) = failed(archive)["objects in quarantine"]
    assert "20 of 20 events of s3://" in named
    assert "have times that its key does not allow; the first is 2024-04-06T00:00:00.000Z. By its key" in named
    assert "it may hold events from 2024-05-05T23:00:00.000Z to" in named
    assert archive.rows()[0].counts.filtered == 20


def test_a_few_events_that_came_late_are_no_fault_of_the_object(archive: Archive) -> None:
    early = [log_event(n, START - 5 * HOUR + n, "{}") for n in range(1_000, 1_040)]
    archive.put(cloudwatch([*early, *events(range(100))]))
    archive.load().require_success()
    assert failed(archive) == {}
    archive.assert_loaded(range(100))


def test_an_object_is_read_again_once_the_definition_is_right(archive: Archive) -> None:
    """It was never done for the range."""
    found = [log_event(n, START - 48 * HOUR + n, "{}") for n in range(20)]
    archive.put(data_record("/app", "stream", found))
    archive.load()
    assert set(failed(archive)) == {"objects in quarantine"}
    intake = archive.dataset.intake.model_copy(update={"max_lateness": "3d"})
    archive.dataset = archive.dataset.model_copy(update={"intake": intake})
    archive.load().require_success()
    assert failed(archive) == {}


def of_lines(days: list[str]) -> bytes:
    """Lines with a date in a text, of one second after the other."""
    lines = (f'{{"@timestamp": "{day} 00:{n // 60 % 60:02}:{n % 60:02}", "n": {n}}}\n' for n, day in enumerate(days))
    return "".join(lines).encode()


def stating(archive: Archive, **intake: object) -> None:
    changed = archive.dataset.intake.model_copy(update=intake)
    archive.dataset = archive.dataset.model_copy(update={"intake": changed})


@pytest.mark.parametrize("share", [1, 30, 90])
def test_a_minority_with_day_and_month_exchanged_is_no_success(archive: Archive, share: int) -> None:
    """2024-05-06 is a date in both orders; the first format is tried first."""
    stating(archive, timestamp_format=["%m/%d/%Y %H:%M:%S", "%Y-%m-%d %H:%M:%S"])
    archive.put(of_lines(["06/05/2024"] * share + ["2024-05-06"] * (100 - share)))
    archive.load().require_success()
    (named,) = failed(archive)["objects in quarantine"]
    assert f"{share} of 100 events of s3://" in named
    assert f"With day and month swapped, {share} would fit" in named
    stating(archive, timestamp_format=["%d/%m/%Y %H:%M:%S", "%Y-%m-%d %H:%M:%S"])
    archive.load().require_success()
    assert failed(archive) == {}
    assert archive.rows()[0].counts.created + archive.rows()[0].counts.existed == 100


def test_more_events_of_other_days_than_come_late_are_no_success(archive: Archive) -> None:
    stating(archive, timestamp_format="%Y-%m-%d %H:%M:%S")
    archive.put(of_lines(["2024-05-06"] * 94 + ["2024-03-27"] * 6))
    archive.load().require_success()
    (named,) = failed(archive)["objects in quarantine"]
    assert "6 of 100 events of s3://" in named
    assert "the first is 2024-03-27T00:01:34.000Z" in named
    assert archive.rows()[0].counts.created == 94
    stating(archive, max_lateness="60d")
    archive.load().require_success()
    assert failed(archive) == {}


def test_a_few_events_that_came_too_late_are_told_and_the_rest_is_proven(archive: Archive) -> None:
    stating(archive, timestamp_format="%Y-%m-%d %H:%M:%S")
    archive.put(of_lines(["2024-05-06"] * 97 + ["2024-03-27"] * 3))
    archive.load().require_success()
    assert failed(archive) == {}
    (row,) = archive.rows()
    assert (row.state, row.counts.filtered) == ("done", 3)
    assert "3 of 100 events of s3://" in row.error
