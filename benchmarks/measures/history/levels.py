"""What levels cost: seconds that a day takes longer, and bytes that it takes more."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from opensearchpy import OpenSearch

from benchmarks.material.workload import BenchmarkError, Workload
from benchmarks.timing import Samples
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.history.condense.condense import condense
from opensearch_strata.history.levels.build import levels_of_day
from opensearch_strata.history.month.marks import remember
from opensearch_strata.history.verify.verify import verify
from opensearch_strata.presentation.tables import Table

WITHOUT, LEVELS = "condense and prove a day", "its levels, built and proven"


@dataclass(frozen=True)
class Levels:
    """What the levels of all days take.

    :param seconds: of a day without levels, and of its levels
    :param month_bytes: of the base rows of all days
    :param level_bytes: of the rows of their levels
    :param rows: how many rows the levels have
    """

    seconds: dict[str, Samples]
    month_bytes: int
    level_bytes: int
    rows: int

    @property
    def share_of_bytes(self) -> float:
        """Bytes of levels for each byte of base rows, in percent."""
        return 100 * self.level_bytes / self.month_bytes

    @property
    def share_of_seconds(self) -> float:
        """Seconds for levels for each second without them, in percent."""
        return 100 * self.seconds[LEVELS].seconds / self.seconds[WITHOUT].seconds


def build_levels(client: OpenSearch, dataset: Dataset, day: date) -> int:
    """Build the levels of a proven day, which has none. Returns how many rows they have.

    :raises BenchmarkError: a level is not complete
    """
    found = levels_of_day(client, dataset, day, "build")
    if any(level.state != "built" for level in found.levels):
        raise BenchmarkError(f"The levels of {dataset.raw_index(day)} are not complete: {found.problem}")
    return sum(level.rows for level in found.levels)


def measure_levels(workload: Workload, rounds: int, say: Callable[[str], None]) -> Levels:
    """Condense, prove and level the days of a definition of its own, round by round after a warm-up.

    :raises BenchmarkError: a level is not complete
    """
    client, dataset = workload.client, workload.variant("levelled_history")
    samples: dict[str, list[float]] = {WITHOUT: [], LEVELS: []}
    rows = 0
    for number in range(rounds + 1):
        say(f"levels, round {number} of {rounds}")
        taken = dict.fromkeys(samples, 0.0)
        rows = 0
        for day in workload.days:
            started = time.perf_counter()
            condense(client, dataset, day)
            proof = verify(client, dataset, day)
            if proof.failed or proof.raw is None:
                raise BenchmarkError(f"The rows of {proof.index} are not proven: {proof.failed}.")
            remember(client, dataset, proof.raw, proof.carried.rows_version)
            proven = time.perf_counter()
            rows += build_levels(client, dataset, day)
            taken[WITHOUT] += proven - started
            taken[LEVELS] += time.perf_counter() - proven
        if number:
            for name, seconds in taken.items():
                samples[name].append(seconds / len(workload.days))
    months = {dataset.month_index(day) for day in workload.days}
    years = {dataset.levels_index(day) for day in workload.days}
    say(f"waiting {workload.settle:.0f} s, then merging")
    workload.merge(months | years, workload.settle)
    month_bytes, level_bytes = (sum(map(workload.bytes_of, indices)) for indices in (months, years))
    return Levels({name: Samples(some) for name, some in samples.items()}, month_bytes, level_bytes, rows)


def levels_table(found: Levels, days: int) -> Table:
    """Bytes and seconds of a day, without levels and of its levels.

    :param days: how many days were condensed
    """
    rows = [
        (WITHOUT, round(found.seconds[WITHOUT].seconds, 2), round(found.month_bytes / days)),
        (
            f"{LEVELS} ({found.rows // days:,} rows)",
            round(found.seconds[LEVELS].seconds, 2),
            round(found.level_bytes / days),
        ),
    ]
    return Table("Levels: 1h, 1d.device and 1d", ("a day", "median s", "bytes, merged"), rows)
