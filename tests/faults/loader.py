"""A loader in a process of its own, to be killed. Reads a job as JSON from standard input, prints its counts."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from typing import Any

from opensearch_strata.archive.events import Place
from opensearch_strata.archive.ledger import Ledger
from opensearch_strata.archive.load import LoadSettings, load_batch
from opensearch_strata.archive.objects import Listed, build_s3
from opensearch_strata.client import ClientSettings, build_client
from opensearch_strata.dataset import Dataset


def main() -> None:
    """Load the job's objects."""
    job: dict[str, Any] = json.load(sys.stdin)
    dataset = Dataset.model_validate(job["dataset"])
    client = build_client(ClientSettings.from_url(job["url"], http_compress=False))
    ledger = Ledger(client, dataset.name, index=job["ledger"], lease=job["lease"])
    objects = [Listed(Place(*place), size, modified) for place, size, modified in job["objects"]]
    print("begins", flush=True)
    result = load_batch(
        client,
        build_s3(),
        dataset,
        objects,
        ledger,
        f"loader-{os.getpid()}",
        tuple(job["span"]),
        job["dead_letters"],
        settings=LoadSettings(**job["settings"]),
    )
    result.require_success()
    print(json.dumps(asdict(result.counts)), flush=True)


if __name__ == "__main__":
    main()
