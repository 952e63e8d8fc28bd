"""All commands in one program, and how their failures are reported."""

from __future__ import annotations

import os
import traceback
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from opensearch_strata.cli.commands.archives.archive import archive, archives
from opensearch_strata.cli.commands.archives.arrivals import arrivals, follow
from opensearch_strata.cli.commands.archives.backfill import backfill
from opensearch_strata.cli.commands.archives.parse import parse
from opensearch_strata.cli.commands.archives.redrive import redrive
from opensearch_strata.cli.commands.audit import audit
from opensearch_strata.cli.commands.check import check
from opensearch_strata.cli.commands.dashboards import dashboards
from opensearch_strata.cli.commands.history import export_days, import_days, rewrite
from opensearch_strata.cli.commands.init import init
from opensearch_strata.cli.commands.levels import levels
from opensearch_strata.cli.commands.one_day import condense, verify
from opensearch_strata.cli.commands.query import query, status
from opensearch_strata.cli.commands.reaggregate import reaggregate
from opensearch_strata.cli.commands.template import template
from opensearch_strata.cli.commands.window import cycle, expire
from opensearch_strata.cli.output import INTERRUPTED, fail, say
from opensearch_strata.errors.printable import printable


class SentencesForErrors(TyperGroup):
    """Reports every failure in a sentence on stderr, with a trace only on request."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command. Exit with 1 if it is refused or fails, 130 on Ctrl-C; typer exits with 2 on wrong usage."""
        try:
            return super().invoke(ctx)
        except typer.TyperException as error:  # its message repeats arguments, such as file names
            error.message = "\n".join(map(printable, error.message.split("\n")))
            raise
        except (typer.Exit, typer.Abort, BrokenPipeError):
            raise
        except KeyboardInterrupt:
            fail("Interrupted. Everything written so far was kept; you can run the same command again.")
            raise typer.Exit(INTERRUPTED) from None
        except Exception as error:
            if os.environ.get("STRATA_DEBUG"):
                traceback.print_exception(error)
            fail(_sentence(error))
            raise typer.Exit(1) from error


def _sentence(error: Exception) -> str:
    from opensearch_strata.errors import StrataError
    from opensearch_strata.errors.judging import explain

    if isinstance(error, StrataError):
        return explain(error)
    from opensearchpy.exceptions import OpenSearchException

    if isinstance(error, OpenSearchException):
        return explain(error)
    return f"This should not happen: {explain(error)} Run the command again with STRATA_DEBUG=1 to see the trace."


app = typer.Typer(
    name="strata",
    cls=SentencesForErrors,
    rich_markup_mode="rich",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Days are written YYYY-MM-DD, in the dataset's time zone. Exit codes: 0 done, 1 refused or failed, "
    "2 wrong usage. STRATA_DEBUG=1 shows the trace of a failure.",
)


def _version(wanted: bool) -> None:
    if not wanted:
        return
    from importlib.metadata import PackageNotFoundError, version

    try:
        say(f"strata {version('opensearch-strata')}")
    except PackageNotFoundError:
        say("strata, run from its source folder without being installed")
    raise typer.Exit


@app.callback()
def strata(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """A sliding window of raw days in OpenSearch, and everything older as a small, proven history."""


def _examples(*lines: str) -> str:
    return "\n\n".join(["[bold]Examples[/bold]", *(f"  [cyan]{line}[/cyan]" for line in lines)])


LOOK, DAY, WINDOW, ARCHIVES = "Inspect", "One day", "The window", "Archives"

app.command(
    rich_help_panel=LOOK,
    epilog=_examples("strata check", "strata check --url https://search.example.com"),
)(check)
app.command(
    rich_help_panel=LOOK,
    epilog=_examples("strata init app-2026.11.29", "strata init app-2026.11.29 --output include/datasets/app.yaml"),
)(init)
app.command(
    rich_help_panel=LOOK,
    epilog=_examples("strata template flights", "strata template flights --shards 2 --apply"),
)(template)
app.command(
    rich_help_panel=LOOK,
    epilog=_examples(
        "strata dashboards flights",
        "strata dashboards flights --write dashboards",
        "strata dashboards flights --apply --dashboards-url http://localhost:5601",
    ),
)(dashboards)
app.command(
    rich_help_panel=LOOK,
    epilog=_examples("strata status flights", "strata status flights --json | jq '.days[-1]'"),
)(status)
app.command(
    rich_help_panel=LOOK,
    epilog=_examples(
        "strata query flights --from 2013-01-01 --to 2013-01-31 --metric dep_delay --stat p50,p99",
        "strata query flights --from 2013-01-05 --to 2013-01-05 --interval 1h --metric dep_delay --stat avg,max "
        "--by carrier --where origin=JFK",
    ),
)(query)
app.command(
    rich_help_panel=DAY,
    epilog=_examples("strata condense flights 2013-01-05", "strata condense flights 2013-01-05 --engine search"),
)(condense)
app.command(
    rich_help_panel=DAY,
    epilog=_examples("strata verify flights 2013-01-05", "strata verify flights 2013-01-05 --repair"),
)(verify)
app.command(
    rich_help_panel=WINDOW,
    epilog=_examples("strata reaggregate flights --from 2013-01-01 --to 2013-03-04"),
)(reaggregate)
app.command(
    rich_help_panel=WINDOW,
    epilog=_examples(
        "strata levels flights --from 2013-01-01 --to 2013-12-31",
        "strata levels flights --from 2013-01-01 --to 2013-12-31 --apply",
    ),
)(levels)
app.command(
    rich_help_panel=WINDOW,
    epilog=_examples("strata expire flights --day 2013-03-04", "strata expire flights --day 2013-03-04 --apply"),
)(expire)
app.command(
    rich_help_panel=WINDOW,
    epilog=_examples("strata cycle flights 2013-03-04", "strata cycle flights 2013-03-04 --apply --json"),
)(cycle)
app.command(
    rich_help_panel=ARCHIVES,
    epilog=_examples("strata parse object.gz", "aws s3 cp s3://logs/2013/01/05/object - | strata parse - --stats"),
)(parse)
app.command(
    rich_help_panel=ARCHIVES,
    epilog=_examples(
        "strata backfill flights --from 2013-01-01 --to 2013-01-31",
        "strata backfill flights --source s3://logs/firehose/ --from 2013-01-01 --to 2013-01-31 --apply --parallel 4",
        "strata backfill flights --from 2012-01-01 --to 2012-01-31 --apply --then condense_and_drop",
    ),
)(backfill)
app.command(
    rich_help_panel=ARCHIVES,
    epilog=_examples("strata follow flights", "strata follow flights --json | jq .waiting"),
)(follow)
app.command(
    rich_help_panel=ARCHIVES,
    epilog=_examples("strata arrivals flights", "strata arrivals flights --day 2013-01-05"),
)(arrivals)
app.command(
    rich_help_panel=ARCHIVES,
    epilog=_examples(
        "strata archive flights --day 2013-01-05",
        "strata archive flights --from 2013-01-01 --to 2013-01-31 --apply",
    ),
)(archive)
app.add_typer(
    archives,
    name="archives",
    rich_help_panel=ARCHIVES,
    help="Show what is archived, or print the statement that makes it a table.",
    epilog=_examples("strata archives flights --deep", "strata archives ddl flights --for duckdb"),
)
history = typer.Typer(no_args_is_help=True)
history.command(
    "export",
    epilog=_examples("strata history export flights --from 2013-01-01 --to 2013-01-31"),
)(export_days)
history.command(
    "import",
    epilog=_examples(
        "strata history import flights --from 2013-01-01 --to 2013-01-31",
        "strata history import flights --from 2013-01-01 --to 2013-01-31 --apply",
    ),
)(import_days)
history.command(
    "rewrite",
    epilog=_examples("strata history rewrite flights 2013-01", "strata history rewrite flights 2013-01 --apply"),
)(rewrite)
app.add_typer(
    history,
    name="history",
    rich_help_panel=ARCHIVES,
    help="Copy history to Parquet files and back, or move a month to a new index.",
)
app.command(
    rich_help_panel=LOOK,
    epilog=_examples("strata audit flights", "strata audit flights --restore 3 --apply --json"),
)(audit)
app.command(
    rich_help_panel=ARCHIVES,
    epilog=_examples("strata redrive flights", "strata redrive flights --apply"),
)(redrive)
