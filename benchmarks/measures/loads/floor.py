"""The least CPU time that a loader in Python needs for events: C libraries alone, and nothing but what must be done."""

from __future__ import annotations

import time
from base64 import urlsafe_b64encode
from hashlib import blake2b

import orjson
from isal import igzip

from benchmarks.material.log_archive import LogArchive
from benchmarks.material.site import Site, require
from benchmarks.measures.loads.decoding import Objects, fetched
from benchmarks.measures.loads.loading import prebuilt, push


def cpu_floor(site: Site, archive: LogArchive) -> float:
    """CPU seconds for a million events: bodies built as simply as possible, and prebuilt ones sent.

    Each event gets an id and the fields that say where it comes from; its message is not parsed, nothing is checked and
    nothing is noted.

    :raises BenchmarkError: a document was not created
    """
    objects, bodies = fetched(site.s3, archive), prebuilt(site, archive)
    began = time.process_time()
    events = _built(objects)
    built = time.process_time() - began
    site.empty(archive)
    began = time.process_time()
    require(push(site.client, archive.index, bodies), archive)
    return (built + time.process_time() - began) * 1_000_000 / events


def _built(objects: Objects) -> int:
    """Build the bodies of objects, and throw them away. Returns the number of their events."""
    events = 0
    for _, content in objects:
        lines = []
        text: bytes = igzip.decompress(content)  # type: ignore[no-untyped-call]  # the library has no types for it
        for record in map(orjson.loads, text.replace(b"}{", b"}\n{").splitlines()):
            origin = {"owner": record["owner"], "log_group": record["logGroup"], "log_stream": record["logStream"]}
            stream = "".join(origin.values()).encode()
            for event in record["logEvents"]:
                key = urlsafe_b64encode(blake2b(stream + event["id"].encode(), digest_size=15).digest())
                source = {
                    "@timestamp": event["timestamp"],
                    "archive": {**origin, "event_id": event["id"]},
                    "message": event["message"],
                }
                lines += [
                    b'{"create":{"_index":"raw","_id":"' + key + b'"}}\n',
                    orjson.dumps(source, option=orjson.OPT_APPEND_NEWLINE),
                ]
                events += 1
        b"".join(lines)
    return events
