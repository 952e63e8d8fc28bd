"""The progress of a backfill, shown on the command line."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from opensearch_strata.archive.load.progress import Progress
from opensearch_strata.cli.output import note, occasional_note
from opensearch_strata.errors.amounts import counted
from opensearch_strata.errors.amounts import size as shown_size
from opensearch_strata.errors.printable import printable

OnProgress = Callable[[int, Progress], None]
"""Called with the number of a batch and its progress."""


@contextmanager
def progress_of_load(name: str, objects: int, size: int) -> Iterator[OnProgress]:
    """Show progress on stderr: as a bar on a terminal, elsewhere as an occasional line.

    :param objects: number of objects in all batches
    :param size: their bytes in S3
    """
    sums = _Sums(objects, size)
    if sys.stderr.isatty():
        with _bar(name, sums) as on_progress:
            yield on_progress
    else:
        note(f"Loading {counted(objects, 'object')}, {shown_size(size)}.")
        tell = occasional_note()
        yield lambda number, progress: tell(f"{name}: {sums.add(number, progress)}.")


class _Sums:
    """The progress of all batches, added up."""

    def __init__(self, objects: int, size: int) -> None:
        self._objects, self._size = objects, size
        self._started = time.monotonic()
        self._batches: dict[int, Progress] = {}

    def add(self, number: int, progress: Progress) -> Progress:
        """Take the progress of one batch, and return that of all batches."""
        self._batches[number] = progress
        batches = self._batches.values()
        return Progress(
            objects_done=sum(batch.objects_done for batch in batches),
            objects=self._objects,
            bytes_read=sum(batch.bytes_read for batch in batches),
            bytes=self._size,
            events=sum(batch.events for batch in batches),
            seconds=time.monotonic() - self._started,
            waiting=progress.waiting,
        )


@contextmanager
def _bar(name: str, sums: _Sums) -> Iterator[OnProgress]:
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as RichProgress

    columns = (
        TextColumn(printable(f"Loading {name}"), markup=False),
        BarColumn(),
        TextColumn("{task.description}", markup=False),
        TimeElapsedColumn(),
    )
    with RichProgress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=1.0)

        def on_progress(number: int, progress: Progress) -> None:
            whole = sums.add(number, progress)
            bar.update(task, description=f"{whole}", completed=whole.bytes_read / max(1, whole.bytes))

        yield on_progress
