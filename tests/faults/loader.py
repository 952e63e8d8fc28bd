"""Loaders in processes of their own, to be killed."""

from __future__ import annotations

import os
from datetime import date
from typing import Any

from opensearch_strata.archive.events import Place
from opensearch_strata.archive.ledger.store import Ledger
from opensearch_strata.archive.load.batch import LoadSettings, load_batch
from opensearch_strata.archive.store.objects import ListedObject, build_s3
from opensearch_strata.connections.opensearch import ClientSettings, build_client
from opensearch_strata.connections.processes import this_process
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.definition.loading.restore_request import ARCHIVE_SOURCE
from opensearch_strata.workflows.backfill.backfill import Backfill
from tests.faults.deaths import die_after


def load(job: dict[str, Any], begins: Any) -> None:
    """Load the objects of a job, which is JSON. Exits with 1 if an object failed.

    :param begins: an event of multiprocessing, set when all is ready
    """
    os.environ.update(job["environment"])
    dataset = Dataset.model_validate(job["dataset"])
    client = build_client(ClientSettings.from_url(job["url"]))
    to_ledger = build_client(ClientSettings.from_url(job["ledger_url"]))
    ledger = Ledger(to_ledger, dataset.name, index=job["ledger"], lease=job["lease"])
    objects = [ListedObject(Place(*place), size, modified) for place, size, modified in job["objects"]]
    s3 = build_s3()
    begins.set()
    owner, span, settings = f"loader-{os.getpid()}", tuple(job["span"]), LoadSettings(**job["settings"])
    result = load_batch(
        client, s3, dataset, objects, ledger, owner, span, job["dead_letters"], lambda _: None, settings
    )
    result.require_success()


def restore(job: dict[str, Any], last: int) -> None:
    """Restore a day, as the shell does in one process; dies by SIGKILL when it would send one request more.

    :param job: JSON
    :param last: number of requests to OpenSearch that it sends
    """
    os.environ.update(job["environment"])
    client = build_client(ClientSettings.from_url(job["url"]))
    die_after(last, client)
    backfill, owner, process = Backfill(client, Dataset.model_validate(job["dataset"])), job["owner"], this_process()
    day = date.fromisoformat(job["day"])
    ref = backfill.write(backfill.plan(ARCHIVE_SOURCE, day, day))
    backfill.prepare(ref, owner, process=process)
    for number in range(ref.batches):
        settings = LoadSettings(**job["settings"])
        backfill.load(ref, number, owner, settings=settings, process=process).require_success()
    backfill.end(owner, process=process)
    backfill.prove(ref)
    backfill.forget(ref)
