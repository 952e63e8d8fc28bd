"""Days of history whose rows are as odd as rows can be, and what an index holds of them."""

from __future__ import annotations

from datetime import date, timedelta
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError
from opensearchpy import OpenSearch

from opensearch_strata.history.copy.contents import layout_of
from opensearch_strata.history.copy.reading import read_rows
from opensearch_strata.history.copy.row_tables import sorted_rows
from opensearch_strata.history.month.marks import Mark, marks_in
from opensearch_strata.history.verify.repair import prove
from tests.streams import DAY, Document, Stream, StreamFactory, measurements

TYPES = {
    "@timestamp": "date", "device": "keyword", "address": "ip", "on": "boolean", "version": "short",
    "temperature": "double", "load": "short", "price": "double", "ratio": "float", "status": "keyword",
}  # fmt: skip
ALL = ["min", "max", "sum", "count", "avg"]
METRICS = {
    "temperature": {"field": "temperature", "stats": ALL, "distribution": {"relative_error": 0.01}, "unit": "°C"},
    "load": {"field": "load", "stats": ["sum", "count"], "sparse": True},
    "price": {"field": "price", "stats": ALL, "decimals": 3, "distribution": {"relative_error": 0.02}, "sparse": True},
    "ratio": {"field": "ratio", "stats": ["min", "max", "count"], "sparse": True},
    "status": {"field": "status", "stats": ["count"], "distribution": {"top_values": 3}, "sparse": True},
    "kinds": {"field": "status", "stats": ["count"], "distribution": {"distinct": {"error": 0.05}}, "sparse": True},
}
ODD: list[Document] = [
    {"@timestamp": "1969-12-31T22:30:00Z", "device": "before the epoch", "temperature": -0.0},
    {"device": "without a time", "temperature": 5e-324},
    {"@timestamp": "2024-05-06T10:00:00Z", "device": "\u00e9 \U0001f600:colon", "address": "2001:db8::1", "on": False},
    {"@timestamp": "2024-05-06T10:01:00Z", "device": "", "temperature": 1.7e308, "price": 9007199254740.993},
    {"@timestamp": "2024-05-06T10:02:00Z", "temperature": -1.7e308, "price": 1.005, "ratio": 0.1},
    {"@timestamp": "2024-05-06T10:03:00Z", "device": "d1", "status": "50%; \u00fc"},
]


def odd_stream(make_stream: StreamFactory, bucket: str, **parts: Any) -> Stream:
    """A dataset of every kind of group and metric, whose archive is in a bucket."""
    definition: dict[str, Any] = {
        "archive": {"bucket": bucket, "prefix": "plant/", "before_delete": False},
        "history": {"group_by": ["device", "address", "on", "version"]},
        "raw": {"fields": {"load": "short", "ratio": "float"}},
        "metrics": METRICS,
    }
    for key, value in parts.items():
        definition[key] = {**definition[key], **value} if key in definition and key != "metrics" else value
    return make_stream(types=TYPES, **definition)


def odd_documents(day: date = DAY, count: int = 200) -> list[Document]:
    """Documents of a day, some of them as odd as they can be."""
    documents = measurements(day, count)
    for number, document in enumerate(documents):
        document.pop("site", None)
        document |= {"on": number % 3 == 0, "version": number % 2, "status": f"s{number % 7}", "ratio": number / 7}
        if number % 4:
            document |= {"address": f"10.0.0.{number % 3}", "price": round(number * 0.1, 3)}
    return documents + (ODD if day == DAY else [])


def proven_days(stream: Stream, count: int = 1, *, keep_raw: bool = True) -> list[date]:
    """Days that are condensed and proven, from :data:`DAY` on."""
    days = [DAY + timedelta(days=number) for number in range(count)]
    for day in days:
        stream.write(odd_documents(day), day)
        stream.condense(day)
        proof = prove(stream.client, stream.dataset, day, engine="search")
        assert proof.state == "verified", (proof.named, proof.told)
        if not keep_raw:
            stream.client.indices.delete(index=stream.dataset.raw_index(day))
    return days


def rows_in(client: OpenSearch, index: str) -> list[dict[str, Any]]:
    """Every row of an index, with id and version, in order."""
    client.indices.refresh(index=index)
    layout = layout_of(client, index)
    rows: list[dict[str, Any]] = sorted_rows(layout, read_rows(client, index, layout, {"match_all": {}})).to_pylist()
    return rows


def strata_of(client: OpenSearch, index: str) -> dict[str, Any]:
    """What a month says of itself."""
    found: dict[str, Any] = client.indices.get_mapping(index=index)[index]["mappings"]["_meta"]["strata"]
    return found


def marks_of(client: OpenSearch, index: str) -> dict[date, Mark]:
    """The marks of a month."""
    return marks_in(strata_of(client, index))


def keys(s3: Any, bucket: str) -> list[str]:
    """Everything in a bucket."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    return sorted(found["Key"] for page in pages for found in page.get("Contents", []))


class Refusing:
    """An S3 that answers some operations with an error."""

    def __init__(self, s3: Any, code: str, *operations: str) -> None:
        self._s3, self._code, self._operations = s3, code, operations

    def __getattr__(self, name: str) -> Any:
        if name not in self._operations:
            return getattr(self._s3, name)

        def refuse(**_: Any) -> None:
            status = {"AccessDenied": 403, "SlowDown": 503}[self._code]
            answer = {"Error": {"Code": self._code}, "ResponseMetadata": {"HTTPStatusCode": status}}
            raise ClientError(answer, name.title().replace("_", ""))

        return (lambda _: SimpleNamespace(paginate=refuse)) if name == "get_paginator" else refuse
