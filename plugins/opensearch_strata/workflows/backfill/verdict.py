"""The proof of a backfill in a sentence or two. Pure."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from opensearch_strata.archive.backfill_proof import QUARANTINED, BackfillCheck, BackfillProof
from opensearch_strata.archive.causes import told_causes
from opensearch_strata.definition.loading.restore_request import ARCHIVE_SOURCE
from opensearch_strata.errors.amounts import counted

if TYPE_CHECKING:
    from opensearch_strata.definition.dataset import Dataset
    from opensearch_strata.workflows.backfill.plan_ref import PlanRef

_NAMED = 3


def verdict(proof: BackfillProof) -> str:
    """The proof in a sentence or two."""
    later = f" {counted(proof.later, 'object')} arrived since the plan and will be loaded by the next run."
    if proof.holds and not proof.objects:
        return f"Nothing to prove: the source has no object of these days.{later if proof.later else ''}"
    counts = proof.counts
    left_out = f"{counts.unwanted:,} left out by the rules of intake + " if counts.unwanted else ""
    read = (
        f"{counted(counts.read, 'event')} read = {counts.created:,} created + {counts.existed:,} already there + "
        f"{counts.filtered - counts.unwanted:,} of other days + {left_out}{counted(counts.dead, 'dead letter')}"
    )
    why = f" Dead letters: {told_causes(proof.causes)}" if proof.causes else ""
    if not proof.by_state:
        why += " Serverless does not report what else became of an index: documents are proven by counts and samples."
    if proof.later:
        why += later
    if retired := sum(day.fate == "retired" for day in proof.days):
        why += f" {counted(retired, 'raw day')} retired: condensed, proven and deleted."
    if counted_only := sum(not day.by_state for day in proof.days):
        why += (
            f" Of {counted(counted_only, 'retired day')}, it is not known what became of documents between load and "
            f"deletion; their number was compared."
        )
    if proof.holds:
        return f"Proven: {read}.{why}"
    lines = "; ".join(f"{check.name} ({check.found:,}): {_first(check)}".rstrip(": ") for check in proof.failed)
    is_any_bad = any(check.name == QUARANTINED for check in proof.failed)
    hint = " Objects that hold no events can be left out with intake.skip_keys." if is_any_bad else ""
    looked = ": it looks up each document of the raw days named here by its id, and" if proof.broken else ": it"
    return (
        f"NOT proven: {lines}. Everything that is loaded is kept; fix the cause, then {proof.again}{looked} loads the "
        f"rest.{hint}"
    )


def loading_again(dataset: Dataset, ref: PlanRef, proof: BackfillProof) -> str:
    """What to do about a proof that does not hold, as an imperative: the command that loads whatever it misses.

    Objects hold documents of neighbouring days as well, so the range may be longer than that of the plan.

    :param ref: the plan
    :param proof: of the plan
    """
    found = [day for one in proof.broken if (day := dataset.raw.names.date_in(one.index))]
    days = [ref.first, ref.last, *found]
    source = ARCHIVE_SOURCE if ref.archived else ref.source
    named = "" if source == dataset.intake.source else f" --source {shlex.quote(source)}"
    return f"run `strata backfill {dataset.name}{named} --from {min(days)} --to {max(days)} --apply`"


def _first(check: BackfillCheck) -> str:
    more = f" and {len(check.named) - _NAMED} more" if len(check.named) > _NAMED else ""
    return f"{', '.join(name.rstrip('.') for name in check.named[:_NAMED])}{more}"
