"""From the archive into an index: Strata's restore, and the server's ceiling, in turns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from uuid import uuid4

from benchmarks.cores import USERS, CpuMeter
from benchmarks.material.bench_day import BenchDay
from benchmarks.material.emulated_s3 import BUCKET
from benchmarks.measures.loads.loading import push
from benchmarks.timing import Samples, Task, timed
from opensearch_strata.archive.bulk.body import EASY, opening
from opensearch_strata.archive.decode.layers import decoded
from opensearch_strata.archive.events import Place
from opensearch_strata.archive.export.folder import DayFolder
from opensearch_strata.archive.ledger.store import Ledger
from opensearch_strata.archive.lines import lines_in, raw_document_of
from opensearch_strata.archive.load.batch import LoadSettings, load_batch
from opensearch_strata.archive.spans import ALWAYS
from opensearch_strata.archive.store.manifest import Archived, Manifest
from opensearch_strata.archive.store.objects import ListedObject, open_object
from opensearch_strata.archive.targets.loading_settings import prepare, restore
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.presentation.tables import Table
from opensearch_strata.workflows.backfill.restored_days import restored_days

OURS, CEILING = "Strata, restore", "prebuilt bodies"


@dataclass(frozen=True)
class Restores:
    """Both sides' seconds and CPU seconds with one archived day."""

    documents: int
    samples: dict[str, Samples]
    cpu: dict[str, dict[str, float]]

    def rate(self, side: str) -> float:
        """Documents a second."""
        return self.documents / self.samples[side].seconds

    def table(self, cores: int) -> Table:
        """Rates of both sides, and who uses the cores."""
        rows = []
        for side, samples in self.samples.items():
            per = 1_000_000 / self.documents
            used = [round(per * self.cpu[side][user], 2) for user in USERS]
            rows.append(
                (
                    side,
                    round(samples.seconds, 2),
                    round(self.rate(side)),
                    *used,
                    ", ".join(f"{seconds:.2f}" for seconds in samples.whole),
                )
            )
        columns = ("what", "median s", "documents/s", *(f"CPU s of {user} for 1,000,000" for user in USERS), "rounds")
        return Table(f"From the archive into an index, on {cores} cores", columns, rows)


@dataclass(frozen=True)
class _Target:
    """The index that the day is restored to, next to the day itself.

    :param dataset: names its archive
    """

    day: BenchDay
    dataset: Dataset
    objects: Sequence[Archived]

    @classmethod
    def of(cls, day: BenchDay) -> _Target:
        """Archive a day as another dataset's, with a manifest."""
        kept, objects = day.keep()
        workload = kept.workload
        raw = workload.dataset.raw.model_copy(update={"index": f"{workload.prefix}-restored-{{day}}"})
        dataset = workload.dataset.model_copy(update={"raw": raw, "archive": kept.settings})
        export = kept.export()
        manifest = Manifest(
            dataset=dataset.name,
            day=workload.days[0],
            objects=tuple(objects),
            index=export.source.archived,
            hours=export.count_by_hour().named,
        )
        DayFolder(kept.s3, kept.settings, workload.days[0]).write(manifest, None)
        return cls(kept, dataset, objects)

    @property
    def index(self) -> str:
        return self.dataset.raw_index(self.day.workload.days[0])

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.day.workload.client, self.dataset.name, index=f"{self.day.workload.prefix}-ledger")

    def bodies(self) -> Iterator[bytes]:
        """What a restore sends, in order."""
        begin, most = opening(self.index) + b',"_id":', LoadSettings().body_bytes * EASY
        waiting, size = list[bytes](), 0
        for archived in self.objects:
            place = Place(BUCKET, archived.key, archived.etag or "")
            for lines in lines_in(decoded(open_object(self.day.s3, place, archived.stored_bytes or 0))):
                for line in lines:
                    name, _, source = raw_document_of(line)
                    waiting.append(b"%b%b}}\n%b\n" % (begin, name, source))
                    size += len(waiting[-1])
                    if size >= most:
                        yield b"".join(waiting)
                        waiting, size = [], 0
        if waiting:
            yield b"".join(waiting)

    def restore(self) -> int:
        """Load all objects as one worker does it, and return how many documents were created."""
        client, day, owner = self.day.workload.client, self.day.workload.days[0], f"bench-{uuid4()}"
        known = restored_days(self.day.s3, self.dataset, [day], datetime.now(UTC).isoformat(timespec="seconds"))
        listed = [
            ListedObject(Place(BUCKET, one.key, one.etag or ""), one.stored_bytes or 0, 0) for one in self.objects
        ]
        prepare(client, self.ledger, self.dataset, [day], owner, restored=known.forms)
        try:
            url = self.day.settings.url
            return load_batch(
                client, self.day.s3, self.dataset, listed, self.ledger, owner, ALWAYS, url, restore=known.restore
            ).counts.created
        finally:
            restore(client, self.ledger, self.dataset, owner)

    def empty(self, *, create: bool) -> None:
        """Leave no index and an empty ledger.

        :param create: make the index for the ceiling, which refreshes once, at the end, like a restore
        """
        client = self.day.workload.client
        for index in (self.index, self.ledger.index.name):
            client.indices.delete(index=index, params={"ignore_unavailable": "true"})
        self.ledger.ensure()
        if create:
            archived = self.day.export().source.archived
            settings = {**archived.settings, "index.refresh_interval": "-1"}
            client.indices.create(index=self.index, body={"settings": settings, "mappings": archived.mappings})

    def remove(self) -> None:
        """Delete the ledger's template; indices are deleted by their prefix."""
        template = self.ledger.index.name
        self.day.workload.client.indices.delete_index_template(name=template, ignore=404)


def restore_seconds(
    day: BenchDay, warm_up: BenchDay, meter: CpuMeter, rounds: int, say: Callable[[str], None]
) -> Restores:
    """Restore an archived day with both sides, into no index and into an empty one each time.

    :param day: is loaded
    :param warm_up: a smaller day, also loaded, that is restored before the first round
    :raises BenchmarkError: a side did not create every document
    """
    say(f"Archiving {day.documents:,} documents, and building their bodies")
    targets = {one.index: _Target.of(one) for one in (day, warm_up)}
    bodies = {name: list(target.bodies()) for name, target in targets.items()}

    ways: dict[str, Callable[[_Target], int]] = {
        CEILING: lambda target: push(day.workload.client, target.index, bodies[target.day.index]),
        OURS: _Target.restore,
    }

    def run(side: str, of: BenchDay) -> None:
        target = targets[of.index]
        with meter.reading(side, of.index):
            created = ways[side](target)
        of.require(created, side)

    def empty(side: str) -> None:
        for target in targets.values():
            target.empty(create=side == CEILING)

    try:
        tasks = {
            side: Task(partial(run, side, day), partial(empty, side), warm_up=partial(run, side, warm_up))
            for side in ways
        }
        samples = timed(day.workload.client, tasks, rounds, say)
    finally:
        for target in targets.values():
            target.remove()
    return Restores(day.documents, samples, {side: meter.medians(side, day.index) for side in tasks})
