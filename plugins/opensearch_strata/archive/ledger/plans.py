"""The plans in the ledger: which objects each batch loads, so that a task needs no more than a number."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from opensearch_strata.archive.events import Place
from opensearch_strata.archive.ledger.index import Change
from opensearch_strata.archive.ledger.row_documents import batch_id
from opensearch_strata.archive.ledger.store import Ledger
from opensearch_strata.archive.store.objects import ListedObject
from opensearch_strata.errors import Refused


class Plans:
    """Plans of one dataset. Raises TransientError and Refused as the ledger does."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def write(self, plan_id: str, batches: Sequence[Sequence[ListedObject]]) -> None:
        """Store what each batch of a plan loads, replacing a plan with the same id.

        :param plan_id: ids must sort by the time of their plans
        :param batches: the objects of each batch, in the order of the batch numbers
        """
        dataset = self._ledger.dataset_name

        def batch(number: int) -> Callable[[str, Any], dict[str, Any]]:
            objects = [[*listed.place, listed.size, listed.modified] for listed in batches[number]]
            source = {"kind": "batch", "dataset": dataset, "plan": plan_id, "number": number}
            return lambda *_: {**source, "objects": objects}

        for number in range(len(batches)):
            self._ledger.index.change([batch_id(dataset, plan_id, number)], batch(number))
        self._delete({"term": {"plan": plan_id}}, {"range": {"number": {"gte": len(batches)}}})

    def batch(self, plan_id: str, number: int) -> list[ListedObject]:
        """The objects of a batch of a plan.

        :param plan_id: as it was written
        :param number: of the batch, counted from 0
        :raises Refused: the batch does not exist
        """
        index = self._ledger.index
        identity = batch_id(self._ledger.dataset_name, plan_id, number)
        stored = index.get([identity]).get(identity)
        if stored is None:
            raise Refused(
                f"Batch {number} of plan {plan_id!r} is not in the ledger {index.name}: the plan was forgotten, or the "
                f"index was deleted. None of its objects were loaded. Plan again; objects that are already loaded are "
                f"left out."
            )
        return [
            ListedObject(Place(bucket, key, etag), size, modified)
            for bucket, key, etag, size, modified in stored.source["objects"]
        ]

    def forget_before(self, plan_id: str) -> int:
        """Delete the batches of all plans with smaller ids, which killed runs left behind, and return their number.

        :param plan_id: an id, or the beginning of one
        """
        return self._delete({"range": {"plan": {"lt": plan_id}}})

    def forget(self, plan_id: str) -> int:
        """Delete the batches of a plan and return their number.

        :param plan_id: as it was written
        """
        return self._delete({"term": {"plan": plan_id}})

    def _delete(self, *filters: dict[str, Any]) -> int:
        found = self._ledger.index.find(self._ledger.query("batch", *filters))
        changes = [Change(stored.id, None, stored.seq_no, stored.primary_term) for stored in found]
        return sum(version is not None for version in self._ledger.index.write(changes))
