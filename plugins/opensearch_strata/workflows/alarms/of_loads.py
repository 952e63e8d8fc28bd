"""Alarms of loads and audits: dead letters, a queue that is not emptied, and history that is short. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.errors.amounts import counted
from opensearch_strata.workflows.alarms.alarm import Alarm
from opensearch_strata.workflows.audit.findings import SEVERITIES

FEWEST_DEAD = 5
"""Fewer dead letters are no alarm, whatever their share: one event of three is a third."""

_NAMED = 3


def dead_letters(dataset: Dataset, *, read: int, dead: int, share: float, causes: str) -> list[Alarm]:
    """An alarm if more of the events of a load became dead letters than are usual.

    :param read: events that were read
    :param dead: those that could not be loaded
    :param share: the largest usual share, from 0 to 1
    :param causes: why, in words
    """
    if dead < FEWEST_DEAD or dead <= share * read:
        return []
    return [
        Alarm(
            kind="dead_letters",
            dataset=dataset.name,
            cause="dead letters",
            title=f"{dead:,} of {counted(read, 'event')} became dead letters",
            sentence=f"{dead:,} of {counted(read, 'event')} could not be loaded, {dead / read:.1%}. {causes}".rstrip(),
            cure=f"They are kept. Correct the parser or the mapping, then run `strata redrive {dataset.name} --apply`.",
        )
    ]


def old_messages(dataset: Dataset, *, oldest: float, waiting: int, minutes: int) -> list[Alarm]:
    """An alarm if messages wait too long in the queue, and a pass over it did not empty it.

    A queue that is empty again needs nobody, however long its messages had waited: the consumer was away, or a message
    came back after an object could be loaded at last.

    :param oldest: greatest age of a message at its receipt, seconds
    :param waiting: how many messages wait after the pass
    :param minutes: how long a message may wait
    """
    if oldest < minutes * 60 or not waiting:
        return []
    return [
        Alarm(
            kind="queue",
            dataset=dataset.name,
            cause="queue",
            title=f"a message waited {oldest / 60:,.0f} minutes in the queue",
            sentence=f"A message that tells of new objects had waited {oldest / 60:,.0f} minutes before it was "
            f"received; {counted(waiting, 'message')} wait now.",
            cure=f"Nothing is lost. See what `strata arrivals {dataset.name}` says; if there are too many objects for "
            f"one consumer, run `strata follow {dataset.name}` beside it.",
        )
    ]


def not_loading(dataset: Dataset, task: str, why: str) -> Alarm:
    """The alarm of a task that loads new objects and failed in spite of its retries.

    :param task: its name
    :param why: why it failed; empty if it was killed
    """
    return Alarm(
        kind="failure",
        dataset=dataset.name,
        cause=f"{task} failed",
        title=f"{task} failed: new objects are not loaded",
        sentence=why or f"{task} ended without saying why.",
        cure="Nothing is lost: messages come back, and the next run or the sweep loads what they tell of. Do what the "
        "sentence says; the log of the task says more.",
    )


def findings(dataset: str, found: Sequence[Mapping[str, Any]]) -> list[Alarm]:
    """One alarm for everything that an audit found lost, that would be with the next fault, or that it could not see.

    :param dataset: its name
    :param found: the findings, each ``{"day", "kind", "finding", "severity", "cure"}``
    """
    bad = [one for one in found if one["severity"] in SEVERITIES[:2] or one["kind"] == "unfinished"]
    worst = sorted(bad, key=lambda one: SEVERITIES.index(one["severity"]))
    if not worst:
        return []
    more = f" {counted(len(worst) - _NAMED, 'more finding')} in the table of the audit." if len(worst) > _NAMED else ""
    told = " ".join(f"{one['day'] or 'All days'}: {str(one['finding']).rstrip('.')}." for one in worst[:_NAMED])
    is_lost = worst[0]["severity"] == "lost"
    return [
        Alarm(
            kind="audit",
            dataset=dataset,
            cause="audit",
            title="an audit found something lost"
            if is_lost
            else "an audit found what would be lost, or could not look",
            sentence=f"{told}{more}",
            cure=" ".join(dict.fromkeys(str(one["cure"]) for one in worst[:_NAMED] if one["cure"])),
        )
    ]


def not_looked(dataset: str, reasons: Iterable[str]) -> list[Alarm]:
    """An alarm for each reason for which a part of an audit ended without a finding.

    :param dataset: its name
    :param reasons: why; empty for a part that was killed
    """
    return [
        Alarm(
            kind="audit",
            dataset=dataset,
            cause="audit could not look",
            title="an audit could not look",
            sentence=reason or "A part of the audit ended without saying why.",
            cure="Nothing was changed. Do what the sentence says, then clear the failed tasks of the audit.",
        )
        for reason in dict.fromkeys(reasons)
    ]
