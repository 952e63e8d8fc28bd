"""A month index made from the files of its days, or completed from them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, replace
from datetime import date
from typing import TYPE_CHECKING, Any, Literal

from opensearch_strata.connections import decisive
from opensearch_strata.connections.safe_settings import MONTH, weaker
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.errors import Refused
from opensearch_strata.history.copy.contents import layout_of, require_same, versions_in
from opensearch_strata.history.copy.day_file import DayCopy
from opensearch_strata.history.copy.layout import IDENTITY, RowLayout
from opensearch_strata.history.copy.reading import read_rows
from opensearch_strata.history.copy.replacement import OnStep, Replacement
from opensearch_strata.history.copy.row_tables import arrow, difference
from opensearch_strata.history.copy.writing import write_table
from opensearch_strata.history.month.index import mend_settings
from opensearch_strata.history.month.mapping import mapping_differences
from opensearch_strata.history.month.marks import Mark, marks_in, rows_version
from opensearch_strata.history.month.rows_of_day import of_day
from opensearch_strata.history.month.stand_in import require_not_replaced
from opensearch_strata.history.raw_day.hold import Hold, claim, release, renewed

if TYPE_CHECKING:
    import pyarrow as pa
    from opensearchpy import OpenSearch

Taken = Literal["same", "added", "would be added"]
"""Of the rows of a file: they are there already, they were written and proven, or they would be."""

_OF_ALL = ("dataset", "bucket", "group_by", "timestamp", "sketch_version")
"""Keys of ``_meta.strata`` in which all files of a month must agree."""


class MonthOfFiles:
    """A month, and the files of it that were looked at.

    :param month: first day of the month
    :param on_step: called with what is done next, in words
    """

    def __init__(self, client: OpenSearch, dataset: Dataset, month: date, on_step: OnStep = lambda _: None) -> None:
        self._client = client
        self._dataset = dataset
        self._month = month
        self._tell = on_step
        self._task = Replacement(client, dataset, month, on_step)
        self._properties: dict[str, Any] = {}
        self._meta: dict[str, Any] = {}
        self._marks: dict[date, Mark | None] = {}
        self._hold: Hold | None = None

    def add(self, copy: DayCopy) -> None:
        """Look at a file: what index its rows need.

        :param copy: its content, which is not kept
        :raises Refused: it does not go together with the files before
        """
        if problems := mapping_differences(self._properties, copy.properties):
            raise Refused(
                f"{copy.place} does not go together with the files before it in its month: {'; '.join(problems)}. "
                f"Nothing of the month was imported."
            )
        self._properties = _joined(self._properties, copy.properties)
        self._meta = _joined_meta(self._meta, copy)
        self._marks[copy.day] = copy.mark

    def take(self, read: Callable[[date], DayCopy], *, apply: bool) -> dict[date, Taken]:
        """Bring the rows of all files into the month; those that are there must be the same, and are kept.

        :param read: reads the file of a day again
        :param apply: write; else only look
        :raises Refused: the month holds other rows of a day, or another shape
        :raises TransientError: somebody else writes to the month, or something did not answer in time
        """
        there, note = self._task.look()
        if note and note.stands and apply:  # an earlier run was killed between the two indices
            self._task.settle()
            there, note = self._task.look()
        if there is None and not (note and note.stands):
            if apply:
                self._build(read)
            return dict.fromkeys(self._marks, "added" if apply else "would be added")
        if apply:
            found = self._held(read)
        else:
            found = self._compared(read, self._task.beside if note and note.stands else self._task.index)
        return {day: "same" if same else "added" if apply else "would be added" for day, same in found.items()}

    def _build(self, read: Callable[[date], DayCopy]) -> None:
        """Make the month beside its name, and put it there when every row was read back."""
        self._task.begin(self._properties, {**self._meta, "verified": {}})
        stands = False
        try:
            layout = layout_of(self._client, self._task.beside)
            for day in self._marks:
                self._task.keep()
                self._write(read(day), self._task.beside, layout)
            marks = {f"{day}": asdict(mark) for day, mark in self._marked(self._task.beside).items()}
            self._task.stand({**self._meta, "verified": marks})
            stands = True
        finally:
            if not stands:
                self._task.give_up()
        self._task.settle()

    def _held(self, read: Callable[[date], DayCopy]) -> dict[date, bool]:
        """Complete the month while nobody rewrites it; whether all rows of each file were there.

        :raises Refused: the month holds other rows, or another run holds it
        """
        self._hold = claim(self._client, self._task.index)
        try:
            found = self._compared(read, self._task.index)
            self._complete(read, found)
        finally:
            release(self._client, self._task.index, self._hold)
        return found

    def _compared(self, read: Callable[[date], DayCopy], index: str) -> dict[date, bool]:
        """Whether all rows of each file are there. An import that was interrupted left some of them.

        :raises Refused: rows are there that differ from those of the file, or that it lacks
        """
        layout = layout_of(self._client, index)
        decisive.refresh(self._client, index)
        found = {}
        for day in self._marks:
            self._keep(index)
            self._tell(f"comparing {day}")
            rows = read_rows(self._client, index, layout, of_day(self._dataset, day))
            found[day] = False
            if rows.num_rows:
                copy = read(day)
                same = _with_ids_of(copy.rows, rows)
                found[day] = same.num_rows == copy.rows.num_rows
                against = same if same.num_rows == rows.num_rows else copy.rows
                if other := difference(copy.layout, against, rows, versions=False):
                    raise Refused(
                        f"{index} holds other rows of {day} than {copy.place}: {other}. Nothing was imported. If those "
                        f"of the file are right, delete the others first; if those of the index are, export the day."
                    )
        return found

    def _complete(self, read: Callable[[date], DayCopy], found: Mapping[date, bool]) -> None:
        """Write the rows that the month lacks, and note the marks of all days."""
        index = self._task.index
        require_not_replaced(self._client, self._dataset, self._month)
        settings = self._client.indices.get_settings(index=index, params={"flat_settings": "true"})[index]["settings"]
        if missing := weaker(settings, MONTH):
            mend_settings(self._client, index, missing)
        mapping = self._client.indices.get_mapping(index=index)[index]["mappings"]
        if problems := mapping_differences(mapping["properties"], self._properties):
            raise Refused(
                f"{index} has another shape than its files: {'; '.join(problems)}. Nothing was imported; rewrite it "
                f"first (strata history rewrite)."
            )
        absent = [day for day, same in found.items() if not same]
        if absent:
            self._note(index, self._announced(settings["index.uuid"], absent))
            layout = layout_of(self._client, index)
            for day in absent:
                self._keep(index)
                self._write(read(day), index, layout)
            decisive.flush(self._client, index)
        self._note(index, self._marked(index), marks_only=True)

    def _keep(self, index: str) -> None:
        """Go on holding the month that is completed.

        :raises OvertakenError: another run took this one for dead
        """
        if self._hold:
            self._hold = renewed(self._client, index, self._hold)

    def _note(self, index: str, marks: Mapping[date, Mark], *, marks_only: bool = False) -> None:
        """Note marks in the month, and what else its new rows need.

        The cycle notes marks of other days while rows are written. The server replaces ``_meta`` as a whole, so each
        change is one of what is noted at that moment.

        :param marks_only: the month has the fields and definitions of the files already
        """
        meta = self._client.indices.get_mapping(index=index)[index]["mappings"].get("_meta", {})
        strata = meta.get("strata", {})
        before = marks_in(strata)
        after = {**before, **marks}
        if marks_only and before == after:
            return
        if not marks_only:
            strata = _grown(strata, self._meta)
        strata = {**strata, "verified": {f"{day}": asdict(mark) for day, mark in after.items()}}
        body = {"_meta": {**meta, "strata": strata}, "properties": {} if marks_only else self._properties}
        self._client.indices.put_mapping(index=index, body=body)

    def _write(self, copy: DayCopy, index: str, layout: RowLayout) -> None:
        """Write the rows of a file that are not there yet, and read all of them back.

        :raises Refused: what is there is not what the file holds
        """
        self._tell(f"writing {copy.day}")
        day = of_day(self._dataset, copy.day)
        there = read_rows(self._client, index, layout, day)
        write_table(self._client, index, copy.layout, _with_ids_of(copy.rows, there, invert=True))
        decisive.refresh(self._client, index)
        written = read_rows(self._client, index, layout, day)
        same_versions = index == self._task.beside  # where no row was ever deleted
        require_same(copy.layout, copy.rows, written, copy.place, index, f"{copy.day}", versions=same_versions)

    def _announced(self, uuid: str, days: Iterable[date]) -> dict[date, Mark]:
        """The marks of days that are about to be written, which hold for none of their rows.

        So whoever looks at a day while it is half imported, or after an import that died, finds fewer documents than
        were proven.

        :param uuid: of the month index
        """
        nothing = rows_version(uuid, 0, 0, 0)
        return {day: replace(mark, rows_version=nothing) for day in days if (mark := self._marks[day])}

    def _marked(self, index: str) -> dict[date, Mark]:
        """The marks of the files, as marks of the rows in an index."""
        versions = versions_in(self._client, index)
        return {
            day: replace(mark, rows_version=versions[self._dataset.transform_id(day)])
            for day, mark in self._marks.items()
            if mark
        }


def _with_ids_of(rows: pa.Table, others: pa.Table, *, invert: bool = False) -> pa.Table:
    """Those of some rows whose ids are among others.

    :param invert: those whose ids are not
    """
    compute = arrow().compute
    found = compute.is_in(rows[IDENTITY], value_set=others[IDENTITY].combine_chunks())
    return rows.filter(compute.invert(found) if invert else found)


def _joined(properties: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of both; where both have one, they are the same."""
    joined = dict(properties)
    for name, body in more.items():
        there = properties.get(name)
        if there and "properties" in there:
            body = {**there, "properties": _joined(there["properties"], body["properties"])}
        joined[name] = body
    return joined


def _joined_meta(meta: Mapping[str, Any], copy: DayCopy) -> dict[str, Any]:
    """Notes of a month as its last file has them, with what only files before say.

    :raises Refused: the files are of definitions that do not go together
    """
    for key in _OF_ALL if meta else ():
        if meta.get(key) != copy.meta.get(key):
            raise Refused(
                f"{copy.place} does not go together with the files before it in its month: {key} is "
                f"{copy.meta.get(key)!r} and was {meta.get(key)!r}. Nothing of the month was imported."
            )
    return _grown(copy.meta, meta)


def _grown(meta: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Notes of a month with all that rows of other days may have: definitions, metrics, relative errors.

    :param meta: what counts where both say something
    """
    metrics = dict(meta.get("metrics", {}))
    for name, metric in more.get("metrics", {}).items():
        there = metrics.get(name, {})
        errors = sorted({*there.get("relative_errors", []), *metric.get("relative_errors", [])})
        stats = sorted({*there.get("stats", []), *metric.get("stats", [])})
        metrics[name] = {**metric, **there, "stats": stats, "relative_errors": errors}
    fingerprints = sorted({*meta.get("fingerprints", []), *more.get("fingerprints", [])})
    return {**more, **meta, "metrics": metrics, "fingerprints": fingerprints}
