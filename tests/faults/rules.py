"""What can go wrong with a request: rules for the proxy."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from threading import Event
from typing import Any

import orjson

from tests.faults.proxy import Answer, Cut, Forward, Request, Rule

REJECTED_EXECUTION = "opensearch_rejected_execution_exception"
FLOOD_STAGE = (
    "index [x] blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark, "
    "index has read-only-allow-delete block];"
)
NO_IDS = "Document ID is not supported in create/index operation request"


def refused(status: int, kind: str, why: str = "as the test wants it") -> Rule:
    """The request as a whole."""
    cause = {"type": kind, "reason": why}
    answer = Answer.of_json(status, {"error": {**cause, "root_cause": [cause]}, "status": status})
    return lambda request, forward: answer


def items_refused(status: int, kind: str, share: float = 0.5, why: str = "as the test wants it", seed: int = 0) -> Rule:
    """Some documents of a bulk request, chosen at random; the others pass."""
    rng = random.Random(seed)
    item = {"create": {"status": status, "error": {"type": kind, "reason": why}}}

    def rule(request: Request, forward: Forward) -> Answer:
        kept = [rng.random() >= share for _ in request.actions]
        passed = [action for action, keep in zip(request.actions, kept, strict=True) if keep]
        answered = iter(forward(request.of(passed)).json["items"] if passed else ())
        return Answer.of_json(200, {"errors": True, "items": [next(answered) if keep else item for keep in kept]})

    return rule


def larger_than(limit: int) -> Rule:
    """413 for requests of more bytes; nothing of them passes."""

    def rule(request: Request, forward: Forward) -> Answer:
        if len(request.body) > limit:
            return Answer(413, f"Request size exceeded {limit} bytes".encode(), {"content-type": "text/plain"})
        return forward(request)

    return rule


def late(seconds: float) -> Rule:
    """The answer takes its time."""

    def rule(request: Request, forward: Forward) -> Answer:
        time.sleep(seconds)
        return forward(request)

    return rule


def hangs(until: Event) -> Rule:
    """No answer comes, and nobody has seen the request."""

    def rule(request: Request, forward: Forward) -> Answer:
        until.wait(60)
        raise Cut

    return rule


def answered_late(seconds: float) -> Rule:
    """The request is carried out, its answer takes its time."""

    def rule(request: Request, forward: Forward) -> Answer:
        answer = forward(request)
        time.sleep(seconds)
        return answer

    return rule


def denied(request: Request, forward: Forward) -> Answer:
    """What SQS answers to whoever may not."""
    return Answer.of_json(403, {"__type": "com.amazonaws.sqs#AccessDenied", "message": "Access is denied."})


def cut_before(request: Request, forward: Forward) -> Answer:
    """The connection breaks, and nobody has seen the request."""
    raise Cut


def cut_after(request: Request, forward: Forward) -> Answer:
    """The connection breaks when the request was carried out."""
    forward(request)
    raise Cut


def half_written(request: Request, forward: Forward) -> Answer:
    """The request was carried out, of the answer only one half arrives."""
    answer = forward(request)
    return Answer(answer.status, answer.body, answer.headers, cut=len(answer.body) // 2)


def garbled(request: Request, forward: Forward) -> Answer:
    """The request was carried out, of the answer only one half is there, and it says that this is all."""
    answer = forward(request)
    return Answer(answer.status, answer.body[: len(answer.body) // 2], answer.headers)


def one_item_less(request: Request, forward: Forward) -> Answer:
    """The request was carried out, the answer lacks its last item."""
    return _with_items(forward(request), lambda items: items[:-1])


def one_item_more(request: Request, forward: Forward) -> Answer:
    """The request was carried out, the answer has an item too many."""
    return _with_items(forward(request), lambda items: [*items, items[-1]])


def web_page(request: Request, forward: Forward) -> Answer:
    """A proxy's page with status 200."""
    return Answer(200, b"<html>Have a nice day</html>", {"content-type": "text/html"})


def sometimes(rule: Rule, share: float, seed: int = 0) -> Rule:
    """A rule that applies at random."""
    rng = random.Random(seed)
    return lambda request, forward: rule(request, forward) if rng.random() < share else forward(request)


def serverless_time_series(request: Request, forward: Forward) -> Answer:
    """What a time series collection of OpenSearch Serverless refuses.

    docs.aws.amazon.com/opensearch-service/latest/developerguide/serverless-genref.html: no document ids, no refresh,
    no settings of shards or refreshing.
    """
    if request.path.endswith(("_refresh", "_settings")) or "refresh=" in request.target:
        return refused(404, "unsupported_operation_exception", f"{request.path} is not supported")(request, forward)
    if request.path.endswith("_bulk"):
        ids = ["_id" in next(iter(orjson.loads(action).values())) for action, _ in request.actions]
        if any(ids):
            error = {"type": "illegal_argument_exception", "reason": NO_IDS}
            items = [{"create": {"status": 400, "error": error}} for _ in ids]
            return Answer.of_json(200, {"errors": True, "items": items})
    return forward(request)


def _with_items(answer: Answer, changed: Callable[[list[Any]], list[Any]]) -> Answer:
    body = answer.json
    return Answer.of_json(answer.status, {**body, "items": changed(body["items"])})


def of_sqs(operation: str, rule: Rule) -> Rule:
    """A rule for one operation of SQS, all of which have the same path."""

    def judged(request: Request, forward: Forward) -> Answer:
        asked = request.headers.get("x-amz-target", "")
        return rule(request, forward) if asked == f"AmazonSQS.{operation}" else forward(request)

    return judged
