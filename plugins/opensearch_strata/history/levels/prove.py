"""The proof of a day and of its levels."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

from opensearch_strata.definition.dataset import Dataset, EngineName
from opensearch_strata.definition.days import last_of_month
from opensearch_strata.errors import StrataError
from opensearch_strata.errors.judging import explain
from opensearch_strata.history.condense.engines.base import OnDocuments
from opensearch_strata.history.levels.build import levels_of_day, levels_of_month
from opensearch_strata.history.levels.outcome import Mode, UnitLevels
from opensearch_strata.history.verify import repair
from opensearch_strata.history.verify.proof import Check, Proof

if TYPE_CHECKING:
    from opensearchpy import OpenSearch


def prove(
    client: OpenSearch,
    dataset: Dataset,
    day: date,
    *,
    engine: EngineName | None = None,
    on_documents: OnDocuments = lambda _: None,
) -> Proof:
    """Prove a day after repairing what can be repaired, mark it, and build its levels.

    See :func:`opensearch_strata.history.verify.repair.prove`. Levels never decide about the raw day: they can be built
    again from the base rows. What keeps them from being complete is in :attr:`Proof.without_levels`.

    :raises Refused: the rows carry more documents than the raw day holds, or it cannot be condensed
    """
    proof = repair.prove(client, dataset, day, engine=engine, on_documents=on_documents)
    return with_levels(client, dataset, proof, "build")


def with_levels(client: OpenSearch, dataset: Dataset, proof: Proof, mode: Mode) -> Proof:
    """A proof with a line for each level; as it is, if the day is not verified.

    To compare the levels of a month takes a month of base rows, so this is done with its last day.

    :param mode: ``compare`` changes nothing, ``build`` builds what is not complete
    """
    from opensearchpy import OpenSearchException

    if proof.state != "verified" or not dataset.levels:
        return proof
    try:
        found = [levels_of_day(client, dataset, proof.day, mode)]
        if mode == "build" or proof.day == last_of_month(proof.day):
            found.append(levels_of_month(client, dataset, proof.day, mode))
    except (StrataError, OpenSearchException) as error:
        why = f"Levels of {proof.day} are not complete, and base rows are read instead. {explain(error)}"
        return replace(proof, without_levels=why)
    checks = [check for levels in found for check in _checks(levels)]
    problem = " ".join(filter(None, (levels.problem for levels in found)))
    return replace(proof, checks=[*proof.checks, *checks], without_levels=problem)


def _checks(levels: UnitLevels) -> list[Check]:
    return [
        Check(
            f"level {one.name}",
            levels.documents,
            one.documents,
            one.state in ("complete", "built"),
            (one.note or f"it is {one.state}",),
        )
        for one in levels.levels
        if one.state != "left out"
    ]
