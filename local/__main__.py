"""`python -m local`: what the Makefile's targets run once .venv exists."""

from __future__ import annotations

import argparse
import logging
import shutil
import signal
import sys

from opensearchpy import OpenSearch
from rich.console import Console

from local.airflow.api import AirflowApi
from local.errors import StackError
from local.places import STACK, server_folder
from local.ports import Ports
from local.samples.archived_flights import archive_flights, backfill_flights, has_archive
from local.samples.demo import FIRST, LAST, run_demo
from local.samples.flights import flights_dataset
from local.stack import Stack
from opensearch_strata.errors import StrataError

USUAL_PORTS = Ports(opensearch=9200, aws=5000, airflow=8080)
"""The ports that `up` uses if they are free, so that bookmarks and shell histories keep working."""

log = logging.getLogger("local")


def run() -> None:
    """Run the daily cycle on real data in a fresh stack, print the report, and stop."""
    run_demo(Console(width=None if sys.stdout.isatty() else 130))


def up() -> None:
    """Start a stack that keeps running, with the sample data, and print its URLs."""
    if stack := Stack.running("up"):
        log.info("The stack is already up.")
    else:
        stack = Stack("up", USUAL_PORTS)
        try:
            stack.launch(detached=True)
            _bring_sample_data(stack)
        except StackError as error:
            if Stack.running("up") is None:
                raise
            log.warning(
                "%s The stack is up, but lacks sample data. If that run is still at work, let it end; otherwise stop "
                "the stack and start it again.",
                error,
            )
        except BaseException:
            stack.stop()
            raise
    log.info("Airflow      %s (no login, this machine only)", stack.airflow_url)
    log.info("OpenSearch   %s", stack.opensearch_url)
    log.info("S3 and SQS   %s", stack.aws_url)
    log.info("Logs         %s", stack.logs)
    log.info("Stop it with `make down`.")


def _bring_sample_data(stack: Stack) -> None:
    """Archive the sample data and load it, unless an earlier `up` has done so."""
    unfinished = stack.folder / "sample-data-unfinished"  # stays if this is interrupted
    dataset = flights_dataset()
    stack.wait_until_ready("aws")
    if unfinished.exists() or not has_archive(stack):
        unfinished.touch()
        archive_flights(stack, FIRST, LAST)
    stack.wait_until_ready("opensearch", "airflow")
    client = OpenSearch(stack.opensearch_url, timeout=60)
    indices = f"{dataset.raw.names.expression},{dataset.history.names.expression}"
    if unfinished.exists() or not client.indices.get(index=indices):
        unfinished.touch()
        backfill_flights(stack, client, AirflowApi(stack.airflow_url), FIRST, LAST)
        unfinished.unlink()


def down() -> None:
    """Stop what `up` started, and a `run` that is in progress; data is kept."""
    for name in ("up", "run"):
        Stack(name).stop()
    log.info("The stack is down.")


def clean() -> None:
    """Stop everything and remove everything that the stack wrote."""
    for pids in STACK.glob("*/pids"):
        Stack(pids.parent.name).stop()
    for folder in {STACK, server_folder()}:
        shutil.rmtree(folder)


def main() -> None:
    """Run a command. Failures are reported in a sentence; Ctrl-C and SIGTERM stop what was started."""
    commands = {command.__name__: command for command in (run, up, down, clean)}
    parser = argparse.ArgumentParser(prog="python -m local", description="The embedded stack.")
    actions = parser.add_subparsers(dest="command", required=True)
    for name, command in commands.items():
        actions.add_parser(name, help=command.__doc__)
    chosen = parser.parse_args().command
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    logging.getLogger("opensearch").setLevel(logging.ERROR)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        commands[chosen]()
    except (StackError, StrataError) as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        log.info("Interrupted; everything that was started has been stopped.")
        sys.exit(128 + signal.SIGINT)


if __name__ == "__main__":
    main()
