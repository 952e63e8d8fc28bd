"""Parquet files, such as flow logs, CloudFront's and Security Lake's: a row is an event.
https://parquet.apache.org/docs/file-format/

The directory of a file is at its end, so the file goes through memory if it is small, and otherwise through a temporary
file. Ranges of the object in S3 would save the disk. But they cost a request for each column of each row group, and
they cannot be read from within a layer, from a dead letter or from standard input; and the one request that reads an
object in order is pinned to its version and resumes where a connection broke. Row groups are decoded page by page, some
hundred rows at a time, so memory depends on the size of pages and not on that of the file or its row groups.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import IO, Any

from opensearch_strata.archive.decode.byte_stream import KEPT, LONGEST, Damaged, Source, TooLarge
from opensearch_strata.archive.decode.formats import json
from opensearch_strata.archive.decode.formats.delivered.arrow_rows import rows_of
from opensearch_strata.archive.events import Broken, Event
from opensearch_strata.archive.json_bytes import dumps
from opensearch_strata.errors import TransientError
from opensearch_strata.errors.amounts import size as shown_size
from opensearch_strata.errors.optional import pyarrow_for

_BEGIN = b"PAR1"
_ENCRYPTED = b"PARE"  # with an encrypted footer
_IN_MEMORY = 2**22  # bytes of a file that needs no temporary file
_MOST = 2**32  # bytes of a file; that of a zip file, too
_PAGES = 2**18  # bytes of a column that are read at a time
_BATCH_BYTES, _BATCH_ROWS = 2**21, 1024  # the most that is decoded at a time, by the file's own account
_THRIFT = 2**24  # bytes of a text, and elements of a list, in a file's directory
_MOST_TOLD = 3
_DICTIONARY = frozenset({"PLAIN_DICTIONARY", "RLE_DICTIONARY"})


def matches(head: bytes) -> bool:
    """Whether the content is a Parquet file."""
    return head.startswith((_BEGIN, _ENCRYPTED))


def events(blocks: Iterable[bytes]) -> Iterator[Event | Broken]:
    """Yield an event for each row, with its number in the file as its record; its bytes are the row as JSON. Content
    that is not Parquet is read as such rows, which are in dead letters.

    :raises Damaged: the file lacks its end, or some of its rows cannot be read; all others were yielded
    :raises TooLarge: it is longer than 4 GiB
    :raises TransientError: the disk has no room for it
    :raises DefinitionError: pyarrow is not installed
    """
    source = Source(blocks)
    if not matches(source.head(len(_BEGIN))):
        yield from json.events(source.rest())
        return
    arrow = pyarrow_for("A Parquet file", "Nothing of it was read")
    with tempfile.NamedTemporaryFile(suffix=".parquet") as spool:
        yield from _File(arrow, _stored(arrow, source, spool)).events()


def _stored(arrow: Any, source: Source, spool: IO[bytes]) -> Any:
    """The file in memory, or the name of the temporary file that holds it.

    :raises Damaged: it is cut off
    :raises TooLarge: it is longer than 4 GiB
    :raises TransientError: the disk has no room for it
    """
    blocks: list[bytes] = []
    for block in source.rest():
        if source.at > _MOST:
            raise TooLarge(
                f"The Parquet file is longer than {shown_size(_MOST)}; it is read from its end and is stored on disk "
                f"until then. Write smaller files."
            )
        blocks.append(block)
        if source.at > _IN_MEMORY:
            with _room():
                spool.writelines(blocks)
            blocks.clear()
    if source.at <= _IN_MEMORY:
        return arrow.BufferReader(b"".join(blocks))
    with _room():
        spool.flush()
    return spool.name


@contextmanager
def _room() -> Iterator[None]:
    """Write to the disk.

    :raises TransientError: it has no room
    """
    try:
        yield
    except OSError as error:
        raise TransientError(
            f"A Parquet file cannot be stored in {tempfile.gettempdir()} while it is read ({error.strerror}). Make "
            f"room there, or name another folder in TMPDIR."
        ) from error


class _File:
    """A file whose bytes can be read at any position.

    :param stored: a file in memory, or the name of one on disk
    """

    def __init__(self, arrow: Any, stored: Any) -> None:
        self._errors = (arrow.ArrowException, OSError, ValueError, RecursionError, OverflowError, NotImplementedError)
        self._how = {
            "buffer_size": _PAGES,
            "pre_buffer": False,
            "page_checksum_verification": True,
            "thrift_string_size_limit": _THRIFT,
            "thrift_container_size_limit": _THRIFT,
        }
        try:
            metadata = arrow.parquet.ParquetFile(stored, **self._how).metadata
            if isinstance(stored, arrow.BufferReader):
                stored.seek(0)
            # Texts that are stored once stay so: a row refers to them, and a file that repeats a long one stays small.
            self._file = arrow.parquet.ParquetFile(
                stored, metadata=metadata, read_dictionary=_repeated(metadata), **self._how
            )
        except self._errors as error:
            raise Damaged(f"The Parquet file cannot be read: {_told(error)}.", at_end=True) from error
        self._metadata = metadata
        self._lost: list[str] = []

    def events(self) -> Iterator[Event | Broken]:
        first = 0
        for group in range(self._metadata.num_row_groups):
            rows = self._metadata.row_group(group).num_rows
            yield from self._group(group, first, rows)
            first += rows
        if self._lost:
            more = len(self._lost) - _MOST_TOLD
            told = " ".join(self._lost[:_MOST_TOLD]) + (f" {more:,} more row groups are damaged." if more > 0 else "")
            raise Damaged(f"The Parquet file is damaged, and its other rows were read. {told}")

    def _group(self, group: int, first: int, rows: int) -> Iterator[Event | Broken]:
        """Yield the rows of a row group."""
        number, why = first, "it ends too early"
        try:
            for batch in self._file.iter_batches(self._batch_rows(group), row_groups=[group], use_threads=False):
                for row in rows_of(batch):
                    yield _event(number, row)
                    number += 1
        except self._errors as error:
            why = _told(error)
        if number - first != rows:
            self._lost.append(f"Rows {number - first + 1:,} to {rows:,} of row group {group} cannot be read: {why}.")

    def _batch_rows(self, group: int) -> int:
        found = self._metadata.row_group(group)
        of_a_row = max(found.total_byte_size // max(found.num_rows, 1), 1)
        return int(max(min(_BATCH_BYTES // of_a_row, _BATCH_ROWS), 1))


def _event(number: int, row: dict[str, Any]) -> Event | Broken:
    # The bytes are part of the id of a document: whoever changes how a value is written, changes ids.
    raw = dumps(row)
    if len(raw) > LONGEST:
        return Broken(number, f"It is longer than {shown_size(LONGEST)}.", raw[:KEPT])
    return Event(number, 0, row, raw)


def _repeated(metadata: Any) -> list[str]:
    """The paths of the columns whose values a dictionary holds, in the first row group."""
    if not metadata.num_row_groups:
        return []
    group = metadata.row_group(0)
    columns = [group.column(number) for number in range(group.num_columns)]
    return [
        column.path_in_schema
        for column in columns
        if column.physical_type == "BYTE_ARRAY" and _DICTIONARY & set(column.encodings)
    ]


def _told(error: Exception) -> str:
    return " ".join(str(error).split())[:300].rstrip(".")
