"""Which faults are waited out, and for how long."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from opensearchpy.exceptions import (
    AuthorizationException,
    NotFoundError,
    RequestError,
    SerializationError,
    TransportError,
)
from opensearchpy.exceptions import ConnectionError as NoConnection

from opensearch_strata.connections import retrying
from opensearch_strata.connections.retrying import GOING_TRIES, ODD_TRIES, OddAnswer, part_of, past_changes, patiently
from opensearch_strata.errors import TransientError
from opensearch_strata.errors.judging import explain, is_transient

SNAPSHOT = RequestError(400, "snapshot_in_progress_exception", {})
PAGE = SerializationError("Unknown mimetype, unable to deserialize: text/html")
PASSING = [NoConnection("N/A", "cut", OSError()), TransportError(503, "busy", {}), SNAPSHOT]
ODD = [TransportError(500, "null_pointer_exception", {}), PAGE, OddAnswer("Odd.")]
LASTING = [AuthorizationException(403, "no", {}), NotFoundError(404, "gone", {}), RequestError(400, "no", {})]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrying, "_BACK_OFF", lambda state: 0.001)
    monkeypatch.setattr(retrying, "GOING_PAUSE", 0.001)


def failing(error: Exception, times: float) -> tuple[Callable[[], str], list[int]]:
    calls: list[int] = []

    def call() -> str:
        calls.append(1)
        if len(calls) <= times:
            raise error
        return "done"

    return call, calls


@pytest.mark.parametrize("error", [*PASSING, *ODD], ids=repr)
def test_one_fault_that_may_pass_ends_nothing(error: Exception) -> None:
    call, calls = failing(error, 1)
    assert patiently(call, 5) == "done"
    assert len(calls) == 2


@pytest.mark.parametrize("error", PASSING, ids=repr)
def test_what_says_not_now_is_asked_until_the_time_is_over(error: Exception) -> None:
    call, calls = failing(error, 20)
    assert patiently(call, 5) == "done"
    call, calls = failing(error, float("inf"))
    began = time.monotonic()
    with pytest.raises(type(error)):
        patiently(call, 0.1)
    assert 0.1 <= time.monotonic() - began < 5
    assert len(calls) > ODD_TRIES


@pytest.mark.parametrize("error", ODD, ids=repr)
def test_an_odd_answer_is_asked_for_again_a_few_times(error: Exception) -> None:
    call, calls = failing(error, float("inf"))
    with pytest.raises(type(error)):
        patiently(call, 60)
    assert len(calls) == ODD_TRIES


@pytest.mark.parametrize("error", LASTING, ids=repr)
def test_what_lasts_is_raised_at_once(error: Exception) -> None:
    call, calls = failing(error, 1)
    with pytest.raises(type(error)):
        patiently(call, 60)
    assert len(calls) == 1


def test_a_snapshot_passes_by_itself_and_a_web_page_may() -> None:
    assert is_transient(SNAPSHOT)
    assert is_transient(PAGE)
    assert explain(PAGE) == (
        "OpenSearch or a proxy in between sent an answer that is not JSON (Unknown mimetype, unable to deserialize: "
        "text/html)."
    )


@pytest.mark.parametrize("answer", [{}, [], "<html>", None, {"hits": 1}, {"hits": {}}])
def test_an_answer_of_another_shape_is_odd(answer: object) -> None:
    assert part_of({"hits": {"hits": 1}}, "hits", "hits") == 1
    with pytest.raises(OddAnswer, match=r"without 'hits.hits'"):
        part_of(answer, "hits", "hits")


def search_error(*types: str) -> TransportError:
    failures = [{"reason": {"type": kind}} for kind in types]
    return TransportError(503, "search_phase_execution_exception", {"error": {"failed_shards": failures}})


ON_ITS_WAY = [NotFoundError(404, "gone", {}), search_error(), search_error("index_shard_closed_exception")]


@pytest.mark.parametrize("error", ON_ITS_WAY, ids=repr)
def test_a_question_that_meets_an_index_on_its_way_is_asked_again(error: Exception) -> None:
    call, calls = failing(error, GOING_TRIES - 1)
    assert past_changes(call, "'flights'") == "done"
    call, calls = failing(error, float("inf"))
    with pytest.raises(
        TransientError, match=r"^Indices of 'flights' were deleted or created while they were read, 10 times"
    ):
        past_changes(call, "'flights'")
    assert len(calls) == GOING_TRIES


@pytest.mark.parametrize(
    "error",
    [*LASTING[:1], LASTING[2], *PASSING, search_error("index_not_found_exception", "rejected_execution")],
    ids=repr,
)
def test_other_faults_are_no_reason_to_ask_again(error: Exception) -> None:
    call, calls = failing(error, 1)
    with pytest.raises(type(error)):
        past_changes(call, "'flights'")
    assert len(calls) == 1
