"""The raw index that is archived: what must be known of it to make it again, and whether it can be archived at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from opensearch_strata.archive.export.reading.pages import PAGE_DOCUMENTS, PageSize
from opensearch_strata.archive.store.manifest import ArchivedIndex
from opensearch_strata.archive.targets.archived_form import OUR_NOTES
from opensearch_strata.errors import Refused

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

_SERVERS = ("uuid", "creation_date", "provided_name", "version", "resize", "verified_before_close", "blocks", "history")
"""Settings that the server makes, and those that only hold for a while."""

_PACKED = 3  # bytes of a document for each byte that an index takes on disk, about


@dataclass(frozen=True)
class SourceIndex:
    """A raw index.

    :param page: of documents that a search may return
    """

    archived: ArchivedIndex
    page: PageSize


def source_index(client: OpenSearch, index: str, sequence: tuple[int, ...]) -> SourceIndex:
    """Look at a raw index.

    :param index: exact name
    :param sequence: highest sequence number of each primary shard
    :raises Refused: it does not keep the whole ``_source`` of its documents
    :raises NotFoundError: there is no such index
    """
    found: Mapping[str, Any] = client.indices.get(index=index, params={"flat_settings": "true"})[index]
    mappings, settings = dict(found["mappings"]), found["settings"]
    source = mappings.get("_source", {})
    if source.get("enabled") in (False, "false"):
        raise Refused(f"{index} stores no _source (_source.enabled: false), so its documents cannot be archived.")
    if partial := [name for name in ("includes", "excludes") if source.get(name)]:
        raise Refused(
            f"{index} stores only a part of _source (_source.{partial[0]}: {source[partial[0]]}), so its documents "
            f"cannot be archived."
        )
    kept = {name: value for name, value in settings.items() if name.split(".")[1] not in _SERVERS}
    meta = {name: value for name, value in mappings.pop("_meta", {}).items() if name not in OUR_NOTES}
    archived = ArchivedIndex(
        name=index,
        uuid=settings["index.uuid"],
        history=settings.get("index.history.uuid", ""),
        sequence=sequence,
        mappings={**mappings, **({"_meta": meta} if meta else {})},
        settings=kept,
        reconstructed=str(settings.get("index.derived_source.enabled", "false")) == "true",
    )
    most = min(int(settings.get("index.max_result_window", PAGE_DOCUMENTS)), PAGE_DOCUMENTS)
    return SourceIndex(archived, PageSize(most, _average(client, index)))


def _average(client: OpenSearch, index: str) -> int:
    """Bytes of an average document, about, by the room that the index takes on disk."""
    answer = client.indices.stats(index=index, metric="store,docs", params={"filter_path": "indices.*.primaries"})
    found = answer.get("indices", {}).get(index, {}).get("primaries", {})
    stored, documents = (
        int(found.get(key, {}).get(name, 0)) for key, name in (("store", "size_in_bytes"), ("docs", "count"))
    )
    return _PACKED * stored // max(1, documents)
