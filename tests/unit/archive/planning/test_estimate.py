"""From a sample to documents, minutes and disk; how objects are spread and packed. No I/O."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensearch_strata.archive.events import Place
from opensearch_strata.archive.planning.batches import PlanLimits, runs
from opensearch_strata.archive.planning.load_estimate import ASSUMED_RATE, DISK_SHARE, DiskRoom, estimate, rate_of
from opensearch_strata.archive.planning.sampling import OBJECTS, Sample, spread
from opensearch_strata.archive.store.objects import ListedObject
from opensearch_strata.archive.targets.disk import kept_free

SAMPLE = Sample(objects=2, packed=1_000, documents=300, document_bytes=120_000, filtered=60, unwanted=20, dead=3)
MIB = 1 << 20

sizes = st.lists(st.integers(1, 300 * MIB), min_size=1, max_size=200)


def listed(number: int, size: int) -> ListedObject:
    return ListedObject(Place("b", f"{number:06}", "e"), size, 0)


def listed_all(sizes: list[int]) -> list[ListedObject]:
    return [listed(number, size) for number, size in enumerate(sizes)]


def test_the_sample_stands_for_all_bytes() -> None:
    found = estimate(SAMPLE, 100_000, None, DiskRoom(free=None, copies=1))
    assert (found.documents, found.document_bytes, found.filtered, found.dead) == (30_000, 12_000_000, 6_000, 300)
    assert found.unwanted == 2_000
    assert found.rate == ASSUMED_RATE
    assert not found.measured
    assert found.minutes == pytest.approx(36_300 / ASSUMED_RATE / 60)


def test_a_sample_of_nothing_is_nothing() -> None:
    found = estimate(Sample(), 100_000, None, DiskRoom(free=10, copies=1))
    assert (found.documents, found.minutes, found.disk_bytes, found.refusal) == (0, 0, 0, None)


def test_earlier_loads_tell_the_rate() -> None:
    assert rate_of(90_000, 3.0) == 30_000
    assert rate_of(0, 3.0) is None
    assert rate_of(90_000, 0.1) is None
    found = estimate(SAMPLE, 100_000, rate_of(90_000, 3.0), DiskRoom(free=None, copies=1))
    assert found.measured
    assert found.minutes == pytest.approx(36_300 / 30_000 / 60)


def test_what_does_not_fit_is_refused() -> None:
    needed = round(12_000_000 * DISK_SHARE * 2)
    assert estimate(SAMPLE, 100_000, None, DiskRoom(needed, copies=2)).refusal is None
    refused = estimate(SAMPLE, 100_000, None, DiskRoom(needed - 1, copies=2))
    assert refused.refusal
    assert "Nothing was loaded. Use a shorter range" in refused.refusal
    large = replace(refused, disk_bytes=3 << 30, free_bytes=1 << 29)
    assert "need about 3.0 GiB on the disks of OpenSearch, but only 512.0 MiB is free" in str(large.refusal)
    assert replace(refused, free_bytes=None).refusal is None


@pytest.mark.parametrize(
    ("watermark", "kept"),
    [
        ("90%", 100),
        ("0.9", 100),
        ("85.5%", 145),
        ("100%", 0),
        ("10b", 10),
        ("1.5KB", 1536),
        ("2gb", 2**31),
    ],
)
def test_watermarks(watermark: str, kept: int) -> None:
    assert kept_free(watermark, 1000) == kept


@given(sizes)
def test_the_sample_lies_evenly_in_the_bytes(sizes: list[int]) -> None:
    objects = listed_all(sizes)
    found = spread(objects)
    assert 1 <= len(found) <= OBJECTS
    assert [one.place.key for one in found] == sorted({one.place.key for one in found})
    # An object that is a part of its own holds a part's middle.
    assert all(one in found for one in objects if one.size * OBJECTS > sum(sizes) + OBJECTS)


def test_equal_objects_are_looked_into_evenly() -> None:
    assert [one.place.key for one in spread(listed_all([7] * 50))] == ["000005", "000015", "000025", "000035", "000045"]
    assert spread([]) == []


@given(sizes, st.integers(1, 20), st.integers(1, 100 * MIB))
def test_runs_hold_every_object_once_in_order_and_evenly(sizes: list[int], batches: int, batch_bytes: int) -> None:
    objects = listed_all(sizes)
    found = runs(objects, PlanLimits(batches=batches, batch_bytes=batch_bytes))
    assert [one for run in found for one in run] == objects
    assert 1 <= len(found) <= batches
    costs = [size + (64 << 10) for size in sizes]  # a request takes the time of so many bytes
    even = sum(costs) / min(batches, max(1, round(sum(costs) / batch_bytes)))
    assert max(sum(costs[int(one.place.key)] for one in run) for run in found) <= even + max(costs)


def test_a_small_job_is_one_batch_and_a_large_one_is_no_more_than_allowed() -> None:
    assert len(runs(listed_all([MIB] * 50), PlanLimits())) == 1
    assert len(runs(listed_all([5 * MIB] * 105_120), PlanLimits())) == 1024
    rng = random.Random(5)
    year = runs(listed_all([rng.randrange(MIB, 9 * MIB) for _ in range(8_760)]), PlanLimits())
    assert 300 < len(year) < 1024


def test_many_tiny_objects_are_not_one_batch() -> None:
    """A request for an object takes time, however small the object."""
    assert len(runs(listed_all([100] * 20_000), PlanLimits())) > 10
