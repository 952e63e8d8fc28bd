"""What the primary shards hold: searches, points in time, documents by id, and what makes writes visible and safe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from opensearch_strata.connections.decisive.completeness import Answer, IncompleteAnswer, all_shards, whole

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

_PRIMARY = "_primary"

_KEPT = "30m"  # how long the server keeps a point in time that nobody asks for any more

# No shard is skipped because a pre-filter finds nothing in it: such an answer could not be told apart from a partial
# one.
_WHOLE = {"allow_partial_search_results": "false", "search_pipeline": "_none", "pre_filter_shard_size": "100000"}


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
    answer = client.search(index=index, body=body, params={**_WHOLE, **params, "preference": _preference(shard)})
    return whole(answer, f"a search of {index}")


def _preference(shard: int | None) -> str:
    return _PRIMARY if shard is None else f"_shards:{shard}|{_PRIMARY}"


def open_point(client: OpenSearch, index: str, shard: int) -> str:
    """Keep the primary of a shard as it is now, for searches; :func:`close_point` ends it.

    :param index: exact name
    :param shard: its number
    :returns: the id for :func:`search_at`
    :raises IncompleteAnswer: the shard did not answer
    :raises NotFoundError: there is no such index
    """
    params = {"keep_alive": _KEPT, "preference": _preference(shard), "allow_partial_pit_creation": "false"}
    answer = client.create_pit(index=index, params=params)
    if all_shards(answer, f"a point in time of {index}")["successful"] != 1:
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


def multi_search(
    client: OpenSearch, searches: Sequence[tuple[str, Mapping[str, Any]]], shards: Sequence[int | None] | None = None
) -> list[Answer | None]:
    """The complete answers of the primary shards to several searches; None for an index that does not exist.

    :param searches: index name and body of each search
    :param shards: number of the only shard that each search asks; None: all shards
    :raises IncompleteAnswer: see :func:`search`
    """
    lines: list[Mapping[str, Any]] = []
    for (index, body), shard in zip(searches, shards or [None] * len(searches), strict=True):
        # A header does not accept a pipeline; a body does.
        head = {"index": index, "preference": _preference(shard), "allow_partial_search_results": False}
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
    answer = client.mget(body={"docs": docs}, params={"preference": _PRIMARY, "realtime": "true", **params})
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
    all_shards(client.indices.refresh(index=index, params=params), f"a refresh of {index}")


def flush(client: OpenSearch, index: str) -> None:
    """Write everything to disk, so that it survives even if every node dies.

    :raises IncompleteAnswer: a shard failed
    """
    answer = client.indices.flush(index=index, params={"force": "true", "wait_if_ongoing": "true"})
    all_shards(answer, f"a flush of {index}")
