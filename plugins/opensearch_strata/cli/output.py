"""The output of commands: results on stdout, everything else on stderr. Nothing else here prints.

Names of indices, keys of objects and values of documents were written by others, so all text that is printed is made
:func:`printable`. JSON keeps its values, with escapes for what would act on a terminal.
"""

from __future__ import annotations

import logging
import os
import shutil
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from opensearch_strata.errors.amounts import counted
from opensearch_strata.errors.printable import printable, printable_json

if TYPE_CHECKING:
    from opensearch_strata.history.condense.engines.base import OnDocuments
    from opensearch_strata.presentation.tables import Table

INTERRUPTED = 130
"""Exit code of a command that was broken off by Ctrl-C, or by SIGTERM if it did not end by itself."""

_NOTE_SECONDS = 10


def print_json(value: Any) -> None:
    """Print one JSON value on stdout, indented for a person at a terminal."""
    import orjson

    typer.echo(printable_json(orjson.dumps(value, option=orjson.OPT_INDENT_2 if sys.stdout.isatty() else None)))


@contextmanager
def json_list() -> Iterator[Callable[[Sequence[Any]], None]]:
    """Print one JSON array on stdout as its items come; if they end with an error, it stays open and is invalid JSON.

    :returns: a function that takes the next items
    """
    import orjson

    option = orjson.OPT_INDENT_2 if sys.stdout.isatty() else None
    before = "["

    def add(items: Sequence[Any]) -> None:
        nonlocal before
        if items:
            typer.echo(before + printable_json(orjson.dumps(items, option=option))[1:-1].decode(), nl=False)
            before = ","

    yield add
    typer.echo("[]" if before == "[" else "]")


def print_table(table: Table) -> None:
    """Print a table on stdout, as wide as the terminal if its words allow; in a pipe, each row is one line."""
    typer.echo(table.text(shutil.get_terminal_size().columns if sys.stdout.isatty() else None))


def say(sentence: str) -> None:
    """Print a result in words, on stdout."""
    typer.echo(printable(sentence))


def note(sentence: str) -> None:
    """Print something other than a result, on stderr."""
    typer.echo(printable(sentence), err=True)


def fail(sentence: str) -> None:
    """Print why a command was refused or failed, on stderr."""
    typer.echo(f"{typer.style('Error:', fg='red', bold=True)} {printable(sentence)}", err=True)


def can_be_told() -> bool:
    """Whether stderr takes a sentence now. A pipe that nobody reads does not, and would keep whoever prints."""
    import select

    try:
        return bool(select.select([], [sys.stderr.fileno()], [], 0)[1])
    except (OSError, ValueError):  # it is no file
        return True


def end_at_once() -> NoReturn:
    """End the process of an interrupted command, whose threads may wait for requests that hang.

    Everything above flushes what it prints.
    """
    os._exit(INTERRUPTED)


def tame_warnings() -> None:
    """Print warnings that are logged without a handler on stderr, like a :func:`note`."""
    if logging.lastResort:
        logging.lastResort.setFormatter(_Printable())


class _Printable(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return printable(record.getMessage())


def write_text(text: str) -> None:
    """Print a text of several lines on stdout, as a file would hold it."""
    for line in text.splitlines():
        typer.echo(printable(line))


def write_lines(lines: Iterable[tuple[str, bytes]]) -> None:
    """Print lines on stdout as they come, each a text followed by a JSON value; either may be empty."""
    out = typer.get_binary_stream("stdout")
    for text, value in lines:
        out.write(printable(text).encode() + printable_json(value) + b"\n")
    out.flush()


def occasional_note() -> Callable[[str], None]:
    """Return a :func:`note` for progress without a terminal: it prints one sentence every 10 s and drops the others."""
    told = monotonic()

    def tell(sentence: str) -> None:
        nonlocal told
        if monotonic() - told >= _NOTE_SECONDS:
            told = monotonic()
            note(sentence)

    return tell


@contextmanager
def progress_of(index: str, documents: int, doing: str = "Condensing") -> Iterator[OnDocuments]:
    """Show progress on stderr while a raw day is condensed: as a bar on a terminal, elsewhere as an occasional line.

    :param documents: how many there are; a raw day that changes is condensed again and goes beyond that
    :param doing: what is done with them, as a participle
    :returns: a function that the services call with the documents of each step, from any thread
    """
    if not documents:
        yield lambda _: None
    elif sys.stderr.isatty():
        with _bar(index, documents, doing) as on_documents:
            yield on_documents
    else:
        note(f"{doing} {counted(documents, 'document')} of {index}.")
        yield _plain_lines(index, documents)


@contextmanager
def _bar(index: str, documents: int, doing: str) -> Iterator[OnDocuments]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (
        TextColumn(f"{doing} {{task.description}}", markup=False),
        BarColumn(),
        TextColumn("{task.completed:,} of {task.total:,} documents"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(printable(index), total=documents)
        yield lambda step: progress.update(task, advance=step)


def _plain_lines(index: str, documents: int) -> OnDocuments:
    lock = threading.Lock()
    done, tell = 0, occasional_note()

    def on_documents(step: int) -> None:
        nonlocal done
        with lock:
            done += step
            tell(f"{index}: {done:,} of {documents:,} documents.")

    return on_documents


@dataclass(frozen=True)
class ShareShown:
    """Progress of something whose share is known.

    :param show: takes the share that is done, 0 .. 1
    :param clear: removes the bar before results are printed on the same terminal
    """

    show: Callable[[float], None]
    clear: Callable[[], None]


@contextmanager
def progress_through(what: str) -> Iterator[ShareShown]:
    """Show progress on stderr while something is read: as a bar on a terminal, elsewhere as an occasional line."""
    if not sys.stderr.isatty():
        tell = occasional_note()
        yield ShareShown(lambda share: tell(f"{what}: {share:.0%} read."), lambda: None)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("Reading {task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
    )
    # Not redirected: results go directly to stdout, which may be a pipe.
    with Progress(
        *columns, console=Console(stderr=True), transient=True, redirect_stdout=False, redirect_stderr=False
    ) as progress:
        task = progress.add_task(printable(what), total=1.0)
        clear = progress.stop if sys.stdout.isatty() else lambda: None
        yield ShareShown(lambda share: progress.update(task, completed=share), clear)
