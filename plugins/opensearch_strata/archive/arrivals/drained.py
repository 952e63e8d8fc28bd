"""What a consumer did with the messages of a queue, and what became of the objects that they told of. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from opensearch_strata.archive.arrivals.routing import Aside
from opensearch_strata.archive.causes import Causes, told_causes
from opensearch_strata.archive.ledger.loads import Counts
from opensearch_strata.errors.amounts import counted


@dataclass
class Drained:
    """What was done in some time.

    :param messages: that were received
    :param deleted: everything that they told of is accounted for
    :param given_back: something in them has to be tried again, later
    :param held: done, but kept for datasets whose definitions cannot be read
    :param not_understood: left to the redrive policy of the queue
    :param lost: others received or deleted them meanwhile
    :param done: objects that were loaded
    :param there: objects that were loaded before, or by others meanwhile
    :param quarantined: objects that are not worth another attempt
    :param gone: objects that were deleted before they were read
    :param failed: objects that have to be tried again
    :param aside: what is not loaded, by reason
    :param counts: events of the objects that were loaded
    :param causes: why events became dead letters
    :param oldest: greatest age of a message at its receipt, seconds
    :param seconds: how long it took
    """

    messages: int = 0
    deleted: int = 0
    given_back: int = 0
    held: int = 0
    not_understood: int = 0
    lost: int = 0
    done: int = 0
    there: int = 0
    quarantined: int = 0
    gone: int = 0
    failed: int = 0
    aside: Counter[Aside] = field(default_factory=Counter)
    counts: Counts = field(default_factory=Counts)
    causes: Causes = field(default_factory=dict)
    oldest: float = 0.0
    seconds: float = 0.0

    @property
    def objects(self) -> int:
        """Objects that are accounted for."""
        return self.done + self.there + self.quarantined + self.gone

    def problems(self, sources: Sequence[str]) -> list[str]:
        """What somebody should look at, a few sentences each.

        :param sources: where the datasets of the queue look for objects, as s3://bucket/prefix/
        """
        told = []
        outside = self.aside["no_dataset"]
        if outside and not self.objects and outside + self.aside["other_event"] == self.aside.total():
            told.append(
                f"Nothing was loaded: {counted(outside, 'object')}, and none lies below a source of this queue's "
                f"datasets ({', '.join(sources)}). If a source is wrong, correct intake.source and run a backfill: "
                f"their messages are deleted, the objects are in S3."
            )
        if self.quarantined:
            told.append(
                f"{counted(self.quarantined, 'object')} put into quarantine, for the reasons above. Mend the cause; "
                f"the next sweep or a backfill tries them again. Objects that hold no events can be left out with "
                f"intake.skip_keys."
            )
        if self.counts.dead:
            told.append(
                f"{counted(self.counts.dead, 'event')} could not be loaded and became dead letters: "
                f"{told_causes(self.causes)} Mend the cause, then `strata redrive` loads them."
            )
        return told

    def as_json(self) -> dict[str, Any]:
        """The numbers as a small JSON object."""
        found = asdict(self)
        del found["counts"], found["causes"]
        rounded = {"oldest": round(self.oldest, 1), "seconds": round(self.seconds, 1)}
        return {
            **found,
            "aside": {reason: number for reason, number in self.aside.items() if number},
            **asdict(self.counts),
            **rounded,
        }

    def __str__(self) -> str:
        """``messages 12 (deleted 12), objects 11 loaded and 1 loaded before, events 240 created, …``."""
        counts = self.counts
        messages = {
            "given back": self.given_back,
            "kept for broken definitions": self.held,
            "not understood": self.not_understood,
            "lost": self.lost,
        }
        objects = {
            "loaded before": self.there,
            "in quarantine": self.quarantined,
            "gone": self.gone,
            "failed": self.failed,
            "left aside": self.aside.total(),
        }
        events = {
            "already there": counts.existed,
            "filtered": counts.filtered,
            "of these unwanted": counts.unwanted,
            "dead": counts.dead,
        }
        told = [
            f"messages {self.messages:,} (deleted {self.deleted:,}{_more(messages)})",
            f"objects {self.done:,} loaded{_more(objects)}",
            f"events {counts.created:,} created{_more(events)}",
            f"oldest message {self.oldest:,.0f} s",
        ]
        return "; ".join(told)


def _more(numbers: Mapping[str, int]) -> str:
    return "".join(f", {number:,} {what}" for what, number in numbers.items() if number)
