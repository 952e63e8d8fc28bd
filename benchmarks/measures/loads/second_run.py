"""Plan and load of a range that is already loaded, compared with the first time."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

from benchmarks.material.log_archive import LogArchive
from benchmarks.material.site import Site, require
from benchmarks.material.workload import BenchmarkError
from opensearch_strata.errors.amounts import counted
from opensearch_strata.presentation.tables import Table


@dataclass(frozen=True)
class Runs:
    """Seconds for the same range.

    :param first: loaded into an empty raw day
    :param second: planned again; the plan leaves everything out
    :param cleared: the same objects given to a worker again, as "Clear" does in Airflow
    """

    first: float
    second: float
    cleared: float

    def table(self) -> Table:
        """All three, in milliseconds."""
        rows = [
            ("first run: plan and load", round(1000 * self.first, 1), None),
            ("second run: nothing left to load", round(1000 * self.second, 1), f"{self.first / self.second:.0f} x"),
            ("the same batch again", round(1000 * self.cleared, 1), f"{self.first / self.cleared:.0f} x"),
        ]
        return Table("The same range again", ("what", "median ms", "faster"), rows)


def repeat_runs(site: Site, archive: LogArchive, rounds: int, say: Callable[[str], None]) -> Runs:
    """Load an archive once according to its plan, then repeatedly."""
    site.empty(archive)
    say("First run")
    first, created = _timed_run(site, archive)
    require(created, archive)
    seconds, cleared = [], []
    for number in range(rounds):
        say(f"Second run, round {number + 1} of {rounds}")
        took, created = _timed_run(site, archive)
        seconds.append(took)
        began = time.perf_counter()
        created += site.load(archive, archive.objects).counts.created
        cleared.append(time.perf_counter() - began)
        if created:
            raise BenchmarkError(f"A second run created {counted(created, 'document')}: the ledger missed them.")
    return Runs(first, median(seconds), median(cleared))


def _timed_run(site: Site, archive: LogArchive) -> tuple[float, int]:
    """Seconds of a run, and how many documents it created."""
    began = time.perf_counter()
    plan = site.plan(archive)
    created = site.backfill(archive, [batch.objects for batch in plan.batches]) if plan.batches else 0
    return time.perf_counter() - began, created
