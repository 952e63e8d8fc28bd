"""How long it takes to condense a day, and how long the same takes by other means."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from functools import partial
from typing import Any

from benchmarks.material.peers import INDEX_ROLLUP, first_body, standard_body
from benchmarks.material.workload import Workload
from benchmarks.timing import Samples, Task, timed
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.definition.days import day_bounds
from opensearch_strata.history.buckets.aggregation import rows_body
from opensearch_strata.history.condense.engines.search import condense_by_search
from opensearch_strata.history.month.index import ensure_month
from opensearch_strata.history.raw_day.inspection import RawDay, inspect_raw_day
from opensearch_strata.presentation.tables import Table

UNCACHED = {"allow_partial_search_results": "false", "request_cache": "false"}

OURS, STANDARD, FIRST, WHOLE_CONDENSE = (
    "condense aggregation",
    "44 standard aggregations",
    "what people write first",
    "whole condense",
)

Body = Callable[[Dataset, dict[str, Any], dict[str, Any] | None], dict[str, Any]]


def pages(
    workload: Workload, dataset: Dataset, index: str, body: Body, query: dict[str, Any]
) -> Iterator[list[dict[str, Any]]]:
    """The buckets of every page of a composite aggregation, uncached."""
    after = None
    while True:
        answer = workload.client.search(index=index, body=body(dataset, query, after), params=UNCACHED)
        page = answer["aggregations"]["rows"]
        if page["buckets"]:
            yield page["buckets"]
        after = page.get("after_key")
        if after is None:
            return


def condense_seconds(workload: Workload, rounds: int, on_round: Callable[[str], None]) -> dict[str, Samples]:
    """Time the searches for one day side by side, and a whole condense, which also writes its rows."""
    dataset, day = workload.dataset, workload.days[0]
    index = dataset.raw_index(day)
    begin, end = day_bounds(day, dataset.zone)
    of_day = {"range": {dataset.raw.timestamp: {"gte": begin.isoformat(), "lt": end.isoformat()}}}
    timed_rows = workload.variant("timed")

    def read(body: Body, query: dict[str, Any]) -> None:
        for _ in pages(workload, dataset, index, body, query):
            pass

    tasks = {
        OURS: Task(partial(read, rows_body, {"match_all": {}})),
        STANDARD: Task(partial(read, standard_body, {"match_all": {}})),
        FIRST: Task(partial(read, first_body, of_day)),
        WHOLE_CONDENSE: Task(
            partial(condense_by_search, workload.client, timed_rows, raw_day(workload, timed_rows, day)),
            prepare=partial(empty_month, workload, timed_rows, day),
        ),
    }
    return timed(workload.client, tasks, rounds, on_round)


def condense_table(samples: dict[str, Samples]) -> Table:
    """Seconds for one day, by each means."""
    rows: list[tuple[str, float, str | None]] = [
        (name, round(found.seconds, 2), ", ".join(f"{seconds:.2f}" for seconds in found.whole))
        for name, found in samples.items()
    ]
    rows.append(("Index rollup, no distributions, search and writing †", INDEX_ROLLUP["seconds"], None))
    return Table("Condensing one day", ("what", "median s", "rounds"), rows)


def raw_day(workload: Workload, dataset: Dataset, day: date) -> RawDay:
    """A raw day that has been loaded."""
    raw = inspect_raw_day(workload.client, dataset, day)
    assert raw is not None, "it was loaded before"
    return raw


def empty_month(workload: Workload, dataset: Dataset, day: date) -> None:
    """Make the month of a day anew, without rows."""
    workload.client.indices.delete(index=dataset.month_index(day), params={"ignore_unavailable": "true"})
    ensure_month(workload.client, dataset, day)
