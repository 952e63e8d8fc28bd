"""Days of every kind, and overviews of datasets that are made of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from opensearch_strata.airflow.ui.explore.answered import Answered, Series
from opensearch_strata.airflow.ui.explore.asked import Asked
from opensearch_strata.archive.causes import Cause
from opensearch_strata.archive.dead_letters.letter import DeadLetter
from opensearch_strata.archive.events import Place
from opensearch_strata.archive.ledger.rows import ObjectRow
from opensearch_strata.archive.store.manifest import NAME
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.history.month.marks import Mark
from opensearch_strata.history.query.sources.carried import DayRows
from opensearch_strata.workflows.audit.inventory import DayState, Inventory, StoredObject
from opensearch_strata.workflows.overview.kinds import cell_of
from opensearch_strata.workflows.overview.loads import Loader, Loads, Sums
from opensearch_strata.workflows.overview.overview import Overview
from tests.streams import dataset_of

SHOP = dataset_of("shop", raw={"window_days": 3}, archive={"bucket": "shop-archive"}, cycle={"max_deletes_per_run": 2})
NOW = datetime(2024, 5, 14, 12, tzinfo=UTC)
END = date(2024, 5, 13)
"""The newest complete day."""

State = Mapping[str, Any]

ROWS = DayRows(10, 3, "m/3/6/3", frozenset({"uuid"}))
MARK = Mark(10, "uuid", SHOP.fingerprint, "m/3/6/3")
OBJECTS = {NAME: StoredObject(10, "STANDARD", False), "part-0": StoredObject(90, "STANDARD", False)}
PARTS = {"part-0": OBJECTS["part-0"]}
"""Of an export that has not ended."""

RAW: State = {"documents": 10, "uuid": "uuid", "raw_bytes": 4096}
PROVEN: State = {**RAW, "rows": ROWS, "mark": MARK, "rows_bytes": 512}
GONE: State = {"rows": ROWS, "mark": MARK, "rows_bytes": 512, "objects": OBJECTS}

KINDS: dict[str, State] = {
    "proven": PROVEN,
    "archived": {**PROVEN, "objects": OBJECTS},
    "raw": RAW,
    "unproven": {**PROVEN, "mark": None},
    "differs": {**PROVEN, "documents": 9},
    "amiss": {"rows": ROWS, "mark": MARK},
    "gone": GONE,
    "stored": {"objects": OBJECTS},
    "restored": {**PROVEN, "uuid": "another", "wanted": "it was restored"},
    "empty": {"documents": 0, "uuid": "uuid"},
    "missing": {},
    "lost": {"mark": MARK},
    "unreadable": {"problem": "It is closed."},
}
"""What is left of a day of each kind, but for those that a load or a rewrite make."""


def overview(states: Mapping[int, State], dataset: Dataset = SHOP, **more: Any) -> Overview:
    """An overview of days that are some days older than the end of the window."""
    days = [DayState(END - timedelta(days=ago), **states[ago]) for ago in sorted(states, reverse=True)]
    loading = more.get("loading", {})
    inventory = Inventory(days, END, {}, archive_seen=more.pop("archive_seen", True))
    cells = [cell_of(dataset, state, inventory, loading=loading.keys()) for state in days]
    return Overview(dataset, NOW, inventory, cells, **more)


def loads(told: str) -> Loads:
    """Loads of every kind, in which everything that came from elsewhere says the same."""
    source = Place("archive", f"logs/{told}", "e1")
    bad = ObjectRow(source, 100, (0, 1), "quarantined", error=told)
    letter = DeadLetter(source, 3, 0, "", "", "rejected", told, 1, "", "", "json", told.encode())
    return Loads(
        states={"done": Sums(2, 300, 300, 1.5, 20, 1, 0, 4), "quarantined": Sums(1, 100, 0, 0.0, 0, 0, 0, 0)},
        loaders=[Loader(told, 1, 100, 40, NOW)],
        bad=[bad],
        causes={"rejected": Cause(4, told)},
        counted_in=2,
        samples=[letter],
        unseen=[told],
    )


def answered(told: str, asked: Asked) -> Answered:
    """An answer of a week, hour by hour, with raw days at its end, in which all texts say the same."""
    times = [datetime(2024, 5, 6, tzinfo=UTC) + timedelta(hours=hour) for hour in range(7 * 24)]
    ranks = {"min": 0, "p50": 1, "p99": 2, "max": 3}
    lines = {stat: [float(rank + hour % 24) for hour in range(len(times))] for stat, rank in ranks.items()}
    epochs = [time.timestamp() for time in times]
    return Answered(
        columns=["time", "metric", "p50", "source"],
        records=[[time, told, float(place), "raw"] for place, time in enumerate(times)],
        series=[Series(f"{metric} {told}", told, epochs, lines) for metric in asked.metrics],
        raw=[(epochs[100], epochs[-1])],
        sources=["history", "raw"],
        levels=[told],
        notes=[told],
    )
