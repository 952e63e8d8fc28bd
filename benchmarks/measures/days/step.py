"""One step of a raw day's way in a process of its own, so that its peak memory is that of a worker.

Run as a program, ``python -m benchmarks.measures.days.step``, it takes the URL, definition, day and step as JSON from
stdin, so that no process list shows a password, and prints what the step took as JSON. Progress goes to stderr.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from typing import Any

import orjson
from opensearchpy import OpenSearch

from benchmarks.material.day_export import day_export
from benchmarks.material.emulated_s3 import BUCKET, s3_at
from benchmarks.material.peers import standard_body
from benchmarks.material.workload import BenchmarkError
from benchmarks.measures.history.levels import build_levels
from benchmarks.peak_memory import peak_bytes
from local.places import PROJECT
from opensearch_strata.connections import decisive
from opensearch_strata.connections.opensearch import ClientSettings, build_client
from opensearch_strata.definition.archive import ArchiveSettings
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.errors import StrataError
from opensearch_strata.history.buckets.aggregation import rows_body
from opensearch_strata.history.buckets.bucket_pages import Pages, each_page
from opensearch_strata.history.condense.condense import condense
from opensearch_strata.history.month.marks import remember
from opensearch_strata.history.raw_day.inspection import inspect_raw_day
from opensearch_strata.history.verify.verify import verify

Step = Callable[[OpenSearch, Dataset, date, Callable[[int], None]], int]
"""Does something with a raw day; returns the number of rows or buckets. The last argument takes documents done."""

_SAID = 30.0  # seconds between two lines about the progress


@dataclass(frozen=True)
class Took:
    """What a step took.

    :param seconds: from its first request to its last
    :param cpu_seconds: of the client's process
    :param peak_bytes: the client's peak memory
    """

    seconds: float
    rows: int
    cpu_seconds: float
    peak_bytes: int


def _condense(client: OpenSearch, dataset: Dataset, day: date, on_documents: Callable[[int], None]) -> int:
    run = condense(client, dataset, day, engine="search", on_documents=on_documents)
    return run.rows if run else 0


def _verify(client: OpenSearch, dataset: Dataset, day: date, on_documents: Callable[[int], None]) -> int:
    proof = verify(client, dataset, day, on_documents)
    if proof.state != "verified" or proof.raw is None:
        raise BenchmarkError(f"{proof.index} is {proof.state}: {'; '.join(proof.named)}")
    remember(client, dataset, proof.raw, proof.carried.rows_version)
    return proof.rows


def _levels(client: OpenSearch, dataset: Dataset, day: date, _: Callable[[int], None]) -> int:
    return build_levels(client, dataset, day)


def _reads(build: Callable[[Dataset, Any, Any, int], dict[str, Any]]) -> Step:
    """A step that asks for every bucket of the day, and does nothing with it."""

    def read(client: OpenSearch, dataset: Dataset, day: date, on_documents: Callable[[int], None]) -> int:
        raw = inspect_raw_day(client, dataset, day)
        assert raw is not None, "it was loaded before"
        counts: list[int] = []
        pages = Pages(client, dataset, raw, partial(build, dataset))
        each_page(pages, lambda page: len(page.buckets), counts.extend, on_documents)
        return sum(counts)

    return read


def _standard(dataset: Dataset, query: Any, after: Any, size: int) -> dict[str, Any]:
    body = standard_body(dataset, query, after)
    body["aggs"]["rows"]["composite"]["size"] = size
    return body


def _archive(s3_url: str, client: OpenSearch, dataset: Dataset, day: date, on_documents: Callable[[int], None]) -> int:
    index = dataset.raw_index(day)
    settings = ArchiveSettings.model_validate({"bucket": BUCKET, "prefix": f"{index}/"})
    primaries = decisive.primaries(client, index)
    export = day_export(client, s3_at(s3_url), dataset, settings, day, primaries)
    objects = replace(export, on_step=lambda _, documents: on_documents(documents)).write()
    return len(objects)


CONDENSE, VERIFY, LEVELS = "condense", "verify", "levels"
STEPS: dict[str, Step] = {CONDENSE: _condense, VERIFY: _verify, LEVELS: _levels}
"""What becomes of a raw day, in this order. Their seconds are added up and compared with what is promised."""

OURS, STANDARD = READERS = ("condense aggregation", "44 standard aggregations")
"""The same buckets read twice, by slices of the same size: our statistics with sketches, and statistics alone."""

_ALL: dict[str, Step] = {**STEPS, OURS: _reads(rows_body), STANDARD: _reads(_standard)}

ARCHIVE = "archive"
"""The raw day to an emulated S3, as `strata archive` does it; its rows are objects."""


def in_own_process(url: str, dataset: Dataset, day: date, step: str, s3_url: str = "") -> Took:
    """Do a step in a process of its own.

    :param step: one of :data:`STEPS` or :data:`READERS`, or :data:`ARCHIVE`
    :param s3_url: where to archive
    :raises BenchmarkError: it failed; the process has said why
    """
    task = orjson.dumps(
        {"url": url, "definition": dataset.model_dump(mode="json"), "day": day, "step": step, "s3": s3_url}
    )
    command = [sys.executable, "-m", "benchmarks.measures.days.step"]
    done = subprocess.run(command, input=task, stdout=subprocess.PIPE, cwd=PROJECT, check=False)
    if done.returncode:
        raise BenchmarkError(f"The step {step!r} of {dataset.raw_index(day)} failed, as said above.")
    return Took(**orjson.loads(done.stdout))


def _progress(what: str) -> Callable[[int], None]:
    lock, began = threading.Lock(), time.monotonic()
    done, said = 0, began

    def tell(documents: int) -> None:
        nonlocal done, said
        with lock:
            done += documents
            now = time.monotonic()
            if now - said >= _SAID:
                said = now
                sys.stderr.write(f"{what}: {done:,} documents after {now - began:.0f} s\n")

    return tell


def main() -> None:
    """Do the step, and print what it took."""
    task = orjson.loads(sys.stdin.buffer.read())
    dataset, day = Dataset.model_validate(task["definition"]), date.fromisoformat(task["day"])
    client = build_client(ClientSettings.from_url(task["url"], opaque_id="strata-benchmark"))
    steps: dict[str, Step] = {**_ALL, ARCHIVE: partial(_archive, task["s3"])}
    tell = _progress(f"{task['step']} of {dataset.raw_index(day)}")
    began = time.perf_counter()
    try:
        rows = steps[task["step"]](client, dataset, day, tell)
    except StrataError as error:
        sys.exit(str(error))
    seconds = time.perf_counter() - began
    found = {"seconds": seconds, "rows": rows, "cpu_seconds": time.process_time(), "peak_bytes": peak_bytes()}
    sys.stdout.buffer.write(orjson.dumps(found))


if __name__ == "__main__":
    main()
