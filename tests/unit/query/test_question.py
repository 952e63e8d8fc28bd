"""Questions that a definition can or cannot answer, before anything is sent."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from opensearch_strata.errors import Refused
from opensearch_strata.history.query.question import Question, is_stat, milliseconds, moment_of, quantile_of
from tests.streams import dataset_of

MAY = (datetime(2024, 5, 1, tzinfo=UTC), datetime(2024, 6, 1, tzinfo=UTC))
SOURCE_GROUP = {"history": {"group_by": ["device", "source"]}}


def checked(
    start: datetime = MAY[0], end: datetime = MAY[1], parts: dict[str, Any] | None = None, **asked: Any
) -> Question:
    asked = {"metrics": ["temperature"], "stats": ["p50"], **asked}
    return Question.checked(dataset_of("t", **(parts or {})), start, end, **asked)


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"metrics": ["power"]}, "has no metric 'power'; it has temperature, load"),
        ({"metrics": ["load", "power"], "stats": ["sum"]}, "has no metric 'power'"),
        ({"metrics": []}, "No metric is asked for; 't' has temperature, load"),
        ({"stats": []}, "No statistic is asked for"),
        ({"by": ["carrier"]}, "are not grouped by 'carrier'; they are grouped by device, site"),
        ({"where": {"carrier": "B6"}}, "are not grouped by 'carrier'"),
        ({"by": ["source"], "parts": SOURCE_GROUP}, "A frame cannot hold the group 'source', because"),
        ({"stats": ["median"]}, "is not a statistic; ask for min, max, sum, count, avg, top, distinct or a percentile"),
        ({"stats": ["p101"]}, "'p101' is not a statistic"),
        ({"stats": ["p50"], "metrics": ["load"]}, "'load' carries no distribution, so no p50; it has count, sum"),
        ({"stats": ["max"], "metrics": ["temperature", "load"]}, "'load' carries no max; it has count, sum"),
        ({"interval": "15m"}, "'15m' is not a multiple of the bucket '1h'"),
        ({"interval": "1w"}, "'1w' is not an interval"),
        ({"end": MAY[0]}, "is empty; let it end after it starts"),
        ({"start": datetime(2024, 5, 1)}, "2024-05-01 00:00:00 has no time zone"),
    ],
)
def test_what_a_definition_cannot_answer(asked: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Refused, match=sentence):
        checked(**asked)


def test_each_name_counts_once_and_one_may_stand_alone() -> None:
    asked = checked(metrics="load", stats=["sum", "avg", "sum"], by="site")
    assert (asked.metrics, asked.stats, asked.by) == (("load",), ("sum", "avg"), ("site",))


def test_what_rows_must_carry() -> None:
    assert checked(stats=["count"]).leaves == []
    assert checked(stats=["count", "avg"]).leaves == ["sum"]
    assert checked(stats=["p50", "avg"]).leaves == ["max", "min", "sketch", "sum"]


@pytest.mark.parametrize(
    ("stat", "q"), [("p0", 0), ("p50", 0.5), ("p99.9", 0.999), ("p100", 1), ("p101", None), ("p", None), ("avg", None)]
)
def test_percentiles(stat: str, q: float | None) -> None:
    assert quantile_of(stat) == (None if q is None else pytest.approx(q))
    assert is_stat(stat) == (q is not None or stat == "avg")


def test_moments_are_rounded_up_to_what_a_document_can_say() -> None:
    moment = datetime(2024, 5, 1, 0, 0, 0, 1500, tzinfo=UTC)
    assert milliseconds(moment) == milliseconds(MAY[0]) + 2
    assert moment_of(milliseconds(MAY[0])) == MAY[0]
    assert milliseconds(datetime(1969, 12, 31, 23, 59, 59, 500, tzinfo=UTC)) == -999
