"""A loader in a process of its own, to be killed."""

from __future__ import annotations

import os
from typing import Any

from opensearch_strata.archive.events import Place
from opensearch_strata.archive.ledger.store import Ledger
from opensearch_strata.archive.load.batch import LoadSettings, load_batch
from opensearch_strata.archive.store.objects import ListedObject, build_s3
from opensearch_strata.connections.opensearch import ClientSettings, build_client
from opensearch_strata.definition.dataset import Dataset


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
