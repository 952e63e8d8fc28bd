"""What every benchmark needs around its measurements: a node, a command line, and files with the report."""

from __future__ import annotations

import argparse
import logging
import shlex
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from benchmarks.material.workload import BenchmarkError
from benchmarks.report import Report
from local.errors import StackError
from local.server.opensearch import EmbeddedOpenSearch
from opensearch_strata.errors import StrataError

HEAP = "4g"

log = logging.getLogger("benchmarks")


@contextmanager
def node_at(url: str | None, folder: Path | None = None) -> Iterator[str]:
    """URL of a cluster: the given one, else that of a node that lives as long as the block.

    :param folder: where the node's data stays; without it, the data goes with the node
    """
    if url is not None:
        yield url
        return
    log.info("Starting OpenSearch with a heap of %s", HEAP)
    with EmbeddedOpenSearch(folder, heap=HEAP) as node:
        yield node.url


def refuse_leftovers(there: Sequence[str]) -> None:
    """Stop if existing indices have names that begin like ours.

    :raises BenchmarkError: there are such indices
    """
    if there:
        raise BenchmarkError(
            f"The cluster contains {', '.join(there)}, which this benchmark would overwrite; nothing was changed. "
            f"Delete them if an earlier run left them behind, or choose another --prefix."
        )


def command_line(module: str, url: str | None) -> str:
    """The command that is running, without its URL, which may contain a password."""
    shown = ["URL" if part == url else part for part in sys.argv[1:] if not part.startswith("--url=")]
    return shlex.join(["python", "-m", module, *shown])


def serve(options: argparse.Namespace, run: Callable[[argparse.Namespace], Report]) -> None:
    """Measure, print the tables and write both files. Failures are reported in a sentence.

    :param options: must contain the paths ``json`` and ``markdown``
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr)
    for name in ("opensearch", "opensearch_strata", "botocore"):
        logging.getLogger(name).setLevel(logging.ERROR)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        report = run(options)
    except (StackError, StrataError) as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    for path, content in ((options.json, report.json()), (options.markdown, report.markdown().encode())):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    console = Console(width=None if sys.stdout.isatty() else 160)
    for table in (report.goals_table(), *report.tables):
        console.print(table.text(console.width), soft_wrap=True, markup=False)
    console.print(f"Wrote {options.json} and {options.markdown}")
