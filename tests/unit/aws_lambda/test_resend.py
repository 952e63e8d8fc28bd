"""Sending records to the stream again: requests of the right size, what is tried once more, and how long."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from opensearch_strata.aws_lambda.resend import Outgoing, Resender
from opensearch_strata.aws_lambda.source import Source, partition_key_of, source_of
from tests.transformations import FIREHOSE, KINESIS, Taking, invocation, running_out

STREAM = Source("firehose", "logs", "us-east-1", "data")


def resender(
    stream: Any,
    remaining: Callable[[], int] = lambda: 60_000,
    pauses: list[float] | None = None,
    source: Source = STREAM,
) -> Resender:
    return Resender(source, remaining, lambda *_: stream, (pauses if pauses is not None else []).append)


def outgoing(count: int, size: int = 10) -> list[Outgoing]:
    return [Outgoing(f"{number:010d}".encode() + bytes(size - 10), f"key-{number}") for number in range(count)]


def test_a_request_has_at_most_500_records() -> None:
    stream = Taking()
    assert resender(stream).sent(outgoing(1201)) == [""] * 1201
    assert [len(request) for request in stream.requests] == [500, 500, 201]


def test_a_request_has_at_most_4_mib_as_it_is_sent() -> None:
    stream = Taking()
    resender(stream).sent(outgoing(10, 1_000_000))
    assert [len(request) for request in stream.requests] == [3, 3, 3, 1]


def test_only_what_was_refused_is_sent_once_more() -> None:
    stream = Taking(
        lambda number, size: ["", "ServiceUnavailableException"] * (size // 2) if number < 2 else [""] * size
    )
    records, pauses = outgoing(8), list[float]()
    assert resender(stream, pauses=pauses).sent(records) == [""] * 8
    assert [len(request) for request in stream.requests] == [8, 4, 2]
    assert sorted(stream.taken) == sorted(record.data for record in records)  # each once
    assert len(pauses) == 2
    assert all(0 <= pause <= limit for pause, limit in zip(pauses, (0.1, 0.2), strict=True))


def test_pauses_grow_and_differ() -> None:
    pauses: list[float] = []
    stream = Taking(lambda number, size: ["InternalFailure" if number < 40 else ""] * size)
    resender(stream, pauses=pauses).sent(outgoing(1))
    assert len(set(pauses)) == 40
    assert max(pauses) <= 5
    assert max(pauses[10:]) > max(pauses[:3])


def test_kinesis_gets_the_partition_keys() -> None:
    stream = Taking()
    resender(stream, source=Source("kinesis", "logs", "us-east-1", "data")).sent(outgoing(3))
    assert stream.keys == ["key-0", "key-1", "key-2"]


@pytest.mark.parametrize("code", ["ThrottlingException", "ServiceUnavailableException", "InternalFailure"])
def test_a_request_that_was_refused_as_a_whole_is_made_again(code: str) -> None:
    stream = Taking(lambda number, size: [""] * size if number else code)
    assert resender(stream).sent(outgoing(2)) == ["", ""]
    assert len(stream.requests) == 2


@pytest.mark.parametrize("code", ["AccessDeniedException", "ResourceNotFoundException", "InvalidArgumentException"])
def test_what_cannot_succeed_is_not_tried_again(code: str) -> None:
    stream = Taking(lambda *_: code)
    problems = resender(stream).sent(outgoing(2))
    assert len(stream.requests) == 1
    assert all(code in problem for problem in problems)
    assert all(problem.startswith("It could not be sent to the stream again (") for problem in problems)


def test_no_connection_is_tried_again_and_told() -> None:
    class Away:
        def put_record_batch(self, **_: Any) -> Any:
            raise EndpointConnectionError(endpoint_url="https://firehose.us-east-1.amazonaws.com")

    (problem,) = resender(Away(), running_out(3)).sent(outgoing(1))
    assert "EndpointConnectionError" in problem


def test_an_answer_that_does_not_fit_the_request_fails_its_records_alone() -> None:
    problems = resender(Taking(lambda *_: [""])).sent(outgoing(2))
    assert all("It could not be sent to the stream again (ValueError" in problem for problem in problems)


def test_no_request_is_begun_that_could_not_be_answered_in_time() -> None:
    stream = Taking()
    (problem,) = resender(stream, lambda: 14_000).sent(outgoing(1))
    assert stream.requests == []
    assert problem == "There was no time left to send it to the stream again."


def test_time_that_ends_between_requests_costs_only_the_later_ones() -> None:
    remaining = iter([60_000, 60_000, 100])
    stream = Taking()
    problems = resender(stream, lambda: next(remaining)).sent(outgoing(1500))
    assert [bool(problem) for problem in problems] == [False] * 1000 + [True] * 500


@pytest.mark.parametrize(
    ("arn", "expected"),
    [
        (FIREHOSE, Source("firehose", "logs", "us-east-1", "data")),
        (KINESIS, Source("kinesis", "logs", "us-east-1", "data")),
    ],
)
def test_the_stream_is_where_the_records_came_from(arn: str, expected: Source) -> None:
    called = invocation([b"x"], arn)
    assert source_of(called) == expected
    assert partition_key_of(called["records"][0]) == ("key-0" if arn == KINESIS else called["records"][0]["recordId"])


def test_partitions_of_aws_other_than_the_usual_one() -> None:
    called = invocation([b"x"]) | {"deliveryStreamArn": "arn:aws-cn:firehose:cn-north-1:1:deliverystream/a-b_c.d"}
    assert source_of(called) == Source("firehose", "a-b_c.d", "cn-north-1", "data")
