"""One run of ours at a time decides over a raw day: nobody writes to it meanwhile, and a kill leaves nothing behind.

A run that holds a raw day blocks writes to it (``index.blocks.write``) and says so before, in the index itself:
``_meta.strata_hold`` of its mapping, with the process that holds it and until when. So a block of ours is told from
one that somebody else set, and the next run lifts one whose process is dead or whose time is over.
``index.blocks.read_only`` is never set or lifted here: it is a person's way to keep a day.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from opensearch_strata.connections import decisive
from opensearch_strata.connections.processes import is_dead, this_process
from opensearch_strata.errors import Refused, StrataError, TransientError

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

    from opensearch_strata.history.raw_day.inspection import RawDay

NOTE = "strata_hold"
"""Key in ``_meta`` of a raw day's mapping."""

_LASTS = 600
_PATIENCE = 15.0
_POLL = 0.2
_RACES = 5
_SETTLE = 0.02  # two that ask at the same time have both written by then, as a rule


_MINE: set[str] = set()
"""Runs of this process that go on: one that could not let go, for want of an answer, is known to be over."""


@dataclass(frozen=True)
class Hold:
    """Who holds a raw day.

    :param run: random word; two runs never share it
    :param process: see :func:`opensearch_strata.connections.processes.this_process`
    :param until: epoch seconds; whoever wants to hold longer must have ended by then
    :param lifts: whether the write block is the run's own, to be lifted when it lets go
    """

    run: str
    process: str
    until: int
    lifts: bool

    @property
    def over(self) -> bool:
        """Whether its process is dead or has ended with it, or its time is over."""
        ended = bool(self.process) and self.process == this_process() and self.run not in _MINE
        return ended or time.time() > self.until or is_dead(self.process)


def hold_in(meta: Mapping[str, Any]) -> Hold | None:
    """Who holds a raw day, by the ``_meta`` of its mapping; None if nobody does.

    :param meta: a JSON object, parsed; empty where the mapping has none
    """
    note = meta.get(NOTE)
    if not isinstance(note, Mapping):
        return None
    try:
        return Hold(str(note["run"]), str(note["process"]), int(note["until"]), bool(note["lifts"]))
    except (KeyError, TypeError, ValueError):  # written by somebody else: it names no run of ours that could be alive
        return Hold("", "", 0, lifts=False)


class OvertakenError(Refused):
    """Another run took the raw day over, as it had asked for it at the same time or took this one for dead."""


def claim(client: OpenSearch, index: str) -> Hold:
    """Take a raw day for this run; another one that has it is waited for, a dead one is cleared away.

    Writes are not blocked by it yet. The mapping knows no condition for a change: of two that ask in the same instant
    the last one has the day, which the other finds out with :func:`require_held` before it does anything.

    :param index: the raw day, by its exact name
    :raises Refused: another run keeps it for longer
    :raises NotFoundError: the index is gone
    """
    deadline = time.monotonic() + _PATIENCE
    while True:
        meta, blocked = _look(client, index)
        there = hold_in(meta)
        if there is None or there.over:
            lifts = not blocked or (there is not None and there.lifts)
            mine = Hold(uuid4().hex, this_process(), int(time.time()) + _LASTS, lifts)
            _MINE.add(mine.run)
            try:
                _note(client, index, mine)
                time.sleep(_SETTLE)
                with suppress(OvertakenError):
                    require_held(client, index, mine)
                    return mine
            except BaseException:  # the note may be there, its answer lost: the next run finds that nobody is behind it
                _MINE.discard(mine.run)
                raise
        elif time.monotonic() > deadline:
            until = datetime.fromtimestamp(there.until, UTC)
            raise Refused(
                f"{index} was kept: another run decides over it, until {until:%H:%M:%S} UTC at the latest. Nothing "
                f"was changed; run again when it is done."
            )
        else:
            time.sleep(_POLL)


def require_held(client: OpenSearch, index: str, hold: Hold) -> None:
    """Make sure that the day is still this run's, which another run may have taken for dead.

    :param index: the raw day, by its exact name
    :raises OvertakenError: it is not
    :raises NotFoundError: the index is gone
    """
    if hold.over or hold_in(_look(client, index)[0]) != hold:
        raise OvertakenError(taken_over(index))


def taken_over(index: str) -> str:
    """Sentence for the raw day ``index``, which another run has now."""
    return f"{index} was kept: another run took it over meanwhile. The next run proves it again."


def block_writes(client: OpenSearch, index: str, hold: Hold | None = None) -> bool:
    """Block writes to an index, those under way included; False if they were blocked already.

    :param index: by its exact name
    :param hold: this run's, if it has one: a block that missed a shard is lifted only while this run holds the day

    Two that ask in the same instant share one block, of which a shard then knows only one name, and tells the other
    one that it has not applied it: so it is set anew.

    :raises OvertakenError: another run holds the day meanwhile
    :raises Refused: the server did not do it; without one permission it answers 200 and ``acknowledged: false``
    :raises TransientError: some shard may still be writing
    """
    for _ in range(_RACES):
        answer = client.indices.add_block(index=index, block="write")
        if answer["acknowledged"] and answer["shards_acknowledged"]:
            return True
        if not answer["indices"]:  # nothing to do, or no permission
            if _look(client, index)[1]:
                return False
            raise Refused(
                f"{index} was kept: the server did not block writes to it ({answer}). The user needs the permission "
                f"indices:admin/block/add* on it."
            )
        if hold:
            require_held(client, index, hold)
        allow_writes(client, index)
        time.sleep(_POLL)
    raise TransientError(f"{index} was kept: some shard of it did not block writes in time ({answer}). Try again.")


def allow_writes(client: OpenSearch, index: str) -> None:
    """Lift the block of :func:`block_writes`, where the index is still there and nobody forbids it.

    :param index: by its exact name
    """
    with _where_allowed():
        client.indices.put_settings(index=index, body={"index.blocks.write": None})


@contextmanager
def _where_allowed() -> Iterator[None]:
    """What cannot be let go is left to a later run, which finds our note.

    Somebody deleted the index meanwhile, holds it read-only, or the server did as its disk is full.
    """
    from opensearchpy import AuthorizationException, NotFoundError, TransportError

    try:
        yield
    except (NotFoundError, AuthorizationException):
        pass
    except TransportError as error:
        if error.error != "cluster_block_exception":
            raise


FULL_DISK = "read_only_allow_delete"
"""The server's own block on all indices of a node whose disk is full."""


@contextmanager
def past_full_disk(client: OpenSearch, raw: RawDay) -> Iterator[None]:
    """Lift the block of a full disk from a raw day that is to be deleted, as it forbids to hold the day; a day that is
    kept has it again.

    A deletion in spite of that block alone would race the server, which lifts it at any moment. What is written before
    the day is held changes its sequence numbers, so that it is kept.
    https://docs.opensearch.org/latest/install-and-configure/configuring-opensearch/cluster-settings/ (``flood_stage``)

    :param raw: as it was inspected
    """
    from opensearchpy import OpenSearchException

    if FULL_DISK not in raw.blocked:
        yield
        return
    client.indices.put_settings(index=raw.index, body={f"index.blocks.{FULL_DISK}": None})
    try:
        yield
    except BaseException:
        with suppress(StrataError, OpenSearchException):  # the server sets it again by itself, if later
            if decisive.uuid_of(client, raw.index) == raw.uuid:
                client.indices.put_settings(index=raw.index, body={f"index.blocks.{FULL_DISK}": True})
        raise


def release(client: OpenSearch, index: str, hold: Hold) -> None:
    """Let a raw day go, its write block with it if that was set by the holder; one that is somebody else's stays.

    :param index: the raw day, by its exact name
    """
    _MINE.discard(hold.run)
    with _where_allowed():
        there = hold_in(_look(client, index)[0])
        if there is None or there.run != hold.run:
            return
        if there.lifts:
            client.indices.put_settings(index=index, body={"index.blocks.write": None})
        _note(client, index, None)


def release_dead(client: OpenSearch, raw: RawDay) -> bool:
    """Let a raw day go that a run of ours held when it was killed; False if there is nothing to do.

    :param raw: as it was inspected: who holds it is read there
    """
    there = hold_in(raw.meta)
    if there is None or not there.over or "read_only" in raw.blocked:
        return False
    release(client, raw.index, there)
    return True


@contextmanager
def held(client: OpenSearch, raw: RawDay) -> Iterator[Hold]:
    """Hold a raw day with writes blocked, and let it go in the end.

    :raises Refused: another run has it, or writes could not be blocked
    :raises NotFoundError: the index is gone
    """
    mine = claim(client, raw.index)
    try:
        block_for(client, raw.index, mine)
        yield mine
    finally:
        release(client, raw.index, mine)


def block_for(client: OpenSearch, index: str, hold: Hold) -> None:
    """Block writes to a raw day for the run that holds it, unless they were blocked before it came.

    A block that is there although nobody had set it when the day was claimed is this run's own, whose answer was lost.
    It is set anew, so that the server says that no write is under way.

    :param index: the raw day, by its exact name
    :raises Refused: the server did not do it
    :raises TransientError: some shard may still be writing, or somebody else blocks and lifts at the same time
    """
    if not hold.lifts or block_writes(client, index, hold):
        return
    allow_writes(client, index)
    if not block_writes(client, index, hold):
        raise TransientError(f"Somebody else blocks writes to {index} at the same time; it was kept. Try again.")


def _look(client: OpenSearch, index: str) -> tuple[Mapping[str, Any], bool]:
    """``_meta`` of an index, and whether writes to it are blocked.

    :raises Refused: an alias bears the name now
    """
    found = client.indices.get(index=index)
    if not isinstance(found, Mapping):
        raise TransientError(f"OpenSearch did not answer what {index} is. Nothing was decided; try again.")
    if index not in found:
        raise Refused(f"{index} is an alias of {', '.join(sorted(found))} now; nothing was changed.")
    blocks = found[index]["settings"]["index"].get("blocks", {})
    return found[index]["mappings"].get("_meta", {}), str(blocks.get("write")) == "true"


def _note(client: OpenSearch, index: str, hold: Hold | None) -> None:
    """Read, change, write: the server replaces ``_meta`` as a whole."""
    meta = {key: value for key, value in _look(client, index)[0].items() if key != NOTE}
    client.indices.put_mapping(index=index, body={"_meta": {**meta, NOTE: asdict(hold)} if hold else meta})
