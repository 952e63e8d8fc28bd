"""The audit of a dataset: planned with what it costs, then carried out. Two parts that do not depend on each other:
every day is looked at, and some archived days are restored."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from opensearch_strata.definition.dataset import Dataset, EngineName
from opensearch_strata.definition.days import last_of_month
from opensearch_strata.errors.amounts import counted
from opensearch_strata.workflows.audit.archived import ArchiveSeen, see_archive
from opensearch_strata.workflows.audit.copy_findings import copied_states, see_copies
from opensearch_strata.workflows.audit.cost import Cost, Meter
from opensearch_strata.workflows.audit.day_findings import is_proven, is_redefined, see_day
from opensearch_strata.workflows.audit.drawn_days.copies import DrawnCopy, draw_copy, read_drawn
from opensearch_strata.workflows.audit.drawn_days.restoring import Drawn, draw, restore_drawn
from opensearch_strata.workflows.audit.drawn_days.scratch_indices import drop_leftovers
from opensearch_strata.workflows.audit.findings import Finding, Severity, counts_of, failed, is_bad, joined
from opensearch_strata.workflows.audit.inventory import DayState, Inventory, take_inventory
from opensearch_strata.workflows.audit.levels import see_levels
from opensearch_strata.workflows.audit.looking import Looks, settled
from opensearch_strata.workflows.audit.raw_days import MOST_PROVEN, prove_day, see_raw_day, to_prove, waiting

if TYPE_CHECKING:
    from botocore.client import BaseClient
    from opensearchpy import OpenSearch

_AT_ONCE = 4  # archives that are looked at simultaneously; each mostly waits for S3


@dataclass(frozen=True)
class Audited:
    """The result of an audit, or of one of its parts.

    :param findings: the worst first, equal ones of consecutive days in one
    :param planned: what it was going to cost
    :param spent: what it cost
    """

    dataset: str
    findings: list[Finding]
    planned: Cost
    spent: Cost

    @property
    def failed(self) -> bool:
        """Whether anything is lost or would be, or could not be looked at."""
        return failed(self.findings)

    @property
    def may_pass(self) -> bool:
        """Whether it failed only because something did not answer or changed meanwhile, so that another try may not."""
        bad = [one for one in self.findings if is_bad(one) or one.kind == "unfinished"]
        return bool(bad) and all(one.is_passing for one in bad)

    @property
    def verdict(self) -> str:
        """The result in a sentence."""
        if not self.findings:
            return f"No day of {self.dataset} is known, or none of those that were asked for: nothing was looked at."
        counts = counts_of(self.findings)
        told = ", ".join(f"{count:,} {severity}" for severity, count in counts.items() if count)
        begin = "Not everything could be looked at" if self.failed else "Nothing is lost"
        if any(map(is_bad, self.findings)):
            begin = "Something is lost or would be"
        return f"{begin} of {self.dataset}. {counted(len(self.findings), 'finding')}: {told}."

    def as_json(self) -> dict[str, Any]:
        """As a small JSON object."""
        return {
            "dataset": self.dataset,
            "failed": self.failed,
            "verdict": self.verdict,
            "counts": counts_of(self.findings),
            "findings": [found.as_json() for found in self.findings],
            "planned": vars(self.planned),
            "spent": vars(self.spent),
        }

    def followed_by(self, other: Audited) -> Audited:
        """The whole audit.

        :param other: the part of the same plan that was carried out afterwards
        """
        return Audited(self.dataset, joined([*self.findings, *other.findings]), self.planned, other.spent)


@dataclass(frozen=True)
class AuditPlan:
    """What an audit is going to do.

    :param now: when it was planned
    :param prove: raw days that are compared with their rows document by document
    :param drawn: archived days that are restored
    :param copy: a file of the history's second copy that is read whole, if one is drawn
    :param apply: condense late documents anew, and mark what is proven
    :param meter: what was spent to make the plan, and then what the audit spends
    :param cost: of the whole audit, the plan included
    """

    client: OpenSearch
    s3: BaseClient | None
    dataset: Dataset
    now: datetime
    inventory: Inventory
    prove: list[DayState]
    drawn: list[Drawn]
    copy: DrawnCopy | None
    apply: bool
    meter: Meter
    cost: Cost

    @property
    def sentence(self) -> str:
        """What it is going to do, and what that costs."""
        restored = ", ".join(f"{one.state.day}" for one in self.drawn) or "none"
        return (
            f"Audit of {counted(len(self.inventory.days), 'day')} of {self.dataset.name}: "
            f"{counted(len(self.prove), 'raw day')} to be compared with their rows, archived days to be restored: "
            f"{restored}. Cost: {self.cost}."
        )


def plan_audit(
    client: OpenSearch,
    s3: BaseClient | None,
    dataset: Dataset,
    now: datetime,
    *,
    first: date | None = None,
    last: date | None = None,
    days: bool = True,
    restore: int = 0,
    seed: str = "",
    apply: bool = False,
) -> AuditPlan:
    """Look for what is left of each day, choose what is read in full, and add up what it will cost. Changes nothing.

    :param s3: client of the archive's bucket; None if the dataset has no archive
    :param now: timezone-aware
    :param first: the first day to audit; by default, the first that is known
    :param last: the last day to audit; by default, the last that is known
    :param days: look at every day; without it, days are only restored
    :param restore: how many archived days are restored
    :param seed: what decides which; the same text chooses the same days
    :param apply: see :class:`AuditPlan`
    :raises Refused: S3 or the ledger may not be read
    :raises TransientError: OpenSearch or S3 did not answer in full
    """
    meter = Meter()
    with meter.requests_of(s3):
        inventory = take_inventory(client, s3, dataset, now, first=first, last=last)
        drawn = draw(s3, dataset, inventory, seed, restore) if s3 else []
        copy = draw_copy(s3, dataset, inventory, seed) if s3 and restore else None
    prove = to_prove(inventory)[:MOST_PROVEN] if days else []
    cost = meter.spent + sum((one.cost for one in drawn), Cost(documents=sum(_reads(one, apply) for one in prove)))
    cost += copy.cost if copy else Cost()
    if days:
        # Two requests for a manifest, which is looked at before and after its objects, and one for each object.
        cost += Cost(requests=sum(len(state.objects) + 1 for state in inventory.days if state.objects))
        cost += Cost(requests=len(copied_states(inventory)) if s3 else 0)
    return AuditPlan(client, s3, dataset, now, inventory, prove, drawn, copy, apply, meter, cost)


def _reads(state: DayState, apply: bool) -> int:
    """Documents that are read to prove a day; one that is condensed anew is read three times."""
    anew = apply and not (state.rows and state.rows.documents == state.documents)
    return (state.documents or 0) * (3 if anew else 1)


def audit_days(plan: AuditPlan, *, engine: EngineName | None = None) -> Audited:
    """Look at every day of a plan. What cannot be looked at is a finding too.

    :param engine: condenses late documents; by default, the dataset's
    """

    def take(first: date, last: date) -> Inventory:
        return take_inventory(plan.client, plan.s3, plan.dataset, plan.now, first=first, last=last)

    with plan.meter.requests_of(plan.s3):
        found = settled(plan.inventory, lambda inventory: _of_days(plan, inventory, engine), take)
    return Audited(plan.dataset.name, joined(found), plan.cost, plan.meter.spent)


def _of_days(plan: AuditPlan, inventory: Inventory, engine: EngineName | None) -> list[Finding]:
    client, dataset, looks = plan.client, plan.dataset, Looks()
    found = [*_unreadable_months(inventory)]
    archives, of_archives = _archives(plan, inventory, looks)
    found += of_archives
    proven = {state.day for state in inventory.days if is_proven(state) and not is_redefined(dataset, state)}
    suspects = to_prove(inventory)
    for state in suspects[:MOST_PROVEN]:

        def prove(state: DayState = state) -> Iterator[Finding]:
            one = prove_day(client, dataset, state, archives.get(state.day), apply=plan.apply, engine=engine)
            plan.meter.add(documents=_reads(state, plan.apply))
            yield from [one] if one else []

        one = looks.at(state.day, prove)
        proven |= {state.day} if [found.severity for found in one] == ["fine"] else set()
        found += one
    found += waiting(suspects[MOST_PROVEN:])
    if plan.s3:
        found += see_copies(plan.s3, dataset, inventory, looks)
    found += looks.at(None, lambda: see_levels(client, dataset, inventory, apply=plan.apply))
    for state in inventory.days:

        def see(state: DayState = state) -> Iterator[Finding]:
            archive = archives.get(state.day)
            yield from see_day(dataset, state, archive, inventory)
            if state.documents is not None:
                is_now = state.day in proven
                yield from see_raw_day(client, dataset, inventory, state, archive, proven=is_now)

        found += looks.at(state.day, see)
    return found


def _archives(plan: AuditPlan, inventory: Inventory, looks: Looks) -> tuple[Mapping[date, ArchiveSeen], list[Finding]]:
    """What was found of each archive, and a finding for each that could not be looked at."""
    client, s3, dataset = plan.client, plan.s3, plan.dataset
    if s3 is None:
        return {}, []
    seen: dict[date, ArchiveSeen] = {}

    def see(state: DayState) -> list[Finding]:
        def look() -> Iterator[Finding]:
            seen[state.day] = see_archive(client, s3, dataset, state)
            yield from ()

        return looks.at(state.day, look)

    states = [state for state in inventory.days if state.objects]
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="strata-audit") as pool:
        failures = [one for found in pool.map(see, states) for one in found]
    return {**{one.day: ArchiveSeen(one.day) for one in failures if one.day}, **seen}, failures


def _unreadable_months(inventory: Inventory) -> Iterator[Finding]:
    for month, (why, red) in inventory.unreadable.items():
        known = [state.day for state in inventory.days if month <= state.day <= last_of_month(month)]
        days = known or [month, last_of_month(month)]
        cure = "Repair or open the index, and audit again: nothing is known about these rows."
        severity: Severity = "would be lost" if red else "look"
        yield Finding("unreadable", days[0], why, severity, cure, last=days[-1])


def audit_archives(plan: AuditPlan, owner: str, on_documents: Callable[[int], None] = lambda _: None) -> Audited:
    """Restore the drawn days of a plan one after the other, read the drawn copy, and drop what killed audits left.

    :param owner: this run
    :param on_documents: called with documents that were written or condensed since
    """
    looks, s3 = Looks(), plan.s3
    findings = looks.at(None, lambda: _leftovers(plan, owner))
    if s3:
        client, dataset, meter = plan.client, plan.dataset, plan.meter
        with meter.requests_of(s3):
            for one in plan.drawn:

                def restore(drawn: Drawn = one) -> list[Finding]:
                    return restore_drawn(client, s3, dataset, drawn, owner, meter, on_documents)

                findings += looks.at(one.state.day, restore)
            if copy := plan.copy:
                findings += looks.at(copy.state.day, lambda: read_drawn(client, s3, dataset, copy, meter))
    return Audited(plan.dataset.name, joined(findings), plan.cost, plan.meter.spent)


def _leftovers(plan: AuditPlan, owner: str) -> Iterator[Finding]:
    dropped, others = drop_leftovers(plan.client, plan.dataset, owner)
    if dropped:
        told = f"Scratch indices of an audit that was killed were dropped: {', '.join(dropped)}."
        yield Finding("leftover", None, told, "fine")
    if others:
        told = f"Scratch indices of another audit, or of somebody else: {', '.join(others)}."
        yield Finding(
            "leftover", None, told, "look", "Nothing while it runs; afterwards, the next audit drops its own."
        )
