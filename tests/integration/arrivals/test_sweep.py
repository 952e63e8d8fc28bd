"""What no notification told is found by the listing of the night."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from opensearch_strata.archive.arrivals.drain import DrainLimits
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.errors import Refused
from opensearch_strata.workflows.arrivals.arrivals import Arrivals, Clients
from opensearch_strata.workflows.arrivals.sweep import prove_day, sweep, swept_days
from opensearch_strata.workflows.backfill.backfill import Backfill
from opensearch_strata.workflows.backfill.verdict import verdict
from tests.arrivals import Inflow
from tests.faults.archives import QUICK, cloudwatch, events, ndjson
from tests.streams import DAY, dataset_of

MORNING = datetime(2024, 5, 7, 1, 30, tzinfo=UTC)


@pytest.fixture
def backfill(inflow: Inflow, s3: Any) -> Backfill:
    """The steps of a backfill of the dataset."""
    return Backfill(inflow.stream.client, inflow.dataset, lambda: s3)


def test_a_sweep_loads_what_is_missing_and_proves_the_days(inflow: Inflow, backfill: Backfill) -> None:
    inflow.put(cloudwatch(events(range(100))), "logs/2024/05/06/08/told")
    inflow.drain()
    inflow.s3.put_bucket_notification_configuration(Bucket=inflow.bucket, NotificationConfiguration={})
    inflow.put(ndjson(range(100, 130)), "logs/2024/05/06/09/untold")
    swept = sweep(backfill, inflow.dataset, MORNING, "tests", QUICK)
    assert (swept.first, swept.last) == (date(2024, 5, 5), date(2024, 5, 7))
    assert swept.found.objects == 1
    assert swept.proof.holds
    assert (swept.proof.counts.created, swept.proof.counts.read) == (130, 130)
    inflow.assert_loaded(range(130))
    again = sweep(backfill, inflow.dataset, MORNING, "tests", QUICK)
    assert (again.found.objects, again.proof.holds) == (0, True)
    assert prove_day(backfill, inflow.dataset, DAY).holds


def test_a_raw_day_that_a_sweep_creates_keeps_its_refresh(inflow: Inflow, backfill: Backfill) -> None:
    inflow.put(ndjson(range(10)), "logs/2024/05/06/00/x")
    inflow.queues.empty()
    sweep(backfill, inflow.dataset, MORNING, "tests", QUICK)
    index = inflow.dataset.raw_index(DAY)
    found = inflow.stream.client.indices.get(index=index)[index]
    assert "loading" not in found["mappings"]["_meta"]["strata"]
    assert "refresh_interval" not in found["settings"]["index"]


def test_an_object_that_fails_is_said(inflow: Inflow, backfill: Backfill) -> None:
    inflow.put(ndjson(range(10)), "logs/2024/05/06/00/x")
    inflow.put(b"\x1f\x8b" + b"not gzip" * 20, "logs/2024/05/06/00/y")
    swept = sweep(backfill, inflow.dataset, MORNING, "tests", QUICK)
    assert [check.name for check in swept.proof.failed] == ["objects in quarantine"]
    assert (swept.found.objects, swept.quarantined) == (2, 1)
    assert "left out with intake.skip_keys" in verdict(swept.proof)


def test_an_object_that_is_no_log_can_be_left_out(inflow: Inflow, s3: Any) -> None:
    inflow.put(ndjson(range(10)), "logs/2024/05/06/00/x")
    inflow.put(b"\x89PNG\r\n\x1a\n" + b"\x00" * 50, "logs/2024/05/06/00/logo.png")
    assert inflow.drain().quarantined == 1
    intake = inflow.dataset.intake.model_copy(update={"skip_keys": ["*.png"]})
    dataset = inflow.dataset.model_copy(update={"intake": intake})
    backfill = Backfill(inflow.stream.client, dataset, lambda: s3)
    swept = sweep(backfill, dataset, MORNING, "tests", QUICK)
    assert (swept.found.objects, swept.proof.objects, swept.proof.holds) == (0, 1, True)
    assert prove_day(backfill, dataset, DAY).holds
    inflow.put(b"\x89PNG again", "logs/2024/05/06/00/logo.png")
    clients = Clients(opensearch=lambda _: inflow.stream.client, s3=lambda _: s3, sqs=lambda _: inflow.queues.sqs)
    arrivals = Arrivals(dataset, [dataset], clients)
    drained = arrivals.drain("tests", DrainLimits(30, 0))
    assert (drained.aside, drained.quarantined) == ({"skipped": 1}, 0)


def test_a_sweep_without_objects_proves_nothing(inflow: Inflow, backfill: Backfill) -> None:
    with pytest.raises(Refused, match=rf"{inflow.dataset.intake.source} has no object at all"):
        sweep(backfill, inflow.dataset, MORNING, "tests", QUICK)
    inflow.put(ndjson(range(10)), "logs/2024/03/06/00/x")
    told = verdict(sweep(backfill, inflow.dataset, MORNING, "tests", QUICK).proof)
    assert told == "Nothing to prove: the source has no object of these days."


def test_a_day_without_any_object_is_not_proven(inflow: Inflow, backfill: Backfill) -> None:
    with pytest.raises(Refused, match=rf"0 objects of {DAY} in {inflow.dataset.intake.source}: nothing to prove\."):
        prove_day(backfill, inflow.dataset, DAY)
    inflow.put(ndjson(range(10)), "logs/2024/05/09/00/x")
    inflow.put(b"", "logs/2024/05/06/00/empty")
    with pytest.raises(Refused, match="nothing to prove"):
        prove_day(backfill, inflow.dataset, DAY)
    inflow.put(ndjson(range(10, 20)), "logs/2024/05/06/00/x")
    time.sleep(1.1)  # S3 dates objects to the second, and those that come after the question are not part of it
    proof = prove_day(backfill, inflow.dataset, DAY)
    assert (proof.objects, proof.holds) == (1, False)


def test_a_day_in_the_future_is_refused(inflow: Inflow, backfill: Backfill) -> None:
    today = datetime.now(UTC).date()
    with pytest.raises(Refused, match="is in the future; nothing can be proven"):
        prove_day(backfill, inflow.dataset, today + timedelta(days=1))
    with pytest.raises(Refused, match="nothing to prove"):
        prove_day(backfill, inflow.dataset, today)


@pytest.mark.parametrize(
    ("late", "window", "first"),
    [("1h", 60, "2024-05-05"), ("1d", 60, "2024-05-05"), ("25h", 60, "2024-05-04"), ("700d", 10, "2024-04-27")],
)
def test_the_days_of_a_sweep_are_those_that_new_objects_may_hold(late: str, window: int, first: str) -> None:
    swept: Dataset = dataset_of("swept", raw={"window_days": window}, intake={"max_lateness": late})
    assert swept_days(swept, MORNING) == (date.fromisoformat(first), MORNING.date())
    in_tokyo = dataset_of("swept", raw={"window_days": window}, intake={"max_lateness": late}, time_zone="Asia/Tokyo")
    assert swept_days(in_tokyo, MORNING - timedelta(hours=10))[1] == MORNING.date()
