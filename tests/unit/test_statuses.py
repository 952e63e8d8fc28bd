"""What each answer of the bulk API means."""

from __future__ import annotations

import pytest
from opensearchpy import ConnectionError as NoConnection
from opensearchpy import ConnectionTimeout, SerializationError, TransportError

from opensearch_strata.archive.statuses import Verdict, judged_failure, judged_item, reason


@pytest.mark.parametrize(
    ("status", "kind", "verdict"),
    [
        (201, None, Verdict.CREATED),
        (200, None, Verdict.CREATED),
        (409, "version_conflict_engine_exception", Verdict.EXISTED),
        (429, "opensearch_rejected_execution_exception", Verdict.BUSY),
        (429, "circuit_breaking_exception", Verdict.BUSY),
        (429, "cluster_block_exception", Verdict.BLOCKED),
        (403, "cluster_block_exception", Verdict.BLOCKED),
        (403, "index_create_block_exception", Verdict.BLOCKED),
        (404, "index_not_found_exception", Verdict.BLOCKED),
        (400, "index_closed_exception", Verdict.BLOCKED),
        (400, "validation_exception", Verdict.BLOCKED),
        (403, "security_exception", Verdict.FORBIDDEN),
        (503, "unavailable_shards_exception", Verdict.AGAIN),
        (502, "bad_gateway", Verdict.AGAIN),
        (500, "null_pointer_exception", Verdict.FAULTY),
        (400, "mapper_parsing_exception", Verdict.REJECTED),
        (400, "strict_dynamic_mapping_exception", Verdict.REJECTED),
        (400, "illegal_argument_exception", Verdict.REJECTED),
        (404, "resource_not_found_exception", Verdict.REJECTED),
    ],
)
def test_items(status, kind, verdict):
    assert judged_item(status, {"type": kind, "reason": "why"} if kind else None) is verdict


def failure(status: int, kind: str = "x") -> TransportError:
    return TransportError(status, kind, {"error": {"type": kind, "reason": "why"}})


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (failure(413), Verdict.TOO_LARGE),
        (TransportError(413, "<html>too large</html>", None), Verdict.TOO_LARGE),
        (failure(429), Verdict.BUSY),
        (failure(429, "cluster_block_exception"), Verdict.BLOCKED),
        (failure(403, "cluster_block_exception"), Verdict.BLOCKED),
        (failure(503, "cluster_block_exception"), Verdict.AGAIN),
        (failure(404, "index_not_found_exception"), Verdict.BLOCKED),
        (failure(502), Verdict.AGAIN),
        (failure(504), Verdict.AGAIN),
        (failure(500), Verdict.FAULTY),
        (failure(401), Verdict.FORBIDDEN),
        (failure(403, "security_exception"), Verdict.FORBIDDEN),
        (failure(400), Verdict.FORBIDDEN),
        (NoConnection("N/A", "refused", OSError()), Verdict.AGAIN),
        (ConnectionTimeout("TIMEOUT", "late", OSError()), Verdict.BUSY),
        (SerializationError("half"), Verdict.AGAIN),
    ],
)
def test_requests(error, verdict):
    assert judged_failure(error) is verdict


def test_certificates_are_not_cured_by_repetition():
    import ssl

    assert judged_failure(NoConnection("N/A", "x", ssl.SSLCertVerificationError())) is Verdict.FORBIDDEN


def test_the_reason_is_the_servers_with_its_causes():
    error = {
        "type": "mapper_parsing_exception",
        "reason": "failed to parse field [load]",
        "caused_by": {"type": "number_format_exception", "reason": 'For input string: "x"'},
    }
    said = reason(400, error)
    assert said.startswith("OpenSearch answered 400: mapper_parsing_exception (failed to parse field [load]), because")
    assert "number_format_exception" in said
