"""Whether an answer covers everything that was asked for: a partial one decides nothing. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opensearch_strata.errors import TransientError
from opensearch_strata.errors.printable import brief

Answer = Mapping[str, Any]


class IncompleteAnswer(TransientError):  # noqa: N818 - reads as what happened
    """OpenSearch answered a request only in part; nothing was decided from it.

    :param kind: type of the server's error, if it named one
    :param index: the index that the error is about, if it is about one
    """

    def __init__(self, message: str, kind: str = "", index: str = "") -> None:
        super().__init__(message)
        self.kind = kind
        self.index = index


def whole(answer: Any, what: str) -> Answer:
    """The answer to a search, if it is complete.

    ``terminated_early`` is not a fault: the server sets it for extremes that it reads from an index without visiting
    all documents.

    :param what: name of the request in the sentence of an error
    :raises IncompleteAnswer: it is not complete
    """
    if not isinstance(answer, Mapping) or answer.get("timed_out") is not False:
        raise IncompleteAnswer(f"OpenSearch answered {what} only in part: it did not finish in time. Try again.")
    shards = all_shards(answer, what)
    if shards.get("skipped", 0):
        raise IncompleteAnswer(
            f"OpenSearch answered {what} only in part: it skipped {shards['skipped']} of {shards['total']} shards. "
            f"Nothing was decided; try again."
        )
    if shards["successful"] != shards["total"]:
        raise IncompleteAnswer(
            f"OpenSearch answered {what} only in part: {shards['successful']} of {shards['total']} shards. Nothing was "
            f"decided; try again."
        )
    return answer


def all_shards(answer: Any, what: str) -> Mapping[str, Any]:
    """The summary of shards in an answer, none of which may have failed.

    Unassigned copies are not failures: a refresh or a flush counts them only in the total.

    :param what: name of the request in the sentence of an error
    :raises IncompleteAnswer: one of them failed, or the answer has no summary
    """
    shards = answer.get("_shards") if isinstance(answer, Mapping) else None
    if not isinstance(shards, Mapping) or not {"total", "successful", "failed"} <= shards.keys():
        raise IncompleteAnswer(
            f"OpenSearch did not report which shards answered {what}. Nothing was decided; try again."
        )
    if shards["failed"] or (shards["total"] and not shards["successful"]):
        reasons = [failure.get("reason") for failure in shards.get("failures", []) if isinstance(failure, Mapping)]
        first = next((f" ({brief(_words(reason))})" for reason in reasons if isinstance(reason, Mapping)), "")
        raise IncompleteAnswer(
            f"OpenSearch answered {what} only in part: {shards['failed']} of {shards['total']} shards failed{first}. "
            f"Nothing was decided; try again."
        )
    return shards


def _words(reason: Mapping[str, Any]) -> str:
    return f"{reason.get('type')}: {reason.get('reason')}" if reason.get("reason") else str(reason.get("type"))
