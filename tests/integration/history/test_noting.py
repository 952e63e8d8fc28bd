"""Notes of a month survive others who note something else at the same time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest

from opensearch_strata.errors import TransientError
from opensearch_strata.history.condense.condense import condense
from opensearch_strata.history.levels.prove import prove
from opensearch_strata.history.month.level_notes import complete_levels, complete_month
from opensearch_strata.history.month.marks import marks_in, raw_states_in
from opensearch_strata.history.month.noting import TURN, change_notes
from tests.levels import strata_of
from tests.streams import DAY, StreamFactory


def test_days_of_a_month_that_are_settled_at_once_are_all_noted(make_stream: StreamFactory) -> None:
    """As the mapped tasks of a backfill do."""
    stream = make_stream()
    client, dataset = stream.client, stream.dataset
    days = [DAY + timedelta(days=number) for number in range(5)]
    for day in days:
        stream.fill(day, count=20)

    def settle(day: Any) -> str:
        condense(client, dataset, day)
        return prove(client, dataset, day, engine="search").without_levels

    with ThreadPoolExecutor(len(days)) as pool:
        told = [*pool.map(settle, days)]
    strata = strata_of(client, dataset, DAY)
    assert marks_in(strata).keys() == set(days)
    assert raw_states_in(strata).keys() == set(days)
    assert set(complete_levels(strata)) == {day for day, why in zip(days, told, strict=True) if not why}
    assert complete_month(strata) is None


def test_a_note_that_is_overwritten_is_written_again_a_limited_number_of_times(make_stream: StreamFactory) -> None:
    stream = make_stream()
    stream.condensed(count=10)
    client, month = stream.client, stream.dataset.month_index(DAY)
    before = strata_of(client, stream.dataset, DAY)
    real = client.indices.put_mapping
    written = 0

    def overwritten(left: int) -> Any:
        def put(**options: Any) -> Any:
            nonlocal written
            written += 1
            real(**options)
            if written <= left:  # somebody who had read the notes before, and took us for dead
                real(index=month, body={"_meta": {"strata": before}})

        return put

    def noted(strata: dict[str, Any]) -> dict[str, Any]:
        return {**strata, "ours": 1}

    with patch.object(client.indices, "put_mapping", overwritten(3)):
        change_notes(client, month, noted)
    assert strata_of(client, stream.dataset, DAY) == {**before, "ours": 1}
    assert written == 4
    change_notes(client, month, noted)  # nothing is left to be changed
    real(index=month, body={"_meta": {"strata": before}})
    with (
        patch.object(client.indices, "put_mapping", overwritten(1000)),
        pytest.raises(TransientError, match="were overwritten 5 times in a row"),
    ):
        change_notes(client, month, noted)
    assert not client.exists(index=month, id=TURN)


def test_whoever_dies_with_the_turn_is_not_waited_for_for_long(make_stream: StreamFactory) -> None:
    stream = make_stream()
    stream.condensed(count=10)
    rows = stream.rows()
    client, month = stream.client, stream.dataset.month_index(DAY)
    client.index(index=month, id=TURN, body={}, params={"refresh": "true"})
    assert prove(client, stream.dataset, DAY, engine="search").state == "verified"
    assert marks_in(strata_of(client, stream.dataset, DAY)).keys() == {DAY}
    assert not client.exists(index=month, id=TURN)
    assert stream.rows().keys() == rows.keys()


def test_notes_of_a_month_that_takes_no_documents_are_changed_without_a_turn(make_stream: StreamFactory) -> None:
    stream = make_stream()
    stream.condensed(count=10)
    client, month = stream.client, stream.dataset.month_index(DAY)
    client.indices.put_settings(index=month, body={"index.blocks.write": True})
    change_notes(client, month, lambda strata: {**strata, "ours": 1})
    assert strata_of(client, stream.dataset, DAY)["ours"] == 1
