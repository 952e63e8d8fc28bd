"""What was loaded into a dataset from archives, what is under way, and what could not be loaded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from opensearch_strata.archive.causes import Causes, summed
from opensearch_strata.archive.dead_letters.file import read_dead_letters
from opensearch_strata.archive.dead_letters.letter import DeadLetter, dead_letters_url
from opensearch_strata.archive.ledger.row_documents import row_of
from opensearch_strata.archive.ledger.rows import ObjectRow
from opensearch_strata.archive.ledger.store import Ledger, now_ms
from opensearch_strata.connections.retrying import part_of
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.errors.amounts import counted
from opensearch_strata.errors.judging import explain, is_known

if TYPE_CHECKING:
    from botocore.client import BaseClient
    from opensearchpy import OpenSearch

_MOST_BAD, _MOST_DEAD, _MOST_LOADERS, _MOST_SAMPLES = 50, 200, 50, 3
_SUMS = ("size", "bytes_in", "seconds", "created", "existed", "filtered", "dead")


class Sums(NamedTuple):
    """Objects in one state, and what became of their events.

    :param objects: how many
    :param size: their bytes in S3
    :param bytes_in: of these, bytes that were read
    :param seconds: for which they were read, added up over all loaders
    :param created: documents that their last loads created
    :param existed: documents that were there already
    :param filtered: events that rules leave out
    :param dead: records that could not be loaded
    """

    objects: int
    size: int
    bytes_in: int
    seconds: float
    created: int
    existed: int
    filtered: int
    dead: int

    @property
    def speed(self) -> float | None:
        """Bytes that one loader reads in a second; None if nothing is known."""
        return self.bytes_in / self.seconds if self.seconds else None


class Loader(NamedTuple):
    """Somebody who is loading.

    :param owner: the run, and its batch
    :param objects: that it has in hand
    :param size: their bytes
    :param bytes_in: of these, bytes that were read at the last checkpoint
    :param until: until when its claim is valid if it is never renewed
    """

    owner: str
    objects: int
    size: int
    bytes_in: int
    until: datetime


@dataclass(frozen=True)
class Loads:
    """The loads of a dataset.

    :param states: ``done``, ``running``, ``quarantined``, ``failed`` -> their objects; those without objects are
        missing. ``running`` are also objects of loaders that died, which the next load takes
    :param loaders: who is loading now
    :param bad: the first objects that failed or are in quarantine, the latest first
    :param causes: why records could not be loaded, over the objects with most of them
    :param counted_in: over how many objects the causes were added up
    :param samples: some of these records
    :param unseen: what could not be looked at, a sentence each
    """

    states: Mapping[str, Sums]
    loaders: list[Loader] = field(default_factory=list)
    bad: list[ObjectRow] = field(default_factory=list)
    causes: Causes = field(default_factory=dict)
    counted_in: int = 0
    samples: list[DeadLetter] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)

    @property
    def objects(self) -> int:
        """All objects that the ledger knows."""
        return sum(one.objects for one in self.states.values())

    @property
    def verdict(self) -> str:
        """How it stands, a sentence."""
        if not self.objects:
            return "Nothing was loaded into this dataset from an archive yet."
        bad = sum(self.states[state].objects for state in ("quarantined", "failed") if state in self.states)
        told = [f"{counted(self.states['done'].objects, 'object')} loaded" if "done" in self.states else ""]
        told.append(f"{counted(len(self.loaders), 'loader')} at work" if self.loaders else "")
        told.append(f"{counted(bad, 'object')} not loaded" if bad else "")
        return f"{', '.join(filter(None, told)) or 'nobody is loading'}.".capitalize()


def look_at_loads(client: OpenSearch, s3: BaseClient | None, dataset: Dataset) -> Loads:
    """Read the ledger, and some dead letters. Changes nothing.

    :param s3: client of the dead letters' bucket; None if the dataset has no source
    :raises Refused: the ledger may not be read
    :raises TransientError: the ledger did not answer
    """
    ledger = Ledger(client, dataset.name, patience=0.0)
    states = _states(ledger)
    worst = list(_rows(ledger, {"range": {"dead": {"gt": 0}}}, [{"dead": "desc"}], _MOST_DEAD))
    unseen: list[str] = []
    samples = _samples(s3, dataset, unseen) if s3 and worst else []
    return Loads(
        states=states,
        loaders=_loaders(ledger),
        bad=list(_rows(ledger, {"terms": {"state": ["quarantined", "failed"]}}, [{"_seq_no": "desc"}], _MOST_BAD)),
        causes=summed(row.causes for row in worst),
        counted_in=len(worst),
        samples=samples,
        unseen=unseen,
    )


def _states(ledger: Ledger) -> dict[str, Sums]:
    sums = {name: {"sum": {"field": name}} for name in _SUMS}
    by_state = {"terms": {"field": "state"}, "aggs": sums}
    found = _aggregated(ledger, ledger.query("object"), "states", by_state)
    return {
        one["key"]: Sums(
            one["doc_count"],
            *(float(one[name]["value"]) if name == "seconds" else int(one[name]["value"]) for name in _SUMS),  # type: ignore[arg-type]
        )
        for one in found
    }


def _loaders(ledger: Ledger) -> list[Loader]:
    sums = {name: {"sum": {"field": name}} for name in ("size", "bytes_in")}
    by_owner = {
        "terms": {"field": "owner", "size": _MOST_LOADERS},
        "aggs": {**sums, "until": {"max": {"field": "lease_until"}}},
    }
    held = ledger.query("object", {"term": {"state": "running"}}, {"range": {"lease_until": {"gt": now_ms()}}})
    return [
        Loader(
            one["key"],
            one["doc_count"],
            int(one["size"]["value"]),
            int(one["bytes_in"]["value"]),
            datetime.fromtimestamp(one["until"]["value"] / 1000, UTC),
        )
        for one in _aggregated(ledger, held, "owners", by_owner)
    ]


def _aggregated(ledger: Ledger, query: Mapping[str, Any], name: str, aggregation: Any) -> list[Any]:
    answer = ledger.index.search({"size": 0, "query": query, "aggs": {name: aggregation}})
    found: list[Any] = answer.get("aggregations", {}).get(name, {}).get("buckets", [])  # there may be no ledger
    return found


def _rows(ledger: Ledger, condition: dict[str, Any], sort: list[Any], most: int) -> Iterator[ObjectRow]:
    body = {"size": most, "query": ledger.query("object", condition), "sort": sort}
    for hit in part_of(ledger.index.search(body), "hits", "hits"):
        yield row_of(hit["_source"], 0, 0)


def _samples(s3: BaseClient, dataset: Dataset, unseen: list[str]) -> list[DeadLetter]:
    """The first letters of the first files."""
    if dataset.intake.source is None:
        return []
    url = dead_letters_url(dataset.intake, dataset.intake.source)
    try:
        files = islice(read_dead_letters(s3, url, dataset.name), _MOST_SAMPLES)
        return [letter for file in files for letter in islice(file, 1)]
    except Exception as error:
        if not is_known(error):
            raise
        unseen.append(f"The dead letters in {url} were not looked at: {explain(error)}")
        return []
