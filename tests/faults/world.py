"""A small stream, and what must be true of it whatever happens: the model behind the random histories.

The model knows every document that producers wrote and nobody else removed. Of a raw day that Strata deleted it keeps
what the day held at that moment: from then on the rows are all that is left of it, and must say the same.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from threading import RLock
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch
from uuid import uuid4

import orjson
import tenacity.nap
from opensearchpy import NotFoundError, OpenSearch, OpenSearchException

from opensearch_strata.archive.ledger.store import Ledger
from opensearch_strata.archive.load.batch import LoadSettings
from opensearch_strata.archive.redrive import dead_letters_of
from opensearch_strata.connections.opensearch import ClientSettings, build_client
from opensearch_strata.definition.consent import confirmation
from opensearch_strata.errors import StrataError
from opensearch_strata.history.condense.condense import condense
from opensearch_strata.history.reaggregate import reaggregate
from opensearch_strata.history.verify.repair import prove
from opensearch_strata.history.verify.verify import verify
from opensearch_strata.workflows.backfill.backfill import Backfill
from opensearch_strata.workflows.backfill.settle import settle_day
from opensearch_strata.workflows.cycle import run_cycle
from tests.archives import Archive, intake_of
from tests.streams import TYPES, Stream, dataset_of

FIRST = date(2024, 5, 6)
DAYS = [FIRST + timedelta(days=number) for number in range(3)]
"""Raw days that have left the window."""
TODAY = FIRST + timedelta(days=3)
"""The newest complete day: the window holds it alone."""
NOW = datetime(TODAY.year, TODAY.month, TODAY.day, 5, tzinfo=UTC) + timedelta(days=1)

LOADING = LoadSettings(in_flight=1, body_bytes=2_000, patience=2)

Document = dict[str, Any]
Row = tuple[Any, ...]


class Killed(BaseException):
    """Ends a run at once."""


def row_of(documents: list[Document]) -> Row:
    """What a row says of its documents: their number, and count, extremes and sums of the metrics."""
    temperatures = [one["temperature"] for one in documents if "temperature" in one]
    loads = [one["load"] for one in documents if "load" in one]
    extremes = (min(temperatures), max(temperatures)) if temperatures else (None, None)
    return (len(documents), len(temperatures), *extremes, round(sum(temperatures), 6), len(loads), sum(loads))


def rows_of(documents: list[Document]) -> dict[tuple[str, int], Row]:
    """(device, hour in epoch milliseconds) -> row."""
    grouped: dict[tuple[str, int], list[Document]] = defaultdict(list)
    for one in documents:
        moment = datetime.fromisoformat(one["@timestamp"]).astimezone(UTC)
        hour = int(moment.replace(minute=0, second=0, microsecond=0).timestamp() * 1000)
        grouped[one["device"], hour].append(one)
    return {key: row_of(found) for key, found in grouped.items()}


class World:
    """The stream on the node, the model beside it, and everybody who does something to it.

    :param url: of the node
    :param name: of the dataset
    :param archive: an empty one
    """

    def __init__(self, client: OpenSearch, url: str, name: str, archive: Archive) -> None:
        parts: dict[str, Any] = {
            "raw": {"window_days": 1, "fields": TYPES},
            "history": {"group_by": ["device"]},
            "intake": intake_of(archive.bucket, max_dead_share=1.0),
        }
        line = confirmation(dataset_of(name, **parts))
        dataset = dataset_of(name, **parts, cycle={"delete": True, "delete_confirmed": line})
        self.stream = Stream(client, dataset, {**TYPES, "n": "keyword"})
        self.client = client
        self._url = url
        self._numbers = iter(range(10**9))
        self.raw: dict[date, dict[str, Document]] = {}
        self._uuid: dict[date, str] = {}
        self.retired: dict[date, dict[str, Document]] = {}
        self.told: list[str] = []
        self.archive = archive
        self.archived: dict[date, dict[str, Document]] = {}
        self._ids: dict[tuple[date, str], str] = {}
        self.disturbed = False
        Ledger(client, name).ensure()

    # What producers and others do. A write that is refused has not happened.

    def produce(self, day: date, count: int, seed: int) -> None:
        """Write documents; a raw day that is gone comes back by it, as with any late producer."""
        self.look()
        for document in self._documents(day, count, seed, "n"):
            self._put(day, document["n"], document)

    def _documents(self, day: date, count: int, seed: int, letter: str) -> list[Document]:
        """Documents of which no two have the same values: a day of the same values is taken for the same day."""
        rng = random.Random(f"{seed} {next(self._numbers)}")
        start = datetime(day.year, day.month, day.day, tzinfo=UTC)
        documents = []
        for _ in range(count):
            document: Document = {
                "n": f"{letter}{next(self._numbers)}",
                "@timestamp": (start + timedelta(seconds=rng.randrange(0, 86_400, 1800))).isoformat(),
                "device": f"d{rng.randrange(3)}",
                "temperature": round(rng.lognormvariate(1, 1) - 2, 3),
            }
            if rng.random() < 0.5:
                document["load"] = rng.randrange(-50, 100)
            documents.append(document)
        return documents

    def update(self, day: date, seed: int) -> None:
        """Somebody corrects a document: another value, or another device."""
        if not self.look().get(day):
            return
        rng = random.Random(seed)
        identity = rng.choice(sorted(self.raw[day]))
        self.disturbed |= identity.startswith("a")
        change: Document = rng.choice([{"temperature": round(rng.random(), 3)}, {"device": f"d{rng.randrange(4)}"}])
        self._put(day, identity, {**self.raw[day][identity], **change})

    def remove(self, day: date, seed: int) -> None:
        """Somebody deletes a document."""
        if not self.look().get(day):
            return
        identity = random.Random(seed).choice(sorted(self.raw[day]))
        self.disturbed |= identity.startswith("a")
        with suppress(OpenSearchException):
            index = self.stream.dataset.raw_index(day)
            self.client.delete(index=index, id=self._ids.get((day, identity), identity), params={"refresh": "true"})
            del self.raw[day][identity]

    def spoil(self, day: date, seed: int) -> None:
        """Somebody damages rows of a day that is still raw: one is dropped, or says something else."""
        if day not in self.look() or day in self.retired:
            return
        rows = {key: row for key, row in self.stream.rows(day).items() if self._is_of(row, day)}
        if rows:
            rng = random.Random(seed)
            identity = rng.choice(sorted(rows))
            if rng.random() < 0.5:
                self.stream.drop_row(identity, day)
            else:
                row = rows[identity]
                row["metrics"]["temperature"] = rows[rng.choice(sorted(rows))]["metrics"].get("temperature", {})
                self.stream.put_row(identity, row, day)

    def _put(self, day: date, identity: str, document: Document) -> None:
        index = self.stream.dataset.raw_index(day)
        with suppress(OpenSearchException):
            if not self.client.indices.exists(index=index):
                self.stream.create(day)
            self.look()
            to = self._ids.get((day, identity), identity)
            self.client.index(index=index, id=to, body=document, params={"refresh": "true"})
            self.raw.setdefault(day, {})[identity] = document
            self._uuid.setdefault(day, self._uuid_of(day) or "")

    # What lies in S3.

    def put_in_archive(self, day: date, count: int, seed: int) -> None:
        """An object with events of a day, one of them damaged: what a backfill must bring back, each once."""
        documents = self._documents(day, count, seed, "a")
        self.archived.setdefault(day, {}).update({one["n"]: one for one in documents[1:]})
        broken = {**documents[0], "load": "not a number"}
        events = sorted([*documents[1:], broken], key=lambda one: one["@timestamp"])
        self.archive.put(events, stream=f"sensors-{documents[0]['n']}")  # no object takes the place of another

    # What Strata does.

    def strata(self, name: str, day: date, at: int = -1, then: Callable[[], object] | None = None) -> None:
        """One run of ours. Whatever it raises is a sentence of ours, and it deletes only where it may.

        :param at: number of requests after which something happens; -1: nothing does
        :param then: what happens there; what it raises ends the run
        """
        before = set(self.look())
        with self._watched(at, then) as client:
            try:
                self._runs(client, day)[name]()
            except (StrataError, OpenSearchException) as error:
                self.told.append(f"{name}: {error}"[:200])
            except Killed:
                self.told.append(f"{name}: killed")
        gone = before - set(self.look())
        assert not gone or then or name in ("cycle", "backfill and drop"), f"{name} deleted {gone}"

    def _runs(self, client: OpenSearch, day: date) -> dict[str, Callable[[], object]]:
        dataset = self.stream.dataset
        return {
            "condense": lambda: condense(client, dataset, day, engine="search"),
            "prove": lambda: prove(client, dataset, day, engine="search"),
            "cycle": lambda: run_cycle(client, dataset, TODAY, NOW, apply=True, engine="search"),
            "dry cycle": lambda: run_cycle(client, dataset, TODAY, NOW, apply=False, engine="search"),
            "reaggregate": lambda: list(reaggregate(client, dataset, FIRST, TODAY, engine="search")),
            "backfill": lambda: self._backfill(client, day),
            "backfill and drop": lambda: self._backfill(client, day, drop=True),
            "redrive": lambda: Backfill(client, dataset, lambda: self.archive.s3).redrive(
                dead_letters_of(dataset), apply=True, settings=LOADING
            ),
        }

    def _backfill(self, client: OpenSearch, day: date, drop: bool = False) -> None:
        """All steps, as the shell takes them; what is proven is looked up."""
        s3, dataset, owner = self.archive.s3, self.stream.dataset, f"test/{uuid4().hex}"
        backfill = Backfill(client, dataset, lambda: s3)
        ref = backfill.write(backfill.plan(None, day, day))
        backfill.prepare(ref, owner)
        try:
            for number in range(ref.batches):
                backfill.load(ref, number, owner, settings=LOADING).require_success()
        finally:
            backfill.end(owner)
        wanted = self.archived.get(day, {})
        if not backfill.prove(ref).holds:
            return
        self._absorb()
        missing = wanted.keys() - self.raw.get(day, {}).keys() - self.retired.get(day, {}).keys()
        assert not missing or self.disturbed, f"proven, but {sorted(missing)} of {day} are not there"
        if drop:
            settle_day(client, dataset, day, "condense_and_drop", NOW)

    def verify(self, day: date) -> None:
        """What is said to be verified is."""
        if day not in self.look():
            return
        with suppress(StrataError):
            if verify(self.client, self.stream.dataset, day).state == "verified":
                assert self.rows(day) == rows_of(list(self.raw[day].values()))

    def killed(self) -> None:
        """The process of a run ends, at once and for good."""
        raise Killed

    @contextmanager
    def _watched(self, at: int, then: Callable[[], object] | None) -> Iterator[OpenSearch]:
        """A client of one run of ours, which something befalls at its n-th request."""
        with build_client(ClientSettings.from_url(self._url, timeout=20, max_retries=0)) as client:
            real, left, guard = client.transport.perform_request, [at], RLock()

            def perform(method: str, url: str, **options: Any) -> Any:
                with guard:  # its threads stand still meanwhile
                    left[0] -= 1
                    if then and left[0] == -1:
                        then()
                    if then == self.killed and left[0] < 0:  # it never comes back, whatever is cleared up
                        raise Killed
                    if method == "DELETE" and url.count("/") == 1:
                        self._absorb()
                return real(method, url, **options)

            client.transport.perform_request = perform
            with patch.object(tenacity.nap, "time", SimpleNamespace(sleep=lambda _: None)):
                yield client

    # What must be true.

    def look(self) -> dict[date, dict[str, Document]]:
        """The raw days that are there; one that is gone since the last look was deleted by us, behind its proof."""
        for day in list(self.raw):
            if self._uuid_of(day) != self._uuid[day]:
                # An empty day that a load made goes again with it.
                assert day in DAYS or not self.raw[day], f"{day} is inside the window"
                self.retired[day] = {**self.retired.get(day, {}), **self.raw.pop(day)}
                del self._uuid[day]
        self._absorb()
        return self.raw

    def _absorb(self) -> None:
        """Take what a load has brought into the model: events of the archive, which it alone writes."""
        for day in [*DAYS, TODAY]:
            index = self.stream.dataset.raw_index(day)
            if (uuid := self._uuid_of(day)) is None or self._uuid.setdefault(day, uuid) != uuid:
                continue
            self.client.indices.refresh(index=index)
            body = {"size": 1000, "query": {"prefix": {"n": "a"}}}
            there = self.raw.setdefault(day, {})
            for hit in self.client.search(index=index, body=body)["hits"]["hits"]:
                number = hit["_source"]["n"]
                assert self._ids.setdefault((day, number), hit["_id"]) == hit["_id"], f"{number} is there twice"
                there.setdefault(number, hit["_source"])

    def check(self) -> None:
        """Every document of a raw day that we deleted is in the rows, and nothing else where there is no raw day."""
        self.look()
        for day, documents in self.retired.items():
            wanted, found = rows_of(list(documents.values())), self.rows(day)
            if day not in self.raw:
                assert found == wanted, f"{day} is only history now"
            else:
                poorer = {key: (row, found.get(key)) for key, row in wanted.items() if found.get(key, (0,))[0] < row[0]}
                assert not poorer, f"{day} was made again, and its history got poorer"

    def rows(self, day: date) -> dict[tuple[str, int], Row]:
        """The rows of a day as :func:`rows_of` says them."""
        found = {}
        for row in self.stream.rows(day).values():
            if not self._is_of(row, day):
                continue
            temperature, load = (row["metrics"].get(name, {}) for name in ("temperature", "load"))
            key = (row["device"], row["@timestamp"])
            assert key not in found, f"{key} has two rows"
            found[key] = (
                row["transform._doc_count"],
                temperature.get("count", 0),
                temperature.get("min"),
                temperature.get("max"),
                round(temperature.get("sum", 0.0), 6),
                load.get("count", 0),
                load.get("sum", 0),
            )
        return found

    def _is_of(self, row: dict[str, Any], day: date) -> bool:
        return bool(row["transform._id"] == self.stream.dataset.transform_id(day))

    def _uuid_of(self, day: date) -> str | None:
        index = self.stream.dataset.raw_index(day)
        try:
            return str(self.client.indices.get_settings(index=index)[index]["settings"]["index"]["uuid"])
        except NotFoundError:
            return None

    def state(self) -> bytes:
        """For the log of a failed example."""
        days = {str(day): [len(self.raw.get(day, {})), len(self.retired.get(day, {}))] for day in DAYS}
        return orjson.dumps({"raw and retired": days, "told": self.told[-8:]})
