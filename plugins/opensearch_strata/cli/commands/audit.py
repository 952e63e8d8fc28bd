"""``strata audit``: every day against whatever is left of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated
from uuid import uuid4

import typer

from opensearch_strata.cli.connection import connected, find_dataset
from opensearch_strata.cli.options import (
    AsJson,
    CaCerts,
    DatasetName,
    DatasetsDir,
    Engine,
    OptionalFirst,
    OptionalLast,
    Url,
)
from opensearch_strata.cli.output import fail, note, print_json, print_table, progress_of, say

if TYPE_CHECKING:
    from opensearch_strata.workflows.audit.audit import Audited

MOST_RESTORED = 50


def audit(
    dataset: DatasetName,
    *,
    first: OptionalFirst = None,
    last: OptionalLast = None,
    url: Url,
    restore: Annotated[
        int | None,
        typer.Option(
            "--restore",
            metavar="N",
            min=1,
            max=MOST_RESTORED,
            help="How many archived days, drawn by chance, are restored into scratch indices and compared. Default: 1.",
        ),
    ] = None,
    no_restore: Annotated[bool, typer.Option("--no-restore", help="Restore none.")] = False,
    apply: Annotated[
        bool,
        typer.Option(
            "--apply", help="Condense late documents anew, and mark what is proven. Without it, both are only shown."
        ),
    ] = False,
    engine: Engine = None,
    ca_certs: CaCerts = None,
    datasets_dir: DatasetsDir = None,
    as_json: AsJson = False,
) -> None:
    """Compare every day with whatever is left of it: raw day, rows, mark, archive and ledger.

    Exit code 1 if something is lost, would be with the next fault, or could not
    be looked at.
    """
    from opensearch_strata.archive.store.objects import build_s3
    from opensearch_strata.workflows.audit.audit import audit_archives, audit_days, plan_audit

    if restore is not None and no_restore:
        raise typer.BadParameter("Give either --restore or --no-restore.")
    if first and last and first > last:
        raise typer.BadParameter(f"--from {first} is later than --to {last}; swap them.")
    definition = find_dataset(dataset, datasets_dir)
    run = f"strata audit {uuid4().hex[:12]}"
    number = 0 if no_restore else restore or 1
    with connected(url, ca_certs) as client:
        s3 = build_s3() if definition.archive else None
        plan = plan_audit(
            client, s3, definition, datetime.now(UTC), first=first, last=last, restore=number, seed=run, apply=apply
        )
        note(plan.sentence)
        found = audit_days(plan, engine=engine)
        drawn = 2 * sum(one.cost.documents for one in plan.drawn)
        with progress_of(f"drawn days of {dataset}", drawn, "Restoring and condensing") as on_documents:
            try:
                found = found.followed_by(audit_archives(plan, run, on_documents))
            except BaseException:  # such as Ctrl-C: the days were all looked at
                if not as_json:
                    _print(found)
                raise
    if as_json:
        print_json({**found.as_json(), "applied": apply, "restored": [one.state.day for one in plan.drawn]})
    else:
        _print(found)
    if found.failed:
        fail(found.verdict)
        raise typer.Exit(1)
    if not as_json:
        say(found.verdict)


def _print(found: Audited) -> None:
    from opensearch_strata.presentation.audit import costs_table, findings_table

    if found.findings:
        print_table(findings_table(found.dataset, found.findings))
    print_table(costs_table(found.dataset, [("planned", found.planned), ("spent", found.spent)]))
