"""What is not as it was when the message was sent: versions of objects, rules and parsers, events that come again."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from tests.arrivals import ALL_DAYS, Inflow
from tests.faults.archives import cloudwatch, events, ndjson
from tests.streams import DAY, dataset_of


def test_versions_and_delete_markers_of_a_versioned_bucket(inflow: Inflow, caplog: pytest.LogCaptureFixture) -> None:
    """Notifications come in any order; what is there when the object is read counts, and a marker hides it."""
    s3, bucket, key = inflow.s3, inflow.bucket, "logs/2024/05/06/00/x"
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    versions = [inflow.put(ndjson(range(start, start + 10)), key) for start in (0, 100, 200)]
    hidden = inflow.put(ndjson(range(300, 310)), "logs/2024/05/06/00/hidden")
    marker = s3.delete_object(Bucket=bucket, Key=hidden.place.key)["VersionId"]
    inflow.queues.empty()
    for listed in (versions[2], versions[0], hidden, versions[1]):
        inflow.queues.send({"Records": [inflow.notified(*listed.place[1:], listed.size, versionId="v")]})
    removed = {**inflow.notified(hidden.place.key, "", 0), "eventName": "ObjectRemoved:DeleteMarkerCreated"}
    inflow.queues.send({"Records": [removed]})
    drained = inflow.drain()
    assert (drained.messages, drained.deleted, drained.done, drained.gone) == (5, 5, 1, 1)
    assert drained.aside == {"other_event": 1}
    assert f"{hidden.place} was deleted before it was read" in caplog.text
    assert inflow.stored() == Counter(range(200, 210))
    s3.delete_object(Bucket=bucket, Key=hidden.place.key, VersionId=marker)  # of which S3 tells nobody
    inflow.load().require_success()  # a backfill, as of the sweep
    inflow.assert_loaded([*range(200, 210), *range(300, 310)])
    for found in s3.list_object_versions(Bucket=bucket)["Versions"]:
        s3.delete_object(Bucket=bucket, Key=found["Key"], VersionId=found["VersionId"])


def test_an_event_that_is_in_several_objects_is_there_once(inflow: Inflow) -> None:
    """Subscriptions deliver at least once, so events come again, in other objects and with others beside them."""
    for start in (0, 50, 0, 80):
        inflow.put(cloudwatch(events(range(start, start + 100))))
    drained = inflow.drain()
    assert (drained.counts.read, drained.counts.created, drained.counts.existed) == (400, 180, 220)
    inflow.assert_loaded(range(180))


def test_rules_that_change_while_messages_wait_are_those_of_now(inflow: Inflow) -> None:
    """What an older rule left out is loaded when the message comes again under a rule that wants it."""
    listed = inflow.put(ndjson(range(70)))
    intake = inflow.dataset.intake.model_dump(exclude_none=True)
    plain, keep = inflow.dataset, [{"field": "device", "in": ["d3"]}]
    inflow.dataset = dataset_of(plain.name, raw={"window_days": ALL_DAYS}, intake={**intake, "keep": keep})
    drained = inflow.drain()
    assert (drained.counts.created, drained.counts.unwanted, drained.deleted) == (10, 60, 1)
    inflow.dataset = plain
    inflow.queues.send({"Records": [inflow.notified(*listed.place[1:], listed.size)]})
    drained = inflow.drain()
    assert (drained.counts.created, drained.counts.existed, drained.deleted) == (60, 10, 1)
    inflow.assert_loaded(range(70))


def test_a_parser_that_changes_while_messages_wait_is_that_of_now(inflow: Inflow) -> None:
    inflow.put(cloudwatch(events(range(20))))
    intake = inflow.dataset.intake.model_dump(exclude_none=True)
    inflow.dataset = dataset_of(inflow.dataset.name, raw={"window_days": ALL_DAYS}, intake={**intake, "parser": "raw"})
    assert inflow.drain().counts.created == 20
    index = inflow.dataset.raw_index(DAY)
    inflow.stream.client.indices.refresh(index=index)
    (hit, *_) = inflow.stream.client.search(index=index, body={"size": 1})["hits"]["hits"]
    assert "temperature" not in hit["_source"]
    assert json.loads(hit["_source"]["message"])["site"] == "north"
