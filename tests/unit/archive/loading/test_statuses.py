"""What each answer of the bulk API means."""

from __future__ import annotations

import re
from typing import Any

import pytest
from opensearchpy import ConnectionError as NoConnection
from opensearchpy import ConnectionTimeout, SerializationError, TransportError

from opensearch_strata.archive.bulk.outcomes import Outcome, judged_failure, judged_item, reason


@pytest.mark.parametrize(
    ("status", "kind", "outcome"),
    [
        (409, "version_conflict_engine_exception", Outcome.EXISTED),
        (429, "opensearch_rejected_execution_exception", Outcome.BUSY),
        (429, "circuit_breaking_exception", Outcome.BUSY),
        (429, "cluster_block_exception", Outcome.BLOCKED),
        (403, "cluster_block_exception", Outcome.BLOCKED),
        (403, "index_create_block_exception", Outcome.BLOCKED),
        (404, "index_not_found_exception", Outcome.BLOCKED),
        (400, "index_closed_exception", Outcome.BLOCKED),
        (400, "validation_exception", Outcome.BLOCKED),
        (403, "security_exception", Outcome.FORBIDDEN),
        (503, "unavailable_shards_exception", Outcome.AGAIN),
        (502, "bad_gateway", Outcome.AGAIN),
        (500, "null_pointer_exception", Outcome.FAULTY),
        (400, "mapper_parsing_exception", Outcome.REJECTED),
        (400, "strict_dynamic_mapping_exception", Outcome.REJECTED),
        (400, "illegal_argument_exception", Outcome.REJECTED),
        (404, "resource_not_found_exception", Outcome.REJECTED),
    ],
)
def test_items(status: int, kind: str, outcome: Outcome) -> None:
    assert judged_item(said(status, kind), "flights", "7") is outcome


def said(status: int, kind: str | None = None, **more: Any) -> dict[str, Any]:
    error = {"error": {"type": kind, "reason": "why"}} if kind else {}
    return {"_index": "flights", "_id": "7", "status": status, **error, **more}


CONFLICT = "version_conflict_engine_exception"


@pytest.mark.parametrize(
    ("answer", "outcome", "sentence"),
    [
        (said(201, result="created"), Outcome.CREATED, ""),
        (said(200, result="noop"), Outcome.DROPPED, "dropped it, so nothing was stored"),
        (said(201, result="created", _index="other"), Outcome.DROPPED, "sent it to other, so it is not in its"),
        (said(409, CONFLICT, _index="other"), Outcome.DROPPED, "sent it to other, so it is not in its"),
        (said(201, result="created", _id="x"), Outcome.FORBIDDEN, r"the ids of documents \('7' became 'x'\)"),
        (said(409, CONFLICT, _id="x"), Outcome.FORBIDDEN, r"the ids of documents \('7' became 'x'\)"),
        (said(200, result="updated"), Outcome.AGAIN, "did not report what became of it"),
        (said(201), Outcome.AGAIN, "did not report what became of it"),
        ({}, Outcome.AGAIN, "OpenSearch answered 503"),
    ],
)
def test_only_what_is_stored_under_its_names_is_created_or_there(
    answer: dict[str, Any], outcome: Outcome, sentence: str
) -> None:
    assert judged_item(answer, "flights", "7") is outcome
    if sentence:
        assert re.search(sentence, reason(answer, "flights", "7"))


def test_a_document_that_was_sent_without_an_id_may_have_any() -> None:
    assert judged_item(said(201, result="created", _id="x"), "flights", None) is Outcome.CREATED


def failure(status: int, kind: str = "x") -> TransportError:
    return TransportError(status, kind, {"error": {"type": kind, "reason": "why"}})


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (failure(413), Outcome.TOO_LARGE),
        (TransportError(413, "<html>too large</html>", None), Outcome.TOO_LARGE),
        (failure(429), Outcome.BUSY),
        (failure(429, "cluster_block_exception"), Outcome.BLOCKED),
        (failure(403, "cluster_block_exception"), Outcome.BLOCKED),
        (failure(503, "cluster_block_exception"), Outcome.AGAIN),
        (failure(404, "index_not_found_exception"), Outcome.BLOCKED),
        (failure(502), Outcome.AGAIN),
        (failure(504), Outcome.AGAIN),
        (failure(500), Outcome.FAULTY),
        (failure(401), Outcome.FORBIDDEN),
        (failure(403, "security_exception"), Outcome.FORBIDDEN),
        (failure(400), Outcome.FORBIDDEN),
        (NoConnection("N/A", "refused", OSError()), Outcome.AGAIN),
        (ConnectionTimeout("TIMEOUT", "late", OSError()), Outcome.BUSY),
        (SerializationError("half"), Outcome.AGAIN),
    ],
)
def test_requests(error: Exception, outcome: Outcome) -> None:
    assert judged_failure(error) is outcome


def test_certificates_are_not_cured_by_repetition() -> None:
    import ssl

    assert judged_failure(NoConnection("N/A", "x", ssl.SSLCertVerificationError())) is Outcome.FORBIDDEN


def test_the_reason_is_the_servers_with_its_causes() -> None:
    error = {
        "type": "mapper_parsing_exception",
        "reason": "failed to parse field [load]",
        "caused_by": {"type": "number_format_exception", "reason": 'For input string: "x"'},
    }
    told = reason({"status": 400, "error": error}, "flights", "7")
    assert told.startswith("OpenSearch answered 400: mapper_parsing_exception (failed to parse field [load]), because")
    assert "number_format_exception" in told
