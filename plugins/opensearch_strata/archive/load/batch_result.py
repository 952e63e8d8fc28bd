"""What became of the objects of a batch. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from opensearch_strata.archive.events import Place
from opensearch_strata.archive.ledger.loads import Counts
from opensearch_strata.archive.ledger.rows import ObjectRow
from opensearch_strata.errors import Refused, StrataError, TransientError
from opensearch_strata.errors.amounts import counted
from opensearch_strata.errors.judging import is_transient

_NAMED = 5


@dataclass
class BatchResult:
    """What became of a batch.

    :param rows: objects that this batch processed: done, quarantined or failed
    :param skipped: objects that were loaded earlier, or by somebody else in the meantime
    :param failures: why objects failed
    :param vanished: objects that were gone or rewritten before they were read, whatever their state is
    """

    rows: list[ObjectRow] = field(default_factory=list)
    skipped: list[ObjectRow] = field(default_factory=list)
    failures: list[StrataError] = field(default_factory=list)
    vanished: list[Place] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def counts(self) -> Counts:
        """Sums over the objects that this batch processed."""
        return sum((row.counts for row in self.rows), Counts())

    def in_state(self, state: str) -> list[ObjectRow]:
        """The rows in a state.

        :param state: ``done``, ``quarantined`` or ``failed``
        """
        return [row for row in self.rows if row.state == state]

    def require_success(self) -> None:
        """Raise if an object failed; all others are loaded by then.

        :raises TransientError: another attempt may load all objects that failed
        :raises Refused: at least one object will fail again
        """
        if not self.failures:
            return
        named = " ".join(str(failure) for failure in self.failures[:_NAMED])
        more = f" {len(self.failures) - _NAMED} more: see the ledger." if len(self.failures) > _NAMED else ""
        kind = TransientError if all(map(is_transient, self.failures)) else Refused
        of_all = f"{len(self.failures):,} of {counted(len(self.rows), 'object')}"
        raise kind(f"{of_all} failed; all others are loaded. {named}{more}")
