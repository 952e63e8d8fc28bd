"""The time that a batch may take: what is not transformed by then fails, and costs no other record its result."""

from __future__ import annotations

import json
import time
from unittest.mock import patch

import pytest

from opensearch_strata.aws_lambda import firehose
from opensearch_strata.aws_lambda.deadline import deadline
from tests.envelopes import envelope
from tests.transformations import CONTROL_RECORD, asked_at_most, data_message, invocation, transform, zipped

QUERY = "2023-11-14T22:13:20.123456Z\t   42 Query\tSELECT 1"


class Context:
    """Of AWS Lambda, as far as it is used.

    :param seconds: of the processor that the function has; what else runs on the machine does not count
    """

    def __init__(self, seconds: float = 60) -> None:
        self._until = time.process_time() + seconds

    def get_remaining_time_in_millis(self) -> int:
        return int(1000 * (self._until - time.process_time()))


def test_what_there_is_no_time_to_transform_fails_and_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """200 small records that unpack to 15 MB each; all of them would take many times as long as there is."""
    large = data_message(["x" * 15_000_000], logGroup="app")
    context = Context(2)
    called = invocation([data_message([QUERY]), *[large] * 200])
    answer = firehose.handler(called, context)
    assert context.get_remaining_time_in_millis() > 0
    assert [record["result"] for record in answer["records"]] == ["Ok", *["ProcessingFailed"] * 200]
    told = json.loads(capsys.readouterr().out)
    assert told["failed"] == 200
    assert 10 < told["late"] < 200  # some are found to be too large for any answer before


@pytest.mark.parametrize("time_is_up", [0, -5])
def test_a_function_without_any_time_answers_too(time_is_up: float) -> None:
    answer = firehose.handler(invocation([data_message([QUERY]), CONTROL_RECORD]), Context(time_is_up))
    assert [record["result"] for record in answer["records"]] == ["ProcessingFailed"] * 2


def test_a_function_with_little_time_uses_most_of_it() -> None:
    """The shortest that can be set is a second, and three are what a new function has."""
    left = [1000]
    has_time = deadline(lambda: left[0])
    answers = []
    for left[0] in (1000, 251, 250):
        answers.append(has_time())
    assert answers == [True, True, False]


def test_firehose_is_not_kept_waiting_even_if_the_function_has_more_time() -> None:
    with patch("time.monotonic", side_effect=[1000.0, 1239.9, 1240.0]):
        has_time = deadline(lambda: 900_000)
        assert (has_time(), has_time()) == (True, False)


@pytest.mark.parametrize(
    "data",
    [
        data_message(["x"] * 50_000, logGroup="app"),
        b"".join(data_message(["x"], first=number) for number in range(50)),
        zipped({**envelope([]), "logEvents": [], "more": "x" * 15_000_000}),
    ],
    ids=["events", "envelopes", "bytes"],
)
def test_the_time_is_asked_within_a_record(data: bytes) -> None:
    """Of each kind of record that is small and means a lot of work."""
    called = invocation([data, data_message([QUERY])])
    answer, report = transform(called, has_time=asked_at_most(10))
    assert [record["result"] for record in answer["records"]] == ["ProcessingFailed"] * 2
    assert (report.late, report.events) == (2, 0)
    assert report.problems[0]["problem"] == "There was no time left to transform it."
