"""What one day of a dataset is, in a word, with its numbers. Pure."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from datetime import date
from typing import Literal

from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.errors.amounts import counted, size
from opensearch_strata.workflows.audit.archived import listed_archive
from opensearch_strata.workflows.audit.day_findings import is_proven, judge_day
from opensearch_strata.workflows.audit.findings import Finding, is_bad
from opensearch_strata.workflows.audit.inventory import DayState, Inventory

Kind = Literal[
    "proven", "archived", "raw", "unproven", "differs", "rows", "gone", "stored", "restored", "empty", "missing",
    "lost", "amiss", "unseen", "unreadable", "loading", "rebuilding",
]  # fmt: skip

Standing = Literal["bad", "look", "waiting", "well"]
"""How urgent it is, the worst one first."""

STANDINGS: tuple[Standing, ...] = ("bad", "look", "waiting", "well")


@dataclass(frozen=True)
class Meaning:
    """What a kind of day means.

    :param label: a few words, for a legend
    :param sentence: what is so, for whoever looks at a day
    :param standing: how urgent it is
    """

    label: str
    sentence: str
    standing: Standing


MEANINGS: dict[Kind, Meaning] = {
    "proven": Meaning("raw and proven", "The raw day is there, and its rows are those of its proof.", "well"),
    "archived": Meaning("raw, proven, archived", "The raw day is there, proven in rows, and archived.", "well"),
    "rows": Meaning("rows only", "The rows are kept; the raw day was deleted, and there is no archive.", "well"),
    "gone": Meaning("archived and gone", "The rows are kept, and the raw day is in the archive.", "well"),
    "restored": Meaning("restored for a while", "The raw day has left the window, but somebody restored it.", "well"),
    "raw": Meaning("raw only", "The raw day has no rows yet.", "look"),
    "unproven": Meaning("not proven", "The rows count as many documents as the raw day, but no proof holds.", "look"),
    "stored": Meaning("archive only", "Only the archive is left: there are neither a raw day nor rows.", "look"),
    "empty": Meaning("empty", "The raw day has no document.", "look"),
    "missing": Meaning("missing", "There is neither a raw day, nor rows, nor an archive.", "look"),
    "differs": Meaning("differs", "The raw day and its rows count different numbers of documents.", "bad"),
    "lost": Meaning("was there, is nowhere", "It was there once, but nothing of it is left.", "bad"),
    "amiss": Meaning("not as it should be", "It is not what was proven, archived or loaded.", "look"),
    "unseen": Meaning("archive not known", "The raw day is gone, and the archive did not answer.", "look"),
    "unreadable": Meaning("cannot be read", "The raw day, or the month of its rows, cannot be read.", "bad"),
    "loading": Meaning("being loaded", "A backfill or a queue is loading into the raw day.", "waiting"),
    "rebuilding": Meaning("being rebuilt", "An import or a rewrite replaces the month of its rows.", "waiting"),
}
"""The legend, in its order."""


@dataclass(frozen=True)
class Cell:
    """A day of the calendar.

    :param documents: of the raw day; None if there is none, or it cannot be read
    :param rows: how many rows it has
    :param carried: how many raw documents they stand for
    :param raw_bytes: store size of the raw day's primary shards; None if it is not known
    :param rows_bytes: the share of its rows in their month; None likewise
    :param stored_bytes: of the objects in the folder of its archive
    :param objects: how many these are
    :param archive_seen: whether it is known what is archived
    :param has_raw: whether there is a raw day, readable or not
    :param why: what else is to be said of it, a sentence; empty if there is nothing
    :param standing: how urgent it is
    """

    day: date
    kind: Kind
    documents: int | None = None
    rows: int = 0
    carried: int = 0
    raw_bytes: int | None = 0
    rows_bytes: int | None = 0
    stored_bytes: int = 0
    objects: int = 0
    archive_seen: bool = True
    has_raw: bool = False
    why: str = ""
    standing: Standing = "well"

    @property
    def label(self) -> str:
        """What it is, in a few words."""
        return MEANINGS[self.kind].label

    @property
    def numbers(self) -> str:
        """Its counts and sizes, as phrases; empty if there are none."""
        parts = []
        if self.documents is not None:
            parts.append(f"{counted(self.documents, 'raw document')} ({_told_size(self.raw_bytes)})")
        if self.rows:
            stands = "" if self.carried == self.documents else f" for {counted(self.carried, 'document')}"
            parts.append(f"{counted(self.rows, 'row')}{stands} ({_told_size(self.rows_bytes)})")
        if self.objects:
            parts.append(f"{counted(self.objects, 'archived object')} ({size(self.stored_bytes)})")
        return ", ".join(parts)

    @property
    def sentence(self) -> str:
        """All of it in one line, for a hover text and for who does not see colours."""
        numbers = f": {self.numbers}" if self.numbers else ""
        return f"{self.day}, {self.label}{numbers}.{f' {self.why}' if self.why else ''}"


def _told_size(count: int | None) -> str:
    return "size not known" if count is None else size(count)


def cell_of(
    dataset: Dataset,
    state: DayState,
    inventory: Inventory,
    *,
    loading: Set[date] = frozenset(),
    replaced: Set[date] = frozenset(),
) -> Cell:
    """What a day is. What an audit would say of it without reading anything more decides whether it is well.

    :param state: what is left of it
    :param inventory: what the day is part of
    :param loading: days that somebody is loading into
    :param replaced: first days of the months that are being replaced
    """
    month = state.day.replace(day=1)
    worst = judge_day(dataset, state, listed_archive(dataset, state), inventory)[:1]
    found = worst[0] if worst and worst[0].severity != "fine" else None
    kind = _kind(state, inventory, is_loading=state.day in loading)
    if found and (MEANINGS[kind].standing == "well" or (kind == "unseen" and is_bad(found))):
        kind = "amiss"
    if month in replaced and kind not in ("loading", "unreadable", "missing", "lost"):
        kind = "rebuilding"
    said = found.finding if found and kind != "missing" else ""
    return Cell(
        day=state.day,
        kind=kind,
        documents=state.documents,
        rows=state.rows.number if state.rows else 0,
        carried=state.rows.documents if state.rows else 0,
        raw_bytes=state.raw_bytes,
        rows_bytes=state.rows_bytes,
        stored_bytes=sum(one.size for one in state.objects.values()),
        objects=len(state.objects),
        has_raw=state.documents is not None or bool(state.problem),
        archive_seen=inventory.archive_seen,
        why=" ".join(dict.fromkeys(filter(None, [_why(state), said]))),
        standing=_standing(dataset, kind, state, inventory.window_end, found),
    )


def _kind(state: DayState, inventory: Inventory, *, is_loading: bool) -> Kind:
    if is_loading:
        return "loading"
    is_unreadable = state.day.replace(day=1) in inventory.unreadable
    if state.problem or (is_unreadable and (state.documents is None or state.rows is None)):
        return "unreadable"
    if state.documents is None and not inventory.archive_seen:
        return "unseen"
    if state.is_nowhere:
        traces = [state.mark, state.created is not None, state.linked, state.copied, state.objects]
        return "lost" if any(traces) else "missing"
    if state.documents is None:
        if state.rows is None:
            return "stored"
        return "gone" if state.has_manifest else "rows"
    if state.rows is None:
        return "raw" if state.documents else "empty"
    if state.documents != state.rows.documents:
        return "differs"
    if state.wanted:
        return "restored"
    if not is_proven(state):
        return "unproven"
    return "archived" if state.has_manifest else "proven"


def _why(state: DayState) -> str:
    if state.problem:
        return state.problem
    if state.rows and (late := late_documents(state)) > 0:
        came = f"{counted(late, 'document')} came after its rows were made"
        return f"{came}; the next audit, or the cycle before it deletes the day, condenses it again."
    return f"It stays: {state.wanted}." if state.wanted else ""


def late_documents(state: DayState) -> int:
    """Documents of the raw day that its rows do not carry; negative if the rows carry more."""
    return state.documents - state.rows.documents if state.documents is not None and state.rows else 0


def _standing(dataset: Dataset, kind: Kind, state: DayState, window_end: date, found: Finding | None) -> Standing:
    """How urgent a day is: no less than an audit says, but for days without events, which may be nobody's fault, and
    what goes on now."""
    alone = _alone(dataset, kind, state, window_end)
    if found is None or kind in ("missing", "loading", "rebuilding"):
        return alone
    return min(alone, "bad" if is_bad(found) else "look", key=STANDINGS.index)


def _alone(dataset: Dataset, kind: Kind, state: DayState, window_end: date) -> Standing:
    """How urgent a kind of day is: the newest one may wait for its cycle."""
    is_newest = state.day >= window_end
    if kind in ("raw", "unproven") and is_newest:
        return "waiting"
    if kind == "differs" and late_documents(state) > 0:
        return "waiting" if is_newest else "look"
    if kind == "missing":
        if is_newest:
            return "waiting"
        return "bad" if dataset.raw.required_daily else "well"
    return MEANINGS[kind].standing
