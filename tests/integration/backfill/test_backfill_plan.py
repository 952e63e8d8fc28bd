"""Plans from a real S3, a real ledger and a real cluster: what is left out, packed, estimated and refused."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any
from unittest.mock import patch

import pytest
from opensearchpy import AuthorizationException, NotFoundError

from opensearch_strata.archive.ledger.loads import Counts
from opensearch_strata.archive.planning import not_loaded
from opensearch_strata.archive.planning import plan as planning
from opensearch_strata.archive.planning.batches import PlanLimits
from opensearch_strata.errors import DefinitionError, Refused
from opensearch_strata.presentation.tables import plan_table
from tests.stores import DAY, HOUR, NOON, Store, envelope


def test_what_is_loaded_is_left_out_unless_it_was_rewritten_or_more_is_wanted(store: Store) -> None:
    place = store.put(NOON)
    store.put(NOON + HOUR)
    store.finish(store.plan())
    again = store.plan()
    assert (len(again.batches), again.left_out.objects) == (0, 2)
    assert again.verdict == "All 2 objects that may hold events of 2024-05-06 are loaded already."
    assert again.estimate is None
    store.put_raw(place.key, envelope(30, NOON))
    assert store.keys() == [place.key]
    assert len(store.keys(DAY, DAY + timedelta(days=1))) == 2
    assert len(store.keys(DAY - timedelta(days=1), DAY - timedelta(days=1))) == 2


@pytest.mark.parametrize("state", ["failed", "quarantined"])
def test_what_failed_is_planned_again(store: Store, state: str) -> None:
    store.put(NOON)
    store.finish(store.plan(), state=state)
    assert store.plan().amount.objects == 1


def test_earlier_loads_tell_how_long_it_will_take(store: Store) -> None:
    store.put(NOON)
    assert not store.plan().estimate.measured  # type: ignore[union-attr]
    store.finish(store.plan(), counts=Counts(read=50_000, created=50_000), seconds=4.0)
    store.put(NOON + HOUR)
    found = store.plan().estimate
    assert found is not None
    assert (found.measured, found.rate) == (True, 12_500)


def test_batches_are_neighbours_with_labels(store: Store) -> None:
    for hour in range(24):
        store.put(datetime(2024, 5, 6, hour, 30, tzinfo=UTC), events=50)
    found = store.plan(limits=PlanLimits(batches=4, batch_bytes=1))
    keys = [[listed.place.key for listed in batch.objects] for batch in found.batches]
    assert [len(batch) for batch in keys] == [6, 6, 6, 6]
    assert list(chain(*keys)) == sorted(chain(*keys))
    assert [batch.number for batch in found.batches] == [0, 1, 2, 3]
    size = r"\d+\.\d KiB"
    assert re.match(rf"2024-05-06 06:30 \.\. 2024-05-06 11:30, 6 objects, {size}", found.batches[1].label)
    assert re.fullmatch(rf"To load for 2024-05-06: 24 objects, {size}, in 4 batches\.", found.verdict)


def test_later_plans_have_greater_ids(store: Store) -> None:
    store.put(NOON)
    one, two = store.plan(), store.plan()
    assert one.plan_id < two.plan_id


def test_too_many_objects_for_one_plan(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(not_loaded, "_ASKED_AT_ONCE", 2)
    for minute in range(6):
        store.put(NOON + timedelta(minutes=minute), events=1)
    with pytest.raises(
        Refused, match=r"more than 3 objects to load.*Use a range that ends before s3://.*/2024/05/06/12"
    ):
        store.plan(limits=PlanLimits(objects=3))


def test_nothing_there_is_a_sentence_of_what_was_listed(store: Store) -> None:
    store.put_raw(f"fire/{NOON:%Y/%m/%d/%H}/", b"")
    assert store.plan().verdict == (
        f"There are no objects to load for 2024-05-06. Listed: s3://{store.bucket}/fire/2024/05/05/23/ .. "
        f"s3://{store.bucket}/fire/2024/05/07/ (3 prefixes). Set apart: empty, like the folders that consoles "
        f"create: 1. Check the source (a folder must end with a slash) and the dataset's intake.layout."
    )


def test_the_estimate_is_near_what_is_there(store: Store) -> None:
    there = 0
    for hour in range(12):
        events = 40 + 400 * hour
        there += events
        store.put(datetime(2024, 5, 6, hour, tzinfo=UTC), events=events)
    store.put(NOON + timedelta(days=1), events=3_000)
    found = store.plan()
    assert found.estimate is not None
    assert found.sample is not None
    assert found.sample.objects == 5
    assert found.sample.kinds == {"cloudwatch in gzip": 5}
    assert found.estimate.documents == pytest.approx(there, rel=0.3)
    assert found.estimate.documents + found.estimate.filtered == pytest.approx(there + 3_000, rel=0.1)
    assert found.estimate.document_bytes > 200 * found.estimate.documents
    assert found.estimate.free_bytes
    assert found.estimate.refusal is None


def test_a_large_object_is_looked_into_at_its_beginning_alone(store: Store) -> None:
    content = b"".join(envelope(100, NOON) for _ in range(300))
    store.put_raw(f"fire/{NOON:%Y/%m/%d/%H}/large", content)
    found = store.plan()
    assert found.sample is not None
    assert found.sample.packed < len(content) / 2
    assert found.estimate is not None
    assert found.estimate.documents == pytest.approx(30_000, rel=0.1)


def test_the_dry_run_says_what_will_be_dead(store: Store) -> None:
    store.put_raw(f"fire/{NOON:%Y/%m/%d/%H}/junk", b"\x00\x01\x02 neither text nor anything" * 5)
    found = store.plan()
    assert found.estimate is not None
    assert found.estimate.dead == 1
    assert found.sample is not None
    assert found.sample.problem.startswith(f"s3://{store.bucket}/fire/2024/05/06/12/junk, record 0: ")
    assert "first problem" in str(plan_table(found))


def test_an_object_that_vanishes_while_it_is_planned_is_told(store: Store) -> None:
    place = store.put(NOON)
    rows = store.ledger.rows

    def and_delete(places: Any) -> Any:
        store.s3.delete_object(Bucket=place.bucket, Key=place.key)
        return rows(places)

    with patch.object(store.ledger, "rows", and_delete):
        found = store.plan()
    assert found.sample is not None
    assert "is gone" in found.sample.problem


def test_objects_in_an_archive_tier_are_refused_unless_they_are_loaded(store: Store) -> None:
    place = store.put_raw(f"fire/{NOON:%Y/%m/%d/%H}/a", envelope(20, NOON))
    assert store.plan().refusal is None
    store.finish(store.plan())
    store.put_raw(place.key, envelope(20, NOON), StorageClass="GLACIER")
    frozen = store.plan()
    assert "1 object of the range in an archive tier of S3 cannot be loaded" in str(frozen.refusal)
    assert (frozen.amount.objects, frozen.left_out.objects, frozen.set_apart["in_glacier"].objects) == (0, 0, 1)


def test_what_a_lifecycle_rule_froze_behind_its_load_is_no_loss(store: Store) -> None:
    place = store.put_raw(f"fire/{NOON:%Y/%m/%d/%H}/a", content := envelope(20, NOON))
    store.finish(store.plan())
    assert store.put_raw(place.key, content, StorageClass="DEEP_ARCHIVE") == place  # as ever, but colder
    again = store.plan()
    assert (again.refusal, again.left_out.objects, again.set_apart) == (None, 1, {})
    assert store.plan(DAY - timedelta(days=1), DAY).refusal


def test_what_does_not_fit_is_refused(store: Store) -> None:
    store.put(NOON, events=500)
    with patch.object(planning, "free_below_watermark", lambda _: 1_000):
        found = store.plan()
    assert found.estimate is not None
    assert "Use a shorter range" in str(found.estimate.refusal)


@pytest.mark.parametrize("error", [NotFoundError(404, "x", {}), AuthorizationException(403, "x", {})])
def test_a_cluster_that_does_not_tell_is_not_refused(store: Store, error: Exception) -> None:
    """Serverless knows no nodes; a role may not be allowed to ask."""
    store.put(NOON)
    with patch.object(type(store.client.nodes), "stats", side_effect=error):
        found = store.plan()
    assert found.estimate is not None
    assert (found.estimate.free_bytes, found.estimate.refusal) == (None, None)
    assert "free below the watermark: unknown" in str(plan_table(found))


def test_days_the_wrong_way_round(store: Store) -> None:
    with pytest.raises(DefinitionError, match="swap them"):
        store.plan(DAY, DAY - timedelta(days=1))


def test_a_source_that_is_none(store: Store) -> None:
    store.url = "https://bucket/prefix"
    with pytest.raises(DefinitionError, match="is not an S3 URL; write it like s3://"):
        store.plan()
