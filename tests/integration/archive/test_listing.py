"""What a plan lists in a real S3, what it takes, and what it sets apart."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from opensearch_strata.archive.lines import line_of
from opensearch_strata.archive.store import listing
from opensearch_strata.archive.store.listing import Amount, is_in_glacier
from opensearch_strata.archive.store.manifest import manifest_of
from opensearch_strata.errors import Refused, TransientError
from opensearch_strata.presentation.tables import plan_table
from tests.servers.cutting_proxy import impatient_s3
from tests.servers.recording_server import Answer, serving
from tests.stores import HOUR, NOON, Store, envelope
from tests.streams import dataset_of


def test_late_and_early_objects_are_in_the_plan_and_others_are_not(store: Store) -> None:
    midnight = datetime(2024, 5, 6, tzinfo=UTC)
    wanted = [store.put(moment).key for moment in (midnight - HOUR, NOON, midnight + timedelta(hours=47, minutes=59))]
    store.put(midnight - HOUR - timedelta(seconds=1))
    store.put(midnight + timedelta(hours=48))
    assert sorted(store.keys()) == sorted(wanted)


def test_the_margins_are_those_of_the_definition(store: Store) -> None:
    store.put(NOON + timedelta(days=2))
    assert store.keys() == []
    store.reads(max_lateness="3d")
    assert len(store.keys()) == 1


def test_days_are_those_of_the_zone(store: Store) -> None:
    store.dataset = dataset_of(
        store.dataset.name, time_zone="Asia/Tokyo", intake={"max_clock_lead": "0m", "max_lateness": "0m"}
    )
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


def test_stars_of_a_layout_are_looked_up_and_only_the_days_are_listed(store: Store) -> None:
    store.reads(layout="*/CloudTrail/*/%Y/%m/%d/")
    wanted = []
    for account, region in (("111111111111", "eu-west-1"), ("222222222222", "us-east-1"), ("odd %m * name", "*")):
        for moment in (NOON - timedelta(days=40), NOON, NOON + timedelta(days=40)):
            store.put_raw(f"fire/{account}/CloudTrail/{region}/{moment:%Y/%m/%d}/x.gz", envelope(1, moment))
        store.put_raw(f"fire/{account}/Config/{region}/{NOON:%Y/%m/%d}/x.gz", b"of another service")
        wanted.append(f"fire/{account}/CloudTrail/{region}/{NOON:%Y/%m/%d}/x.gz")
    store.put_raw("fire/ELBAccessLogTestFile", b"at the top")
    with listed(store) as asked:
        found = store.plan()
    assert [one.place.key for batch in found.batches for one in batch.objects] == sorted(wanted)
    assert not any(prefix in ("fire/", "fire/111111111111/") and not delimiter for prefix, delimiter in asked)
    days = {prefix for prefix, delimiter in asked if not delimiter}
    assert all(prefix.endswith(("/2024/05/05/", "/2024/05/06/", "/2024/05/07/")) for prefix in days)


def test_a_star_may_stand_for_the_beginning_of_a_name(store: Store) -> None:
    """As CloudFront names its objects."""
    store.reads(layout="*.%Y-%m-%d-%H.")
    for distribution in ("E1AAAAAAAAAAAA", "E2BBBBBBBBBBBB"):
        for moment in (NOON - timedelta(days=40), NOON):
            store.put_raw(f"fire/{distribution}.{moment:%Y-%m-%d-%H}.abcdef01.gz", envelope(1, moment))
    assert store.keys() == [f"fire/{name}.2024-05-06-12.abcdef01.gz" for name in ("E1AAAAAAAAAAAA", "E2BBBBBBBBBBBB")]


def test_too_much_for_the_stars_of_a_layout_is_refused(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "_MOST_HEADS", 2)
    store.reads(layout="*/%Y/%m/%d/")
    for folder in "abc":
        store.put_raw(f"fire/{folder}/{NOON:%Y/%m/%d}/x.gz", envelope(1, NOON))
    with pytest.raises(Refused, match=r"stand for more than 2 texts in s3://.*/fire/.*Nothing was loaded"):
        store.plan()


def test_other_numbers_below_a_star_are_refused(store: Store) -> None:
    store.reads(layout="*/%Y/%m/%d/")
    store.put_raw("fire/a/2024/5/6/x.gz", envelope(1, NOON))
    with pytest.raises(Refused, match="use %-m there"):
        store.plan()


@contextmanager
def listed(store: Store) -> Iterator[list[tuple[str, str]]]:
    """Prefix and delimiter of every listing."""
    asked: list[tuple[str, str]] = []

    def note(params: Any, **_: Any) -> None:
        asked.append((params.get("Prefix", ""), params.get("Delimiter", "")))

    store.s3.meta.events.register("before-parameter-build.s3.ListObjectsV2", note)
    try:
        yield asked
    finally:
        store.s3.meta.events.unregister("before-parameter-build.s3.ListObjectsV2", note)


def test_without_a_layout_the_time_of_the_last_change_counts(store: Store) -> None:
    store.reads(layout=None)
    place = store.put_raw("fire/customer=7/a.gz", envelope(5, datetime.now(UTC)))
    store.put_raw("elsewhere/b.gz", envelope(5, datetime.now(UTC)))
    today = datetime.now(UTC).date()
    assert store.keys(today, today) == [place.key]
    found = store.plan()
    assert not found.batches
    assert found.set_apart["other_time"].objects == 1


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
    assert len(asked) <= 5 + 3  # and how months, days and hours are numbered


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
    assert found.warning == (
        f"Not loaded: 2 objects under error prefixes, with records that Firehose could not deliver. To load them, run "
        f"a backfill with their prefix as the source: s3://{store.bucket}/fire/AmazonOpenSearchService-failed/ and "
        f"s3://{store.bucket}/fire/processing-failed/."
    )
    shown = str(plan_table(found))
    assert "records that Firehose could not deliver" in shown
    assert "2 objects, 11 B" in shown


def test_a_manifest_is_neither_loaded_nor_looked_into(store: Store) -> None:
    lines = [line_of(f"{n}", b'{"@timestamp":%d}' % (NOON.timestamp() * 1000 + n)) for n in range(20)]
    parts = [store.put_raw(f"fire/{NOON:%Y/%m/%d/%H}/{name}", b"".join(lines)) for name in ("a", "part-0", "z")]
    beside = manifest_of(parts[0])
    store.put_raw(beside.key, b'{"strata_manifest": 1}')
    asked: list[str] = []
    event = "provide-client-params.s3.GetObject"
    store.s3.meta.events.register(event, lambda params, **_: asked.append(params["Key"]), "counting")
    try:
        found = store.plan()
    finally:
        store.s3.meta.events.unregister(event, unique_id="counting")
    assert [listed.place for batch in found.batches for listed in batch.objects] == parts
    assert sorted(asked) == [place.key for place in parts]
    assert found.set_apart == {"manifest": Amount(1, 22)}
    assert found.sample
    assert (found.sample.kinds, found.sample.dead, found.sample.problem) == ({"strata": 3}, 0, "")


def test_our_own_letters_are_set_apart_where_all_is_listed(store: Store) -> None:
    store.reads(layout=None)
    store.put_raw("fire/dead-letters/shop/x.ndjson.gz", b"1")
    store.put_raw("fire/processing-failed/x", b"12")
    found = store.plan()
    assert found.set_apart == {"dead_letters": Amount(1, 1), "errors": Amount(1, 2)}
    assert found.error_prefixes == ["fire/processing-failed/"]


def test_an_error_prefix_can_be_the_source(store: Store) -> None:
    store.url += "processing-failed/"
    place = store.put_raw(f"fire/processing-failed/{NOON:%Y/%m/%d/%H}/x", b"{}")
    assert store.keys() == [place.key]


def test_a_restored_object_is_loaded(store: Store) -> None:
    place = store.put_raw(f"fire/{NOON:%Y/%m/%d/%H}/thawed", envelope(5, NOON), StorageClass="GLACIER")
    found = {"Key": place.key, "Size": 5, "StorageClass": "GLACIER", "LastModified": NOON}
    for status, frozen in [({}, True), ({"IsRestoreInProgress": True}, True), ({"RestoreExpiryDate": NOON}, False)]:
        assert is_in_glacier({**found, "RestoreStatus": status}) is frozen


@pytest.mark.parametrize(
    ("stated", "written", "missed"),
    [
        ("%Y/%m/%d/%H/", "%Y/%-m/%-d/%-H/", "%-m"),
        ("year=%Y/month=%m/day=%d/", "year=%Y/month=%m/day=%-d/", "%-d"),
        ("year=%Y/month=%-m/day=%-d/", "year=%Y/month=%m/day=%d/", "%m"),
    ],
)
def test_folders_that_are_numbered_in_another_way_are_never_passed_over(
    store: Store, stated: str, written: str, missed: str
) -> None:
    store.reads(layout=stated)
    place = store.put_raw(f"fire/{NOON.strftime(written)}x.gz", envelope(5, NOON))
    with pytest.raises(Refused, match=f"not laid out as intake.layout says, '{stated}': use {missed} there"):
        store.plan()
    store.reads(layout=written)
    assert store.keys() == [place.key]


def test_keys_that_show_a_local_clock_are_found_where_it_is_stated(store: Store) -> None:
    event = datetime(2024, 5, 6, 0, 30, tzinfo=UTC)  # on the evening before in New York
    place = store.put_raw("fire/2024/05/05/20/x.gz", envelope(5, event))
    assert store.keys() == []
    store.reads(layout_time_zone="America/New_York")
    assert store.keys() == [place.key]


def test_a_clock_that_is_not_stated_is_told_by_the_plan(store: Store) -> None:
    store.put_raw(f"fire/{NOON - 4 * HOUR:%Y/%m/%d/%H}/x.gz", envelope(5, NOON))
    found = store.plan()
    assert found.sample
    assert "state it as intake.layout_time_zone, now UTC" in found.sample.problem


def test_copies_and_exports_of_long_ago_name_the_cure(store: Store) -> None:
    store.reads(layout=None)
    copied = [store.put_raw(f"fire/export/{name}/000000.gz", envelope(5, NOON)).key for name in "ab"]
    found = store.plan()
    assert not found.batches
    for sentence in (found.verdict, found.refusal):
        assert sentence
        assert "last modified too late for these days do hold events of them: 10 in a few" in sentence
    days = re.search(r"Set intake\.max_lateness to (\d+)d", found.verdict)
    assert days
    store.reads(layout=None, max_lateness=f"{days[1]}d")
    assert store.keys() == copied
    assert store.plan().refusal is None


def test_a_part_that_was_copied_is_not_left_out_without_a_word(store: Store) -> None:
    today = datetime.now(UTC).replace(hour=12)
    store.reads(layout=None, max_lateness="0m", max_clock_lead="36h")
    store.put_raw("fire/a.gz", envelope(5, today - timedelta(days=1)))
    yesterday = (today - timedelta(days=1)).date()
    assert "intake.max_lateness to 2d" in (store.plan(yesterday, yesterday).refusal or "")
    assert store.plan(yesterday - timedelta(days=9), yesterday - timedelta(days=9)).refusal is None


def test_where_nothing_tells_the_cure_the_verdict_names_all(store: Store) -> None:
    store.reads(layout=None)
    store.put_raw("fire/a.gz", envelope(5, datetime.now(UTC)))
    found = store.plan()
    assert found.refusal is None
    assert "intake.max_clock_lead and intake.max_lateness: 1" in found.verdict
    assert "are found only if intake.max_lateness is long enough, such as 700d" in found.verdict


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
