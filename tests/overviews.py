"""Days of every kind, and overviews of datasets that are made of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from opensearch_strata.archive.store.manifest import NAME
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.history.month.marks import Mark
from opensearch_strata.history.query.sources.carried import DayRows
from opensearch_strata.workflows.audit.inventory import DayState, Inventory, StoredObject
from opensearch_strata.workflows.overview.kinds import cell_of
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
RAW: State = {"documents": 10, "uuid": "uuid", "raw_bytes": 4096}
PROVEN: State = {**RAW, "rows": ROWS, "mark": MARK, "rows_bytes": 512}
GONE: State = {"rows": ROWS, "mark": MARK, "rows_bytes": 512, "objects": OBJECTS}

KINDS: dict[str, State] = {
    "proven": PROVEN,
    "archived": {**PROVEN, "objects": OBJECTS},
    "raw": RAW,
    "unproven": {**PROVEN, "mark": None},
    "differs": {**PROVEN, "documents": 9},
    "rows": {"rows": ROWS, "mark": MARK},
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
    cells = [cell_of(dataset, state, window_end=END, loading=loading.keys()) for state in days]
    return Overview(dataset, NOW, Inventory(days, END, {}), cells, **more)
