"""The requests whose answers decide what is proven, overwritten or deleted. All of them are made here.

A decision reads from the primary shards (with segment replication or remote stores, a replica may lag behind by any
amount of time), bypasses search pipelines (which may filter), and reads every shard in full: a partial answer proves
nothing. A test keeps the rest of the package from making such requests itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from opensearch_strata.errors import TransientError
from opensearch_strata.errors.printable import brief

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

Answer = Mapping[str, Any]

PRIMARY = "_primary"

_KEPT = "30m"  # how long the server keeps a point in time that nobody asks for any more

# No shard is skipped because a pre-filter finds nothing in it: such an answer could not be told apart from a partial
# one.
_WHOLE = {"allow_partial_search_results": "false", "search_pipeline": "_none", "pre_filter_shard_size": "100000"}


class IncompleteAnswer(TransientError):  # noqa: N818 - reads as what happened
    """OpenSearch answered a request only in part; nothing was decided from it.

    :param kind: type of the server's error, if it named one
    :param index: the index that the error is about, if it is about one
    """

    def __init__(self, message: str, kind: str = "", index: str = "") -> None:
        super().__init__(message)
        self.kind = kind
        self.index = index


def search(
    client: OpenSearch, index: str, body: Mapping[str, Any], *, shard: int | None = None, **params: str
) -> Answer:
    """The complete answer of the primary shards to a search.

    :param index: a name, several names joined by commas, or a wildcard expression of ours, never text from a user
    :param shard: number of the only shard to ask
    :param params: more parameters of the request, for example ``ignore_unavailable``
    :raises IncompleteAnswer: a shard failed, was skipped, or did not answer in time
    :raises NotFoundError: there is no such index
    """
    preference = PRIMARY if shard is None else f"_shards:{shard}|{PRIMARY}"
    answer = client.search(index=index, body=body, params={**_WHOLE, **params, "preference": preference})
    return whole(answer, f"a search of {index}")


def open_point(client: OpenSearch, index: str, shard: int) -> str:
    """Keep the primary of a shard as it is now, for searches; :func:`close_point` ends it.

    :param index: exact name
    :param shard: its number
    :returns: the id for :func:`search_at`
    :raises IncompleteAnswer: the shard did not answer
    :raises NotFoundError: there is no such index
    """
    preference = f"_shards:{shard}|{PRIMARY}"
    params = {"keep_alive": _KEPT, "preference": preference, "allow_partial_pit_creation": "false"}
    answer = client.create_pit(index=index, params=params)
    if _all_shards(answer, f"a point in time of {index}")["successful"] != 1:
        raise IncompleteAnswer(f"OpenSearch did not keep shard {shard} of {index} as it is. Nothing was decided.")
    return str(answer["pit_id"])


def close_point(client: OpenSearch, point: str) -> None:
    """Let the server forget a point in time; if it does not answer, it forgets it by itself later.

    :param point: from :func:`open_point`
    """
    from opensearchpy import OpenSearchException

    with suppress(OpenSearchException):
        client.delete_pit(body={"pit_id": [point]})


def search_at(client: OpenSearch, index: str, point: str, body: Mapping[str, Any]) -> Answer:
    """The complete answer to a search at a point in time.

    :param index: name in the sentence of an error
    :param point: from :func:`open_point`
    :raises IncompleteAnswer: see :func:`search`
    :raises NotFoundError: OpenSearch has lost the point in time
    """
    at = {**body, "pit": {"id": point, "keep_alive": _KEPT}}
    return whole(client.search(body=at, params=_WHOLE), f"a search of {index}")


def multi_search(client: OpenSearch, searches: list[tuple[str, Mapping[str, Any]]]) -> list[Answer | None]:
    """The complete answers of the primary shards to several searches; None for an index that does not exist.

    :param searches: index name and body of each search
    :raises IncompleteAnswer: see :func:`search`
    """
    lines: list[Mapping[str, Any]] = []
    for index, body in searches:
        # A header does not accept a pipeline; a body does.
        head = {"index": index, "preference": PRIMARY, "allow_partial_search_results": False}
        lines += [head, {**body, "search_pipeline": "_none"}]
    answered = client.msearch(body=lines, params={"pre_filter_shard_size": "100000"}) if lines else {"responses": []}
    responses = answered.get("responses", []) if isinstance(answered, Mapping) else []
    if len(responses) != len(searches):
        raise IncompleteAnswer(f"OpenSearch answered {len(responses)} of {len(searches)} searches. Try again.")
    answers: list[Answer | None] = []
    for (index, _), answer in zip(searches, responses, strict=True):
        error = answer.get("error")
        kind = error.get("type") if isinstance(error, Mapping) else error
        if kind == "index_not_found_exception":
            answers.append(None)
        elif error:
            raise IncompleteAnswer(
                f"OpenSearch did not answer a search of {index} ({kind}). Try again.", str(kind), index
            )
        else:
            answers.append(whole(answer, f"a search of {index}"))
    return answers


def get_documents(client: OpenSearch, docs: list[dict[str, Any]], **params: str) -> list[Answer]:
    """Documents by id as they are at this moment, without a refresh; one answer for each.

    :param docs: ``_index`` and ``_id`` of each document
    :raises IncompleteAnswer: there are fewer answers than documents
    """
    answer = client.mget(body={"docs": docs}, params={"preference": PRIMARY, "realtime": "true", **params})
    found = answer.get("docs", []) if isinstance(answer, Mapping) else []
    if len(found) != len(docs):
        raise IncompleteAnswer(f"OpenSearch answered for {len(found)} of {len(docs)} documents. Try again.")
    return list(found)


def count(client: OpenSearch, index: str) -> int:
    """Number of documents in an index, including all that were written before the call.

    :raises IncompleteAnswer: see :func:`search`
    """
    refresh(client, index)
    return int(search(client, index, {"size": 0, "track_total_hits": True})["hits"]["total"]["value"])


def refresh(client: OpenSearch, index: str, **params: str) -> None:
    """Make everything that was written visible to searches.

    :param params: parameters of the request, for example ``ignore_unavailable``
    :raises IncompleteAnswer: a shard failed
    """
    _all_shards(client.indices.refresh(index=index, params=params), f"a refresh of {index}")


def flush(client: OpenSearch, index: str) -> None:
    """Write everything to disk, so that it survives even if every node dies.

    :raises IncompleteAnswer: a shard failed
    """
    answer = client.indices.flush(index=index, params={"force": "true", "wait_if_ongoing": "true"})
    _all_shards(answer, f"a flush of {index}")


def uuids_of(client: OpenSearch, indices: list[str]) -> dict[str, str]:
    """UUIDs of indices, by their exact names.

    :param indices: exact names, not aliases
    :raises NotFoundError: one of them does not exist
    :raises IncompleteAnswer: the answer does not cover all of them
    """
    found = client.indices.get_settings(index=",".join(indices), name="index.uuid")
    if not set(indices) <= found.keys():
        missing = ", ".join(sorted(set(indices) - found.keys()))
        raise IncompleteAnswer(f"OpenSearch did not answer for {missing}, or it is an alias. Nothing was decided.")
    return {index: str(found[index]["settings"]["index"]["uuid"]) for index in indices}


def uuid_of(client: OpenSearch, index: str) -> str:
    """UUID of an index, by its exact name.

    :raises NotFoundError: there is no such index
    """
    return uuids_of(client, [index])[index]


def live_copies(client: OpenSearch, index: str) -> tuple[list[int], int]:
    """How many copies of each shard of an index can be read now, and how many it should have, including the primary.

    :returns: number of live copies for each shard, 0 if its primary is missing; and the number it should have
    :raises IncompleteAnswer: OpenSearch gave no information about the index
    """
    health = client.cluster.health(index=index, params={"level": "shards"})
    found = health.get("indices", {}).get(index) if isinstance(health, Mapping) else None
    if not found or health.get("timed_out") is not False or len(found.get("shards", {})) != found["number_of_shards"]:
        raise IncompleteAnswer(
            f"OpenSearch did not report the state of the shards of {index}. Nothing was decided; try again."
        )
    shards = found["shards"].values()
    live = [int(shard["active_shards"]) if shard["primary_active"] else 0 for shard in shards]
    return live, 1 + int(found["number_of_replicas"])


@dataclass(frozen=True)
class Primaries:
    """Statistics of the primary shards of an index, from which no security rule or pipeline can hide a document.

    :param uuid: UUID of the index
    :param documents: number of documents as Lucene counts them, where each nested object is one more
    :param sequence: highest sequence number of each shard, by shard number; every write and deletion raises it
    :param settled: whether every operation up to these numbers is complete
    """

    uuid: str
    documents: int
    sequence: tuple[int, ...]
    settled: bool


def primaries(client: OpenSearch, index: str) -> Primaries:
    """The primary shards of one index; the caller has just refreshed it.

    :param index: exact name
    :raises IncompleteAnswer: a primary is missing or did not answer
    :raises NotFoundError: there is no such index
    """
    found = primaries_in(client, [index], ignore_unavailable="false")
    if index not in found:
        raise IncompleteAnswer(
            f"OpenSearch gave no information about the shards of {index}. Nothing was decided; try again."
        )
    return found[index]


def primaries_in(client: OpenSearch, indices: Sequence[str], **params: str) -> dict[str, Primaries]:
    """The primary shards of several indices, by exact name; missing and closed indices are left out.

    :param indices: as many names as fit into the URL of a request
    :param params: more parameters of the request
    :raises IncompleteAnswer: a primary is missing or did not answer
    """
    wanted = {
        "level": "shards",
        "filter_path": "_shards,indices.*.uuid,indices.*.primaries.docs,indices.*.shards.*.routing,"
        "indices.*.shards.*.seq_no",
        "ignore_unavailable": "true",
        **params,
    }
    answer = client.indices.stats(index=",".join(indices), metric="docs", params=wanted)
    _all_shards(answer, f"the statistics of {indices[0]}{' and others' if len(indices) > 1 else ''}")
    found = answer.get("indices", {})
    return {index: _primaries(index, found[index]) for index in indices if found.get(index, {}).get("shards")}


def _primaries(index: str, found: Mapping[str, Any]) -> Primaries:
    copies = {int(number): _primary(shard) for number, shard in found["shards"].items()}
    if None in copies.values() or sorted(copies) != list(range(len(copies))):
        raise IncompleteAnswer(
            f"A primary shard of {index} is missing (the index is red, or the primary is moving). Nothing was decided; "
            f"try again when the index is healthy."
        )
    numbers = [copies[shard] or {} for shard in sorted(copies)]
    return Primaries(
        uuid=found["uuid"],
        documents=int(found["primaries"]["docs"]["count"]),
        sequence=tuple(int(seq["max_seq_no"]) for seq in numbers),
        settled=all(seq["local_checkpoint"] == seq["max_seq_no"] for seq in numbers),
    )


def _primary(copies: list[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The sequence numbers of the primary among the copies of a shard, if there is one."""
    return next((copy.get("seq_no") for copy in copies if copy["routing"]["primary"]), None)


def whole(answer: Any, what: str) -> Answer:
    """The answer to a search, if it is complete.

    ``terminated_early`` is not a fault: the server sets it for extremes that it reads from an index without visiting
    all documents.

    :param what: name of the request in the sentence of an error
    :raises IncompleteAnswer: it is not complete
    """
    if not isinstance(answer, Mapping) or answer.get("timed_out") is not False:
        raise IncompleteAnswer(f"OpenSearch answered {what} only in part: it did not finish in time. Try again.")
    shards = _all_shards(answer, what)
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


def _all_shards(answer: Any, what: str) -> Mapping[str, Any]:
    """The summary of shards in an answer, none of which may have failed.

    Unassigned copies are not failures: a refresh or a flush counts them only in the total.
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
