"""What a reader does not answer, a sentence each; and what changes of the definition leave readable."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest

from opensearch_strata.errors import Refused
from opensearch_strata.history.verify.repair import prove
from opensearch_strata.reader import read
from tests.streams import DAY, Stream, dataset_of, definition_of

NEXT = DAY + timedelta(days=1)
JUNE = datetime(2024, 6, 10, tzinfo=UTC)
MAY = (datetime(2024, 5, 1, tzinfo=UTC), datetime(2024, 6, 1, tzinfo=UTC))
METRICS: dict[str, Any] = definition_of("t")["metrics"]


def ask(stream: Stream, start: datetime = MAY[0], end: datetime = MAY[1], **question: Any) -> pd.DataFrame:
    asked = {"metrics": ["temperature"], "stats": ["p50", "avg"], **question}
    return read(stream.client, stream.dataset, start, end, **asked)


def with_error(stream: Stream, relative_error: float) -> Stream:
    """The same dataset after a change of its definition."""
    metric = {**METRICS["temperature"], "distribution": {"relative_error": relative_error}}
    return Stream(stream.client, dataset_of(stream.dataset.name, metrics={**METRICS, "temperature": metric}))


def moved_to_history(stream: Stream, day: Any) -> None:
    stream.condensed(day, count=60)
    stream.client.indices.delete(index=stream.dataset.raw_index(day))


def test_nothing_at_all(stream: Stream) -> None:
    with pytest.raises(Refused, match=f"Nothing is known about '{stream.dataset.name}' yet"):
        ask(stream)


def test_spans_beyond_what_is_known(stream: Stream) -> None:
    moved_to_history(stream, DAY)
    stream.fill(NEXT, count=48)
    year = datetime(2020, 1, 1, tzinfo=UTC)
    known = (
        r"Its events are from 2024-05-06 00:00\+00:00 to 2024-05-07 23:30\+00:00; its raw days are 2024-05-07 to "
        "2024-05-07 and its months of history are 2024-05 to 2024-05"
    )
    for start in (year, JUNE):
        with pytest.raises(Refused, match=rf"from {start:%Y-%m-%d} 00:00\+00:00 to .*{known}"):
            ask(stream, start, start + timedelta(days=1))
    assert len(ask(stream, datetime(2024, 5, 6, 12, tzinfo=UTC), JUNE)) == 1


def test_a_closed_raw_day_may_hold_late_documents(stream: Stream) -> None:
    for day in (DAY, NEXT):
        stream.condensed(day, count=24)
    index = stream.dataset.raw_index(DAY)
    stream.client.indices.close(index=index)
    with pytest.raises(
        Refused, match=f"{index} is closed, so it cannot be read. Open it and ask again.*from 2024-05-01"
    ):
        ask(stream)
    assert len(ask(stream, datetime(2024, 5, 7, tzinfo=UTC))) == 1
    stream.client.indices.open(index=index)
    month = stream.dataset.month_index(DAY)
    stream.client.indices.close(index=month)
    with pytest.raises(Refused, match=f"{month} is closed"):
        ask(stream)
    stream.client.indices.open(index=month)


def test_an_alias_is_no_raw_day(stream: Stream) -> None:
    stream.condensed(count=24)
    alias, real = stream.dataset.raw_index(NEXT), f"{stream.dataset.name}-other"
    stream.create(index=real)
    stream.client.indices.put_alias(index=real, name=alias)
    with pytest.raises(Refused, match=f"{alias} is an alias of {real}; raw days are read by their own names only"):
        ask(stream)


def test_a_month_of_somebody_else(stream: Stream) -> None:
    stream.fill(count=24)
    month = stream.dataset.month_index(DAY)
    stream.client.index(index=month, body={"@timestamp": f"{DAY}"}, params={"refresh": "true"})
    with pytest.raises(Refused, match=f"{month} was not created by Strata"):
        ask(stream)


def test_sketches_of_two_errors_are_read_at_the_coarser_one(stream: Stream) -> None:
    moved_to_history(stream, DAY)
    coarser = with_error(stream, 0.02)
    moved_to_history(coarser, NEXT)
    coarser.fill(NEXT + timedelta(days=1), count=60)
    frame = ask(coarser, interval="1d")
    assert frame["source"].tolist() == ["history", "history", "raw"]
    assert frame.attrs["relative_errors"] == {"temperature": 0.02}
    fresh = Stream(
        stream.client, dataset_of(f"{stream.dataset.name}x", metrics=coarser.dataset.model_dump()["metrics"])
    )
    for number in range(3):
        fresh.fill(DAY + timedelta(days=number), count=60)
    all_at_that_error = ask(fresh, interval="1d")
    assert frame["temperature.p50"].tolist() == all_at_that_error["temperature.p50"].tolist()


def test_sketches_whose_errors_do_not_divide_are_refused(stream: Stream) -> None:
    moved_to_history(with_error(stream, 0.02), DAY)
    coarser = with_error(stream, 0.05)
    moved_to_history(coarser, JUNE.date())
    months = [stream.dataset.month_index(day) for day in (DAY, JUNE.date())]
    with pytest.raises(Refused, match=rf"sketches of 'temperature' .*\({months[0]}: 0.02; {months[1]}: 0.05\)"):
        ask(coarser, end=JUNE + timedelta(days=9))
    assert ask(coarser).attrs["relative_errors"] == {"temperature": 0.02}
    later = ask(coarser, MAY[1], JUNE + timedelta(days=9))
    assert later.attrs["relative_errors"] == {"temperature": 0.05}
    assert len(ask(coarser, end=JUNE + timedelta(days=9), stats=["max", "avg"])) == 1


def test_a_metric_is_missing_before_it_was_defined(stream: Stream) -> None:
    older = Stream(stream.client, dataset_of(stream.dataset.name, metrics={"temperature": METRICS["temperature"]}))
    moved_to_history(older, DAY)
    stream.condensed(NEXT, count=60)
    prove(stream.client, stream.dataset, NEXT)
    frame = ask(stream, metrics=["temperature", "load"], stats=["sum", "count"], interval="1d")
    assert frame["source"].tolist() == ["history", "history"]
    assert frame["load.sum"].isna().tolist() == frame["load.count"].isna().tolist() == [True, False]
    assert frame["temperature.sum"].notna().all()
    assert len(ask(stream, metrics=["load"], stats=["sum"], interval="1d")) == 1
    assert ask(stream, metrics=["load"], stats=["sum"])["load.sum"].notna().all()


def test_rows_from_before_a_statistic_was_asked_for_are_refused(stream: Stream) -> None:
    moved_to_history(stream, DAY)
    load = {"field": "load", "stats": ["min", "max", "sum", "count"], "distribution": {"relative_error": 0.01}}
    richer = Stream(stream.client, dataset_of(stream.dataset.name, metrics={**METRICS, "load": load}))
    richer.condensed(NEXT, count=40)
    day = stream.dataset.transform_id(DAY)
    with pytest.raises(Refused, match=f"Rows of {day} in {stream.dataset.month_index(DAY)} lack the max or the min or"):
        ask(richer, metrics=["load"], stats=["p50"])
    later = datetime(2024, 5, 7, tzinfo=UTC)
    assert len(ask(richer, later, metrics=["load"], stats=["p50", "max"])) == 1
    assert len(ask(richer, metrics=["load"], stats=["sum", "avg"])) == 1


def test_rows_that_raw_days_stand_for_need_carry_nothing(stream: Stream) -> None:
    stream.condensed(count=40)  # still raw: its rows, which lack the new statistic, are not read
    load = {"field": "load", "stats": ["min", "max", "sum", "count"]}
    richer = Stream(stream.client, dataset_of(stream.dataset.name, metrics={**METRICS, "load": load}))
    assert ask(richer, metrics=["load"], stats=["max"])["source"].tolist() == ["raw"]


def test_a_group_that_older_months_lack(stream: Stream) -> None:
    older = Stream(stream.client, dataset_of(stream.dataset.name, history={"group_by": ["device"]}))
    moved_to_history(older, DAY)
    moved_to_history(stream, JUNE.date())
    with pytest.raises(Refused, match=f"Rows of {stream.dataset.month_index(DAY)} are not grouped by 'site'"):
        ask(stream, end=JUNE + timedelta(days=9), by=["site"])
    assert len(ask(stream, end=JUNE + timedelta(days=9), by=["device"])) == 3
