"""Months whose rows are exactly those that their marks name are not looked into; all others are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from unittest.mock import patch

import pandas as pd
import pytest

from opensearch_strata.history.query.sources import carried
from opensearch_strata.history.verify.repair import prove
from opensearch_strata.reader import read
from tests.streams import DAY, Stream

NEXT = DAY + timedelta(days=1)
START = datetime(DAY.year, DAY.month, DAY.day, tzinfo=UTC)


@pytest.fixture
def proven(stream: Stream) -> Stream:
    """Two proven days that only history has."""
    for day in (DAY, NEXT):
        stream.condensed(day, count=60)
        assert prove(stream.client, stream.dataset, day).state == "verified"
        stream.client.indices.delete(index=stream.dataset.raw_index(day))
    return stream


def ask(stream: Stream) -> tuple[pd.DataFrame, int]:
    """An answer, and how many looks at the days of a month it took."""
    with patch.object(carried, "_days", side_effect=carried._days) as looks:
        frame = read(
            stream.client, stream.dataset, START, START + timedelta(days=2), metrics=["load"], stats=["count"],
            interval="1d",
        )  # fmt: skip
    return frame, looks.call_count


def test_a_month_as_marked_is_not_looked_into(proven: Stream) -> None:
    frame, looks = ask(proven)
    assert (looks, frame.attrs["notes"], len(frame)) == (0, [], 2)


def test_a_row_more_or_less_or_another_one_is_seen(proven: Stream) -> None:
    identity, row = next(iter(proven.rows().items()))
    proven.drop_row(identity)
    frame, looks = ask(proven)
    assert looks == 1
    assert "proven documents, and its raw day is gone" in frame.attrs["notes"][0]
    proven.put_row(identity, row)  # the same rows, of which one was written later
    frame, looks = ask(proven)
    assert (looks, frame.attrs["notes"]) == (1, [])
    proven.put_row("stranger", {**row, "transform._id": "strata-other-2024.05.06"})
    assert ask(proven)[1] == 1


def test_a_raw_day_in_the_month_needs_a_look(proven: Stream) -> None:
    proven.write([{"@timestamp": START.isoformat(), "device": "d", "load": 1}], NEXT + timedelta(days=1))
    frame, looks = ask(proven)
    assert looks >= 1
    assert set(frame["source"]) == {"both", "history"}
