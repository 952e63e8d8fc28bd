"""``strata follow`` and ``strata arrivals``: new objects, as a queue tells of them."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Annotated, Any

import typer

from opensearch_strata.cli.connection import connected, is_serverless
from opensearch_strata.cli.options import AsJson, CaCerts, DatasetName, DatasetsDir, Url, read_day
from opensearch_strata.cli.output import INTERRUPTED, can_be_told, end_at_once, fail, note, print_json, print_table, say
from opensearch_strata.errors.amounts import counted

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

    from opensearch_strata.archive.arrivals.drained import Drained
    from opensearch_strata.definition.dataset import Dataset
    from opensearch_strata.definition.files import Definitions
    from opensearch_strata.workflows.arrivals.arrivals import Arrivals

_GRACE = 12  # seconds after SIGTERM until what is in hand is handed back
_HANDING_BACK = 8  # seconds for that, if a service keeps a request hanging; container managers kill after 30 s

_NAMED = 10  # objects in quarantine

OptionalDay = Annotated[
    date | None,
    typer.Option("--day", metavar="DAY", parser=read_day, help="Prove that this day is loaded completely."),
]


def follow(
    dataset: DatasetName,
    *,
    url: Url,
    ca_certs: CaCerts = None,
    datasets_dir: DatasetsDir = None,
    as_json: AsJson = False,
) -> None:
    """Load new objects as the dataset's queue tells of them, until it is stopped.

    Prints a line a minute. SIGTERM or Ctrl-C ends it within 20 s: what is in
    hand is loaded, or goes back to the queue; if something hangs and had to be
    given up, the exit code is 130. Any number of these may run at once, beside
    Airflow and beside backfills: each event is stored once.
    """
    from opensearch_strata.workflows.arrivals.follow import follow as follow_queue
    from opensearch_strata.workflows.arrivals.standing import standing

    with connected(url, ca_certs, serverless=True) as client:
        arrivals, definition = _arrivals(client, dataset, datasets_dir, serverless=is_serverless(url))

        def tell(drained: Drained) -> None:
            stand = standing(client, definition, arrivals.state())
            if as_json:
                print_json({"at": datetime.now(UTC), **drained.as_json(), **stand.as_json()})
            else:
                say(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC {drained}; {stand.sentence}")

        with _stopping() as stop:
            try:
                note(f"Following {definition.intake.queue} for {', '.join(one.name for one in arrivals.datasets)}.")
                follow_queue(arrivals, f"follow@{socket.gethostname()}", stop, tell)
                note("Stopped. Every message that was received is either done and deleted, or back in the queue.")
            except KeyboardInterrupt:
                fail(
                    "Broken off before all that was in hand was loaded. What is loaded stays, and no message of the "
                    "rest is deleted: they are back in the queue, unless the log says that they come back later."
                )
                raise typer.Exit(INTERRUPTED) from None


def arrivals(
    dataset: DatasetName,
    *,
    url: Url,
    day: OptionalDay = None,
    ca_certs: CaCerts = None,
    datasets_dir: DatasetsDir = None,
    as_json: AsJson = False,
) -> None:
    """Show how the queue of a dataset stands and what is in quarantine, or prove a day.

    With --day, lists the source once more and says whether the events read of
    all objects of that day are created, already there, filtered or dead
    letters, whoever loaded them, and whether no document of them was deleted
    or replaced since. The exit code is 0 only if that is proven.
    """
    from opensearch_strata.presentation.tables import quarantine_table
    from opensearch_strata.workflows.arrivals.standing import standing

    with connected(url, ca_certs, serverless=True) as client:
        if day is not None:
            _prove(client, dataset, datasets_dir, day, as_json, serverless=is_serverless(url))
            return
        found, definition = _arrivals(client, dataset, datasets_dir, serverless=is_serverless(url))
        stand = standing(client, definition, found.state())
        bad = found.quarantined(_NAMED + 1)
    if as_json:
        told = [{"object": f"{row.place}", "error": row.error} for row in bad]
        print_json({"dataset": dataset, "queue": definition.intake.queue, **stand.as_json(), "quarantined": told})
        return
    say(f"{dataset}: {stand.sentence}.")
    if bad:
        print_table(quarantine_table(bad[:_NAMED], is_all=len(bad) <= _NAMED))
    if stand.warning:
        note(stand.warning)


def _prove(
    client: OpenSearch, dataset: str, folder: Path | None, day: date, as_json: bool, *, serverless: bool
) -> None:
    from opensearch_strata.presentation.tables import (
        backfill_days_table,
        backfill_problems_table,
        backfill_proof_table,
    )
    from opensearch_strata.workflows.arrivals.sweep import prove_day
    from opensearch_strata.workflows.backfill.backfill import Backfill
    from opensearch_strata.workflows.backfill.verdict import verdict

    definition = _definitions(folder).get(dataset)
    proof = prove_day(Backfill(client, definition, serverless=serverless), definition, day)
    if as_json:
        told = {**asdict(proof), "holds": proof.holds}
        print_json({"dataset": dataset, "day": day, "proof": told, "verdict": verdict(proof)})
    else:
        print_table(backfill_days_table(proof))
        print_table(backfill_proof_table(proof))
        if proof.holds:
            say(verdict(proof))
        else:
            print_table(backfill_problems_table(proof))
    if not proof.holds:
        fail(verdict(proof))
        raise typer.Exit(1)


def _arrivals(client: OpenSearch, name: str, folder: Path | None, *, serverless: bool) -> tuple[Arrivals, Dataset]:
    from opensearch_strata.archive.arrivals.queue import build_sqs
    from opensearch_strata.archive.store.objects import build_s3
    from opensearch_strata.workflows.arrivals.arrivals import Arrivals, Clients

    found = _definitions(folder)
    definition = found.get(name)
    s3 = cache(lambda payer: build_s3(request_payer=payer))
    clients = Clients(
        opensearch=lambda _: client,
        s3=lambda dataset: s3(dataset.intake.request_payer),
        sqs=lambda dataset: build_sqs(dataset.intake.queue or ""),
        serverless=lambda _: serverless,
    )
    if found.problems:
        note(
            f"{counted(len(found.problems), 'problem')} in the dataset files (see `strata check`): messages are loaded "
            f"for the valid datasets, but stay in the queue. Mend the files and start this command again."
        )
    all_known = not found.problems
    return Arrivals(definition, list(found.datasets.values()), clients, are_all_known=all_known), definition


def _definitions(folder: Path | None) -> Definitions:
    from opensearch_strata.definition.files import datasets_dir, load_definitions

    return load_definitions(folder or datasets_dir())


@contextmanager
def _stopping() -> Iterator[Event]:
    """An event that SIGTERM and Ctrl-C set. If that does not end the block soon, or at the second, it is broken off.

    A block that is broken off must put in order what it has begun. If it does not end even then, the process does.

    :raises KeyboardInterrupt: the block is broken off
    """
    stop, broken_off = Event(), Event()

    def asked(number: int, _: Any) -> None:
        if not stop.is_set():
            stop.set()
            signal.alarm(_GRACE)
        elif not broken_off.is_set():
            broken_off.set()
            signal.alarm(_HANDING_BACK)
            raise KeyboardInterrupt
        elif number == signal.SIGALRM:
            try:
                if can_be_told():
                    fail(
                        "Ended at once, as requests hang. What was in hand is neither lost nor loaded twice: its "
                        "messages come back when their visibility timeout is over, and its leases end by themselves."
                    )
            finally:  # whatever it was doing, it may have been printing
                end_at_once()

    before = {number: signal.signal(number, asked) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM)}
    try:
        yield stop
    finally:
        signal.alarm(0)
        for number, handler in before.items():
            signal.signal(number, handler)
