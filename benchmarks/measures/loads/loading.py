"""From S3 into the index: Strata, what people write, and the server's ceiling, in turns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from opensearchpy import OpenSearch
from tenacity import retry, retry_if_exception, stop_after_attempt, wait_random_exponential

from benchmarks.cores import LOADER, USERS, CpuMeter
from benchmarks.material.bulk_peer import THREADS, load_by_helpers
from benchmarks.material.log_archive import LogArchive
from benchmarks.material.site import Site, require
from benchmarks.material.workload import BenchmarkError
from benchmarks.measures.loads.decoding import bodies_of, documents_of, fetched
from benchmarks.timing import Samples, Task, timed
from opensearch_strata.archive.load.batch import LoadSettings
from opensearch_strata.errors.judging import is_transient
from opensearch_strata.presentation.tables import Table

OURS, CEILING, PEER = "Strata", "prebuilt bodies", "parallel_bulk"
OURS_GZIP, PEER_GZIP = "Strata, http_compress", "parallel_bulk, http_compress"
SIDES = (CEILING, OURS, PEER, OURS_GZIP, PEER_GZIP)


@dataclass(frozen=True)
class Loads:
    """Every side's seconds and CPU seconds with one archive."""

    archive: LogArchive
    samples: dict[str, Samples]
    cpu: dict[str, dict[str, float]]
    body_bytes: int

    def rate(self, side: str) -> float:
        """Documents a second."""
        return self.archive.stream.events / self.samples[side].seconds


def load_seconds(
    site: Site, archive: LogArchive, warm_up: LogArchive, meter: CpuMeter, rounds: int, say: Callable[[str], None]
) -> Loads:
    """Load an archive with every side, into an empty index each time.

    :param warm_up: archive that is loaded before the first round
    :raises BenchmarkError: a side did not create a document for every event
    """
    say(f"Building the bodies of {archive.stream.events:,} documents")
    bodies = {of.index: prebuilt(site, of) for of in (warm_up, archive)}
    peer, peer_gzip = (
        OpenSearch(site.url, timeout=300, pool_maxsize=THREADS, http_compress=gzip) for gzip in (False, True)
    )
    site_gzip = site.compressing()
    ways: dict[str, Callable[[LogArchive], int]] = {
        CEILING: lambda of: push(site.client, of.index, bodies[of.index]),
        OURS: lambda of: site.backfill(of, [of.objects]),
        PEER: lambda of: load_by_helpers(peer, site.s3, of),
        OURS_GZIP: lambda of: site_gzip.backfill(of, [of.objects]),
        PEER_GZIP: lambda of: load_by_helpers(peer_gzip, site.s3, of),
    }

    def run(side: str, of: LogArchive) -> None:
        with meter.reading(side, of.index):
            require(ways[side](of), of)

    def empty(side: str) -> None:
        # The ceiling refreshes once, at the end. Strata takes care of that itself; people rarely do.
        for of in (warm_up, archive):
            site.empty(of, "-1" if side == CEILING else None)

    tasks = {
        side: Task(partial(run, side, archive), partial(empty, side), warm_up=partial(run, side, warm_up))
        for side in SIDES
    }
    samples = timed(site.client, tasks, rounds, lambda text: say(f"{archive.stream.message_bytes:,} bytes: {text}"))
    site.check(archive)
    cpu = {side: meter.medians(side, archive.index) for side in SIDES}
    return Loads(archive, samples, cpu, sum(map(len, bodies[archive.index])))


def prebuilt(site: Site, archive: LogArchive) -> list[bytes]:
    """The bodies that Strata would send, in order."""
    return list(bodies_of(documents_of(archive, fetched(site.s3, archive)), LoadSettings().body_bytes))


def push(client: OpenSearch, index: str, bodies: Sequence[bytes]) -> int:
    """Send bodies as they are, with Strata's concurrency, and make them searchable; return the number of documents."""
    with ThreadPoolExecutor(LoadSettings().in_flight) as pool:
        created = sum(pool.map(partial(_created, client), bodies))
    client.indices.refresh(index=index)
    return created


@retry(
    retry=retry_if_exception(is_transient),
    wait=wait_random_exponential(multiplier=0.1, max=2),
    stop=stop_after_attempt(20),
)
def _created(client: OpenSearch, body: bytes) -> int:
    answer = client.bulk(body=body, params={"filter_path": "errors,items.*.status"})
    if answer["errors"]:
        raise BenchmarkError("OpenSearch refused a prebuilt body, so its ceiling cannot be measured.")
    return len(answer["items"])


def loads_table(all_loads: Sequence[Loads]) -> Table:
    """Seconds and rates of every side."""
    rows = []
    for loads in all_loads:
        for side in SIDES:
            samples = loads.samples[side]
            rows.append(
                (
                    f"{loads.archive.stream.message_bytes:,} B: {side}",
                    round(samples.seconds, 2),
                    round(loads.rate(side)),
                    round(loads.body_bytes / samples.seconds / 1e6, 1),
                    f"{loads.rate(side) / loads.rate(CEILING):.2f}",
                    ", ".join(f"{seconds:.2f}" for seconds in samples.whole),
                )
            )
    columns = ("what", "median s", "documents/s", "MB/s of bodies", "of the ceiling", "rounds")
    return Table("From S3 into the index", columns, rows)


def cpu_table(all_loads: Sequence[Loads], cores: int) -> Table:
    """Who used the cores during the load: what Strata needs beyond the ceiling is what the server lacks."""
    rows = []
    for loads in all_loads:
        for side in SIDES:
            used = loads.cpu[side]
            idle = max(0.0, cores * loads.samples[side].seconds - sum(used.values()))
            seconds = [round(used[user], 2) for user in USERS]
            rows.append((f"{loads.archive.stream.message_bytes:,} B: {side}", *seconds, round(idle, 2)))
    return Table(f"CPU seconds on {cores} cores", ("what", *USERS, "idle or others"), rows)


def stage_table(all_loads: Sequence[Loads], stages: Sequence[Mapping[str, float]]) -> Table:
    """What the loader spends its CPU time on, per million events."""
    rows = []
    for loads, spent in zip(all_loads, stages, strict=True):
        per_million = 1_000_000 / loads.archive.stream.events
        rest = loads.cpu[OURS][LOADER] - sum(spent.values())
        for name, seconds in {**spent, "sockets, answers, accounts": rest}.items():
            rows.append((f"{loads.archive.stream.message_bytes:,} B: {name}", round(seconds * per_million, 2)))
    return Table("CPU seconds of the loader", ("stage", "CPU s for 1,000,000 events"), rows)
