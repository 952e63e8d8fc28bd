"""A dataset with its dashboards on a node: what its panels are answered, and what ``read()`` answers."""

from __future__ import annotations

import math
from datetime import date, timedelta
from typing import Any, NamedTuple

import pandas as pd

from opensearch_strata.dashboards.made import Made
from opensearch_strata.reader import read
from tests.dashboards import Shown, by_part, dashboards_request, grafana_requests, vega_search
from tests.streams import Document, Stream


class Drawn(NamedTuple):
    """A dataset with levels and its dashboards.

    :param shown: all its days
    :param documents: of each day
    """

    stream: Stream
    found: Made
    shown: Shown
    documents: dict[date, list[Document]]


def asked(drawn: Drawn, stats: list[str], interval: str | None = "1d", **options: Any) -> pd.DataFrame:
    """What ``read()`` answers for all days."""
    end = drawn.shown.end + timedelta(milliseconds=1)
    return read(
        drawn.stream.client, drawn.stream.dataset, drawn.shown.start, end,
        **{"metrics": ["temperature"], "stats": stats, "interval": interval, **options},
    )  # fmt: skip


def searched(drawn: Drawn, index: str, body: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = drawn.stream.client.search(index=index, body=body, params={"ignore_unavailable": "true"})
    return answer


def dashboards_answer(drawn: Drawn, part: str, shown: Shown | None = None) -> dict[str, Any]:
    objects = drawn.found.objects
    one = by_part(objects, drawn.stream.dataset.name)[part]
    return searched(drawn, *dashboards_request(objects, one, shown or drawn.shown))


def vega_answer(drawn: Drawn, part: str, shown: Shown | None = None) -> dict[str, Any]:
    one = by_part(drawn.found.objects, drawn.stream.dataset.name)[part]
    return searched(drawn, *vega_search(one, shown or drawn.shown))


def times(frame: pd.DataFrame) -> list[int]:
    """Beginnings of records, epoch milliseconds."""
    return [round(moment.timestamp() * 1000) for moment in frame.index]


def assert_same(found: list[float], wanted: pd.Series) -> None:
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted, strict=True):
        assert math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9), (found, list(wanted))


def grafana_answers(drawn: Drawn, title: str, interval: str = "1h", shown: Shown | None = None) -> list[dict[str, Any]]:
    (panel,) = [one for one in drawn.found.grafana["panels"] if one["title"] == title]
    requests = grafana_requests(panel, drawn.found.data_sources, shown or drawn.shown, interval)
    return [searched(drawn, index, body) for index, body in requests]


def highest(answer: dict[str, Any]) -> dict[str, float]:
    """What the chart of the highest shows of an answer: group -> its highest day."""
    return {
        bucket["key"]: max(
            day["peak"]["value"]["quantiles"][0]
            for day in bucket["days"]["buckets"]
            if day["peak"]["value"] is not None
        )
        for bucket in answer["aggregations"]["groups"]["buckets"]
    }
