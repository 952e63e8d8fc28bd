"""The proof of a backfill in a sentence or two. Pure."""

from __future__ import annotations

from opensearch_strata.archive.backfill_proof import BackfillCheck, BackfillProof
from opensearch_strata.archive.causes import told_causes
from opensearch_strata.errors.amounts import counted

_NAMED = 3


def verdict(proof: BackfillProof) -> str:
    """The proof in a sentence or two."""
    counts = proof.counts
    left_out = f"{counts.unwanted:,} left out by the rules of intake + " if counts.unwanted else ""
    read = (
        f"{counted(counts.read, 'event')} read = {counts.created:,} created + {counts.existed:,} already there + "
        f"{counts.filtered - counts.unwanted:,} of other days + {left_out}{counted(counts.dead, 'dead letter')}"
    )
    why = f" Dead letters: {told_causes(proof.causes)}" if proof.causes else ""
    if proof.replaced:
        named = ", ".join(day.index for day in proof.replaced[:_NAMED])
        why += (
            f" Others deleted or replaced documents in {counted(len(proof.replaced), 'raw day')} since the load began "
            f"({named}{', …' if len(proof.replaced) > _NAMED else ''}). There, only counts and samples prove the "
            f"load; run it again to have every document looked up."
        )
    if proof.later:
        why += f" {counted(proof.later, 'object')} arrived since the plan and will be loaded by the next run."
    if proof.holds:
        return f"Proven: {read}.{why}"
    lines = "; ".join(f"{check.name} ({check.found:,}): {_first(check)}".rstrip(": ") for check in proof.failed)
    return f"NOT proven: {lines}. Everything that is loaded is kept; fix the cause and run it again to load the rest."


def _first(check: BackfillCheck) -> str:
    more = f" and {len(check.named) - _NAMED} more" if len(check.named) > _NAMED else ""
    return f"{', '.join(name.rstrip('.') for name in check.named[:_NAMED])}{more}"
