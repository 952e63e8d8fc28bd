"""What a distinct count costs: seconds of a condense, and bytes of a row.

``python -m benchmarks.measures.distinct`` condenses a day of the reference workload on a node of its own, with eleven
sketched metrics and one more, and prints a line for each figure; ``--documents`` sets its size, ``--url`` names a
cluster of yours.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from functools import partial
from typing import Any

from benchmarks.material.workload import FIRST_DAY, Workload
from benchmarks.measures.history.condensing import raw_day
from benchmarks.running import log, node_at, refuse_leftovers
from benchmarks.timing import Samples, Task, timed
from opensearch_strata.connections.opensearch import ClientSettings, build_client
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.history.condense.engines.search import condense_by_search
from opensearch_strata.history.month.index import ensure_month

VARIANTS: Mapping[str, tuple[str, Mapping[str, Any]] | None] = {
    "eleven sketches": None,
    "and the top 20 of 4 values a row": ("firmware", {"top_values": 20}),
    "and a distinct count of 4 values a row": ("firmware", {"distinct": {"error": 0.02}}),
    "and a distinct count of 80 values a row": ("trace", {"distinct": {"error": 0.02}}),
}
"""What is condensed -> field and distribution of a twelfth metric."""


def variant(workload: Workload, number: int, more: tuple[str, Mapping[str, Any]] | None) -> Dataset:
    """A definition of the workload with a month of its own.

    :param number: tells its month from others
    :param more: field and distribution of a metric in addition
    """
    dataset = workload.variant(f"distinct_{number}")
    if more is None:
        return dataset
    field, distribution = more
    metric = {"field": field, "stats": ["count"], "distribution": distribution}
    definition = dataset.model_dump(exclude_unset=True)
    return Dataset.model_validate({**definition, "metrics": {**definition["metrics"], "more": metric}})


def measure(workload: Workload, rounds: int) -> tuple[dict[str, Samples], dict[str, float]]:
    """Seconds of a whole condense and bytes of a row, by variant.

    :param workload: of one day; nothing of it is loaded yet
    :param rounds: how often each is condensed
    """
    client, (day,) = workload.client, workload.days
    for _ in workload.load():
        log.info("Loaded %s", workload.dataset.raw_index(day))
    datasets = {name: variant(workload, number, more) for number, (name, more) in enumerate(VARIANTS.items())}

    def prepare(dataset: Dataset) -> None:
        client.indices.delete(index=dataset.month_index(day), params={"ignore_unavailable": "true"})
        ensure_month(client, dataset, day)

    tasks = {
        name: Task(
            partial(condense_by_search, client, dataset, raw_day(workload, dataset, day)),
            prepare=partial(prepare, dataset),
        )
        for name, dataset in datasets.items()
    }
    samples = timed(client, tasks, rounds, log.info)
    months = {name: dataset.month_index(day) for name, dataset in datasets.items()}
    workload.merge(months.values(), workload.settle)
    rows = client.count(index=next(iter(months.values())))["count"]
    return samples, {name: workload.bytes_of(month) / rows for name, month in months.items()}


def main() -> None:
    """Measure and print the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--url")
    parser.add_argument("--prefix", default="bench-distinct")
    parser.add_argument("--settle", type=float, default=35, help="seconds from the last row to the merge")
    asked = parser.parse_args()
    with node_at(asked.url) as url:
        client = build_client(ClientSettings.from_url(url, timeout=600, opaque_id="strata-benchmark"))
        workload = Workload(client, asked.prefix, asked.documents, (FIRST_DAY,), 0, asked.settle)
        refuse_leftovers(workload.leftovers())
        try:
            samples, sizes = measure(workload, asked.rounds)
        finally:
            workload.remove()
    for name, found in samples.items():
        sys.stdout.write(f"{name:42} {found.seconds:6.2f} s {sizes[name]:8.1f} bytes a row\n")


if __name__ == "__main__":
    main()
