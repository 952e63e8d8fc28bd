"""What the measurements must reach and what they go for: one table, and the reasons if they fall short. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Verdict = Literal["go for", "must", "no"]


@dataclass(frozen=True)
class Goal:
    """One line of the table.

    :param measure: a few words for the table
    :param meaning: what is compared with what
    :param form: how a figure is written, with ``{}`` for the number
    :param sign: 1 if more is better, -1 if less is better
    :param go_for: None if nothing beyond `must` is wanted
    """

    measure: str
    meaning: str
    form: str
    sign: Literal[1, -1]
    must: float
    go_for: float | None = None

    def written(self, figure: float | None) -> str:
        """A figure in the form of this goal, with enough decimals to tell it apart from the thresholds."""
        return "" if figure is None else self.form.format(f"{figure:.2f}" if abs(figure) < 10 else f"{figure:.0f}")

    def border(self, figure: float | None) -> str:
        """`must` or `go_for`, with the side on which the figure must be."""
        return "" if figure is None else f"{'>=' if self.sign > 0 else '<='} {self.form.format(f'{figure:g}')}"


GOALS = {
    "standard": Goal(
        "condense aggregation : 44 standard aggregations",
        "search time for 11 metrics with statistics and 1% sketches, compared with min, max, sum and value_count of "
        "the same metrics over the same composite, with pages of 5,000",
        "{} x",
        -1,
        1.15,
        1.0,
    ),
    "first": Goal(
        "what people write first : condense aggregation",
        "the same search, compared with (hour, device), pages of 1,000, a range query, 33 standard aggregations and 11 "
        "scripted HashMap distributions of whole numbers",
        "{} x faster",
        1,
        4,
        6,
    ),
    "whole": Goal(
        "whole condense : its search alone",
        "engine `search` with its hours in parallel and its rows written, compared with its aggregation over the whole "
        "day",
        "{} x",
        -1,
        1.5,
        1.2,
    ),
    "eleven": Goal(
        "raw day : its rows, all 11 metrics sketched",
        "bytes in the store, merged; raw days with the default codec",
        "{}:1",
        1,
        100,
        140,
    ),
    "three": Goal("raw day : its rows, 3 of 11 sketched", "as in the system that Strata replaces", "{}:1", 1, 160, 220),
    "levels bytes": Goal(
        "levels of a day : its rows",
        "bytes in the store, merged: the default levels with three quantiles, compared with the base rows of the same "
        "days",
        "{} %",
        -1,
        8,
        5,
    ),
    "levels time": Goal(
        "levels of a day : condense and prove it",
        "seconds until the default levels are built and compared, after seconds until the base rows are",
        "{} %",
        -1,
        10,
        5,
    ),
    "error": Goal(
        "largest error of a quantile",
        "p50, p90, p99 and p99.9 of any devices and any span, from merged sketches, compared with exact values",
        "{} %",
        -1,
        1.0,
    ),
    "all devices": Goal(
        "raw : history, hourly percentiles of all devices",
        "p50, p90 and p99 of one near-normal metric over all days: `read()`, which takes the level `1h`, compared with "
        "one search with the `percentiles` aggregation",
        "{} x faster",
        1,
        10,
        40,
    ),
    "each device": Goal(
        "raw : history, hourly percentiles of each device",
        "the same of each device: `read()`, which fetches the base rows and builds a DataFrame, compared with one "
        "search for the percentiles of each bucket",
        "{} x faster",
        1,
        1.5,
        4,
    ),
    "one device": Goal(
        "raw : history, hourly percentiles of one device",
        "the same for one device, merged by the server, with one search each",
        "{} x faster",
        1,
        10,
        40,
    ),
    "memory": Goal(
        "peak memory of streaming", "a process that reads the rows of many devices, hourly by device", "{} MB", -1, 500
    ),
}

BACKFILL_GOALS = {
    "ceiling small": Goal(
        "backfill : prebuilt bodies, 0.5 KB",
        "documents a second from S3 into the index, compared with the same documents as bulk bodies that were built "
        "beforehand and are sent as bytes, with the same concurrency, which is as much as the server can take; "
        "messages of 0.5 KB",
        "{} x",
        1,
        0.8,
        0.9,
    ),
    "ceiling large": Goal("backfill : prebuilt bodies, 1.3 KB", "the same, messages of 1.3 KB", "{} x", 1, 0.8, 0.9),
    "peer small": Goal(
        "backfill : parallel_bulk, 0.5 KB",
        "the same documents under the same ids, loaded by opensearch-py's `parallel_bulk` with 4 threads, json, gzip "
        "and re",
        "{} x",
        1,
        2.2,
        3,
    ),
    "peer large": Goal("backfill : parallel_bulk, 1.3 KB", "the same, messages of 1.3 KB", "{} x", 1, 2.2, 3),
    "decode": Goal(
        "decode and parse, MySQL general log",
        "one process, from the object's bytes to the document's bytes with its id; messages of 0.5 KB",
        "{} k events/s",
        1,
        200,
        400,
    ),
    "worker memory": Goal(
        "peak memory of a worker", "a process that loads an archive of the stated decoded size", "{} MB", -1, 300, 150
    ),
    "second run": Goal(
        "first run : second run",
        "plan and load of the smaller messages, compared with plan and load of the same range once more",
        "{} x faster",
        1,
        50,
    ),
}
"""The goals of `make bench-backfill`."""

ARRIVALS_GOALS = {
    "queue": Goal(
        "arrivals : backfill, objects of 1 MB",
        "events a second through the queue until all of them are searchable and all messages are deleted, compared "
        "with a backfill of the same objects",
        "{} x",
        1,
        0.9,
        0.95,
    ),
    "tiny": Goal(
        "objects of 10 events through the queue",
        "objects, each told by a message of its own, until all of them are searchable; everything shares the "
        "cores with the emulator",
        "{} objects/s",
        1,
        300,
        800,
    ),
    "latency": Goal(
        "object created -> searchable",
        "95th percentile with a queue that is otherwise empty and `strata follow`, beyond the refresh interval of the "
        "raw day",
        "{} s",
        -1,
        15,
        3,
    ),
    "cpu": Goal(
        "CPU of the loader for 1,000,000 events",
        "all of its threads, from the messages to the last answer; messages of 0.5 KB",
        "{} s",
        -1,
        10,
        7,
    ),
}
"""The goals of `make bench-arrivals`."""

ARCHIVE_GOALS = {
    "export floor": Goal(
        "export : reading the day and throwing it away",
        "documents a second from the index into S3, compared with the fastest way to read the same index in pages that "
        "nobody looks into",
        "{} x",
        1,
        0.6,
        0.8,
    ),
    "export peer": Goal(
        "export : scan, json, gzip and boto3",
        "the same, compared with opensearch-py's `scan`, json, gzip -6 and one upload",
        "{} x",
        1,
        5,
        8,
    ),
    "archive bytes": Goal(
        "bytes in S3 : gzip -6",
        "the objects of the day, compared with gzip -6 of the same lines in index order",
        "{} x",
        -1,
        0.85,
        0.72,
    ),
    "packing": Goal(
        "packing by one core", "lines of the day, sorted and compressed in one thread", "{} k documents/s", 1, 70
    ),
    "read back": Goal(
        "reading back for the proof",
        "one process: objects from S3, decompressed, with the SHA-256 of each object and of each line",
        "{} k documents/s",
        1,
        150,
        400,
    ),
    "restore": Goal(
        "restore : prebuilt bodies",
        "documents a second from the archive into a new index, compared with the same documents as bulk bodies that "
        "were built beforehand",
        "{} x",
        1,
        0.85,
        0.95,
    ),
    "archive memory": Goal(
        "peak memory of a worker",
        "a process that exports a day of the stated size, reads it again and reads it back",
        "{} MB",
        -1,
        300,
        200,
    ),
    "linear": Goal(
        "export of a whole day : of a quarter",
        "documents a second with all documents, compared with a quarter of them",
        "{} x",
        1,
        0.85,
        0.95,
    ),
}
"""The goals of `make bench-archive`."""

LAMBDA_GOALS = {
    "function usual": Goal(
        "Firehose function : the blueprint, usual batches",
        "events a CPU second of one process with the standard library, from the invocation's text to the answer's; the "
        "blueprint keeps neither ids nor log groups",
        "{} x",
        1,
        0.5,
        0.8,
    ),
    "function full": Goal(
        "Firehose function : the blueprint, full batches",
        "the same with as many records as AWS Lambda accepts; most of them go back to the stream",
        "{} x",
        1,
        0.5,
        0.8,
    ),
    "function memory": Goal(
        "peak memory of the function", "a process whose address space is limited to 512 MB", "{} MB", -1, 256, 128
    ),
}
"""The goals of `make bench-lambda`."""

DAY_GOALS = {
    "day": Goal(
        "condense + verify + levels, large day",
        "seconds for each million documents of the large day, from its first search to its last level; 40 million "
        "documents must take no more than 10 minutes on two cores that the node shares with the client",
        "{} s a million",
        -1,
        15,
        7.5,
    ),
    "day growth": Goal(
        "large day : small day", "the same, compared with the small day in the same run", "{} x", -1, 1.25, 1.05
    ),
    "day standard": Goal(
        "condense : 44 standard, large day",
        "all buckets of the large day, compared with min, max, sum and value_count of the same metrics, cut in the "
        "same way",
        "{} x",
        -1,
        1.15,
        1.0,
    ),
    "day memory": Goal(
        "peak memory of a worker", "the largest of the processes that did a step", "{} MB", -1, 500, 300
    ),
}
"""The goals of `make bench-day`."""

LEVELS_GOALS = {
    "levels daily": Goal(
        "a year, daily, all devices",
        "p50, p90 and p99 of every day by `read()`, from rows of the level `1d`; of 521 devices by default",
        "{} ms",
        -1,
        60,
        25,
    ),
    "levels hourly": Goal("a year, hourly, all devices", "the same of every hour, from `1h`", "{} ms", -1, 400, 150),
    "levels device": Goal(
        "a year, daily, one device of the fleet",
        "the same of every day of one device, from `1d.device`; of 20,833 devices by default",
        "{} ms",
        -1,
        60,
        25,
    ),
    "levels fleet": Goal(
        "a month, daily, each device of the fleet", "the same of every device, as one frame", "{} s", -1, 10, 3
    ),
    "levels memory": Goal("peak memory of the process that reads it", "of the line above", "{} MB", -1, 500),
}
"""The goals of `make bench-levels`."""

REASONS: dict[str, str] = {
    "queue": "Through the queue, the raw day keeps its refresh interval of 1 s, and messages are received, kept "
    "and deleted; on the same two cores, the emulator takes three times and OpenSearch an eighth more CPU "
    "than in a backfill.",
    "tiny": "The emulator is a Python process that handles about 185 objects/s if nothing else is done, which is "
    "the floor here; it shares two cores with the loader and OpenSearch.",
    "cpu": "The floor is what C libraries alone take on this machine: to decompress, decode, hash and encode each "
    "event, without parsing its message, checking or noting anything, and to send bodies that are there already. A "
    "backfill of the same objects takes nine tenths of the figure. What the benchmark itself sends to the queue is "
    "counted as well.",
    "levels bytes": "Almost four fifths are sketches, each of at least 24 times as many values as one of a base row. "
    "If they were coded as well as the noise of their counts allows, they would take half, and levels 8.2 %.",
    "levels time": "Most of it is spent on requests that a day takes however small it is. Of the day of 40 million "
    "documents (day.md), it was 6 %.",
    "eleven": "Half of a row is sketches, whose bits are near the entropy of their counts. Of the rest, 37 bytes are "
    "the id that Index Management prescribes: 16 random bytes, in the terms and once more as a stored field.",
    "standard": "Runs differ by a tenth to a fifth of this figure. The cost is not in the arithmetic: the server opens "
    "eleven fields again for each bucket.",
    "one device": "No history can reach it: the raw side of one device takes little more than twice the time of *a "
    "search that finds nothing*, the line below, which is the cost of any answer over HTTP. The factor grows with the "
    "number of documents behind a row.",
    **dict.fromkeys(
        ("ceiling small", "ceiling large"),
        "The loader, S3 and OpenSearch share the cores, so the server lacks what the other two use: the ratio cannot "
        "be better than that of OpenSearch's CPU seconds to those of all three, see *CPU seconds*.",
    ),
    **dict.fromkeys(
        ("peer small", "peer large"),
        "The server's share of the work is the same for both sides and is by far the larger one, see *CPU seconds*: "
        "even bodies that cost nothing to build are not that much faster. If the server has its own cores, only the "
        "loaders' CPU seconds matter.",
    ),
    "decode": "Every event becomes a dictionary and then JSON again, with the fields that say where it comes from; "
    "*CPU seconds of the loader* shows the stages.",
    "worker memory": "The column *MB before* is Python with boto3 and opensearch-py, before anything is loaded. Added "
    "to it are the bodies in flight and the one that is being filled.",
    "export floor": "The floor throws the text of each answer away, which costs the loader almost nothing. On the same "
    "cores, an export takes the answers apart, hashes each document, sorts the lines, compresses and hashes them, and "
    "sends them to S3, which takes them: all of this and the server's work together is more than 0.6 x leaves room "
    "for, see *CPU seconds*. About a fifth of both cores is idle besides, because the stages wait for one another. If "
    "the server has cores of its own, only the loader's seconds matter.",
    "export peer": "The server hands documents out so fast on this machine that people's export is bound by Python's "
    "json and gzip on one core, and ours by the two cores that it shares with the server and S3. Two packing threads, "
    "Zstandard's own threads, pages and pieces of other sizes, three readers and a shorter switch interval: each "
    "changed it by less than 6 %, within what the machine varies by.",
    "archive bytes": "16 random bytes of `request`, 8 of `trace` and the random `_id` of each document cannot be "
    "packed, and eleven random words of `message` hardly; see *What the bytes are for*. Level 9 on sorted lines "
    "reaches 0.77 x at a quarter of the speed.",
    "read back": "One process decompresses the objects, takes SHA-256 of each as a whole and of each of its lines. On "
    "the same machine in a better hour it was 405 k documents/s, and everything else was twice as fast, too.",
    "restore": "The loader and the server share the cores: decompressing, hashing and building bodies is what the "
    "server lacks, see *CPU seconds*.",
    **dict.fromkeys(
        ("function usual", "function full"),
        "Each event gets an id, a log group, a stream and a time, which is a third more bytes to write, and each "
        "message a parser that refuses what is not its own. With orjson and isal, as in a layer, it was more than "
        "twice as fast in one run by hand.",
    ),
    "day": "A proof computes every bucket twice, by our script and by the server's own aggregations, and so takes half "
    "of the time. Rows are written by a client that shares the cores.",
    "day standard": "Both sides read the same fields of the same documents; ours finds a bin for each value besides. "
    "And the server keeps a script with readers of all fields for each bucket, where its own aggregations share one "
    "reader and one array among all buckets.",
    "day memory": "Pages of 5,000 rows of levels, each with eleven sketches, are merged while others are compared. It "
    "does not grow with the day.",
    "archive memory": "Python with boto3 and opensearch-py takes a third. Added to it are pages in flight, the lines "
    "that are being filled, and those that are being packed.",
}
"""Goal -> why its `go for` is out of reach; shown if a run falls short of it."""


@dataclass(frozen=True)
class Result:
    """The result of a run for a goal.

    :param figure: the figure that is compared with the goal's thresholds
    :param ours: our measured value, as text
    :param peer: the other side's value, empty if there is none
    """

    key: str
    figure: float
    ours: str
    peer: str

    @property
    def goal(self) -> Goal:
        """The goal."""
        tables = (GOALS, BACKFILL_GOALS, ARRIVALS_GOALS, ARCHIVE_GOALS, LAMBDA_GOALS, DAY_GOALS, LEVELS_GOALS)
        return next(table[self.key] for table in tables if self.key in table)

    @property
    def reached(self) -> Verdict:
        """The higher of the two thresholds that was reached."""
        goal = self.goal
        if goal.sign * self.figure < goal.sign * goal.must:
            return "no"
        return "must" if goal.go_for is not None and goal.sign * self.figure < goal.sign * goal.go_for else "go for"

    @property
    def reason(self) -> str | None:
        """Why it falls short of `go_for`; None if it does not."""
        return None if self.reached == "go for" else REASONS.get(self.key, "the reason is not known yet")

    def record(self) -> dict[str, Any]:
        """The machine-readable record."""
        goal = self.goal
        return {
            "key": self.key,
            "measure": goal.measure,
            "meaning": goal.meaning,
            "ours": self.ours,
            "peer": self.peer,
            "figure": self.figure,
            "must": goal.must,
            "go_for": goal.go_for,
            "reached": self.reached,
            "reason": self.reason,
        }
