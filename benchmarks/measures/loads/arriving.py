"""From messages into the index: rates beside a backfill, tiny objects beside the emulator's floor, and the delay."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from statistics import median, quantiles
from threading import Event

from benchmarks.cores import LOADER, USERS, CpuMeter
from benchmarks.material.emulated_s3 import s3_at
from benchmarks.material.log_archive import LogArchive
from benchmarks.material.site import Site, require
from benchmarks.material.told_objects import ToldObjects
from benchmarks.material.workload import BenchmarkError
from benchmarks.timing import Samples, Task, timed
from opensearch_strata.presentation.tables import Table

QUEUE, BACKFILL = "queue", "backfill"
SIDES = (BACKFILL, QUEUE)
POLL = 0.02
"""Seconds between two searches for a document that is on its way."""
OPENERS = 4
"""Objects that the loader opens ahead, plus the one that it reads."""


@dataclass(frozen=True)
class Arriving:
    """Seconds and CPU seconds of both sides with the same objects."""

    archive: LogArchive
    samples: dict[str, Samples]
    cpu: dict[str, dict[str, float]]

    def rate(self, side: str) -> float:
        """Events a second."""
        return self.archive.stream.events / self.samples[side].seconds

    @property
    def loader_per_million(self) -> float:
        """CPU seconds of the loader for a million events through the queue."""
        return self.cpu[QUEUE][LOADER] * 1_000_000 / self.archive.stream.events


def arriving_seconds(
    site: Site,
    told: ToldObjects,
    archive: LogArchive,
    meter: CpuMeter,
    rounds: int,
    say: Callable[[str], None],
    *,
    beside_backfill: bool = True,
) -> Arriving:
    """Load the same objects through the queue and, in turns, as a batch, into an empty index each time.

    :raises BenchmarkError: a side did not create a document for every event, or messages are left
    """  # fmt: skip

    def through_queue() -> None:
        stop = Event()
        with meter.reading(QUEUE, archive.index), ThreadPoolExecutor(1) as beside:
            feeding = beside.submit(told.feed, archive.objects, stop)
            try:
                drained = told.drain(archive, stop)
            finally:
                stop.set()
            feeding.result()
            site.client.indices.refresh(index=archive.index)
        require(drained.counts.created, archive)
        if drained.deleted != len(archive.objects):
            raise BenchmarkError(f"{len(archive.objects) - drained.deleted:,} messages are left in the queue.")

    def as_batch() -> None:
        with meter.reading(BACKFILL, archive.index):
            created = site.backfill(archive, [archive.objects])
        require(created, archive)

    ways = {BACKFILL: as_batch, QUEUE: through_queue}
    sides = SIDES if beside_backfill else (QUEUE,)
    tasks = {side: Task(ways[side], partial(site.empty, archive)) for side in sides}
    samples = timed(site.client, tasks, rounds, lambda text: say(f"{len(archive.objects):,} objects: {text}"))
    site.check(archive)
    return Arriving(archive, samples, {side: meter.medians(side, archive.index) for side in sides})


def emulator_floor(s3_url: str, told: ToldObjects, archive: LogArchive) -> float:
    """Objects a second if nothing is done but to receive and delete the messages and to read the objects."""
    stop = Event()
    clients = [s3_at(s3_url) for _ in range(OPENERS)]
    began = time.perf_counter()

    def messages() -> None:
        left = len(archive.objects)
        while left:
            found = told.sqs.receive_message(QueueUrl=told.url, MaxNumberOfMessages=10).get("Messages", [])
            if not found:
                continue
            entries = [{"Id": str(at), "ReceiptHandle": one["ReceiptHandle"]} for at, one in enumerate(found)]
            told.sqs.delete_message_batch(QueueUrl=told.url, Entries=entries)
            left -= len(found)

    def objects(number: int) -> None:
        for listed in archive.objects[number::OPENERS]:
            clients[number].get_object(Bucket=listed.place.bucket, Key=listed.place.key)["Body"].read()

    with ThreadPoolExecutor(OPENERS + 2) as pool:
        tasks = [
            pool.submit(told.feed, archive.objects, stop),
            pool.submit(messages),
            *(pool.submit(objects, number) for number in range(OPENERS)),
        ]
        for task in tasks:
            task.result()
    return len(archive.objects) / (time.perf_counter() - began)


@dataclass(frozen=True)
class Delays:
    """Seconds from the creation of an object to the moment when a search finds its first document.

    :param refresh: refresh interval of the raw day, seconds
    """

    seconds: list[float]
    refresh: float

    @property
    def p95(self) -> float:
        """The 95th percentile."""
        return quantiles(self.seconds, n=20)[-1] if len(self.seconds) > 1 else self.seconds[0]

    def table(self) -> Table:
        """The distribution."""
        columns = ("objects", "refresh s", "median s", "95th percentile s", "longest s")
        row = (len(self.seconds), self.refresh, median(self.seconds), self.p95, max(self.seconds))
        return Table("From the creation of an object to a search that finds it", columns, [row])


def delays(site: Site, told: ToldObjects, archive: LogArchive, pause: float, say: Callable[[str], None]) -> Delays:
    """Tell of one object at a time while the queue is followed, with pauses in which it is empty.

    :param pause: seconds between two objects
    """
    say(f"{len(archive.objects):,} objects, one every {pause:g} s")
    site.empty(archive)
    stop, taken = Event(), list[float]()
    with ThreadPoolExecutor(1) as pool:
        following = pool.submit(told.drain, archive, stop)
        try:
            for number, listed in enumerate(archive.objects, start=1):
                began = time.perf_counter()
                told.tell([listed])
                wanted = number * archive.stream.in_object
                while site.client.count(index=archive.index)["count"] < wanted:
                    if following.done():
                        following.result()
                    if time.perf_counter() - began > 120:
                        raise BenchmarkError(f"{listed.place} is not searchable after two minutes.")
                    time.sleep(POLL)
                taken.append(time.perf_counter() - began)
                time.sleep(pause)
        finally:
            stop.set()
        following.result()
    return Delays(taken, 1.0)


def arriving_table(large: Arriving, tiny: Arriving, floor: float) -> Table:
    """Seconds and rates."""
    rows: list[tuple[str | float | None, ...]] = []
    for name, one in (("objects of 1 MB", large), ("objects of 10 events", tiny)):
        for side, samples in one.samples.items():
            rows.append(
                (
                    f"{name}: {side}",
                    round(samples.seconds, 2),
                    round(one.rate(side)),
                    round(len(one.archive.objects) / samples.seconds, 1),
                    ", ".join(f"{seconds:.2f}" for seconds in samples.whole),
                )
            )
    rows.append(("objects of 10 events: floor of the emulator", None, None, round(floor, 1), ""))
    return Table("Into the index", ("what", "median s", "events/s", "objects/s", "rounds"), rows)


def arriving_cpu_table(large: Arriving, tiny: Arriving) -> Table:
    """Who used the cores."""
    rows = [
        (f"{name}: {side}", *(round(used[user], 2) for user in USERS))
        for name, one in (("objects of 1 MB", large), ("objects of 10 events", tiny))
        for side, used in one.cpu.items()
    ]
    return Table("CPU seconds", ("what", *USERS), rows)
