"""How large the history's second copy is, and how long it takes to write a day of it, and to rewrite a month.

``python -m benchmarks.copying`` condenses a day of the reference workload on a node of its own and prints a line for
each figure; ``--documents`` sets its size, ``--url`` names a cluster of yours.
"""

from __future__ import annotations

import argparse
import sys
import time

from benchmarks.material.workload import FIRST_DAY, Workload
from benchmarks.measures.history.sizes import condense_all_days
from benchmarks.running import log, node_at, refuse_leftovers
from opensearch_strata.connections.opensearch import ClientSettings, build_client
from opensearch_strata.history.copy.day_file import file_of, read_file
from opensearch_strata.history.copy.proven_day import proven_rows, read_day
from opensearch_strata.history.copy.rewrite import rewrite_month
from opensearch_strata.history.copy.row_tables import difference

PERCENTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
"""Those of a dataset that does not state others."""


def measure(workload: Workload) -> dict[str, float]:
    """Measure a workload of one day.

    :param workload: nothing of it is loaded yet
    :returns: name -> figure
    """
    client, dataset, (day,) = workload.client, workload.dataset, workload.days
    for _ in workload.load():
        log.info("Loaded %s", dataset.raw_index(day))
    condense_all_days(workload, log.info)
    stored = workload.bytes_of(dataset.month_index(day))
    proven = proven_rows(client, dataset, day)
    began = time.perf_counter()
    copy = read_day(client, dataset, day, *proven)
    read = time.perf_counter()
    content = file_of(copy, PERCENTILES, {})
    packed = time.perf_counter()
    plain = file_of(copy, {}, {})
    again = time.perf_counter()
    found = read_file(content, "the copy")
    assert not difference(copy.layout, copy.rows, found.rows)
    compared = time.perf_counter()
    rewrite_month(client, dataset, day, apply=True)
    moved = time.perf_counter()
    rows = copy.rows.num_rows
    return {
        "rows": rows,
        "bytes of the month index, merged": stored,
        "bytes of the file": len(content),
        "bytes of a file without percentiles": len(plain),
        "index bytes a row": stored / rows,
        "file bytes a row": len(content) / rows,
        "seconds to read the rows": read - began,
        "seconds to make the file": packed - read,
        "seconds to read and compare the file": compared - again,
        "rows rewritten a second": rows / (moved - compared),
    }


def main() -> None:
    """Measure and print the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=1_000_000)
    parser.add_argument("--url")
    parser.add_argument("--prefix", default="bench-copy")
    parser.add_argument("--settle", type=float, default=35, help="seconds from the last row to the merge")
    asked = parser.parse_args()
    with node_at(asked.url) as url:
        client = build_client(ClientSettings.from_url(url, timeout=600, opaque_id="strata-benchmark"))
        workload = Workload(client, asked.prefix, asked.documents, (FIRST_DAY,), 0, asked.settle)
        refuse_leftovers(workload.leftovers())
        try:
            figures = measure(workload)
        finally:
            workload.remove()
    for name, figure in figures.items():
        sys.stdout.write(f"{name:40} {figure:14,.1f}\n")


if __name__ == "__main__":
    main()
