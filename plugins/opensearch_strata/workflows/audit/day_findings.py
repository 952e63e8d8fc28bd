"""What a day's copies say about one another: where it is, its mark, and what loads created. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.errors.amounts import counted
from opensearch_strata.workflows.audit.archived import ArchiveSeen, from_archive
from opensearch_strata.workflows.audit.findings import Finding, joined
from opensearch_strata.workflows.audit.inventory import DayState, Inventory

AGREES = "Its raw day holds as many documents as when its rows were proven, and its rows are those of that proof."
ROWS_ONLY = "Its rows are kept; the raw day was deleted, and there is no archive."
ARCHIVED = "Its rows are those of its archive, and S3 has every object."
_NOT_SEEN = "Its raw day is gone, and S3 was not asked, or did not answer, whether it is archived."
_AGREE = "Nothing: its rows are those of its archive."
_ALONE = (
    "Find out who wrote to the month. Only a snapshot or a copy of the history can show whether the rows are right."
)


def judge_day(dataset: Dataset, state: DayState, archive: ArchiveSeen | None, inventory: Inventory) -> list[Finding]:
    """What an audit says of a day whose documents it does not read, the worst first.

    :param archive: see :func:`see_day`
    :param inventory: see :func:`see_day`
    """
    found = [*see_day(dataset, state, archive, inventory)]
    if state.documents is not None and is_redefined(dataset, state):
        found.append(redefined(dataset, state.day))
    elif is_proven(state):
        found.append(Finding("day", state.day, AGREES, "fine"))
    return joined(found)


def see_day(dataset: Dataset, state: DayState, archive: ArchiveSeen | None, inventory: Inventory) -> Iterator[Finding]:
    """The findings of a day that no raw document must be read for.

    :param archive: what was found of its archive; None if its folder has no objects
    :param inventory: which months cannot be read, and what is known of archives of other days
    """
    unreadable = state.day.replace(day=1) in inventory.unreadable
    if archive:
        yield from archive.findings
    if is_redefined(dataset, state) and state.documents is None:
        told = "Its rows are of an earlier definition of its metrics or groups, and its raw day is gone; they are kept."
        yield Finding("definition", state.day, told, "fine")
    if state.problem:
        cure = "Repair or open the index, and audit again."
        yield Finding("unreadable", state.day, state.problem, "look" if state.shut else "would be lost", cure)
    if state.documents is None and not state.problem and not unreadable:
        yield from _without_raw(dataset, state, archive, inventory)
    if state.created and state.documents is not None and state.documents < state.created:
        yield Finding(
            "ledger", state.day,
            f"Its raw day holds {counted(state.documents, 'document')}, but loads created {state.created:,} in it.",
            "look",
            f"Nothing, if documents were deleted on purpose. Otherwise: {_load(dataset)}",
        )  # fmt: skip


def _without_raw(
    dataset: Dataset, state: DayState, archive: ArchiveSeen | None, inventory: Inventory
) -> Iterator[Finding]:
    if not inventory.archive_seen:
        yield from _mark(dataset, state, archive)
        yield Finding("unfinished", state.day, _NOT_SEEN, "look", "Look again when S3 answers.", is_passing=True)
        return
    if state.copied and state.rows is None and (state.is_nowhere or not state.mark):
        yield _only_copied(dataset, state)
        return
    if state.is_nowhere:
        if not (archive and archive.findings):
            yield _nowhere(dataset, state)
        return
    if state.rows is None:
        yield _without_rows(dataset, state, archive)
        return
    marked = [*_mark(dataset, state, archive)]
    yield from marked
    if archive is None:
        yield from _unarchived(dataset, state, inventory.emptied_since, is_proven=not marked)
    elif archive.holds and archive.totals_agree and archive.checked:
        yield Finding("day", state.day, ARCHIVED, "fine")
    if state.created and state.rows.documents < state.created:
        yield Finding(
            "ledger", state.day,
            f"Loads created {counted(state.created, 'document')} in its raw day, but its rows carry "
            f"{state.rows.documents:,}.",
            "look",
            f"Nothing, if documents were deleted on purpose. Otherwise: {_load(dataset)} --then condense",
        )  # fmt: skip


def _only_copied(dataset: Dataset, state: DayState) -> Finding:
    """A day whose rows are gone, while their copy is there."""
    told = "Its raw day and its rows are gone; the copy of its rows in S3 is left."
    cure = (
        f"{_rows_back(dataset, state.day)} If the day belongs to another history.index, move its file elsewhere; if it "
        f"was deleted on purpose, delete the file."
    )
    return Finding("copy", state.day, told, "would be lost", cure)


def _nowhere(dataset: Dataset, state: DayState) -> Finding:
    """A day without raw day, rows and archive."""
    load = _load(dataset)
    nowhere = "there is neither a raw day, nor rows, nor an archive"
    if state.mark:
        return Finding(
            "missing", state.day,
            f"Its {counted(state.mark.documents, 'document')} were proven in rows, but now {nowhere}.", "lost",
            f"{_rows_back(dataset, state.day)} Or load the day again: {load}",
        )  # fmt: skip
    if state.created is not None:
        told = f"Loads created {counted(state.created, 'document')} in its raw day, but now {nowhere}."
        return Finding("ledger", state.day, told, "lost", f"Load it again: {load}")
    if state.linked:
        told = f"It was archived, but now {nowhere}."
        return Finding("archive", state.day, told, "lost", "Restore its folder from an earlier version of the bucket.")
    told = f"It exists nowhere: {nowhere}."
    if dataset.raw.required_daily:
        cure = f"Look at the producers of that day, and load what they have: {load}"
        return Finding("missing", state.day, told, "look", cure)
    return Finding("missing", state.day, told, "look", f"Nothing, if there were no events. Otherwise: {load}")


def _rows_back(dataset: Dataset, day: date) -> str:
    snapshot = f"Restore {dataset.month_index(day)} from a snapshot."
    if dataset.archive is None:
        return snapshot
    return (
        f"Import its rows: strata history import {dataset.name} --from {{first}} --to {{last}} --apply. Or: {snapshot}"
    )


def _load(dataset: Dataset) -> str:
    return f"strata backfill {dataset.name} --from {{first}} --to {{last}} --apply"


def _without_rows(dataset: Dataset, state: DayState, archive: ArchiveSeen | None) -> Finding:
    """A day of which only the archive is left."""
    restore = from_archive(dataset, archive.documents if archive else 0, 0)
    if state.mark:
        told = f"Its rows ({counted(state.mark.documents, 'document')}) were proven, but are gone; its archive is left."
        return Finding("rows", state.day, told, "would be lost", f"{_rows_back(dataset, state.day)} Or: {restore}")
    if archive and archive.rows_proven:
        told = "Its rows were proven when it was archived, but now there are neither a raw day nor rows."
        cure = f"{restore} If the day belongs to another history.index, move its archive elsewhere."
        return Finding("rows", state.day, told, "would be lost", cure)
    told = "It has an archive, but neither a raw day nor rows."
    return Finding("rows", state.day, told, "look", restore)


def _unarchived(dataset: Dataset, state: DayState, emptied_since: date | None, *, is_proven: bool) -> Iterator[Finding]:
    """A day of which only the rows are left."""
    wanted = dataset.archive is not None and dataset.archive.before_delete
    if state.linked:
        yield Finding(
            "archive", state.day, "It was archived, but its folder in S3 is empty; its rows are kept.", "lost",
            "Restore its folder from an earlier version of the bucket.",
        )  # fmt: skip
    elif wanted and emptied_since and state.day >= emptied_since:
        yield Finding(
            "archive", state.day,
            "Its raw day is gone and it has no archive, and no other day has one any more, although days were archived "
            "since then; its rows are kept.", "lost",
            "Restore the folders of these days from an earlier version of the bucket.",
        )  # fmt: skip
    elif wanted:
        yield Finding(
            "archive", state.day,
            "Its raw day is gone and it has no archive, although archive.before_delete is set; its rows are kept.",
            "look",
            "Nothing, if it was deleted before that was set, or by hand. Otherwise its archive is gone or elsewhere: "
            "see whether archive.bucket and archive.prefix are what they were when it was archived, and whether the "
            "bucket has an earlier version of its folder.",
        )  # fmt: skip
    elif is_proven:
        yield Finding("day", state.day, ROWS_ONLY, "fine")


def _mark(dataset: Dataset, state: DayState, archive: ArchiveSeen | None) -> Iterator[Finding]:
    """The mark of a day whose raw day is gone, against its rows, which nobody must have touched since."""
    mark, rows = state.mark, state.rows
    if rows is None:
        return
    known = _AGREE if archive and archive.totals_agree else _ALONE
    if mark is None:
        if known == _ALONE:
            yield Finding("mark", state.day, "Its raw day is gone, and no proof of its rows is noted.", "look", known)
    elif mark.documents != rows.documents:
        yield Finding(
            "mark", state.day,
            f"Its rows carry {counted(rows.documents, 'document')}, but {mark.documents:,} were proven.",
            "would be lost" if archive and archive.holds else "lost",
            from_archive(dataset, archive.documents, rows.documents) if archive else _rows_back(dataset, state.day),
        )  # fmt: skip
    elif mark.rows_version not in ("", rows.version):
        told = "Its mark is stale: rows were written or deleted after they were proven, and the raw day is gone."
        yield Finding("mark", state.day, told, "look", known)


def is_proven(state: DayState) -> bool:
    """Whether the last proof of a raw day still applies to its documents and its rows, as far as counts show it."""
    mark, rows = state.mark, state.rows
    if mark is None or rows is None:
        return False
    same = state.documents == mark.documents == rows.documents and state.uuid == mark.uuid
    return same and mark.rows_version in ("", rows.version)


def redefined(dataset: Dataset, day: date) -> Finding:
    """What is to be said of a raw day whose rows were proven by an earlier definition."""
    told = "Its rows were proven by an earlier definition of its metrics or groups: they are not those of now."
    cure = f"strata reaggregate {dataset.name} --from {{first}} --to {{last}}"
    return Finding("definition", day, told, "look", cure)


def is_redefined(dataset: Dataset, state: DayState) -> bool:
    """Whether the rows of a day were proven by another definition than that of now."""
    return state.rows is not None and state.mark is not None and state.mark.fingerprint != dataset.fingerprint
