"""What indices report of their shards: UUID, live copies, and the documents and sequence numbers of the primaries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from opensearch_strata.connections.decisive.completeness import IncompleteAnswer, all_shards

if TYPE_CHECKING:
    from opensearchpy import OpenSearch


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
    # OpenSearch waits half a minute for an index that does not exist; then its answer is a 408, with a body as always.
    health = client.cluster.health(index=index, params={"level": "shards"}, ignore=408)
    found = health.get("indices", {}).get(index) if isinstance(health, Mapping) else None
    if not found or health.get("timed_out") is not False or len(found.get("shards", {})) != found["number_of_shards"]:
        raise IncompleteAnswer(
            f"OpenSearch did not report the state of the shards of {index}, or there is no such index. Nothing was "
            f"decided; try again."
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
    :param completed: number of each shard up to which every operation is complete; -1 if there is none yet
    :param history: UUID of the history of each shard. It is another one after a shard was restored from a snapshot, or
        was begun anew or from a stale copy by a person's command, even if the index keeps its UUID. Empty: not reported
    """

    uuid: str
    documents: int
    sequence: tuple[int, ...]
    completed: tuple[int, ...]
    history: tuple[str, ...]

    @property
    def settled(self) -> bool:
        """Whether every operation up to the highest numbers is complete."""
        return self.completed == self.sequence


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
        "indices.*.shards.*.seq_no,indices.*.shards.*.commit.user_data.history_uuid",
        "ignore_unavailable": "true",
        **params,
    }
    answer = client.indices.stats(index=",".join(indices), metric="docs", params=wanted)
    all_shards(answer, f"the statistics of {indices[0]}{' and others' if len(indices) > 1 else ''}")
    found = answer.get("indices", {})
    return {index: _primaries(index, found[index]) for index in indices if found.get(index, {}).get("shards")}


def _primaries(index: str, found: Mapping[str, Any]) -> Primaries:
    copies = {int(number): _primary(shard) for number, shard in found["shards"].items()}
    if not all(copy and copy.get("seq_no") for copy in copies.values()) or sorted(copies) != list(range(len(copies))):
        raise IncompleteAnswer(
            f"A primary shard of {index} is missing (the index is red, or the primary is moving). Nothing was decided; "
            f"try again when the index is healthy."
        )
    shards = [copies[shard] or {} for shard in sorted(copies)]
    return Primaries(
        uuid=found["uuid"],
        documents=int(found["primaries"]["docs"]["count"]),
        sequence=tuple(int(shard["seq_no"]["max_seq_no"]) for shard in shards),
        completed=tuple(int(shard["seq_no"]["local_checkpoint"]) for shard in shards),
        history=tuple(shard.get("commit", {}).get("user_data", {}).get("history_uuid", "") for shard in shards),
    )


def _primary(copies: list[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The primary among the copies of a shard, if there is one."""
    return next((copy for copy in copies if copy["routing"]["primary"]), None)
