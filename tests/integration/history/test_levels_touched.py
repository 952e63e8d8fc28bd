"""Levels that somebody else wrote to are found and built again; a process that dies leaves none that a reader takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any
from unittest.mock import patch

import pytest
from opensearchpy import OpenSearch

from opensearch_strata.definition.levels import Level
from opensearch_strata.errors import TransientError
from opensearch_strata.history.levels.build import levels_of_day, levels_of_month
from opensearch_strata.history.levels.look import Incomplete, incomplete_levels
from opensearch_strata.history.levels.prove import prove, with_levels
from opensearch_strata.history.levels.proving import prove_levels
from opensearch_strata.history.month import noting
from opensearch_strata.history.month.level_notes import LEVEL
from opensearch_strata.history.month.rows_of_day import carried
from opensearch_strata.history.verify.verify import verify
from tests.levels import Row, assert_same, merged, month_note, notes, stored_rows
from tests.streams import DAY, Document, Stream, StreamFactory, measurements

LEVELS = [{"bucket": "1h"}, {"bucket": "1d", "group_by": ["device"]}, {"bucket": "1d"}, {"bucket": "1M"}]
HOURLY, OF_DEVICES = Level("1h"), Level("1d", ("device",))


@pytest.fixture(scope="module")
def levelled(make_stream: StreamFactory) -> tuple[Stream, list[Document]]:
    stream = make_stream(history={"levels": LEVELS})
    documents = stream.condensed()
    assert prove(stream.client, stream.dataset, DAY, engine="search").without_levels == ""
    return stream, documents


def put(stream: Stream, identity: str, row: Row) -> None:
    """Write a row of a level as somebody else might."""
    document = {**row, "_doc_count": row["transform._doc_count"]}
    for field, text in document.items():
        if field.endswith(".sketch"):
            document[field] = text + "=" * (-len(text) % 4)
    index = stream.dataset.levels_index(DAY)
    stream.client.index(index=index, id=identity, body=document, params={"refresh": "true"})


def with_value(field: str, change: Callable[[Any], Any]) -> Callable[[Stream], None]:
    def mutate(stream: Stream) -> None:
        rows = stored_rows(stream.client, stream.dataset, DAY, HOURLY)
        identity, row = next(item for item in sorted(rows.items()) if field in item[1])
        put(stream, identity, {**row, field: change(row[field])})

    return mutate


def drop(stream: Stream) -> None:
    identity = min(stored_rows(stream.client, stream.dataset, DAY, HOURLY))
    stream.client.delete(index=stream.dataset.levels_index(DAY), id=identity, params={"refresh": "true"})


def add(stream: Stream) -> None:
    row = next(iter(stored_rows(stream.client, stream.dataset, DAY, HOURLY).values()))
    put(stream, "another-id", row)


def exchange_sketches(stream: Stream) -> None:
    field = "metrics.temperature.sketch"
    rows = sorted(stored_rows(stream.client, stream.dataset, DAY, HOURLY).items())
    (first, one), (second, other), *_ = [item for item in rows if field in item[1]]
    put(stream, first, {**one, field: other[field]})
    put(stream, second, {**other, field: one[field]})


MUTATIONS: dict[str, tuple[Callable[[Stream], None], str]] = {
    "drop a row": (drop, "1 row missing (first: 2024-05-06"),
    "add a row": (add, "1 row unfounded"),
    "exchange two sketches": (
        exchange_sketches,
        ": sketch of temperature)",
    ),
    "change a sum": (with_value("metrics.load.sum", lambda x: x + 1), "1 row different"),
    "change a count": (with_value("metrics.load.count", lambda n: n + 1), "count of load"),
    "change an average": (with_value("metrics.temperature.avg", lambda x: x + 1e-6), "avg of temperature"),
    "change a quantile": (with_value("metrics.temperature.p99", lambda x: x * 1.001), "p99 of temperature"),
    "change the documents": (with_value("transform._doc_count", lambda n: n + 1), "transform._doc_count"),
    "change the time": (with_value("@timestamp", lambda t: t + 3_600_000), "@timestamp"),
    "change the level": (with_value(LEVEL, lambda _: "1d"), "it is of the level '1d'"),
}


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_what_somebody_wrote_is_found_and_built_again(levelled: tuple[Stream, list[Document]], mutation: str) -> None:
    stream, documents = levelled
    client, dataset = stream.client, stream.dataset
    mutate, told = MUTATIONS[mutation]
    mutate(stream)
    touched = incomplete_levels(client, dataset, [DAY])[DAY].touched
    assert "1h" in touched
    (hourly, *_) = levels_of_day(client, dataset, DAY, "look").levels
    assert hourly.state == "missing"  # so that no reader takes it
    proof = with_levels(client, dataset, verify(client, dataset, DAY), "compare")
    assert proof.state == "verified"
    assert told in proof.without_levels, proof.without_levels
    assert "level 1h" in {check.name for check in proof.failed}
    mended = prove(client, dataset, DAY, engine="search")
    assert (mended.failed, mended.without_levels) == ([], "")
    assert incomplete_levels(client, dataset, [DAY]) == {}
    for level in dataset.levels:
        assert_same(stored_rows(client, dataset, DAY, level), merged(dataset, level, {DAY: documents}))


def test_levels_of_a_smaller_relative_error_are_compared_at_that_of_the_definition(
    make_stream: StreamFactory,
) -> None:
    """Rows keep the error that they were written with; to say that they differ would be a false alarm."""
    stream = make_stream(history={"levels": LEVELS})
    stream.condensed(count=60)
    client = stream.client
    assert prove(client, stream.dataset, DAY, engine="search").without_levels == ""
    definition = stream.dataset.model_dump(mode="json")
    definition["metrics"]["temperature"]["distribution"]["relative_error"] *= 2
    coarser = Stream(client, type(stream.dataset).model_validate(definition))
    found = levels_of_day(client, coarser.dataset, DAY, "compare")
    assert [(one.state, one.note) for one in found.levels] == [("complete", "")] * 3
    for mutate in (exchange_sketches, with_value("metrics.temperature.p50", lambda x: x * 1.001)):
        mutate(stream)
        (hourly, *_) = levels_of_day(client, coarser.dataset, DAY, "compare").levels
        assert hourly.state == "differs"
        levels_of_day(client, stream.dataset, DAY, "build")


def test_levels_of_a_month_are_compared_with_its_last_day(make_stream: StreamFactory) -> None:
    last = date(2024, 5, 31)
    stream = make_stream(history={"levels": LEVELS})
    client, dataset = stream.client, stream.dataset
    for day in (DAY, last):
        stream.condensed(day, count=30)
        assert prove(client, dataset, day, engine="search").without_levels == ""
    ((identity, row),) = stored_rows(client, dataset, last, Level("1M")).items()
    put(stream, identity, {**row, "metrics.load.count": row["metrics.load.count"] + 1})
    of_day, of_last = (with_levels(client, dataset, verify(client, dataset, day), "compare") for day in (DAY, last))
    assert of_day.without_levels == ""
    assert "The level 1M of 2024-05 differs: 1 row different" in of_last.without_levels


class DiedError(BaseException):
    """The process died here."""


@contextmanager
def dying(client: OpenSearch, last: int) -> Iterator[list[str]]:
    """Let a client send so many requests; it dies at the next one. Gives what it sent."""
    transport: Any = client.transport
    real = transport.perform_request
    sent: list[str] = []

    def perform(method: str, path: str, **options: Any) -> Any:
        if len(sent) >= last:
            raise DiedError
        sent.append(f"{method} {path}")
        return real(method, path, **options)

    with patch.object(transport, "perform_request", perform):
        yield sent


def test_whoever_is_killed_leaves_base_rows_and_no_level_that_is_wrong(make_stream: StreamFactory) -> None:
    stream = make_stream(history={"levels": LEVELS})
    client, dataset = stream.client, stream.dataset
    documents = stream.condensed(count=60)
    prove(client, dataset, DAY, engine="search")
    late = measurements(count=5, seed=8)
    stream.write(late)
    stream.condense()
    assert prove_base(stream)
    there = carried(client, dataset, DAY)
    number = 0
    while True:
        done = False
        with dying(client, number), patch.object(noting, "_DEAD", (0.1, 0.2)):  # for whoever died before
            try:
                levels_of_day(client, dataset, DAY, "build")
                levels_of_month(client, dataset, DAY, "build")
                done = True
            except DiedError:
                pass
        assert carried(client, dataset, DAY) == there
        note, of_month = notes(client, dataset, DAY), month_note(client, dataset, DAY)
        for level in dataset.levels:
            noted = of_month if level.is_of_months else note
            if noted and level.name in noted.versions:
                assert_same(stored_rows(client, dataset, DAY, level), merged(dataset, level, {DAY: documents + late}))
        if done:
            break
        number += 1
    assert number > 20
    assert incomplete_levels(client, dataset, [DAY]) == {}


def prove_base(stream: Stream) -> bool:
    from opensearch_strata.history.verify.repair import prove as prove_rows

    return prove_rows(stream.client, stream.dataset, DAY, engine="search").state == "verified"


def test_rows_that_are_condensed_anew_meanwhile_leave_no_note(stream: Stream) -> None:
    """Another run condenses late documents between the first row of a level and its note."""
    client, dataset = stream.client, stream.dataset
    stream.condensed(count=60)
    assert prove_base(stream)

    def overtaken(*args: Any, **options: Any) -> Any:
        if not stream.client.indices.exists(index=f"{dataset.name}-once"):
            client.indices.create(index=f"{dataset.name}-once")
            stream.write(measurements(count=5, seed=8))
            stream.condense()
        return prove_levels(*args, **options)

    with (
        patch("opensearch_strata.history.levels.build.prove_levels", overtaken),
        pytest.raises(TransientError, match="were written or proven anew while levels were merged"),
    ):
        levels_of_day(client, dataset, DAY, "build")
    assert notes(client, dataset, DAY) is None
    names = tuple(level.name for level in dataset.levels)
    assert incomplete_levels(client, dataset, [DAY]) == {DAY: Incomplete(missing=names)}


def test_an_index_that_is_deleted_while_it_is_written_is_never_made_by_a_bulk_request(stream: Stream) -> None:
    client, dataset = stream.client, stream.dataset
    stream.condensed(count=60)
    assert prove_base(stream)

    def deleted(*args: Any, **options: Any) -> Any:
        client.indices.delete(index=dataset.levels_index(DAY))
        return prove_levels(*args, **options)

    with (
        patch("opensearch_strata.history.levels.build.prove_levels", deleted),
        pytest.raises(TransientError, match="was deleted or recreated while levels were written to it"),
    ):
        levels_of_day(client, dataset, DAY, "build")
    assert not client.indices.exists(index=dataset.levels_index(DAY))
    assert prove(client, dataset, DAY, engine="search").without_levels == ""
