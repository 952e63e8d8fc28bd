"""A loader as people write it, with boto3, gzip, json, re and opensearch-py's `parallel_bulk`.

It creates the same documents as Strata. It knows what it loads (one layer of gzip, envelopes, two log groups), keeps
whole objects in memory, and has no ledger, dead letters or retries: what it leaves out only makes it faster.
"""

from __future__ import annotations

import gzip
import io
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from opensearchpy import OpenSearch
from opensearchpy.helpers import parallel_bulk

from benchmarks.material.log_archive import LogArchive
from benchmarks.material.log_events import JSON_GROUP
from opensearch_strata.archive.documents.ids import document_id, hash_of_events
from opensearch_strata.archive.events import Origin, Place

THREADS = 4
GENERAL_LOG = re.compile(r"(\S+)\t\s*(\d+) ([^\t]+)\t(.*)", re.DOTALL)


def load_by_helpers(client: OpenSearch, s3: Any, archive: LogArchive) -> int:
    """Load all objects and return how many documents were created."""
    created = 0
    for succeeded, _ in parallel_bulk(
        client, _actions(s3, archive), thread_count=THREADS, raise_on_error=False, request_timeout=300
    ):
        created += succeeded
    return created


def _actions(s3: Any, archive: LogArchive) -> Iterator[dict[str, Any]]:
    template = archive.dataset.raw.index
    for listed in archive.objects:
        body = s3.get_object(Bucket=listed.place.bucket, Key=listed.place.key)["Body"].read()
        for moment, identity, document in documents(listed.place, body):
            index = template.format(day=f"{moment:%Y.%m.%d}")
            yield {"_op_type": "create", "_index": index, "_id": identity, "_source": document}


def documents(place: Place, body: bytes) -> Iterator[tuple[datetime, str, dict[str, Any]]]:
    """Time, id and document of every event of an object."""
    text = gzip.GzipFile(fileobj=io.BytesIO(body)).read().decode()
    decoder = json.JSONDecoder()
    position = record = 0
    while position < len(text):
        envelope, position = decoder.raw_decode(text, position)
        if envelope["messageType"] == "DATA_MESSAGE":
            origin = Origin(envelope["owner"], envelope["logGroup"], envelope["logStream"])
            hash_of = hash_of_events(origin)
            for ordinal, event in enumerate(envelope["logEvents"]):
                moment = datetime.fromtimestamp(event["timestamp"] / 1000, UTC)
                fields = _parsed(origin.log_group, event["message"])
                fields["@timestamp"] = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
                fields["archive"] = {
                    **origin._asdict(),
                    "event_id": event["id"],
                    "object": str(place),
                    "position": f"{record}:{ordinal}",
                }
                stamp = int(moment.timestamp()).to_bytes(4, "big")
                yield moment, document_id(stamp, hash_of(event["id"])), fields
        record += 1


def _parsed(log_group: str, message: str) -> dict[str, Any]:
    if log_group == JSON_GROUP:
        fields: dict[str, Any] = json.loads(message)
        return fields
    match = GENERAL_LOG.fullmatch(message)
    if match is None:
        raise ValueError(f"not a line of the general log: {message[:100]}")
    time, pid, command, statement = match.groups()
    return {"time": time, "pid": int(pid), "perform": command, "statement": statement}
