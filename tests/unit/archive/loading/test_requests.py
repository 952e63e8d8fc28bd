"""Requests that create documents: those with line feeds go out alone, and the answer is that of one bulk request."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from opensearchpy import ConflictError, RequestError, TransportError
from opensearchpy import ConnectionError as Unreachable

from opensearch_strata.archive.bulk.body import Body
from opensearch_strata.archive.bulk.requests import AllCreated, create
from opensearch_strata.archive.documents.shaper import Document
from opensearch_strata.archive.events import Event
from opensearch_strata.connections import typed_answers
from tests.streams import DAY

PRETTY, PLAIN = b'{\n"a":1\n}', b'{"a":1}'


class Server:
    """Answers as OpenSearch does, and keeps what it was asked."""

    def __init__(self, fault: Exception | None = None) -> None:
        self.fault = fault
        self.alone: list[dict[str, Any]] = []
        self.bodies: list[bytes] = []

    def bulk(self, body: bytes, params: dict[str, str]) -> Any:
        assert "items.*._id" in params["filter_path"]
        self.bodies.append(body)
        count = body.count(b"\n") // 2
        return {"errors": False, "items": [{"create": {"status": 201, "_id": f"bulk {n}"}} for n in range(count)]}

    def create(self, **asked: Any) -> Any:
        self.alone.append(asked)
        if self.fault:
            raise self.fault
        return {"_index": asked["index"], "_id": asked["id"], "result": "created"}


def body_of(*sources: bytes, ids: bool = True) -> Body[None]:
    body: Body[None] = Body(ids)
    for number, source in enumerate(sources):
        routing = "r" if number == 1 else None
        body.add(Document("raw", f"d{number}", source, DAY, Event(number, 0, "", routing=routing)), None)
    return body


def statuses(answer: Any) -> list[tuple[Any, int]]:
    return [(item["create"].get("_id"), item["create"]["status"]) for item in answer["items"]]


def test_a_body_without_line_feeds_is_one_request() -> None:
    server, body = Server(), body_of(PLAIN, PLAIN)
    assert statuses(create(server, body)) == [("bulk 0", 201), ("bulk 1", 201)]  # type: ignore[arg-type]
    assert (server.bodies, server.alone) == ([body.payload()], [])


def test_documents_with_line_feeds_go_out_alone_and_keep_their_place() -> None:
    server = Server()
    answer = create(server, body_of(PLAIN, PRETTY, PLAIN, PRETTY))  # type: ignore[arg-type]
    assert statuses(answer) == [("bulk 0", 201), ("d1", 201), ("bulk 1", 201), ("d3", 201)]
    assert answer["errors"] is False
    assert [(one["id"], one["body"], one["params"]) for one in server.alone] == [
        ("d1", PRETTY, {"routing": "r"}),
        ("d3", PRETTY, {}),
    ]
    (sent,) = server.bodies
    assert sent == body_of(PLAIN, PRETTY, PLAIN).part([0, 2]).payload()


def test_a_body_of_such_documents_alone_needs_no_bulk_request() -> None:
    server = Server()
    assert statuses(create(server, body_of(PRETTY))) == [("d0", 201)]  # type: ignore[arg-type]
    assert server.bodies == []


@pytest.mark.parametrize(
    "fault",
    [
        ConflictError(
            409, "version_conflict_engine_exception", {"error": {"type": "version_conflict_engine_exception"}}
        ),
        RequestError(400, "mapper_parsing_exception", {"error": {"type": "mapper_parsing_exception", "reason": "why"}}),
        TransportError(429, "rejected_execution_exception", "text"),
    ],
)
def test_what_the_server_says_of_one_is_its_item(fault: TransportError) -> None:
    answer = create(Server(fault), body_of(PLAIN, PRETTY))  # type: ignore[arg-type]
    assert statuses(answer) == [("bulk 0", 201), ("d1", fault.status_code)]
    assert answer["errors"] is True
    assert answer["items"][1]["create"]["error"]["type"]


@pytest.mark.parametrize("fault", [Unreachable("N/A", "gone", Exception()), TransportError(413, "too large", {})])
def test_a_request_that_failed_as_a_whole_fails_the_body(fault: TransportError) -> None:
    with pytest.raises(type(fault)):
        create(Server(fault), body_of(PLAIN, PRETTY))  # type: ignore[arg-type]


def answered(*items: dict[str, Any], errors: bool = False) -> Any:
    """An answer as the client's serializer decodes it."""

    class Decoding(Server):
        def bulk(self, body: bytes, params: dict[str, str]) -> Any:
            answer = orjson.dumps({"errors": errors, "items": [{"create": item} for item in items]})
            return typed_answers.decoded(answer) or orjson.loads(answer)

    return create(Decoding(), body_of(*[PLAIN] * len(items)))  # type: ignore[arg-type]


def created(number: int, **other: Any) -> dict[str, Any]:
    return {"_index": "raw", "_id": f"d{number}", "result": "created", "status": 201, **other}


def test_the_usual_answer_is_decoded_into_what_is_needed_of_it() -> None:
    answer = answered(created(0), created(1))
    assert isinstance(answer, AllCreated)
    assert answer.are(body_of(PLAIN, PLAIN))
    assert answer.plain() == {"errors": False, "items": [{"create": created(0)}, {"create": created(1)}]}
    assert typed_answers.decoded(b"{}") is None  # outside of a request


@pytest.mark.parametrize("odd", [{"_index": "other"}, {"_id": "another"}], ids=["index", "id"])
def test_a_document_that_a_pipeline_moved_is_not_taken_for_ours(odd: dict[str, Any]) -> None:
    answer = answered(created(0), created(1, **odd))
    assert isinstance(answer, AllCreated)
    assert not answer.are(body_of(PLAIN, PLAIN))
    assert not answered(created(0)).are(body_of(PLAIN, PLAIN))
    assert not answered(created(0), errors=True).are(body_of(PLAIN))


@pytest.mark.parametrize(
    "odd", [{"result": "noop"}, {"result": "updated"}, {"error": {"type": "x"}}, {"status": "201"}]
)
def test_every_other_answer_is_decoded_as_usual(odd: dict[str, Any]) -> None:
    answer = answered(created(0), created(1, **odd))
    assert answer["items"][1]["create"].items() >= odd.items()
