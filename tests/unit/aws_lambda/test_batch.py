"""A whole batch: what is answered, what is sent again, and that no event is lost or doubled between the two."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from random import Random
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensearch_strata.aws_lambda import firehose
from opensearch_strata.aws_lambda.settings import Settings
from opensearch_strata.aws_lambda.transform import Transformed, Transformer
from opensearch_strata.errors import DefinitionError, StrataError
from tests.envelopes import envelope, event_id, packed
from tests.transformations import (
    CONTROL_RECORD,
    FIREHOSE,
    KINESIS,
    Taking,
    asked_at_most,
    data_in,
    data_message,
    ids_in,
    invocation,
    lines_of,
    places_of,
    running_out,
    transform,
    zipped,
)

QUERY = "2023-11-14T22:13:20.123456Z\t   42 Query\tSELECT 1"


def results(answer: dict[str, Any]) -> list[str]:
    return [record["result"] for record in answer["records"]]


def test_each_record_gets_its_own_result_in_its_place() -> None:
    good = data_message([QUERY, "unreadable"])
    called = invocation([good, CONTROL_RECORD, b"secret", b"\x1f\x8bsecret", packed(envelope([QUERY], 9)), zipped([])])
    called["records"][2]["recordId"] = 7  # as given, whatever it is
    called["records"].append({"recordId": "without data"})
    called["records"].append({"recordId": "not base64", "data": "§"})
    answer, report = transform(called)
    assert results(answer) == ["Ok", "Dropped", *["ProcessingFailed"] * 2, "Ok", *["ProcessingFailed"] * 3]
    assert [record["recordId"] for record in answer["records"]] == [one["recordId"] for one in called["records"]]
    assert [set(record) for record in answer["records"] if record["result"] != "Ok"] == 6 * [{"recordId", "result"}]
    assert ids_in(data_in(answer["records"][0])) == [event_id(0), event_id(1)]
    assert (report.ok, report.dropped, report.failed, report.events, report.unparsed) == (2, 1, 5, 3, 1)
    assert len(report.problems) == 5
    assert "secret" not in json.dumps(report.as_dict())


def test_base64_has_no_line_breaks() -> None:
    """``encodebytes``, as widespread copies use it, puts one after every 76 characters."""
    answer, _ = transform(invocation([data_message([QUERY] * 9)]))
    assert "\n" not in answer["records"][0]["data"]


def test_partition_keys_are_given_if_they_are_asked_for() -> None:
    called = invocation([data_message([QUERY])])
    answer, _ = transform(called, settings=Settings(partition_keys=("dt", "log_group")))
    keys = {"dt": "2023-11-14", "log_group": "aws_rds_instance_shop_general"}
    assert answer["records"][0]["metadata"] == {"partitionKeys": keys}
    assert "metadata" not in transform(called)[0]["records"][0]


def test_records_of_kafka_have_their_own_key() -> None:
    called = invocation([data_message([QUERY]), b"x"], data="kafkaRecordValue")
    called["sourceMSKArn"] = "arn:aws:kafka:us-east-1:123456789012:cluster/logs/1"
    answer, _ = transform(called)
    assert set(answer["records"][0]) == {"recordId", "result", "kafkaRecordValue"}
    assert results(answer) == ["Ok", "ProcessingFailed"]


def test_what_exceeds_a_topic_of_kafka_fails_because_it_cannot_be_sent_again() -> None:
    called = invocation([big(0), big(1), big(2)], data="kafkaRecordValue")
    stream = Taking()
    answer, report = transform(called, stream)
    assert results(answer) == ["Ok", "Ok", "ProcessingFailed"]
    assert "topic of Kafka" in report.problems[0]["problem"]
    assert stream.requests == []


def big(number: int, size: int = 2_000_000) -> bytes:
    """A record whose line is of a size; it is much smaller, as it repeats itself."""
    return data_message(["x" * size], first=number, logGroup="app")


def noise(size: int, seed: int = 0) -> str:
    """Text that gzip makes no smaller than three quarters."""
    return base64.b64encode(Random(seed).randbytes(size * 3 // 4)).decode()


def test_the_answer_is_as_large_as_it_is_reported_and_what_it_has_no_room_for_is_sent_again() -> None:
    called = invocation([big(number, 1_000_000) for number in range(9)] + [data_message([QUERY], first=9)])
    stream = Taking()
    answer, report = transform(called, stream)
    assert results(answer) == ["Ok"] * 4 + ["Dropped"] * 5 + ["Ok"]  # a small record after it still fits
    assert len(json.dumps(answer)) == report.answer_bytes <= 6_000_000
    assert stream.taken == [data_in(record) for record in called["records"][4:9]]  # whole, as they came
    assert (report.ok, report.resent, report.parts, report.requests) == (5, 5, 5, 1)


def test_a_record_that_no_answer_can_hold_is_sent_again_in_as_many_parts_as_are_needed() -> None:
    called = invocation([data_message([noise(200_000, number) for number in range(40)], logGroup="app")])
    stream = Taking()
    answer, report = transform(called, stream)
    assert results(answer) == ["Dropped"]
    assert report.parts == 10 == len(stream.taken)
    assert [id for part in stream.taken for id in ids_in(part)] == [event_id(number) for number in range(40)]
    again, _ = transform(invocation(stream.taken[:4]))
    assert results(again) == ["Ok"] * 4


def test_an_envelope_that_firehose_unpacked_is_packed_again() -> None:
    """Its decompression would refuse anything else."""
    stream = Taking()
    transform(invocation([packed(envelope(["x" * 2_000_000] * 3, logGroup="app"))]), stream)
    assert all(data.startswith(b"\x1f\x8b") for data in stream.taken)
    assert len(stream.taken) == 3


def test_one_event_that_no_answer_can_hold_fails_and_is_told() -> None:
    answer, report = transform(invocation([big(0, 5_000_000), big(1, 5)]))
    assert results(answer) == ["ProcessingFailed", "Ok"]
    assert report.problems[0]["problem"].startswith("Its only event becomes a line of 5,000,")


def test_it_does_not_cost_the_other_events_of_its_record() -> None:
    stream = Taking()
    transform(invocation([data_message(["a", "x" * 5_000_000, "b"], logGroup="app")]), stream)
    assert [ids_in(part) for part in stream.taken] == [[event_id(0)], [event_id(1)], [event_id(2)]]
    answer, _ = transform(invocation(stream.taken))
    assert results(answer) == ["Ok", "ProcessingFailed", "Ok"]


def test_an_event_that_no_record_can_hold_fails_with_its_record() -> None:
    stream = Taking()
    answer, report = transform(invocation([data_message([noise(1_500_000), *["x"] * 9, "y" * 4_000_000])]), stream)
    assert results(answer) == ["ProcessingFailed"]
    assert "too large for a record of its own" in report.problems[0]["problem"]
    assert stream.requests == []


def test_what_the_stream_does_not_take_in_time_fails_and_is_told() -> None:
    called = invocation([big(0), big(1), big(2)])
    stream = Taking(lambda _, size: ["ServiceUnavailableException"] * size)
    answer, report = transform(called, stream, remaining=running_out(3))
    assert results(answer) == ["Ok", "Ok", "ProcessingFailed"]
    assert len(stream.requests) == 3
    problem = report.problems[0]["problem"]
    assert problem == "The stream logs did not take it: ServiceUnavailableException."


def test_the_rest_of_a_record_comes_into_the_answer_if_the_stream_took_only_some_of_it() -> None:
    called = invocation([data_message([noise(200_000, number) for number in range(40)], logGroup="app")])
    stream = Taking(lambda number, size: [""] * (size - 1) + ["InternalFailure"] if number < 2 else "Throttling")
    answer, report = transform(called, stream, remaining=running_out(4))
    in_answer, in_stream, failed = places_of(called, answer, stream)
    assert results(answer) == ["Ok"]
    assert not failed
    assert in_answer + in_stream == Counter({event_id(number): 1 for number in range(40)})
    assert in_answer
    assert in_stream
    assert report.ok == 1


def test_a_record_is_not_lost_if_there_is_no_room_for_the_rest_of_it() -> None:
    called = invocation([big(0), big(1), data_message([noise(200_000, n) for n in range(40)], 9, logGroup="app")])
    stream = Taking(lambda number, size: ["", *["InternalFailure"] * (size - 1)] if not number else "Throttling")
    answer, report = transform(called, stream, remaining=running_out(4))
    assert results(answer) == ["Ok", "Ok", "ProcessingFailed"]
    assert report.problems[0]["problem"].endswith("1 part of 10 had been sent already, with the same event ids.")


def test_a_record_that_makes_the_code_raise_does_not_cost_its_neighbours() -> None:
    with patch.object(Transformer, "transformed", side_effect=[MemoryError("secret"), Transformed()]):
        answer, report = transform(invocation([data_message([QUERY]), CONTROL_RECORD]))
    assert results(answer) == ["ProcessingFailed", "Dropped"]
    assert report.problems[0]["problem"] == "It makes the function raise MemoryError."


@contextmanager
def small_limits() -> Iterator[None]:
    """All limits a thousand times smaller, so that small batches meet them."""
    limits = {
        ("answer", "MOST_BYTES"): 6_000,
        ("batch", "MOST_LINES"): 4_000,
        ("parts", "MOST_RECORD_BYTES"): 1_000,
        ("parts", "_PART_BYTES"): 1_000,
        ("resend", "MOST_RECORDS"): 5,
        ("resend", "MOST_REQUEST_BYTES"): 4_000,
    }
    with ExitStack() as patched:
        for (module, name), value in limits.items():
            patched.enter_context(patch(f"opensearch_strata.aws_lambda.{module}.{name}", value))
        yield


MESSAGES = st.lists(
    st.sampled_from([QUERY, "short", "x" * 300, "y" * 2_000, "z" * 5_000, noise(400), noise(3_000)]), max_size=12
)
KINDS = st.one_of(MESSAGES, st.sampled_from(["control", "text", "cut", "plain"]))
REFUSALS = st.lists(
    st.sampled_from(["", "", "some", "all", "ThrottlingException", "AccessDeniedException"]), max_size=8
)


@given(
    kinds=st.lists(KINDS, max_size=12),
    refusals=REFUSALS,
    requests=st.integers(0, 12),
    kinesis=st.booleans(),
    most_asked=st.just(10**6) | st.integers(0, 40),
)
def test_every_event_is_in_exactly_one_place(
    kinds: list[list[str] | str], refusals: list[str], requests: int, kinesis: bool, most_asked: int
) -> None:
    """In the answer, in the stream, or in a record that failed, whatever the batch, whatever the stream does, and
    whenever the time is over."""
    records, sent = list[bytes](), Counter[str]()
    for place, kind in enumerate(kinds):
        messages = kind if isinstance(kind, list) else [QUERY]
        data = data_message(messages, first=100 * place, logGroup="app")
        if kind == "control":
            data = CONTROL_RECORD
        elif kind == "plain":
            data = packed(envelope(messages, first=100 * place))
        elif kind in ("text", "cut"):
            data = b"no envelope" if kind == "text" else data[:-5]
        sent.update(ids_in(data))  # of a record that was cut off, a backfill reads what is left
        records.append(data)

    def answer_of(number: int, size: int) -> list[str] | str:
        refusal = refusals[number] if number < len(refusals) else ""
        if refusal.endswith("Exception"):
            return refusal
        refused = {"": 0, "some": size // 2, "all": size}[refusal]
        return ["InternalFailure"] * refused + [""] * (size - refused)

    called = invocation(records, KINESIS if kinesis else FIREHOSE)
    stream = Taking(answer_of)
    with small_limits():
        answer, report = transform(called, stream, remaining=running_out(requests), has_time=asked_at_most(most_asked))
    assert [record["recordId"] for record in answer["records"]] == [one["recordId"] for one in called["records"]]
    assert len(json.dumps(answer)) == report.answer_bytes
    assert report.answer_bytes <= max(6_000, len(json.dumps(transform(invocation([b"x"] * len(kinds)))[0])))
    assert report.ok + report.dropped + report.resent + report.failed == report.records == len(kinds)
    for request in stream.requests:
        assert len(request) <= 5
        assert len(request) == 1 or sum(len(base64.b64encode(data)) for data in request) <= 4_000
        assert all(len(data) <= 1_000 for data in request)
    in_answer, in_stream, failed = places_of(called, answer, stream)
    assert not in_answer & in_stream
    assert not in_answer & failed
    assert {*in_answer, *in_stream, *failed} == {*sent}
    assert all(number == 1 for places in (in_answer, in_stream, failed) for number in places.values())
    in_both = in_stream & failed
    if in_both:  # nobody can take back what the stream took of a record, and it is told
        assert any("had been sent already" in one["problem"] for one in report.problems)
    assert (in_answer + in_stream + failed) - in_both == sent


class Context:
    """Of AWS Lambda, as far as it is used."""

    def get_remaining_time_in_millis(self) -> int:
        return 60_000


def test_the_handler_prints_one_line_without_contents(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRATA_RENAME", "pid=PID")
    firehose._settings.cache_clear()
    answer = firehose.handler(invocation([data_message([QUERY]), b"SELECT 1"]), Context())
    firehose._settings.cache_clear()
    assert [line["PID"] for line in lines_of(answer)] == [42]
    (printed,) = capsys.readouterr().out.splitlines()
    told = json.loads(printed)
    assert (told["invocationId"], told["records"], told["ok"], told["failed"]) == ("one", 2, 1, 1)
    assert "SELECT" not in printed


@pytest.mark.parametrize("called", [{}, {"records": "x"}, {"records": [{"data": ""}]}, {"Records": []}])
def test_a_call_by_something_else_is_told(called: dict[str, Any]) -> None:
    with pytest.raises(StrataError, match="no records of Firehose"):
        firehose.handler(called, Context())


def test_a_setting_that_cannot_be_used_stops_the_function(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRATA_PARSER", "mysql")
    firehose._settings.cache_clear()
    with pytest.raises(DefinitionError, match="STRATA_PARSER"):
        firehose.handler(invocation([]), Context())
