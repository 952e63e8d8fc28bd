"""`make bench-lambda`: events a second and memory of the Firehose function, next to the one that people copy."""

from __future__ import annotations

import argparse
import base64
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from benchmarks.goals import Result
from benchmarks.material.log_events import LogStream
from benchmarks.peak_memory import MEGABYTE
from benchmarks.report import Report
from benchmarks.running import command_line, log, serve
from benchmarks.timing import Samples
from local.packaging.lambda_zip import HANDLER, build
from opensearch_strata.presentation.tables import Table

HERE = Path(__file__).parent
RESULTS = HERE.parent / "results"

OURS, PEER = "Strata", "the blueprint"
USUAL, FULL = "usual", "full"
BATCHES = {USUAL: 700_000, FULL: 4_400_000}
"""Kind of batch -> bytes of its records: a buffer of 1 MB in base64, and nearly all that AWS Lambda accepts, of which
much more comes out than an answer can hold."""

_STREAM = "arn:aws:firehose:us-east-1:123456789012:deliverystream/logs"

NOTES = (
    "Both sides run in a process of their own with the standard library and an address space of 512 MB. They are given "
    "the invocation as text and return the answer as text, as the runtime of AWS Lambda does.",
    "Seconds are CPU seconds: one thread does all the work and waits for nothing.",
    "Messages have 0.5 KB; an application's JSON and MySQL's general log alternate, 100 in an envelope.",
    "The blueprint writes the fields of a message and nothing else. Ours also writes account, log group, stream, id "
    "and time of each event, so an answer holds fewer events: of a full batch, more of them go back to the stream.",
    "A stream takes what goes back at once. What AWS needs for this is not measured.",
)


@dataclass(frozen=True)
class Run:
    """A side with one kind of batch.

    :param seconds: CPU seconds of all batches, one value per round
    """

    side: str
    kind: str
    events: int
    seconds: list[float]
    peak_bytes: int
    answer_bytes: int

    @property
    def rate(self) -> float:
        """Events a CPU second."""
        return self.events / median(self.seconds)


def arguments() -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.firehose", description=__doc__)
    parser.add_argument("--batches", type=int, default=12, help="batches of each kind (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds after one warm-up (default: %(default)s)")
    parser.add_argument("--python", default=sys.executable, help="interpreter of both sides (default: this one)")
    parser.add_argument("--json", type=Path, default=RESULTS / "lambda.json", help="default: %(default)s")
    parser.add_argument("--markdown", type=Path, default=RESULTS / "lambda.md", help="default: %(default)s")
    chosen = parser.parse_args()
    if chosen.batches < 1 or chosen.rounds < 1:
        parser.error("--batches and --rounds must be at least 1")
    return chosen


def run(options: argparse.Namespace) -> Report:
    """Measure both sides with both kinds of batches, in turns."""
    with tempfile.TemporaryDirectory(prefix="bench-lambda-") as folder:
        archive = Path(folder) / "strata-lambda.zip"
        build(archive)
        sides = {OURS: (archive, HANDLER), PEER: (HERE, "blueprint.lambda_handler")}
        runs, versions = list[Run](), set[str]()
        for kind, size in BATCHES.items():
            path = Path(folder) / kind
            events = write_batches(path, size, options.batches)
            found: dict[str, list[dict[str, Any]]] = {side: [] for side in sides}
            for number in range(options.rounds + 1):
                log.info("A %s batch, %s", kind, f"round {number} of {options.rounds}" if number else "warm-up")
                for side, (code, handler) in sides.items():
                    found[side].append(_in_own_process(options.python, code, handler, path))
            for side, rounds in found.items():
                versions |= {one["python"] for one in rounds}
                seconds = [sum(one["seconds"]) for one in rounds[1:]]
                peak, answer = (max(one[name] for one in rounds) for name in ("peak_bytes", "answer_bytes"))
                runs.append(Run(side, kind, events, seconds, peak, answer))
    return Report(
        title="The Firehose function",
        method="Medians of the rounds, in which the sides take turns.",
        command=command_line("benchmarks.firehose", None),
        machine={
            "cores": os.cpu_count(),
            "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
            "Python": ", ".join(sorted(versions)),
        },
        workload={"batches of each kind": options.batches, "rounds": options.rounds},
        results=_results(runs),
        samples={f"{one.side}, {one.kind}": Samples(one.seconds) for one in runs},
        tables=[_table(runs)],
        notes=NOTES,
    )


def write_batches(path: Path, size: int, count: int) -> int:
    """Write invocations, one a line; return the number of their events.

    :param size: bytes of the records of one
    """
    stream = LogStream(500, 43_000_000)
    records = stream.records(range(stream.events))
    events = 0
    with path.open("w") as lines:
        for number in range(count):
            batch = list(_batch(records, size))
            entries = [
                {"recordId": f"4965{number:026d}{place:026d}", "approximateArrivalTimestamp": 0, "data": data}
                for place, data in enumerate(batch)
            ]
            lines.write(json.dumps({"invocationId": str(number), "deliveryStreamArn": _STREAM, "records": entries}))
            lines.write("\n")
            events += 100 * len(batch)
    return events


def _batch(records: Iterator[bytes], size: int) -> Iterator[str]:
    while size > 0:
        (record,) = islice(records, 1)
        size -= len(record)
        yield base64.b64encode(record).decode()


def _in_own_process(python: str, code: Path, handler: str, path: Path) -> dict[str, Any]:
    command = [python, "-I", "-S", str(HERE / "worker.py"), str(code), handler, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _results(runs: list[Run]) -> list[Result]:
    of = {(one.side, one.kind): one for one in runs}
    usual, full = (of[OURS, kind].rate / of[PEER, kind].rate for kind in (USUAL, FULL))
    peak = max(one.peak_bytes for one in runs if one.side == OURS) / MEGABYTE
    theirs = max(one.peak_bytes for one in runs if one.side == PEER) / MEGABYTE
    rates = {key: f"{one.rate:,.0f}/s" for key, one in of.items()}
    return [
        Result("function usual", usual, rates[OURS, USUAL], rates[PEER, USUAL]),
        Result("function full", full, rates[OURS, FULL], rates[PEER, FULL]),
        Result("function memory", peak, f"{peak:.0f} MB", f"{theirs:.0f} MB"),
    ]


def _table(runs: list[Run]) -> Table:
    rows = [
        (
            one.side,
            one.kind,
            one.events,
            round(median(one.seconds), 2),
            round(one.rate),
            round(one.peak_bytes / MEGABYTE),
            one.answer_bytes,
        )
        for one in runs
    ]
    columns = ("side", "batches", "events", "CPU s", "events/CPU s", "peak MB", "largest answer")
    return Table("Both sides", columns, rows)


if __name__ == "__main__":
    serve(arguments(), run)
