"""A process that archives a raw day: ``python -m benchmarks.measures.archives.archiver``.

It takes URLs, definition and settings as JSON from stdin, so that no process list shows a password, and prints what it
did as JSON. It imports nothing that a worker does not need anyway.
"""

from __future__ import annotations

import sys
import time
from datetime import date

import orjson

from benchmarks.material.day_export import day_export
from benchmarks.material.emulated_s3 import s3_at
from benchmarks.peak_memory import peak_bytes
from opensearch_strata.connections.decisive import primaries
from opensearch_strata.connections.opensearch import ClientSettings, build_client
from opensearch_strata.definition.archive import ArchiveSettings
from opensearch_strata.definition.dataset import Dataset


def main() -> None:
    """Export and prove the day, and print seconds and memory."""
    task = orjson.loads(sys.stdin.buffer.read())
    client = build_client(ClientSettings.from_url(task["url"], timeout=600, opaque_id="strata-benchmark"))
    dataset, day = Dataset.model_validate(task["definition"]), date.fromisoformat(task["day"])
    settings, index = ArchiveSettings.model_validate(task["archive"]), dataset.raw_index(day)
    export = day_export(client, s3_at(task["s3_url"]), dataset, settings, day, primaries(client, index))
    idle = peak_bytes()
    began = time.perf_counter()
    exported = export.run()
    seconds = time.perf_counter() - began
    if exported.failed:
        sys.exit(f"The archive of {index} is not proven: {exported.failed}.")
    size = sum(archived.bytes for archived in exported.objects)
    found = {"line_bytes": size, "seconds": seconds, "idle_bytes": idle, "peak_bytes": peak_bytes()}
    sys.stdout.buffer.write(orjson.dumps(found))


if __name__ == "__main__":
    main()
