"""Which datasets take an object, and why others leave it."""

from __future__ import annotations

from typing import Any

import pytest

from opensearch_strata.archive.arrivals.routing import Route, Routes, sharing
from opensearch_strata.definition.dataset import Dataset
from tests.streams import dataset_of

QUEUE = "arn:aws:sqs:eu-west-1:123456789012:logs"
TODAY = "2024/05/06/07/part.gz"


def dataset(name: str, source: str = "s3://logs/app/", **intake: Any) -> Dataset:
    """A dataset with a queue."""
    return dataset_of(name, intake={"source": source, "queue": QUEUE, **intake})


def routed(datasets: list[Dataset], key: str, size: int = 10, bucket: str = "logs") -> tuple[list[str], list[str]]:
    """Names of the datasets that take an object, and why others do not."""
    routes, aside = Routes(datasets, ["s3://logs/app/archive/"], is_sure=True).of(bucket, key, size)
    return [route.dataset.name for route in routes], list(aside)


def test_each_dataset_takes_its_own_and_several_may_take_one() -> None:
    datasets = [dataset("app"), dataset("web", "s3://logs/web/"), dataset("all", "s3://logs/", layout=None)]
    assert routed(datasets, f"app/{TODAY}") == (["app", "all"], [])
    assert routed(datasets, f"web/{TODAY}") == (["web", "all"], [])
    assert routed(datasets[:2], f"db/{TODAY}") == ([], ["no_dataset"])
    assert routed(datasets, f"app/{TODAY}", bucket="other") == ([], ["no_dataset"])


@pytest.mark.parametrize(
    ("key", "size", "why"),
    [
        (f"app/{TODAY}", 0, "empty"),
        ("app/dead-letters/app/0a.ndjson.gz", 10, "dead_letters"),
        ("app/processing-failed/2024/05/06/07/x", 10, "errors"),
        ("app/2024/05/06/aws-logs-write-test", 10, "marker"),
        ("app/2024/05/06/07/manifest.json", 10, "manifest"),
        ("app/readme.txt", 10, "layout"),
        ("app/archive/dt=2024-05-06/part-0.ndjson.gz", 10, "archive"),
    ],
)
def test_what_no_backfill_would_load_is_left_aside(key: str, size: int, why: str) -> None:
    assert routed([dataset("app")], key, size) == ([], [why])


def test_an_object_of_unknown_size_is_not_taken_for_an_empty_one() -> None:
    assert routed([dataset("app")], f"app/{TODAY}", -1) == (["app"], [])


def test_letters_that_lie_elsewhere_or_above_the_source_leave_nothing_aside() -> None:
    assert Route.of(dataset("app", dead_letters="s3://letters/")).aside(f"app/{TODAY}", 1) is None
    redriven = dataset("app", "s3://logs/letters/app/", dead_letters="s3://logs/letters/", layout=None)
    assert Route.of(redriven).aside("letters/app/0a.ndjson.gz", 1) is None


def test_datasets_with_one_queue_are_found_whichever_way_it_is_written() -> None:
    one = dataset("b", queue=QUEUE)
    others = [
        dataset("c", queue="https://sqs.eu-west-1.amazonaws.com/123456789012/logs"),
        dataset("a", queue="https://sqs.eu-west-1.vpce.example.com/123456789012/logs"),
        dataset("d", queue="arn:aws:sqs:us-east-1:123456789012:logs"),
        dataset_of("e"),
    ]
    assert [each.name for each in sharing(one, [one, *others])] == ["a", "b", "c"]
    with pytest.raises(ValueError, match=r"has no intake\.queue"):
        sharing(others[-1], [one])
