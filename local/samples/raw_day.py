"""A raw day as the server holds it, read without the code that archives and restores it, and compared."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import requests

from local.errors import StackError
from opensearch_strata.errors.amounts import counted

READERS = 4
MOST = 10_000
"""Most documents that one search returns."""
SERVERS = ("index.uuid", "index.creation_date", "index.provided_name", "index.version.created")
"""Settings that the server itself gives to every index that is created."""


@dataclass(frozen=True)
class RawDay:
    """A raw day.

    :param sources: `_id` -> bytes of `_source`
    :param mappings: without `_meta.strata`, in which each load leaves a note
    :param settings: flat, without those of SERVERS
    :param stored_bytes: of its primary shards
    """

    sources: Mapping[str, bytes]
    mappings: Mapping[str, Any]
    settings: Mapping[str, Any]
    stored_bytes: int


def read_raw_day(url: str, index: str) -> RawDay:
    """Read a raw day from the OpenSearch at `url`, each `_source` with a request of its own. Raises StackError."""
    with requests.Session() as session, ThreadPoolExecutor(READERS) as pool:
        session.trust_env = False

        def get(path: str) -> requests.Response:
            answer = session.get(f"{url}/{index}{path}", timeout=60)
            if not answer.ok:
                raise StackError(f"OpenSearch answered {answer.status_code} to {index}{path}: {answer.text[:300]}")
            return answer

        found = get(f"/_search?size={MOST}&_source=false&track_total_hits=true").json()["hits"]
        ids = [hit["_id"] for hit in found["hits"]]
        if len(ids) != found["total"]["value"]:
            raise StackError(f"{index} has {found['total']['value']:,} documents, more than the {MOST:,} of a search.")
        sources = pool.map(lambda name: get(f"/_source/{quote(name, safe='')}").content, ids)
        described = get("?flat_settings=true").json()[index]
        meta = {key: value for key, value in described["mappings"].pop("_meta", {}).items() if key != "strata"}
        return RawDay(
            dict(zip(ids, sources, strict=True)),
            {**described["mappings"], **({"_meta": meta} if meta else {})},
            {name: value for name, value in described["settings"].items() if name not in SERVERS},
            get("/_stats/store").json()["_all"]["primaries"]["store"]["size_in_bytes"],
        )


def require_same(index: str, before: RawDay, after: RawDay) -> None:
    """Raises StackError unless both have the same documents, byte for byte, the same mapping and the same settings."""
    if lost := before.sources.keys() - after.sources.keys():
        raise StackError(f"{counted(len(lost), 'document')} of {index} did not come back, such as {min(lost)}.")
    if new := after.sources.keys() - before.sources.keys():
        raise StackError(f"{index} came back with {counted(len(new), 'document')} that it did not have: {min(new)}.")
    if changed := [name for name, source in before.sources.items() if after.sources[name] != source]:
        first = changed[0]
        raise StackError(
            f"{counted(len(changed), 'document')} of {index} came back with another _source. {first} was "
            f"{before.sources[first]!r} and is now {after.sources[first]!r}."
        )
    for what in ("mappings", "settings"):
        was, now = getattr(before, what), getattr(after, what)
        if was != now:
            raise StackError(f"{index} came back with other {what}: they were {was} and are now {now}.")
