"""What Firehose calls a transformation with, by the source of its stream. Pure.

Shapes: https://docs.aws.amazon.com/firehose/latest/dev/data-transformation.html and, for what is returned,
data-transformation-status-model.html; ``sourceKinesisStreamArn`` and ``kinesisRecordMetadata`` as AWS's own blueprint
kinesis-firehose-cloudwatch-logs-processor reads them.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from opensearch_strata.errors import StrataError


class Unusable(StrataError):  # noqa: N818 - the name says what the record is
    """A record cannot be transformed. The message is a sentence without any of its contents."""


class Source(NamedTuple):
    """The stream from which Firehose got the records, and to which they can be sent again.

    :param kind: ``msk``: nothing can be sent there without a Kafka client
    :param name: of the Firehose or Kinesis stream
    :param region: of AWS
    :param data: key under which a record has its data, and must have it in the answer
    """

    kind: Literal["firehose", "kinesis", "msk"]
    name: str
    region: str
    data: str


def source_of(invocation: Mapping[str, Any]) -> Source:
    """The source of a batch.

    :param invocation: what the function is called with
    :raises StrataError: Firehose did not make it
    """
    records = invocation.get("records")
    if not isinstance(records, list) or not all(
        isinstance(record, dict) and "recordId" in record for record in records
    ):
        raise StrataError(
            "The function was called with something that has no records of Firehose. Nothing was done; set it as the "
            "transformation of a Firehose stream."
        )
    if "sourceMSKArn" in invocation or any("kafkaRecordValue" in record for record in records):
        return Source("msk", "", "", "kafkaRecordValue")
    kinesis = invocation.get("sourceKinesisStreamArn")
    parts = str(kinesis or invocation.get("deliveryStreamArn", "")).split(":")
    region, name = ("", "") if len(parts) < 6 else (parts[3], parts[5].partition("/")[2])
    return Source("kinesis" if kinesis else "firehose", name, region, "data")


def data_of(record: Mapping[str, Any], source: Source) -> bytes:
    """The data of a record, as its producer sent it.

    :param record: of the invocation
    :raises Unusable: it has none
    """
    try:
        return base64.b64decode(record[source.data], validate=True)
    except (KeyError, TypeError, ValueError, binascii.Error):
        raise Unusable(f"Its {source.data} is not base64.") from None


def partition_key_of(record: Mapping[str, Any]) -> str:
    """The key by which Kinesis chose the record's shard; without one, its id will do.

    :param record: of the invocation
    """
    metadata = record.get("kinesisRecordMetadata")
    key = metadata.get("partitionKey") if isinstance(metadata, dict) else None
    return str(key or record["recordId"])[:256]
