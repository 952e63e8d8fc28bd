"""Plans from a real S3, a real ledger and a real cluster: what is listed, set apart, left out, packed, estimated."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from unittest.mock import patch
from uuid import uuid4

import pytest
from opensearchpy import AuthorizationException, NotFoundError, OpenSearch

from opensearch_strata.archive import disk, plan
from opensearch_strata.archive.events import Place
from opensearch_strata.archive.ledger import Ledger
from opensearch_strata.archive.ledger_rows import Counts
from opensearch_strata.archive.listing import Amount, Listing
from opensearch_strata.archive.plan import Plan, PlanLimits, make_plan
from opensearch_strata.dataset import Dataset
from opensearch_strata.errors import DefinitionError, Refused, TransientError
from opensearch_strata.tables import plan_table
from tests.cutting_proxy import impatient_s3
from tests.streams import dataset_of
from tests.unit.recording_server import Answer, serving

DAY = date(2024, 5, 6)
NOON = datetime(2024, 5, 6, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def ledger(client: OpenSearch) -> Iterator[Ledger]:
    index = f"strata-ledger-{uuid4().hex[:8]}"
    made = Ledger(client, "shop", index=index, patience=5)
    made.ensure()
    yield made
    client.indices.delete(index=index)
    client.indices.delete_index_template(name=index, ignore=404)  # type: ignore[call-arg]


class Store:
    """A source in a bucket of one test, and plans of it."""

    def __init__(self, s3: Any, client: OpenSearch, ledger: Ledger, bucket: str) -> None:
        self.s3, self.client, self.ledger, self.bucket = s3, client, ledger, bucket
        self.url = f"s3://{bucket}/fire/"
        self.dataset = dataset_of(f"t{uuid4().hex[:8]}")

    def reads(self, **intake: Any) -> None:
        """Another definition of the intake."""
        self.dataset = dataset_of(self.dataset.name, intake=intake)

    def put(self, arrived: datetime, events: int = 20, happened: datetime | None = None, name: str = "") -> Place:
        """An object as Firehose writes it."""
        stamp = f"{arrived:%Y-%m-%d-%H-%M-%S}"
        name = name or f"shop-1-{stamp}-{uuid4()}"
        return self.put_raw(f"fire/{arrived:%Y/%m/%d/%H}/{name}", envelope(events, happened or arrived))

    def put_raw(self, key: str, content: bytes, **more: Any) -> Place:
        answer = self.s3.put_object(Bucket=self.bucket, Key=key, Body=content, **more)
        return Place(self.bucket, key, answer["ETag"].strip('"'))

    def plan(self, first: date = DAY, last: date = DAY, limits: PlanLimits = PlanLimits()) -> Plan:
        return make_plan(self.s3, self.client, self.dataset, self.url, first, last, self.ledger, limits)

    def keys(self, first: date = DAY, last: date = DAY) -> list[str]:
        return [listed.place.key for batch in self.plan(first, last).batches for listed in batch.objects]

    def finish(self, found: Plan, span: tuple[int, int] | None = None, **row: Any) -> None:
        """As a load of all objects leaves the ledger."""
        objects = [(listed.place, listed.size) for batch in found.batches for listed in batch.objects]
        claims = self.ledger.claim(objects, span or found.span, "tests")
        self.ledger.finish([replace(claimed, **{"state": "done", **row}) for claimed in claims.claimed])


@pytest.fixture
def store(s3: Any, client: OpenSearch, ledger: Ledger, bucket: str) -> Store:
    return Store(s3, client, ledger, bucket)


def envelope(events: int, happened: datetime, message: Callable[[int], str] | None = None) -> bytes:
    said = message or (lambda number: json.dumps({"device": f"d{number}", "temperature": number / 3, "load": number}))
    moment = int(happened.timestamp() * 1000)
    content = {
        "messageType": "DATA_MESSAGE", "owner": "123456789012", "logGroup": "shop", "logStream": "till",
        "subscriptionFilters": ["all"],
        "logEvents": [
            {"id": f"{uuid4().int}", "timestamp": moment + number, "message": said(number)} for number in range(events)
        ],
    }  # fmt: skip
    return gzip.compress(json.dumps(content).encode())


def test_late_and_early_objects_are_in_the_plan_and_others_are_not(store: Store) -> None:
    midnight = datetime(2024, 5, 6, tzinfo=UTC)
    wanted = [store.put(moment).key for moment in (midnight - HOUR, NOON, midnight + timedelta(hours=47, minutes=59))]
    store.put(midnight - HOUR - timedelta(seconds=1))
    store.put(midnight + timedelta(hours=48))
    assert sorted(store.keys()) == sorted(wanted)


def test_the_margins_are_those_of_the_definition(store: Store) -> None:
    store.put(NOON + timedelta(days=2))
    assert store.keys() == []
    store.reads(late="3d")
    assert len(store.keys()) == 1


def test_days_are_those_of_the_zone(store: Store) -> None:
    store.dataset = dataset_of(store.dataset.name, time_zone="Asia/Tokyo", intake={"early": "0m", "late": "0m"})
    store.put(datetime(2024, 5, 5, 15, tzinfo=UTC))
    store.put(datetime(2024, 5, 6, 15, tzinfo=UTC))
    found = store.plan()
    assert found.span == (1_714_921_200_000, 1_715_007_600_000)
    assert found.amount.objects == 1


@pytest.mark.parametrize("layout", ["year=%Y/month=%m/day=%d/hour=%H/", "%Y-%m-%d-", "%Y/"])
def test_other_layouts(store: Store, layout: str) -> None:
    store.reads(layout=layout)
    for moment in (NOON - timedelta(days=400), NOON, NOON + timedelta(days=400)):
        store.put_raw(f"fire/{moment.strftime(layout)}x.gz", envelope(5, moment))
    assert store.keys() == [f"fire/{NOON.strftime(layout)}x.gz"]


def test_without_a_layout_the_time_of_the_last_change_counts(store: Store) -> None:
    store.reads(layout=None)
    place = store.put_raw("fire/customer=7/a.gz", envelope(5, datetime.now(UTC)))
    store.put_raw("elsewhere/b.gz", envelope(5, datetime.now(UTC)))
    today = datetime.now(UTC).date()
    assert store.keys(today, today) == [place.key]
    found = store.plan()
    assert not found.batches
    assert found.set_apart == {"other_time": Amount(1, len(envelope(5, NOON)))} or "other_time" in found.set_apart


def test_a_year_is_a_few_listings(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for month in range(1, 13):
        store.put(datetime(2023, month, 11, 7, tzinfo=UTC), events=1)
    asked: list[str] = []
    store.s3.meta.events.register_first("before-call.s3.ListObjectsV2", lambda **_: asked.append("x"), "counting")
    try:
        found = store.plan(date(2023, 1, 1), date(2023, 12, 31))
    finally:
        store.s3.meta.events.unregister("before-call.s3.ListObjectsV2", unique_id="counting")
    assert found.amount.objects == 12
    assert len(asked) <= 5


def test_markers_folders_errors_and_our_own_letters_are_set_apart(store: Store) -> None:
    wanted = store.put(NOON)
    hour = f"{NOON:%Y/%m/%d/%H}"
    store.put_raw(f"fire/{hour}/", b"")
    store.put_raw(f"fire/{hour}/aws-logs-write-test", b"Permission Check Successful")
    store.put_raw(f"fire/{hour}/manifest.json", b"{}")
    store.put_raw(f"fire/processing-failed/{hour}/x", b"12345")
    store.put_raw(f"fire/AmazonOpenSearchService-failed/{hour}/x", b"123456")
    store.put_raw(f"fire/processing-failed/{NOON - timedelta(days=30):%Y/%m/%d/%H}/x", b"other days")
    store.put_raw(f"fire/{hour}/frozen", b"123", StorageClass="DEEP_ARCHIVE")
    store.put_raw(f"fire/dead-letters/{store.dataset.name}/x.ndjson.gz", b"1")
    found = store.plan()
    assert [listed.place for batch in found.batches for listed in batch.objects] == [wanted]
    assert found.set_apart == {
        "empty": Amount(1, 0), "marker": Amount(1, 27), "manifest": Amount(1, 2), "errors": Amount(2, 11),
        "in_glacier": Amount(1, 3),
    }  # fmt: skip
    shown = str(plan_table(found))
    assert "what Firehose could not deliver" in shown
    assert "2 objects, 11 B" in shown


def test_our_own_letters_are_set_apart_where_all_is_listed(store: Store) -> None:
    store.reads(layout=None)
    store.put_raw("fire/dead-letters/shop/x.ndjson.gz", b"1")
    store.put_raw("fire/processing-failed/x", b"12")
    assert store.plan().set_apart == {"dead_letters": Amount(1, 1), "errors": Amount(1, 2)}


def test_an_error_prefix_can_be_the_source(store: Store) -> None:
    store.url += "processing-failed/"
    place = store.put_raw(f"fire/processing-failed/{NOON:%Y/%m/%d/%H}/x", b"{}")
    assert store.keys() == [place.key]


def test_a_restored_object_is_loaded(store: Store) -> None:
    place = store.put_raw(f"fire/{NOON:%Y/%m/%d/%H}/thawed", envelope(5, NOON), StorageClass="GLACIER")
    listing = Listing(store.s3, store.url, store.dataset.intake, 0, 1 << 42, "s3://elsewhere/x/")
    found = {"Key": place.key, "Size": 5, "StorageClass": "GLACIER", "LastModified": NOON}
    assert listing._reason(found) == "in_glacier"
    assert listing._reason({**found, "RestoreStatus": {"IsRestoreInProgress": True}}) == "in_glacier"
    assert listing._reason({**found, "RestoreStatus": {"RestoreExpiryDate": NOON}}) is None


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
    assert len(store.keys(DAY + timedelta(days=1), DAY + timedelta(days=1))) == 2


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
    assert sum(keys, []) == sorted(sum(keys, []))
    assert [batch.number for batch in found.batches] == [0, 1, 2, 3]
    assert found.batches[1].label.startswith("2024-05-06 06:30 .. 2024-05-06 11:30, 6 objects, 0.0 MiB")
    assert found.verdict == "To load for 2024-05-06: 24 objects, 0.0 MiB, in 4 batches."


def test_later_plans_have_greater_ids(store: Store) -> None:
    store.put(NOON)
    one, two = store.plan(), store.plan()
    assert one.plan_id < two.plan_id


def test_too_many_objects_for_one_plan(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "_ASKED_AT_ONCE", 2)
    for minute in range(6):
        store.put(NOON + timedelta(minutes=minute), events=1)
    with pytest.raises(
        Refused, match=r"more than 3 objects to load.*take a range that ends before s3://.*/2024/05/06/12"
    ):
        store.plan(limits=PlanLimits(objects=3))


def test_nothing_there_is_a_sentence_of_what_was_listed(store: Store) -> None:
    store.put_raw(f"fire/{NOON:%Y/%m/%d/%H}/", b"")
    assert store.plan().verdict == (
        f"There are no objects to load for 2024-05-06. Listed: s3://{store.bucket}/fire/2024/05/05/23/ .. "
        f"s3://{store.bucket}/fire/2024/05/07/ (3 prefixes). Set apart: no byte in it, like the folders that consoles "
        f"create: 1. Check the source, where a folder ends with a slash, and intake.layout of the dataset."
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
    content = b"".join(envelope(100, NOON) for _ in range(120))
    store.put_raw(f"fire/{NOON:%Y/%m/%d/%H}/large", content)
    found = store.plan()
    assert found.sample is not None
    assert found.sample.packed < len(content) / 2
    assert found.estimate is not None
    assert found.estimate.documents == pytest.approx(12_000, rel=0.15)


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


def test_what_does_not_fit_is_refused(store: Store) -> None:
    store.put(NOON, events=500)
    with patch.object(plan, "free_below_watermark", lambda _: 1_000):
        found = store.plan()
    assert found.estimate is not None
    assert "Take a shorter range" in str(found.estimate.refusal)


def test_room_on_the_disks(client: OpenSearch) -> None:
    there = next(iter(client.nodes.stats(metric="fs")["nodes"].values()))["fs"]["total"]
    free = disk.free_below_watermark(client)
    assert free == pytest.approx(there["available_in_bytes"], rel=0.05)


@pytest.mark.parametrize("error", [NotFoundError(404, "x", {}), AuthorizationException(403, "x", {})])
def test_a_cluster_that_does_not_tell_is_not_refused(store: Store, error: Exception) -> None:
    """Serverless knows no nodes; a role may not be allowed to ask."""
    store.put(NOON)
    with patch.object(type(store.client.nodes), "stats", side_effect=error):
        found = store.plan()
    assert found.estimate is not None
    assert (found.estimate.free_bytes, found.estimate.refusal) == (None, None)
    assert "free below the watermark: unknown" in str(plan_table(found))


STATS = {
    "nodes": {
        "a": {"roles": ["data", "ingest"], "fs": {"total": {"total_in_bytes": 1000, "available_in_bytes": 600}}},
        "b": {"roles": ["data"], "fs": {"total": {"total_in_bytes": 1000, "available_in_bytes": 50}}},
        "c": {"roles": ["cluster_manager"], "fs": {"total": {"total_in_bytes": 9000, "available_in_bytes": 9000}}},
    }
}
WATERMARK = "cluster.routing.allocation.disk.watermark.high"
WATCHED = "cluster.routing.allocation.disk.threshold_enabled"


@pytest.mark.parametrize(
    ("settings", "free"),
    [
        ({"defaults": {WATERMARK: "90%", WATCHED: "true"}}, 500),
        ({"defaults": {WATERMARK: "90%"}, "persistent": {WATERMARK: "80%"}}, 400),
        ({"defaults": {WATERMARK: "90%"}, "persistent": {WATERMARK: "80%"}, "transient": {WATERMARK: "30b"}}, 590),
        ({"defaults": {WATERMARK: "90%", WATCHED: "false"}}, 650),
    ],
)
def test_only_data_nodes_below_the_high_watermark_count(settings: dict[str, Any], free: int) -> None:
    with serving(Answer(200, STATS), Answer(200, settings)) as server, OpenSearch(server.url) as cluster:
        assert disk.free_below_watermark(cluster) == free


@pytest.mark.parametrize(
    ("nodes", "settings", "expected"),
    [
        (1, {"index.number_of_replicas": "1"}, 1),
        (2, {"index.number_of_replicas": "1"}, 2),
        (3, {"index.number_of_replicas": "2"}, 3),
        (3, {"index.number_of_replicas": "0"}, 1),
        (3, {"index.number_of_replicas": "0", "index.auto_expand_replicas": "0-1"}, 2),
        (3, {"index.number_of_replicas": "0", "index.auto_expand_replicas": "0-all"}, 3),
        (3, {"index.number_of_replicas": "1", "index.auto_expand_replicas": "false"}, 2),
    ],
)
def test_copies_of_raw_days_that_exist(nodes: int, settings: dict[str, str], expected: int) -> None:
    found = {
        "shop-2024.05.01": {"settings": settings},
        "shop-other": {"settings": {"index.number_of_replicas": "2"}},
    }
    with (
        serving(Answer(200, {"number_of_data_nodes": nodes}), Answer(200, found)) as server,
        OpenSearch(server.url) as cluster,
    ):
        assert disk.copies(cluster, dataset_of("shop"), "shop-2024.05.06") == expected


def test_copies_by_the_template_of_raw_days_to_come(client: OpenSearch) -> None:
    name = f"t{uuid4().hex[:8]}"
    dataset: Dataset = dataset_of(name)
    body = {"index_patterns": [f"{name}-*"], "template": {"settings": {"number_of_replicas": 2}}, "priority": 600}
    health = {"number_of_data_nodes": 4}
    with patch.object(type(client.cluster), "health", return_value=health):
        assert disk.copies(client, dataset, dataset.raw_index(DAY)) == 2
        client.indices.put_index_template(name=name, body=body)
        try:
            assert disk.copies(client, dataset, dataset.raw_index(DAY)) == 3
        finally:
            client.indices.delete_index_template(name=name)


def test_days_the_wrong_way_round(store: Store) -> None:
    with pytest.raises(DefinitionError, match="swap them"):
        store.plan(DAY, DAY - timedelta(days=1))


def test_a_source_that_is_none(store: Store) -> None:
    store.url = "https://bucket/prefix"
    with pytest.raises(DefinitionError, match="is no S3 URL; write it like s3://"):
        store.plan()


def test_a_bucket_that_is_none(store: Store) -> None:
    store.url = "s3://no-such-bucket-1/x/"
    with pytest.raises(Refused, match=r"^s3://no-such-bucket-1/x/2024/05/05/23/ cannot be listed\. .*NoSuchBucket"):
        store.plan()


@pytest.mark.parametrize(
    ("status", "code", "kind", "said"),
    [(403, "AccessDenied", Refused, "Allow s3:ListBucket"), (503, "SlowDown", TransientError, "SlowDown")],
)
def test_a_listing_that_is_refused(store: Store, status: int, code: str, kind: type[Exception], said: str) -> None:
    with serving(Answer(status, f"<Error><Code>{code}</Code><Message>m</Message></Error>")) as server:
        store.s3 = impatient_s3(server.url)
        with pytest.raises(kind, match=f"cannot be listed.*{said}"):
            store.plan()
