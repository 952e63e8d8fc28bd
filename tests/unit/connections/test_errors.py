"""What is worth another attempt, and the sentence for it, from real answers of the client library."""

from __future__ import annotations

import asyncio
import json
import ssl
from pathlib import Path
from typing import Any

import pytest
from opensearchpy import helpers
from opensearchpy.exceptions import ConnectionError as NoConnection
from opensearchpy.exceptions import OpenSearchException, SSLError, TransportError
from opensearchpy.helpers.errors import BulkIndexError

from local.ports import free_port
from opensearch_strata.connections.opensearch import ClientSettings, build_async_client, build_client
from opensearch_strata.errors import DefinitionError, Refused, StrataError, TransientError
from opensearch_strata.errors.judging import explain, is_transient
from tests.servers.recording_server import Answer, self_signed, serving

SCRIPT_FAILED = {
    "error": {
        "root_cause": [{"type": "script_exception", "reason": "runtime error"}],
        "type": "search_phase_execution_exception",
        "reason": "all shards failed",
        "failed_shards": [
            {
                "shard": 0,
                "index": "flights-2013.01.05",
                "reason": {
                    "type": "script_exception",
                    "reason": "runtime error",
                    "script_stack": [
                        "org.opensearch.search.lookup.LeafDocLookup.get(LeafDocLookup.java:89)",
                        "state.n += doc['nope'].value",
                        "               ^---- HERE",
                    ],
                    "caused_by": {
                        "type": "illegal_argument_exception",
                        "reason": "No field found for [nope] in mapping",
                    },
                },
            }
        ],
    },
    "status": 400,
}
SIGNATURE_REFUSED = {
    "message": "The request signature we calculated does not match the signature you provided. Check your key.\n\n"
    "The Canonical String for this request should have been\n'GET\n/\n\nx-amz-security-token:TOPSECRET'"
}


def failure_of(settings: ClientSettings, asynchronous: bool = False) -> OpenSearchException:
    """What the client raises when it asks the cluster who it is."""

    async def ask() -> None:
        client = build_async_client(settings)
        try:
            await client.info()
        finally:
            await client.close()

    with pytest.raises(OpenSearchException) as caught:
        asyncio.run(ask()) if asynchronous else build_client(settings).info()
    return caught.value


def failure_answered(status: int, body: Any, **settings: Any) -> OpenSearchException:
    with serving(Answer(status, body)) as server:
        return failure_of(ClientSettings.from_url(server.url, max_retries=0, **settings))


@pytest.mark.parametrize(
    ("status", "transient"),
    [
        *((status, True) for status in (429, 502, 503, 504)),
        *((status, False) for status in (400, 401, 403, 404, 409, 413, 500, 501)),
    ],
)
def test_status_decides(status: int, transient: bool) -> None:
    assert is_transient(failure_answered(status, {"error": "x"})) is transient


both_clients = pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])


@both_clients
def test_no_connection_may_pass(asynchronous: bool) -> None:
    error = failure_of(ClientSettings.from_url(f"http://127.0.0.1:{free_port()}", max_retries=0), asynchronous)
    assert is_transient(error)
    assert explain(error).startswith("OpenSearch cannot be reached (")
    assert "127.0.0.1" in explain(error)


@both_clients
def test_no_answer_in_time_may_pass(asynchronous: bool) -> None:
    with serving(Answer(after=0.4)) as server:
        error = failure_of(ClientSettings.from_url(server.url, timeout=0.1), asynchronous)
    assert is_transient(error)
    assert explain(error).startswith("OpenSearch did not answer in time (")


@both_clients
def test_wrong_certificate_does_not_pass(asynchronous: bool, tmp_path: Path) -> None:
    with serving(certificate=self_signed(tmp_path)) as server:
        error = failure_of(ClientSettings.from_url(server.url, max_retries=0), asynchronous)
    assert not is_transient(error)
    assert "No trusted TLS connection" in explain(error)
    assert "CERTIFICATE_VERIFY_FAILED" in explain(error)


@both_clients
def test_https_to_a_plain_port_does_not_pass(asynchronous: bool) -> None:
    with serving() as server:
        url = server.url.replace("http:", "https:")
        error = failure_of(ClientSettings.from_url(url, max_retries=0), asynchronous)
    assert not is_transient(error)
    assert "WRONG_VERSION_NUMBER" in explain(error)


def test_tls_connection_that_was_cut_off_may_pass() -> None:
    cut = SSLError("N/A", "EOF occurred in violation of protocol", ssl.SSLEOFError(8, "EOF occurred"))
    fingerprint = SSLError("N/A", "fingerprints did not match", ValueError())
    assert is_transient(cut)
    assert not is_transient(fingerprint)


@pytest.mark.parametrize(
    ("error", "transient"),
    [
        (TransientError("The node left."), True),
        (StrataError("No."), False),
        (Refused("No."), False),
        (DefinitionError("No."), False),
        (KeyError("bug"), False),
        (TimeoutError("of something else"), False),
        (KeyboardInterrupt(), False),
    ],
)
def test_exceptions_of_ours_and_of_others(error: BaseException, transient: bool) -> None:
    assert is_transient(error) is transient


def bulk_failure(*statuses: int) -> BulkIndexError:
    """What helpers.bulk raises when each document is refused with one of the statuses."""
    items = [
        {
            "index": {
                "_index": "flights-2013.01.05",
                "_id": str(number),
                "status": status,
                "error": {"type": "t_exception", "reason": "queue full"},
            }
        }
        for number, status in enumerate(statuses)
    ]
    with serving(Answer(200, {"errors": True, "items": items})) as server:
        client = build_client(ClientSettings.from_url(server.url))
        actions = [{"_index": "i", "_id": str(n), "secret": "the document"} for n in range(len(statuses))]
        with pytest.raises(BulkIndexError) as caught:
            helpers.bulk(client, actions)
    return caught.value


def test_bulk_may_pass_only_if_every_document_may() -> None:
    assert is_transient(bulk_failure(429, 503))
    assert not is_transient(bulk_failure(429, 400))


def test_bulk_sentence_counts_and_names_the_first() -> None:
    assert explain(bulk_failure(403, 403)) == (
        "OpenSearch refused 2 documents of a bulk request; the first, '0' for index 'flights-2013.01.05', "
        "with 403: t_exception (queue full)."
    )


def test_script_error_shows_cause_and_line() -> None:
    assert explain(failure_answered(400, SCRIPT_FAILED)) == (
        "OpenSearch answered 400: search_phase_execution_exception (all shards failed), "
        "because script_exception (runtime error), "
        "because illegal_argument_exception (No field found for [nope] in mapping), "
        "at script line `state.n += doc['nope'].value`."
    )


def test_answer_that_the_signing_async_client_leaves_undecoded_reads_the_same() -> None:
    decoded = failure_answered(400, SCRIPT_FAILED)
    assert explain(TransportError(400, json.dumps(SCRIPT_FAILED), None)) == explain(decoded)


@pytest.mark.parametrize(
    ("status", "body", "sentence"),
    [
        (401, "Unauthorized", "OpenSearch answered 401: Unauthorized."),
        (403, {"Message": "User: anonymous is not authorized"}, "403: User: anonymous is not authorized."),
        (404, {"error": "no handler found for uri [/x] and method [GET]"}, "404: no handler found for uri [/x]"),
        (502, "<html>\n<title>Bad gateway</title>", "502: a web page, so the answer came from a proxy in between."),
        (500, {"error": {"type": "t", "reason": None, "root_cause": []}}, "500: t (None)."),
    ],
)
def test_answers_of_every_shape_become_a_sentence(status: int, body: Any, sentence: str) -> None:
    assert sentence in explain(failure_answered(status, body))


@pytest.mark.parametrize(
    ("status", "block", "cure"),
    [
        (403, "FORBIDDEN/7/index read (api)", "Somebody blocked logs-1: set index.blocks.read to null on it"),
        (403, "FORBIDDEN/9/index metadata (api)", "set index.blocks.metadata to null"),
        (403, "FORBIDDEN/4/index closed", "logs-1 is closed: open it"),
        (429, "TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark", "of logs-1 is full: make room there"),
    ],
)
def test_a_blocked_index_is_named_with_its_cure(status: int, block: str, cure: str) -> None:
    said = {"type": "cluster_block_exception", "reason": f"index [logs-1] blocked by: [{block}];"}
    assert cure in explain(failure_answered(status, {"error": {**said, "root_cause": [said]}}))


def test_a_block_of_the_whole_cluster_names_no_index() -> None:
    said = {"type": "cluster_block_exception", "reason": "blocked by: [FORBIDDEN/6/cluster read-only (api)];"}
    assert explain(failure_answered(403, {"error": said})).endswith("read-only (api)];).")


def test_signed_headers_that_aws_repeats_are_left_out() -> None:
    sentence = explain(failure_answered(403, SIGNATURE_REFUSED))
    assert sentence.endswith("does not match the signature you provided. Check your key.")
    assert "TOPSECRET" not in sentence


def test_own_sentence_is_kept_and_long_ones_are_cut() -> None:
    assert explain(Refused("The history would get poorer.")) == "The history would get poorer."
    assert explain(ValueError("x" * 5000)) == f"ValueError: {'x' * 400}…."
    assert explain(ValueError()) == "ValueError: no message."
    assert explain(TransportError("N/A", "Unable to sniff hosts.")) == (
        "OpenSearch answered N/A: Unable to sniff hosts."
    )
    assert explain(NoConnection("N/A", "", TimeoutError())) == "OpenSearch cannot be reached (TimeoutError)."
