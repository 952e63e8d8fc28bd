"""Loads the batches of a backfill from the command line, in several processes at the same time.

Processes and not threads, as decoding and parsing keep one core busy, and Ctrl-C must end a load that is waiting.
Its imports are slow, so it is imported only when the command runs.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from opensearch_strata.archive.load.batch import LoadSettings
from opensearch_strata.archive.load.progress import Progress
from opensearch_strata.cli.connection import connected, is_serverless
from opensearch_strata.cli.load_progress import OnProgress
from opensearch_strata.cli.output import end_at_once, tame_warnings
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.errors import StrataError
from opensearch_strata.errors.judging import explain
from opensearch_strata.workflows.backfill.backfill import Backfill
from opensearch_strata.workflows.backfill.plan_ref import PlanRef

_SETTINGS = LoadSettings(progress_every=0.5)


@dataclass(frozen=True)
class Job:
    """What a process needs to load any batch of a plan.

    :param process: the process that holds the raw days, see :meth:`Backfill.prepare`
    """

    url: str
    ca_certs: Path | None
    dataset: Dataset
    ref: PlanRef
    owner: str
    process: str = ""

    def load(self, backfill: Backfill, number: int, on_progress: Callable[[Progress], None]) -> str:
        """Load a batch, and return why some of its objects failed; empty if none did.

        :raises StrataError: OpenSearch or the ledger cannot be used, so no other batch can be loaded either
        """
        result = backfill.load(
            self.ref, number, self.owner, settings=_SETTINGS, on_progress=on_progress, process=self.process
        )
        try:
            result.require_success()
        except StrataError as error:
            return str(error)
        return ""


def load_batches(job: Job, processes: int, on_progress: OnProgress) -> list[str]:
    """Load all batches of a plan, in their order.

    :param processes: at most this many at the same time
    :returns: sentences on objects that failed
    :raises StrataError: the load cannot continue; what is loaded is kept
    """
    if processes == 1 or job.ref.batches == 1:
        with connected(job.url, job.ca_certs, serverless=True) as client:
            backfill = Backfill(client, job.dataset, serverless=is_serverless(job.url))
            numbers = range(job.ref.batches)
            failures = [job.load(backfill, n, lambda progress, n=n: on_progress(n, progress)) for n in numbers]  # type: ignore[misc]
    else:
        with _workers(job, min(processes, job.ref.batches)) as workers:
            failures = _handed_out(workers, job.ref.batches, on_progress)
    return [failure for failure in failures if failure]


def _handed_out(workers: list[Connection], batches: int, on_progress: OnProgress) -> list[str]:
    """Give a batch to each worker that is free, until all are loaded."""
    waiting = iter(range(batches))
    busy: dict[Connection, int] = {}
    failures = []

    def hand_out(worker: Connection) -> None:
        number = next(waiting, None)
        if number is not None:
            busy[worker] = number
        worker.send(number)

    for worker in workers:
        hand_out(worker)
    while busy:
        ready = wait(list(busy))
        for worker in [worker for worker in busy if worker in ready]:
            match _received(worker):
                case Progress() as progress:
                    on_progress(busy[worker], progress)
                case StrataError() as error:
                    raise error
                case failure:
                    del busy[worker]
                    failures.append(failure)
                    hand_out(worker)
    return failures


def _received(worker: Connection) -> Any:
    try:
        return worker.recv()
    except (EOFError, ConnectionError):
        return StrataError("A process that loaded a batch was killed. What it loaded is kept; run the command again.")


@contextmanager
def _workers(job: Job, count: int) -> Iterator[list[Connection]]:
    """Start processes that load, and yield connections to them; the block waits until all of them have ended.

    A process that is interrupted hands its objects back first.
    """
    context = multiprocessing.get_context("spawn")
    processes: list[BaseProcess] = []
    workers: list[Connection] = []
    try:
        for _ in range(count):
            ours, theirs = context.Pipe()
            processes.append(context.Process(target=_work, args=(theirs, job)))
            processes[-1].start()
            theirs.close()  # so that the end of the process is noticed
            workers.append(ours)
        yield workers
    except BaseException:
        for process in processes:
            process.terminate()
        raise
    finally:
        for process in processes:
            process.join()


def _work(parent: Connection, job: Job) -> None:
    """Load one batch after the other, as the parent requests them, until the parent ends this or is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all processes, and the parent decides
    signal.signal(signal.SIGTERM, _interrupted)
    tame_warnings()
    try:
        with suppress(EOFError, ConnectionError), connected(job.url, job.ca_certs, serverless=True) as client:
            backfill = Backfill(client, job.dataset, serverless=is_serverless(job.url))
            while (number := parent.recv()) is not None:
                try:
                    parent.send(job.load(backfill, number, parent.send))
                except Exception as error:  # noqa: BLE001 - reported by the parent, with its type if it is not our own
                    parent.send(StrataError(explain(error)))
    except KeyboardInterrupt:
        end_at_once()


def _interrupted(*_: Any) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once is enough: the cleanup that follows must not be interrupted
    raise KeyboardInterrupt
