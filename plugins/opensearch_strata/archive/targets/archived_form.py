"""The mapping and settings that a restored raw day gets: those that it was archived with. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

from opensearch_strata.archive.store.manifest import ArchivedIndex
from opensearch_strata.connections.safe_settings import SAFE, UNMANAGED

_NOT_KEPT = frozenset(
    {
        # Made by the server, or only valid for a while.
        "uuid", "creation_date", "provided_name", "version", "resize", "verified_before_close", "blocks", "history",
        # Where the shards were, which may no longer exist: nodes, repositories, kinds of storage.
        "routing", "store", "remote_store", "searchable_snapshot",
        # Whatever would manage the index by itself.
        "plugins", "opendistro", "lifecycle",
    }
)  # fmt: skip
"""Settings by their first name behind ``index.`` that a restored index does not get."""

_DEFAULTS: Mapping[str, Any] = {
    "dynamic": "true",
    "date_detection": "true",
    "numeric_detection": "false",
    "_routing": {"required": False},
    "_source": {"enabled": True},
}
"""What holds for documents where a mapping does not say it."""

OUR_NOTES = ("strata", "strata_hold")
"""Keys of ``_meta`` that say what happens to one certain index."""


@dataclass(frozen=True)
class ArchivedForm:
    """What an index is created with.

    :param mappings: as the server shows them, with the ``_meta`` of others
    :param settings: flat, setting -> value
    """

    mappings: Mapping[str, Any]
    settings: Mapping[str, Any]

    @classmethod
    def of(cls, archived: ArchivedIndex) -> Self:
        """The form of an archived index.

        :param archived: what its manifest says of it
        """
        meta = {name: value for name, value in archived.mappings.get("_meta", {}).items() if name not in OUR_NOTES}
        mappings = {name: body for name, body in archived.mappings.items() if name != "_meta"}
        kept = {
            name: value
            for name, value in archived.settings.items()
            if _is_kept(name) and name not in {**SAFE, **UNMANAGED}
        }
        return cls({**mappings, **({"_meta": meta} if meta else {})}, kept)

    def difference(self, mappings: Mapping[str, Any]) -> str:
        """How the mapping of an existing index differs, so that the archived documents do not fit into it, as half a
        sentence. Further fields are no difference: documents may have come since the archive was written.

        :param mappings: of the index, as the server shows them
        :returns: an empty string if it does not differ
        """
        for path, archived, found in _differences(self.mappings, mappings):
            return f"{path} is {_shown(found)}, archived as {_shown(archived)}"
        return ""


def _is_kept(name: str) -> bool:
    """Whether a restored index gets a setting. What the server once set aside (``archived.``) no index can be given."""
    index, _, rest = name.partition(".")
    return index == "index" and rest.split(".")[0] not in _NOT_KEPT


def _differences(archived: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    for name in sorted({*archived, *found} - {"properties", "_meta", "dynamic_templates"}):
        one, other = (mappings.get(name, _DEFAULTS.get(name)) for mappings in (archived, found))
        if one != other and str(one).lower() != str(other).lower():
            yield name, one, other
    yield from _in_properties(archived.get("properties", {}), found.get("properties", {}), "")


def _in_properties(archived: Mapping[str, Any], found: Mapping[str, Any], above: str) -> Iterator[tuple[str, Any, Any]]:
    for name, body in archived.items():
        path, there = f"{above}{name}", found.get(name)
        if there is None:
            yield path, body, None
            continue
        own, others = ({key: value for key, value in one.items() if key != "properties"} for one in (body, there))
        if own != others:
            yield path, own, others
        yield from _in_properties(body.get("properties", {}), there.get("properties", {}), f"{path}.")


def _shown(body: Any) -> str:
    if body is None:
        return "missing"
    if isinstance(body, Mapping) and set(body) == {"type"}:
        return str(body["type"])
    return "an object" if body == {} else str(body)
