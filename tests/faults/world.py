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
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import orjson
import tenacity.nap
from opensearchpy import NotFoundError, OpenSearch, OpenSearchException

from opensearch_strata.client import ClientSettings, build_client
from opensearch_strata.consent import confirmation
from opensearch_strata.cycle import run_cycle
from opensearch_strata.errors import StrataError
from opensearch_strata.history.condense import condense
from opensearch_strata.history.prove import prove
from opensearch_strata.history.reaggregate import reaggregate
from opensearch_strata.history.verify import verify
from tests.faults.proxy import Answer, Cut, FaultyProxy, Forward, Request
from tests.streams import Stream, dataset_of

FIRST = date(2024, 5, 6)
DAYS = [FIRST + timedelta(days=number) for number in range(3)]
"""Raw days that have left the window."""
TODAY = FIRST + timedelta(days=3)
"""The newest complete day: the window holds it alone."""
NOW = datetime(TODAY.year, TODAY.month, TODAY.day, 5, tzinfo=UTC) + timedelta(days=1)

Document = dict[str, Any]
Row = tuple[Any, ...]


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
        moment = datetime.fromisoformat(one["@timestamp"])
        hour = int(moment.replace(minute=0, second=0, microsecond=0).timestamp() * 1000)
        grouped[one["device"], hour].append(one)
    return {key: row_of(found) for key, found in grouped.items()}


class World:
    """The stream on the node, the model beside it, and everybody who does something to it.

    :param url: of the node
    :param name: of the dataset
    """

    def __init__(self, client: OpenSearch, url: str, name: str) -> None:
        parts: dict[str, Any] = {"raw": {"window_days": 1}, "history": {"group_by": ["device"]}}
        line = confirmation(dataset_of(name, **parts))
        dataset = dataset_of(name, **parts, cycle={"delete": True, "delete_confirmed": line})
        self.stream = Stream(client, dataset)
        self.client = client
        self._url = url
        self._numbers = iter(range(10**9))
        self.raw: dict[date, dict[str, Document]] = {}
        self._uuid: dict[date, str] = {}
        self.retired: dict[date, dict[str, Document]] = {}
        self.told: list[str] = []

    # What producers and others do. A write that is refused has not happened.

    def produce(self, day: date, count: int, seed: int) -> None:
        """Write documents; a raw day that is gone comes back by it, as with any late producer."""
        self.look()
        rng = random.Random(seed)
        start = datetime(day.year, day.month, day.day, tzinfo=UTC)
        for _ in range(count):
            document: Document = {
                "@timestamp": (start + timedelta(seconds=rng.randrange(0, 86_400, 1800))).isoformat(),
                "device": f"d{rng.randrange(3)}",
                "temperature": round(rng.lognormvariate(1, 1) - 2, 3),
            }
            if rng.random() < 0.5:
                document["load"] = rng.randrange(-50, 100)
            self._put(day, f"n{next(self._numbers)}", document)

    def update(self, day: date, seed: int) -> None:
        """Somebody corrects a document: another value, or another device."""
        if not self.look().get(day):
            return
        rng = random.Random(seed)
        identity = rng.choice(sorted(self.raw[day]))
        change = rng.choice([{"temperature": round(rng.random(), 3)}, {"device": f"d{rng.randrange(4)}"}])
        self._put(day, identity, {**self.raw[day][identity], **change})

    def remove(self, day: date, seed: int) -> None:
        """Somebody deletes a document."""
        if not self.look().get(day):
            return
        identity = random.Random(seed).choice(sorted(self.raw[day]))
        with suppress(OpenSearchException):
            self.client.delete(index=self.stream.dataset.raw_index(day), id=identity, params={"refresh": "true"})
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
            self.client.index(index=index, id=identity, body=document, params={"refresh": "true"})
            self.raw.setdefault(day, {})[identity] = document
            self._uuid.setdefault(day, self._uuid_of(day) or "")

    # What Strata does.

    def strata(self, name: str, day: date, client: OpenSearch | None = None) -> None:
        """One run of ours, on the node or through another client; whatever it raises is a sentence of ours."""
        client, dataset = client or self.client, self.stream.dataset
        runs: dict[str, Callable[[], object]] = {
            "condense": lambda: condense(client, dataset, day, engine="search"),
            "prove": lambda: prove(client, dataset, day, engine="search"),
            "cycle": lambda: run_cycle(client, dataset, TODAY, NOW, apply=True, engine="search"),
            "dry cycle": lambda: run_cycle(client, dataset, TODAY, NOW, apply=False, engine="search"),
            "reaggregate": lambda: list(reaggregate(client, dataset, FIRST, TODAY, engine="search")),
        }
        before = self.look().keys()
        try:
            runs[name]()
        except (StrataError, OpenSearchException) as error:
            self.told.append(f"{name}: {error}"[:200])
        if name != "cycle":
            gone = before - self.look(may_delete=client is not self.client).keys()
            assert not gone, f"{name} deleted {gone}"

    def verify(self, day: date) -> None:
        """What is said to be verified is."""
        if day not in self.look():
            return
        with suppress(StrataError):
            if verify(self.client, self.stream.dataset, day).state == "verified":
                assert self.rows(day) == rows_of(list(self.raw[day].values()))

    def interrupted(self, name: str, day: date, at: int, then: Callable[[], None] | None) -> None:
        """A run of ours that is cut off at its n-th request, or during which something else happens there.

        :param at: how many requests come before
        :param then: what happens; None: the run loses the cluster and ends
        """
        left = iter(range(at))
        done = []

        def rule(request: Request, forward: Forward) -> Answer:
            if next(left, None) is not None or (done and then):
                return forward(request)
            done.append(request)
            if then is None:
                raise Cut
            then()
            return forward(request)

        with self._through(rule) as client:
            self.strata(name, day, client)

    @contextmanager
    def _through(self, rule: Callable[[Request, Forward], Answer]) -> Iterator[OpenSearch]:
        with FaultyProxy(self._url) as proxy:
            proxy.add(rule, path="")
            settings = ClientSettings.from_url(proxy.url, timeout=20, max_retries=0)
            with (
                build_client(settings) as client,
                patch.object(tenacity.nap, "time", SimpleNamespace(sleep=lambda _: None)),
            ):
                yield client

    # What must be true.

    def look(self, may_delete: bool = True) -> dict[date, dict[str, Document]]:
        """The raw days that are there; one that is gone since the last look was deleted by us, behind its proof."""
        for day in list(self.raw):
            if self._uuid_of(day) != self._uuid[day]:
                assert may_delete
                assert day in DAYS, f"{day} is inside the window"
                self.retired[day] = {**self.retired.get(day, {}), **self.raw.pop(day)}
                del self._uuid[day]
        return self.raw

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
        return row["transform._id"] == self.stream.dataset.transform_id(day)

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
