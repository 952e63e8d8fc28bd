"""`make run`: real days through the real scheduler, from S3 to rows, archive, deletion and back, and what they hold."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from opensearchpy import OpenSearch
from rich.console import Console

from local.airflow.api import AirflowApi
from local.airflow.dag_runs import run_dag
from local.errors import StackError
from local.samples.archived_dataset import archived_dataset
from local.samples.archived_flights import archive_flights, backfill_flights, restore_flights, s3_client
from local.samples.flights import exact_quantiles, flights, flights_dataset
from local.samples.raw_day import RawDay, read_raw_day, require_same
from local.samples.report import ArchivedDay, Comparison, print_archives, print_comparisons, print_cycles
from local.stack import Stack
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.errors.amounts import counted
from opensearch_strata.reader import read
from opensearch_strata.workflows.archives import archive_states
from opensearch_strata.workflows.archiving import settings_of
from opensearch_strata.workflows.expired import list_expired

FIRST, LAST = date(2013, 1, 1), date(2013, 3, 4)
CYCLES = (date(2013, 3, 2), date(2013, 3, 3), date(2013, 3, 4))
"""Days to run the cycle for: with a window of 60 days, each of them pushes one day out, beginning with FIRST."""
EXPIRED = tuple(FIRST + timedelta(days=number) for number in range(len(CYCLES)))
RESTORED = EXPIRED[0]
KEEP_DAYS = 7
"""For how many days the restored day is kept."""
METRIC = "dep_delay"
QUANTILES = {0.5: "p50", 0.9: "p90", 0.99: "p99"}

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """The result of the demonstration: one report per cycle, and the indices that existed before and after them."""

    before: set[str]
    after: set[str]
    cycles: list[dict[str, Any]]


def run_demo(console: Console) -> None:
    """Start a fresh stack, run the cycles, restore one of the days that they delete, print the report, stop the stack.

    Raises StackError if a run fails, if anything but the expired days was deleted, if a quantile is further from the
    exact one than the definition allows, if a deleted day is not archived, or if the restored day is not the same.
    """
    if Stack.running("run"):
        raise StackError("A `make run` of this checkout is already running. Wait for it, or stop it with `make down`.")
    stack = Stack("run")
    stack.remove()
    include = stack.folder / "include"
    dataset = archived_dataset(include)
    try:
        stack.launch(include=include)
        archive_flights(stack, FIRST, LAST)
        stack.wait_until_ready("opensearch", "airflow")
        client = OpenSearch(stack.opensearch_url, timeout=60, pool_maxsize=8)
        airflow = AirflowApi(stack.airflow_url)
        backfill_flights(stack, client, airflow, FIRST, LAST)
        _check_raw_days(client)
        raw_days = {day: read_raw_day(stack.opensearch_url, dataset.raw_index(day)) for day in EXPIRED}
        outcome = _run_cycles(stack, client, airflow)
        print_cycles(console, outcome.cycles)
        comparisons = [_compare(client, day) for day in EXPIRED]
        print_comparisons(console, METRIC, list(QUANTILES.values()), comparisons)
        _check(outcome, comparisons)
        console.print(f"Exactly {', '.join(sorted(outcome.before - outcome.after))} were deleted, and nothing else.")
        archives = archives_of(s3_client(stack), dataset, raw_days)
        restore_flights(stack, airflow, RESTORED, KEEP_DAYS)
        show_restored(console, stack.opensearch_url, client, dataset, raw_days[RESTORED], archives)
    finally:
        stack.stop()


def _check_raw_days(client: OpenSearch) -> None:
    """Check that every flight of the CSV has been loaded exactly once."""
    dataset = flights_dataset()
    days = {"days": {"terms": {"field": "_index", "size": 1000}}}
    answer = client.search(index=dataset.raw.names.expression, body={"size": 0, "aggs": days})
    found = {bucket["key"]: bucket["doc_count"] for bucket in answer["aggregations"]["days"]["buckets"]}
    expected = Counter(dataset.raw_index(day) for day, _, _ in flights(FIRST, LAST))
    if found != expected:
        wrong = sorted(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name))
        loaded = counted(found.get(wrong[0], 0), "flight")
        raise StackError(f"{wrong[0]} contains {loaded}, but the CSV has {expected[wrong[0]]:,}.")
    log.info("%s flights of %s days were loaded, each exactly once", f"{sum(found.values()):,}", len(found))


def _run_cycles(stack: Stack, client: OpenSearch, airflow: AirflowApi) -> Outcome:
    dag_id = f"{flights_dataset().name}_daily_cycle"
    before = set(client.indices.get(index="*"))
    cycles = [run_dag(stack, airflow, dag_id, day.isoformat(), {"dry_run": False}) for day in CYCLES]
    return Outcome(before, set(client.indices.get(index="*")), cycles)


def history_quantiles(client: OpenSearch, day: date, qs: Sequence[float]) -> dict[str, dict[float, float]]:
    """Quantiles of METRIC on one day per carrier, from the rows only: {carrier: {q: value}}."""
    zone = flights_dataset().zone
    start, end = (datetime.combine(d, time.min, zone) for d in (day, day + timedelta(days=1)))
    names = {q: f"{METRIC}.{QUANTILES[q]}" for q in qs}
    stats = [QUANTILES[q] for q in qs]
    frame = read(client, flights_dataset(), start, end, metrics=[METRIC], stats=stats, by=["carrier"])
    if set(frame["source"]) != {"history"}:
        raise StackError(f"The quantiles of {day} should come from the history only, but raw documents were read.")
    by_carrier = frame.set_index("carrier")
    return {carrier: {q: by_carrier[name][carrier] for q, name in names.items()} for carrier in by_carrier.index}


def _compare(client: OpenSearch, day: date) -> Comparison:
    found = history_quantiles(client, day, list(QUANTILES))
    exact = exact_quantiles(day, METRIC, list(QUANTILES))
    if found.keys() != exact.keys():
        raise StackError(f"The history of {day} has the carriers {sorted(found)}, but the CSV has {sorted(exact)}.")
    return Comparison(day, {carrier: [(found[carrier][q], exact[carrier][q]) for q in QUANTILES] for carrier in exact})


def _check(outcome: Outcome, comparisons: Sequence[Comparison]) -> None:
    expected = {flights_dataset().raw_index(day) for day in EXPIRED}
    if (gone := outcome.before - outcome.after) != expected:
        raise StackError(f"{sorted(gone)} were deleted, but it should have been {sorted(expected)}.")
    allowed = flights_dataset().sketches[METRIC]
    worst = max(comparison.worst for comparison in comparisons)
    if worst > allowed * (1 + 1e-9):
        raise StackError(f"A quantile is {worst:.2%} off the exact one, more than the {allowed:.0%} that is defined.")


def archives_of(s3: Any, dataset: Dataset, raw_days: Mapping[date, RawDay]) -> list[ArchivedDay]:
    """The archive of each of these days, every object read back once more.

    `s3` is a boto3 client. Raises StackError if other days are archived, or an archive is not what the day was.
    """
    states = {state.day: state for state in archive_states(s3, dataset, deep=True)}
    if states.keys() != raw_days.keys():
        raise StackError(f"{sorted(map(str, states))} are archived, but {sorted(map(str, raw_days))} were deleted.")
    for day, state in states.items():
        if state.problem or state.documents != len(raw_days[day].sources):
            problem = state.problem or f"it holds {counted(state.documents, 'document')}"
            raise StackError(f"The archive of {day} is not what was deleted: {problem}.")
    return [
        ArchivedDay(day, state.documents, raw_days[day].stored_bytes, state.stored_bytes)
        for day, state in states.items()
    ]


def show_restored(
    console: Console, url: str, client: OpenSearch, dataset: Dataset, before: RawDay, archives: Sequence[ArchivedDay]
) -> None:
    """Compare the restored day with what it was `before`, and print what is archived. Raises StackError."""
    index = dataset.raw_index(RESTORED)
    require_same(index, before, read_raw_day(url, index))
    print_archives(console, settings_of(dataset).url, archives, RESTORED)
    console.print(f"{index} is the same again: every _id, every byte of _source, its mapping and its settings.")
    console.print(_kept(client, dataset, index))


def _kept(client: OpenSearch, dataset: Dataset, index: str) -> str:
    """Until when the daily cycle keeps the restored day, as a sentence."""
    now = datetime.now(UTC)
    until = now + timedelta(days=KEEP_DAYS)
    if index not in list_expired(client, dataset, CYCLES[-1], now).wanted:
        raise StackError(f"{index} was restored for {counted(KEEP_DAYS, 'day')}, but the next cycle would delete it.")
    if index not in list_expired(client, dataset, CYCLES[-1], until).indices:
        raise StackError(f"{index} was restored for {counted(KEEP_DAYS, 'day')}, but would be kept for longer.")
    return f"The daily cycle keeps it until {until:%Y-%m-%d}, and then deletes it again behind the same proofs."
