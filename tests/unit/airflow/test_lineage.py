"""How OpenLineage names what tasks read and write."""

from __future__ import annotations

from typing import get_args

import pytest

from opensearch_strata.airflow.lineage import Part, Place, places
from tests.streams import dataset_of

URL = "https://search.example.com/sub"
SHOP = dataset_of(
    "shop",
    archive={"bucket": "kept", "prefix": "a/"},
    intake={"source": "s3://logs-of-shop/", "parser": "json", "dead_letters": "s3://dead/x"},
)


def test_every_part_of_a_dataset_has_a_place() -> None:
    cluster = "opensearch://search.example.com:443"
    assert dict(zip(get_args(Part), places(SHOP, URL, get_args(Part)), strict=True)) == {
        "raw": Place(cluster, "shop-*"),
        "history": Place(cluster, "shop-history-*"),
        "archive": Place("s3://kept", "a"),
        "copy": Place("s3://kept", "a/history"),
        "source": Place("s3://logs-of-shop", "/"),
        "dead_letters": Place("s3://dead", "x"),
    }


@pytest.mark.parametrize(
    ("source", "place"),
    [("archive", Place("s3://kept", "a")), ("s3://copy-of-logs/2013/", Place("s3://copy-of-logs", "2013"))],
)
def test_a_backfill_may_name_another_source(source: str, place: Place) -> None:
    assert places(SHOP, URL, ["source"], source) == [place]


def test_what_a_dataset_does_not_have_has_no_place() -> None:
    assert places(dataset_of("plain"), "http://127.0.0.1:9201", ["archive", "copy", "source", "raw"]) == [
        Place("opensearch://127.0.0.1:9201", "plain-*")
    ]
