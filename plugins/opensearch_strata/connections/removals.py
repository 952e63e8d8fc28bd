"""Which index a raw day is, and how many of its documents were removed: its state, as it can be noted. Pure."""

from __future__ import annotations

from typing import NamedTuple

_SHORT = -(2**62)  # fewer than any number of operations that an index can have


class Removals(NamedTuple):
    """Which index a raw day is, and how many of its documents were removed, at one moment.

    :param uuid: of the index
    :param removed: operations since the index was created that added no document: a replacement counts once, a deletion
        twice. An index that was made of several shards of another one (shrink) begins below zero, because its documents
        bear the same numbers
    :param history: hash of the histories of its shards, which change if a snapshot is restored into the index, or a
        shard is begun anew; empty if it is not known, and in rows from before it was kept
    :param operations: that the index has seen; 0 if it is not known
    """

    uuid: str
    removed: int
    history: str = ""
    operations: int = 0

    @property
    def is_short(self) -> bool:
        """Whether documents were lost of which no operation tells; see :meth:`short`."""
        return self.removed == _SHORT

    def short(self) -> Removals:
        """The state of an index that has fewer documents than were created in it, though nobody removed any.

        A node that dies before it has written its translog to the disk (``index.translog.durability: async``) loses
        operations at the end as if they had never been. This state is unbroken since no other.
        """
        return self._replace(removed=_SHORT)

    def is_unbroken_since(self, before: Removals) -> bool:
        """Whether every document that was created in between is still there, unchanged.

        :param before: an earlier moment
        """
        return self.uuid == before.uuid and self.removed == before.removed and not self.is_reset_since(before)

    def is_before(self, earlier: Removals, created: int) -> bool:
        """Whether this state is surely one from before all documents of some loads were there.

        :param earlier: the state before the loads
        :param created: how many documents they created in the index
        """
        known = self.uuid == earlier.uuid and self.operations > 0
        return known and self.operations < earlier.operations + created

    def is_reset_since(self, before: Removals) -> bool:
        """Whether shards of the index were restored or begun anew, or lost operations: what was removed stays removed.

        :param before: an earlier moment
        """
        is_other = "" not in (self.history, before.history) and self.history != before.history
        return self.uuid == before.uuid and (is_other or self.removed < before.removed)
