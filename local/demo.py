"""`make run`: real days through the real scheduler, then what became of them, read back from the server."""

from __future__ import annotations

import logging
import time as clock
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any

from opensearchpy import OpenSearch
from rich.console import Console

from local.airflow_api import AirflowApi
from local.errors import StackError
from local.flights import exact_quantiles, flights_dataset, load_flights
from local.report import Comparison, print_comparisons, print_cycles
from local.stack import Stack
from opensearch_strata.reader import read

FIRST, LAST = date(2013, 1, 1), date(2013, 3, 4)
CYCLES = (date(2013, 3, 2), date(2013, 3, 3), date(2013, 3, 4))
"""Days to run the cycle for: with a window of 60 days each of them pushes one day out, the first of them FIRST."""
EXPIRED = tuple(FIRST + timedelta(days=number) for number in range(len(CYCLES)))
METRIC = "dep_delay"
QUANTILES = {0.5: "p50", 0.9: "p90", 0.99: "p99"}

log = logging.getLogger(__name__)


@dataclass
class Outcome:
    """What the demonstration found: one report per cycle, and the indices there were before and after them."""

    before: set[str]
    after: set[str] = field(default_factory=set)
    cycles: list[dict[str, Any]] = field(default_factory=list)


def run_demo(console: Console) -> None:
    """Starts a fresh stack, runs the cycles, prints the report and stops the stack.

    Raises StackError when a run fails, when anything but the expired days was deleted, or when a quantile is further
    from the exact one than the definition allows.
    """
    if Stack.running("run"):
        raise StackError("A `make run` of this checkout is going on already. Wait for it, or end it with `make down`.")
    stack = Stack("run")
    stack.remove()
    try:
        stack.launch()
        with ThreadPoolExecutor() as pool:
            loading = pool.submit(_load, stack)
            stack.wait_until_ready("airflow", "aws")
            client = loading.result()
        outcome = _run_cycles(stack, client)
        print_cycles(console, outcome.cycles)
        comparisons = [_compare(client, day) for day in EXPIRED]
        print_comparisons(console, METRIC, list(QUANTILES.values()), comparisons)
        _check(outcome, comparisons)
        console.print(f"Deleted were exactly {', '.join(sorted(outcome.before - outcome.after))}, and nothing else.")
    finally:
        stack.stop()


def _load(stack: Stack) -> OpenSearch:
    stack.wait_until_ready("opensearch")
    client = OpenSearch(stack.opensearch_url, timeout=60, pool_maxsize=2)
    began = clock.monotonic()
    counts = load_flights(client, FIRST, LAST)
    log.info(
        "%s flights of %s days loaded in %.0f s", f"{sum(counts.values()):,}", len(counts), clock.monotonic() - began
    )
    return client


def _run_cycles(stack: Stack, client: OpenSearch) -> Outcome:
    dag_id = f"{flights_dataset().name}_daily_cycle"
    airflow = AirflowApi(stack.airflow_url)
    airflow.wait_for_dag(dag_id)
    airflow.unpause(dag_id)
    outcome = Outcome(before=set(client.indices.get(index="*")))
    for day in CYCLES:
        began = clock.monotonic()
        run_id = airflow.trigger(dag_id, day.isoformat(), {"dry_run": False})
        if airflow.wait_for_run(dag_id, run_id) != "success":
            raise StackError(_failure(stack, airflow, dag_id, run_id))
        report = airflow.return_value(dag_id, run_id, "report")
        log.info("%s (%.0f s)", report["verdict"], clock.monotonic() - began)
        outcome.cycles.append(report)
    outcome.after = set(client.indices.get(index="*"))
    return outcome


def _failure(stack: Stack, airflow: AirflowApi, dag_id: str, run_id: str) -> str:
    """The sentence for a failed run: the task that failed first, and where its log is."""
    failed = [task for task in airflow.task_instances(dag_id, run_id) if task["state"] == "failed"]
    if not failed:
        return f"Run {run_id} of {dag_id} failed without a failed task. The scheduler's log: {stack.logs}"
    first = min(failed, key=lambda task: task["end_date"] or "")
    folder = stack.folder / "airflow" / "logs" / f"dag_id={dag_id}" / f"run_id={run_id}" / f"task_id={first['task_id']}"
    if first["map_index"] >= 0:
        folder /= f"map_index={first['map_index']}"
    log_file = folder / f"attempt={first['try_number']}.log"
    return f"Task {first['task_id']} failed in run {run_id}. Its log: {log_file}"


def history_quantiles(client: OpenSearch, day: date, qs: Sequence[float]) -> dict[str, dict[float, float]]:
    """Quantiles of METRIC on one day per carrier, from the rows alone: {carrier: {q: value}}."""
    zone = flights_dataset().zone
    start, end = (datetime.combine(d, time.min, zone) for d in (day, day + timedelta(days=1)))
    names = {q: f"{METRIC}.{QUANTILES[q]}" for q in qs}
    stats = [QUANTILES[q] for q in qs]
    frame = read(client, flights_dataset(), start, end, metrics=[METRIC], stats=stats, by=["carrier"])
    if set(frame["source"]) != {"history"}:
        raise StackError(f"The quantiles of {day} were to come from the history alone, but raw documents were read.")
    by_carrier = frame.set_index("carrier")
    return {carrier: {q: by_carrier[name][carrier] for q, name in names.items()} for carrier in by_carrier.index}


def _compare(client: OpenSearch, day: date) -> Comparison:
    found = history_quantiles(client, day, list(QUANTILES))
    exact = exact_quantiles(day, METRIC, list(QUANTILES))
    if found.keys() != exact.keys():
        raise StackError(f"The history of {day} knows carriers {sorted(found)}, the CSV {sorted(exact)}.")
    return Comparison(day, {carrier: [(found[carrier][q], exact[carrier][q]) for q in QUANTILES] for carrier in exact})


def _check(outcome: Outcome, comparisons: Sequence[Comparison]) -> None:
    expected = {flights_dataset().raw_index(day) for day in EXPIRED}
    if (gone := outcome.before - outcome.after) != expected:
        raise StackError(f"Deleted were {sorted(gone)}, which should have been {sorted(expected)}.")
    allowed = flights_dataset().sketches[METRIC]
    worst = max(comparison.worst for comparison in comparisons)
    if worst > allowed * (1 + 1e-9):
        raise StackError(f"A quantile is {worst:.2%} from the exact one, more than the {allowed:.0%} defined.")
