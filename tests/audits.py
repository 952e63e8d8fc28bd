"""Datasets to audit, planted faults, and what an audit finds."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

from opensearch_strata.archive.store.manifest import NAME, Manifest
from opensearch_strata.history.levels.prove import prove
from opensearch_strata.sketches.ddsketch import pack, unpack
from opensearch_strata.workflows.archiving import archive_day
from opensearch_strata.workflows.audit.audit import Audited, audit_days, plan_audit
from opensearch_strata.workflows.audit.findings import Finding
from tests.streams import Stream

NOW = datetime(2024, 5, 14, 5, tzinfo=UTC)
NEWEST = date(2024, 5, 13)
KEPT = [date(2024, 5, 12), NEWEST]
"""Raw days in the window of two days."""
OLD = [date(2024, 5, 9), date(2024, 5, 10), date(2024, 5, 11)]
"""Archived days whose raw days are gone."""
EARLIER = date(2024, 5, 8)
"""A day about which nothing is known."""
COUNT = 60

NOWHERE = "there is neither a raw day, nor rows, nor an archive."


def archived(stream: Stream, s3: Any, day: date, *, gone: bool = True) -> None:
    stream.fill(day, count=COUNT)
    archive_day(stream.client, s3, stream.dataset, prove(stream.client, stream.dataset, day, engine="search"))
    if gone:
        stream.client.indices.delete(index=stream.dataset.raw_index(day))


def audited(stream: Stream, s3: Any, **options: Any) -> Audited:
    plan = plan_audit(stream.client, s3, stream.dataset, NOW, **options)
    return audit_days(plan, engine="search")


def the(found: Audited, kind: str, severity: str, day: date | None = None) -> Finding:
    """The only finding of a kind and severity, of a day if one is given; it says what to do."""
    of_kind = [one for one in found.findings if (one.kind, one.severity) == (kind, severity)]
    (one,) = [one for one in of_kind if day in (None, one.day)]
    assert one.what_to_do or severity == "fine"
    assert "{" not in one.what_to_do
    return one


def bad(found: Audited) -> list[tuple[str, str, str]]:
    return [(one.days, one.kind, one.severity) for one in found.findings if one.severity != "fine"]


def key_of(s3: Any, bucket: str, day: date) -> str:
    body = s3.get_object(Bucket=bucket, Key=f"a/dt={day}/{NAME}")["Body"].read()
    return Manifest.model_validate_json(body).objects[0].key


def copy_of(day: date) -> str:
    """Key of the Parquet file of a day."""
    return f"a/history/month={day:%Y-%m}/day={day}.parquet"


def empty(s3: Any, bucket: str, prefix: str) -> None:
    for one in s3.list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"]:
        s3.delete_object(Bucket=bucket, Key=one["Key"])


def tampered(stream: Stream, day: date, change: Callable[[dict[str, Any]], None]) -> None:
    """Write a row of a day, with other values of its temperature."""
    rows = {name: row for name, row in stream.rows(day).items() if row["transform._id"].endswith(f"{day:%Y.%m.%d}")}
    identity, row = next(
        (n, row) for n, row in sorted(rows.items()) if "sketch" in row["metrics"].get("temperature", {})
    )
    change(row["metrics"]["temperature"])
    stream.put_row(identity, row, day)


def moved(metric: dict[str, Any]) -> None:
    """Move the values of the first bin of a sketch into another one."""
    bins, step = unpack(metric["sketch"])
    first = min(bins)
    bins[first - 1] = bins.pop(first)
    metric["sketch"] = pack(bins, step)
