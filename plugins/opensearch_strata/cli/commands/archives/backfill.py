"""``strata backfill``: load archives from S3 back into raw days."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from opensearch_strata.cli.connection import connected, find_dataset, is_serverless
from opensearch_strata.cli.options import AsJson, CaCerts, DatasetName, DatasetsDir, FirstDay, LastDay, Url
from opensearch_strata.cli.output import fail, note, print_json, print_table, say
from opensearch_strata.definition.loading.post_load import Then
from opensearch_strata.definition.loading.restore_request import ARCHIVE_SOURCE, KEEP_DAYS, MOST_KEPT, keeping_problem
from opensearch_strata.errors.amounts import counted

if TYPE_CHECKING:
    from pathlib import Path

    from opensearch_strata.archive.backfill_proof import BackfillProof
    from opensearch_strata.archive.planning.plan import Plan
    from opensearch_strata.archive.targets.wanted_days import Wanted
    from opensearch_strata.definition.dataset import Dataset
    from opensearch_strata.workflows.backfill.backfill import Backfill
    from opensearch_strata.workflows.backfill.plan_ref import PlanRef
    from opensearch_strata.workflows.backfill.settle import DayOutcome


def read_kept_days(text: str) -> int:
    """A number of days to keep restored days for.

    :raises BadParameter: it is none, or too many
    """
    if not (text.isascii() and text.isdigit()) or int(text) > MOST_KEPT:
        raise typer.BadParameter(f"{text!r} is not a number of days from 0 to {MOST_KEPT}; a week is 7.")
    return int(text)


def backfill(
    dataset: DatasetName,
    *,
    first: FirstDay,
    last: LastDay,
    url: Url,
    source: Annotated[
        str | None,
        typer.Option(
            "--source",
            metavar="URL",
            help="s3://bucket/prefix/ of the objects, or `archive`: the dataset's archived days. Default: the "
            "dataset's own source.",
        ),
    ] = None,
    apply: Annotated[bool, typer.Option("--apply", help="Load. Without it, the plan is only shown.")] = False,
    parallel: Annotated[int, typer.Option("--parallel", metavar="N", min=1, help="Number of parallel processes.")] = 1,
    then: Annotated[
        Then,
        typer.Option("--then", help="What to do with the days: keep them raw, condense them, or also drop them again."),
    ] = "keep",
    keep_until: Annotated[
        int | None,
        typer.Option(
            "--keep-until",
            metavar="DAYS",
            parser=read_kept_days,
            help="With `--source archive`: the daily cycle keeps the days for this many days.",
            show_default=f"{KEEP_DAYS}",
        ),
    ] = None,
    ca_certs: CaCerts = None,
    datasets_dir: DatasetsDir = None,
    as_json: AsJson = False,
) -> None:
    """Load log archives from S3 into raw days; a dry run without --apply.

    Objects that are already loaded are left out, so an interrupted run
    continues where it stopped, and a second run has nothing to do. The exit
    code is 0 only if everything is proven to be present. S3 is configured as
    for the AWS CLI: AWS_PROFILE, AWS_ENDPOINT_URL and so on.
    """
    from opensearch_strata.definition.days import days_between
    from opensearch_strata.errors import Refused
    from opensearch_strata.workflows.backfill.backfill import Backfill
    from opensearch_strata.workflows.backfill.restored_days import wanted_for
    from opensearch_strata.workflows.backfill.settle import require_settleable, settle_days

    if problem := keeping_problem(source, then, keep_until):
        raise typer.BadParameter(f"{problem}.", param_hint="--keep-until")
    definition = find_dataset(dataset, datasets_dir)
    require_settleable(definition, last, then, datetime.now(UTC))
    with connected(url, ca_certs, serverless=then == "keep") as client:
        backfill = Backfill(client, definition, serverless=is_serverless(url))
        plan = backfill.plan(source, first, last)
        if not as_json:
            _tell_plan(plan)
            if not apply and plan.found_any and then != "keep":
                say(afterwards(first, last, then))
        if not plan.found_any:
            fail(plan.verdict)
            raise typer.Exit(1)
        if apply and plan.refusal:  # even if nothing is left to load, as the days may be settled
            raise Refused(plan.refusal)
        wanted = wanted_for(keep_until, then, datetime.now(UTC))
        proof = _loaded(backfill, definition, plan, wanted, (url, ca_certs), parallel) if apply else None
        settled: list[DayOutcome] = []
        if apply and then != "keep" and (proof is None or proof.holds):
            for day in settle_days(client, definition, days_between(first, last), then, datetime.now(UTC)):
                note(f"{day.day}: {day.outcome}. {day.note}".rstrip())
                settled.append(day)
    if as_json:
        print_json({"dataset": dataset, "applied": apply, "then": then, **_json(plan, proof, settled)})
    else:
        _tell_result(dataset, plan, proof, settled, apply)
        if source == ARCHIVE_SOURCE and then != "condense_and_drop" and proof and proof.holds:
            say(
                f"Restored days stay at least until {wanted.until:%Y-%m-%d %H:%M} UTC. Then the daily cycle deletes "
                f"those that have left the window, each behind its proof."
            )
    _exit_unless_sound(proof, settled)


def afterwards(first: date, last: date, then: Then) -> str:
    """Say what ``--then`` does to the days after a load; a dry run prints this, as it affects more than the load.

    :param then: not ``keep``
    """
    span = f"{first}" if first == last else f"{first} .. {last}"
    condensed = f"With --apply, every raw day of {span} is then condensed and proven"
    if then == "condense":
        return f"{condensed}."
    return (
        f"{condensed}, and those that have left the window ARE DELETED with everything in them, including what was "
        f"there before this load, whoever wrote it. This does not need cycle.delete."
    )


def _loaded(
    backfill: Backfill,
    definition: Dataset,
    plan: Plan,
    wanted: Wanted,
    cluster: tuple[str, Path | None],
    parallel: int,
) -> BackfillProof:
    """Load a plan, if anything is left to load, and prove it together with what was loaded before."""
    import socket
    from uuid import uuid4

    from opensearch_strata.cli.load_progress import progress_of_load
    from opensearch_strata.cli.workers import Job, load_batches
    from opensearch_strata.connections.processes import this_process

    ref = backfill.write(plan, wanted)
    owner = f"shell@{socket.gethostname()}/{uuid4().hex[:8]}"
    prepared = _prepared(backfill, ref, owner)
    if not ref.batches and ref.archived:  # the days are there already; until when they are wanted may change
        with prepared:
            pass
    elif ref.batches:
        with prepared, progress_of_load(definition.name, *plan.amount) as on_progress:
            for failure in load_batches(Job(*cluster, definition, ref, owner, this_process()), parallel, on_progress):
                note(failure)
    proof = backfill.prove(ref)
    backfill.forget(ref)
    return proof


@contextmanager
def _prepared(backfill: Backfill, ref: PlanRef, owner: str) -> Iterator[None]:
    """Set the raw days up for loading, and restore their settings whatever happens in between."""
    from opensearchpy import OpenSearchException

    from opensearch_strata.connections.processes import this_process
    from opensearch_strata.errors import StrataError
    from opensearch_strata.workflows.backfill.empty_days import given_back_later

    try:
        backfill.prepare(ref, owner, process=this_process())
        yield
    except BaseException:
        note("Stopping: the settings of the raw days are being restored.")
        try:
            backfill.end(owner, process=this_process())
            backfill.forget(ref)
        except (StrataError, OpenSearchException) as error:  # secondary: the cause is reported last
            note(given_back_later(error))
        raise
    if removed := backfill.end(owner, process=this_process()):
        note(f"Deleted again, as no events came: {counted(len(removed), 'raw day')}.")


def _tell_plan(plan: Plan) -> None:
    from opensearch_strata.presentation.tables import plan_table

    print_table(plan_table(plan))
    if plan.found_any:
        say(plan.verdict)


def _tell_result(
    dataset: str, plan: Plan, proof: BackfillProof | None, settled: Sequence[DayOutcome], apply: bool
) -> None:
    from opensearch_strata.presentation.tables import (
        backfill_days_table,
        backfill_problems_table,
        backfill_proof_table,
        settled_table,
    )
    from opensearch_strata.workflows.backfill.verdict import verdict

    if proof:
        print_table(backfill_days_table(proof))
        print_table(backfill_proof_table(proof))
        if not proof.holds:
            print_table(backfill_problems_table(proof))
        if proof.counts.dead:
            say(
                f"The dead letters are in {plan.dead_letters_url}, each with its reason. Once the cause is fixed, "
                f"`strata redrive {dataset}` loads them again."
            )
    if settled:
        print_table(settled_table(dataset, settled))
    if plan.warning:
        note(plan.warning)
    if proof and proof.holds:
        say(verdict(proof))
    if plan.refusal:
        note(f"With --apply, this would be refused. {plan.refusal}")
    if plan.batches and not apply:
        say("Nothing was loaded; add --apply to load.")


def _exit_unless_sound(proof: BackfillProof | None, settled: Sequence[DayOutcome]) -> None:
    from opensearch_strata.workflows.backfill.verdict import verdict

    if proof and not proof.holds:
        fail(verdict(proof))
        raise typer.Exit(1)
    if failed := [f"{day.day}" for day in settled if day.outcome == "failed"]:
        fail(f"Loaded and proven, but not settled (see above): {', '.join(failed)}. These days stay raw.")
        raise typer.Exit(1)


def _json(plan: Plan, proof: BackfillProof | None, settled: Sequence[DayOutcome]) -> dict[str, Any]:
    from opensearch_strata.workflows.backfill.verdict import verdict

    return {
        "source": plan.source_url,
        "from": plan.first,
        "to": plan.last,
        "plan": {
            "batches": len(plan.batches),
            "to_load": plan.amount._asdict(),
            "loaded_already": plan.left_out._asdict(),
            "set_apart": {reason: amount._asdict() for reason, amount in plan.set_apart.items()},
            "loaded_again": dict(plan.again),
            "lacking": plan.lacking._asdict(),
            "moved": plan.moved._asdict(),
            "retimed": plan.retimed._asdict(),
            "dead_letters": {reason: cause.records for reason, cause in plan.dead.items()},
            "estimate": plan.estimate and asdict(plan.estimate),
            "refusal": plan.refusal,
            "warning": plan.warning,
        },
        "restore": _restore_json(plan),
        "dead_letters": plan.dead_letters_url,
        "proof": proof and {**asdict(proof), "holds": proof.holds},
        "settled": [asdict(day) for day in settled],
        "verdict": verdict(proof) if proof else plan.verdict,
    }


def _restore_json(plan: Plan) -> dict[str, Any] | None:
    """Which days a restore found in the archive; None for other loads."""
    from opensearch_strata.archive.planning.restore_plan import RestorePlan

    if not isinstance(plan, RestorePlan):
        return None
    return {"archived": list(plan.archived), "unarchived": list(plan.unarchived), "missing": list(plan.missing)}
