"""A month built beside the index that bears its name, and put in that one's place without a moment without rows.

The stand-in (:mod:`opensearch_strata.history.month.stand_in`) is built and proven while readers use the month. Then it
stands, and readers use it, while the month's own name goes from the old index to a clone of the stand-in, which shares
its files. When that is proven too, the stand-in is deleted. Each step can be done again: whatever a killed run left,
the next run goes on from it. Nothing is deleted whose rows are not in another index, read there and found the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

from opensearch_strata.connections import decisive
from opensearch_strata.connections.deleting import delete_index
from opensearch_strata.connections.safe_settings import MONTH, made_safely
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.errors import Refused, StrataError, TransientError
from opensearch_strata.errors.judging import explain
from opensearch_strata.history.copy.contents import all_the_same, noted_versions
from opensearch_strata.history.month.index import create_month
from opensearch_strata.history.month.mapping import mapping_differences, mapping_of_rows, month_settings
from opensearch_strata.history.month.stand_in import StandIn, stand_in_name, stand_in_of
from opensearch_strata.history.raw_day.hold import Hold, block_writes, claim, release, renewed, require_held

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

_PATIENCE = 120.0  # seconds until shards of a new index are there
_POLL = 0.2

_NOT_OWN = frozenset(
    {"uuid", "creation_date", "provided_name", "version", "resize", "verified_before_close", "blocks", "remote_store"}
)
"""Settings that the server makes, and those that only hold for a while."""
_OF_SHAPE = ("index.number_of_", "index.routing_partition_size", "index.routing.allocation.initial_recovery")

OnStep = Callable[[str], None]
"""Called with what is done next, in words."""


def _is_own(setting: str) -> bool:
    """Whether a setting of an index is one that another index of other shards can have."""
    return setting.split(".")[1] not in _NOT_OWN and not setting.startswith(_OF_SHAPE)


class Replacement:
    """The replacement of one month.

    :param month: first day of the month
    :param on_step: called with what is done next, in words
    """

    def __init__(self, client: OpenSearch, dataset: Dataset, month: date, on_step: OnStep = lambda _: None) -> None:
        self._client = client
        self._dataset = dataset
        self._tell = on_step
        self.index = dataset.month_index(month)
        """The month's own name."""
        self.beside = stand_in_name(dataset, month)
        """The name of its stand-in."""
        self._hold: Hold | None = None
        self._old: decisive.Primaries | None = None

    def look(self) -> tuple[Mapping[str, Any] | None, StandIn | None]:
        """What bears the month's name, as the server says it, and what the stand-in says of itself.

        :raises Refused: an alias bears one of the names, something else bears that of the stand-in, or one is closed
        """
        names = (self.index, self.beside)
        params = {"flat_settings": "true", "ignore_unavailable": "true"}
        found: dict[str, Any] = self._client.indices.get(index=",".join(names), params=params)
        if strange := found.keys() - set(names):
            raise Refused(f"{self.index} is an alias of {', '.join(sorted(strange))}, not an index. Nothing was done.")
        for name in names:
            if found.get(name, {}).get("settings", {}).get("index.verified_before_close") == "true":
                raise Refused(f"{name} is closed, so its rows cannot be read. Nothing was done; open it and run again.")
        if self.beside not in found:
            return found.get(self.index), None
        note = stand_in_of(found[self.beside]["mappings"].get("_meta", {}))
        if note is None or note.month != self.index:
            raise Refused(
                f"{self.beside}, the name under which {self.index} would be built, belongs to an index that Strata did "
                f"not create. Nothing was done; rename or delete it."
            )
        return found.get(self.index), note

    def begin(
        self,
        properties: Mapping[str, Any],
        meta: Mapping[str, Any],
        old: Mapping[str, Any] | None = None,
        *,
        blocked: bool = False,
    ) -> None:
        """Create the stand-in, without rows; one that a killed run left is deleted first.

        It is hidden: a wildcard of somebody else must not find the rows of a month twice.

        :param properties: of its mapping
        :param meta: its ``_meta.strata``
        :param old: flat settings of the index that it is to replace, whose own ones it keeps; None if there is none
        :param blocked: whether somebody has blocked writes to that index
        :raises Refused: another run builds it, or the server or an index template does not let it be what it must be
        :raises TransientError: another run created it at the same time
        """
        if self.look()[1] is not None:
            hold = claim(self._client, self.beside)  # refused while its run goes on
            _, left = self.look()
            if left is None or left.stands:
                release(self._client, self.beside, hold)
                raise TransientError(
                    f"Another run replaced {self.index} at the same time. Nothing was changed; try again."
                )
            self._hold = hold
            self._forget()
        note = StandIn(self.index, str(old["index.uuid"]) if old else "", blocked=blocked).noted()
        mappings = mapping_of_rows(properties, {"strata": meta, **note})
        kept = {name: value for name, value in (old or {}).items() if value is not None and _is_own(name)}
        settings = {**kept, **month_settings(self._dataset), "index.hidden": True}
        self._tell(f"building {self.beside}")
        if not create_month(self._client, self.beside, {"settings": settings, "mappings": mappings}):
            raise TransientError(f"{self.beside} was created by another run at the same time. Try again.")
        self._hold = claim(self._client, self.beside)
        made = self._client.indices.get_mapping(index=self.beside)[self.beside]["mappings"]
        if problems := mapping_differences(made["properties"], properties):
            self.give_up()
            raise Refused(
                f"{self.beside} was shaped by an index template that matches its name: {'; '.join(problems)}. It was "
                f"deleted again and nothing else was changed; let the template's pattern leave {self.index}* out."
            )

    def keep(self) -> None:
        """Go on holding the stand-in; to be called every few minutes.

        :raises OvertakenError: another run took this one for dead
        """
        if self._hold:
            self._hold = renewed(self._client, self.beside, self._hold)

    def give_up(self) -> None:
        """Leave nothing of a stand-in that does not stand; what cannot be deleted is left to the next run."""
        from opensearchpy import OpenSearchException

        if self._hold:
            with suppress(StrataError, OpenSearchException):
                self._forget()

    def _forget(self) -> None:
        """Delete the stand-in, which must be this run's.

        :raises OvertakenError: another run has it, and perhaps its rows are nowhere else
        """
        if self._hold:
            require_held(self._client, self.beside, self._hold)
            delete_index(self._client, self.beside)
        self._hold = None

    def stand(self, strata: Mapping[str, Any], old: decisive.Primaries | None = None, copies: int = 1) -> None:
        """Let readers take the rows of the month from the stand-in, which is complete and proven.

        :param strata: its ``_meta.strata``, marks included
        :param old: the old index as it was when its rows were compared; None if there is none
        :param copies: live copies of each of its shards; no fewer are demanded, as far as the definition wants them
        :raises Refused: somebody took the note off it
        :raises TransientError: there are not as many copies in time, or the old index changed
        """
        self._tell(f"putting {self.beside} on the disks")
        block_writes(self._client, self.beside)
        decisive.flush(self._client, self.beside)
        self._require_copies(self.beside, min(copies, 1 + self._dataset.history.replicas))
        self.keep()
        if old:
            self.require_unmoved(old)
        self._old = old
        meta = self._meta(self.beside)
        note = stand_in_of(meta)
        if note is None:
            raise Refused(f"{self.beside} lost its note to somebody else. Nothing was changed; run again.")
        self._put_meta(self.beside, {**meta, "strata": dict(strata), **replace(note, stands=True).noted()})

    def require_unmoved(self, old: decisive.Primaries) -> None:
        """Make sure that all rows of the old index are in the stand-in: nothing was written since they were compared.

        :param old: the old index as it was then
        :raises TransientError: something was
        """
        counts = {decisive.count(self._client, index) for index in (self.index, self.beside)}
        if decisive.primaries(self._client, self.index) != old or len(counts) > 1:
            raise TransientError(
                f"Somebody wrote to {self.index} in spite of its write block, or to {self.beside}. {self.index} was "
                f"kept; run again."
            )

    def settle(self) -> str:
        """Give the month its name back: delete the old index, clone the stand-in, prove the clone, delete the stand-in.

        :returns: UUID of the month index
        :raises Refused: another run does it, or an index bears the name that is neither the old one nor a clone
        :raises TransientError: something did not answer in time; the stand-in stands, run again
        """
        hold = self._hold = self._hold or claim(self._client, self.beside)
        try:
            return self._settle()
        except BaseException:
            from opensearchpy import OpenSearchException

            with suppress(StrataError, OpenSearchException):  # the next run goes on at once
                release(self._client, self.beside, self._hold or hold)
            raise

    def _settle(self) -> str:
        there, note = self.look()
        if note is None or not note.stands:
            raise Refused(f"{self.beside} does not stand in for {self.index}; nothing was changed.")
        uuid = decisive.uuid_of(self._client, self.beside)
        block_writes(self._client, self.beside)
        if there is not None and there["settings"]["index.uuid"] == note.replaces:
            self._delete_old(there)
            there = None
        if there is None:
            self._tell(f"cloning {self.beside} as {self.index}")
            self._clone(blocked=note.blocked)
        else:
            self._require_clone(there, uuid)
        self._require_copies(self.index, min(decisive.live_copies(self._client, self.beside)[0]))
        self.keep()
        self._tell(f"comparing {self.index} with {self.beside}")
        all_the_same(self._client, self.beside, self.index, self.keep)
        meta = self._meta(self.beside)
        strata = noted_versions(self._client, self._dataset, self.beside, self.index, meta["strata"])
        self._put_meta(self.index, {"strata": strata})
        made = decisive.uuid_of(self._client, self.index)
        decisive.flush(self._client, self.index)
        self._move_aliases(self.beside, self.index)
        self._forget()
        return made

    def _delete_old(self, there: Mapping[str, Any]) -> None:
        """Delete the old index, whose rows are in the stand-in: compared by this run, or again."""
        if self._old is None:
            self._tell(f"comparing the old {self.index} with {self.beside}")
            decisive.refresh(self._client, self.index)
            old = decisive.primaries(self._client, self.index)
            all_the_same(self._client, self.index, self.beside, self.keep)
        else:
            old = self._old
        if there.get("aliases"):
            self._move_aliases(self.index, self.beside)
        self._tell(f"deleting the old {self.index}")
        self.require_unmoved(old)
        self.keep()
        if decisive.uuid_of(self._client, self.index) != old.uuid:  # the last look, milliseconds before
            raise TransientError(f"Another run replaced {self.index} at the same time. Run again to see.")
        delete_index(self._client, self.index)

    def _move_aliases(self, index: str, other: str) -> None:
        """Let the aliases of one index be of another, at the same moment."""
        there = self._client.indices.get_alias(index=index)[index]["aliases"]
        actions = [{"remove": {"index": index, "alias": alias}} for alias in there]
        actions += [{"add": {"index": other, "alias": alias, **body}} for alias, body in there.items()]
        if actions:
            self._client.indices.update_aliases(body={"actions": actions})

    def _clone(self, *, blocked: bool) -> None:
        from opensearchpy import RequestError

        settings: dict[str, Any] = {**MONTH, "index.hidden": False, "index.blocks.write": blocked or None}
        settings["index.number_of_replicas"] = self._dataset.history.replicas
        try:
            made_safely(
                lambda safe: self._client.indices.clone(
                    index=self.beside, target=self.index, body={"settings": {**settings, **safe}}
                )
            )
        except RequestError as error:
            raise TransientError(
                f"{self.index} could not be made from {self.beside}, where its rows are and are read. {explain(error)} "
                f"If somebody created an index of that name meanwhile, delete it; then run the same command again."
            ) from None

    def _require_clone(self, there: Mapping[str, Any], uuid: str) -> None:
        if there["settings"].get("index.resize.source.uuid") != uuid:
            raise Refused(
                f"Somebody created {self.index} while it was being replaced. Its rows are in {self.beside}, and are "
                f"read there. Delete {self.index}, then run the same command again; condense the days afterwards that "
                f"were condensed meanwhile."
            )

    def _require_copies(self, index: str, wanted: int) -> None:
        """Wait until each shard has as many live copies as are wanted."""
        deadline = time.monotonic() + _PATIENCE
        while min(live := decisive.live_copies(self._client, index)[0]) < wanted:
            if time.monotonic() > deadline:
                raise TransientError(
                    f"{index} has {min(live)} live copies of a shard after {_PATIENCE:.0f} s, and {wanted} are "
                    f"demanded, as the index before it had them. Nothing was deleted; run again when the nodes are "
                    f"there."
                )
            time.sleep(_POLL)

    def _meta(self, index: str) -> dict[str, Any]:
        meta: dict[str, Any] = self._client.indices.get_mapping(index=index)[index]["mappings"].get("_meta", {})
        return meta

    def _put_meta(self, index: str, meta: Mapping[str, Any]) -> None:
        self._client.indices.put_mapping(index=index, body={"_meta": dict(meta)})
