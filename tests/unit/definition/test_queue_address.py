"""Addresses of queues, as AWS shows them."""

from __future__ import annotations

import pytest

from opensearch_strata.definition.notation.queue_address import QueueAddress, queue_address

ACCOUNT = "123456789012"


@pytest.mark.parametrize(
    ("text", "name", "region"),
    [
        (f"arn:aws:sqs:eu-west-1:{ACCOUNT}:logs", "logs", "eu-west-1"),
        (f"arn:aws-us-gov:sqs:us-gov-west-1:{ACCOUNT}:logs.fifo", "logs.fifo", "us-gov-west-1"),
        (f"https://sqs.eu-west-1.amazonaws.com/{ACCOUNT}/logs", "logs", "eu-west-1"),
        (f"https://eu-west-1.queue.amazonaws.com/{ACCOUNT}/logs", "logs", "eu-west-1"),
        (f"https://sqs.cn-north-1.amazonaws.com.cn/{ACCOUNT}/logs", "logs", "cn-north-1"),
        (f"https://vpce-0a.sqs.eu-west-1.vpce.amazonaws.com/{ACCOUNT}/logs", "logs", ""),
        (f"http://127.0.0.1:5000/{ACCOUNT}/a-b_c", "a-b_c", ""),
        (f"http://localhost:4566/queue/us-east-1/{ACCOUNT}/logs", "logs", ""),
    ],
)
def test_urls_and_arns_are_read(text: str, name: str, region: str) -> None:
    url = "" if text.startswith("arn") else text
    assert queue_address(text) == QueueAddress(name, ACCOUNT, region, url)


@pytest.mark.parametrize(
    "text",
    [
        "logs",
        f"arn:aws:sns:eu-west-1:{ACCOUNT}:logs",
        f"arn:aws:sqs:eu-west-1:{ACCOUNT}:lo gs",
        f"arn:aws:sqs:eu-west-1:{ACCOUNT}:{'x' * 81}",
        "https://sqs.eu-west-1.amazonaws.com/123/logs",
        f"https://user:secret@sqs.eu-west-1.amazonaws.com/{ACCOUNT}/logs",
        f"https://sqs.eu-west-1.amazonaws.com/{ACCOUNT}/logs?x=1",
        f"s3://sqs/{ACCOUNT}/logs",
    ],
)
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="is not the URL or the ARN of an SQS queue; write it like arn:aws:sqs:"):
        queue_address(text)
