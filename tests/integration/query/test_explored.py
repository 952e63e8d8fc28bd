"""What the page Explore asks, on a real server: the numbers of the reader, with the raw days of the span told."""

from __future__ import annotations

from datetime import timedelta

import pytest

from opensearch_strata.airflow.ui.explore.answered import answer
from opensearch_strata.airflow.ui.explore.asked import Asked, asked_of, stats_of
from opensearch_strata.errors import Refused
from opensearch_strata.history.levels.prove import prove
from opensearch_strata.reader import read
from tests.streams import DAY, StreamFactory


def test_charts_show_what_the_reader_says(make_stream: StreamFactory) -> None:
    stream = make_stream()
    stream.fill(DAY)
    prove(stream.client, stream.dataset, DAY, engine="search")
    stream.fill(DAY + timedelta(days=1))
    asked = Asked(("temperature", "load"), DAY, DAY + timedelta(days=1), "6h")
    found = answer(stream.client, stream.dataset, asked)
    start, end = asked.span(stream.dataset)
    for series in found.series:
        stats = stats_of(stream.dataset, series.metric)
        frame = read(stream.client, stream.dataset, start, end, metrics=[series.metric], stats=stats, interval="6h")
        assert series.times == [time.timestamp() for time in frame.index]
        for stat in stats:
            assert series.lines[stat] == [float(value) for value in frame[f"{series.metric}.{stat}"]]
    assert found.sources == ["history", "raw"]
    midnight = (start + timedelta(days=1)).timestamp()
    assert found.raw == [(midnight, midnight + 18 * 3600)]
    groups = answer(stream.client, stream.dataset, asked_of(stream.dataset, [("by", "device")], asked.last))
    assert set(groups.series[0].lines) == {f"p50 of d{number}" for number in range(3)}


def test_days_that_are_not_there_are_a_sentence(make_stream: StreamFactory) -> None:
    stream = make_stream()
    with pytest.raises(Refused):
        answer(stream.client, stream.dataset, asked_of(stream.dataset, [], DAY))
