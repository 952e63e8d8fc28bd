"""Only one run of Strata at a time holds a raw day: nobody else writes to it, and a killed run leaves nothing behind.

A run that holds a raw day blocks writes to it (``index.blocks.write``). Before that, it records the hold in the index
itself: ``_meta.strata_hold`` of its mapping states which process holds the day and until when. So our block can be
distinguished from one that somebody else set, and the next run lifts a block whose process is dead or whose time is up.
``index.blocks.read_only`` is never set or lifted here: it is a person's way to keep a day.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from opensearch_strata.connections.processes import is_dead, this_process
from opensearch_strata.errors import Refused, TransientError

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

    from opensearch_strata.history.raw_day.inspection import RawDay

NOTE = "strata_hold"
"""Key in ``_meta`` of a raw day's mapping."""

_LASTS = 600
_PATIENCE = 15.0
_POLL = 0.2
_RACES = 5
_SETTLE = 0.02  # if two runs ask at the same time, both have usually written by then


_MINE: set[str] = set()
"""Active runs of this process: one that could not release a day, for lack of an answer, is known to have ended."""


@dataclass(frozen=True)
class Hold:
    """Who holds a raw day.

    :param run: random id; two runs never share it
    :param process: see :func:`opensearch_strata.connections.processes.this_process`
    :param until: epoch seconds; the run must have ended by then
    :param lifts: whether the write block is the run's own, to be lifted when it releases the day
    """

    run: str
    process: str
    until: int
    lifts: bool

    @property
    def over(self) -> bool:
        """Whether its process is dead or has finished with it, or its time is up."""
        ended = bool(self.process) and self.process == this_process() and self.run not in _MINE
        return ended or time.time() > self.until or is_dead(self.process)


def hold_in(meta: Mapping[str, Any]) -> Hold | None:
    """Who holds a raw day, according to the ``_meta`` of its mapping; None if nobody does.

    :param meta: a parsed JSON object; empty if the mapping has none
    """
    note = meta.get(NOTE)
    if not isinstance(note, Mapping):
        return None
    try:
        return Hold(str(note["run"]), str(note["process"]), int(note["until"]), bool(note["lifts"]))
    except (KeyError, TypeError, ValueError):  # somebody else wrote it: it does not name a run of ours that may live
        return Hold("", "", 0, lifts=False)


class OvertakenError(Refused):
    """Another run took the raw day over, because both asked at the same time or it considered this run dead."""


def claim(client: OpenSearch, index: str) -> Hold:
    """Claim a raw day for this run. Waits for another run that holds it, and replaces a dead one.

    This does not block writes yet. Changes of a mapping cannot be conditional: if two runs ask at the same instant, the
    last one gets the day, and the other one notices this in :func:`require_held` before it does anything.

    :param index: exact name of the raw day
    :raises Refused: another run holds it for too long
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
            except BaseException:  # the hold may be recorded although its answer was lost: the next run finds it dead
                _MINE.discard(mine.run)
                raise
        elif time.monotonic() > deadline:
            until = datetime.fromtimestamp(there.until, UTC)
            raise Refused(
                f"{index} was kept: another run holds it, until {until:%H:%M:%S} UTC at the latest. Nothing was "
                f"changed; run again when it is done."
            )
        else:
            time.sleep(_POLL)


def require_held(client: OpenSearch, index: str, hold: Hold) -> None:
    """Make sure that this run still holds the day. Another run may have considered this one dead.

    :param index: exact name of the raw day
    :raises OvertakenError: it no longer holds the day
    :raises NotFoundError: the index is gone
    """
    if hold.over or hold_in(_look(client, index)[0]) != hold:
        raise OvertakenError(taken_over(index))


def renewed(client: OpenSearch, index: str, hold: Hold) -> Hold:
    """Hold an index for as long again, from now on.

    :param index: by its exact name
    :param hold: this run's
    :returns: what is held from now on
    :raises OvertakenError: another run has it
    :raises NotFoundError: the index is gone
    """
    require_held(client, index, hold)
    mine = replace(hold, until=int(time.time()) + _LASTS)
    _note(client, index, mine)
    return mine


def taken_over(index: str) -> str:
    """Sentence for the raw day ``index``, which another run now holds."""
    return f"{index} was kept: another run took it over meanwhile. The next run looks at it again."


def block_writes(client: OpenSearch, index: str, hold: Hold | None = None) -> bool:
    """Block writes to an index, including writes in progress. Returns False if they were already blocked.

    :param index: exact name of the index
    :param hold: this run's hold, if it has one: a block that missed a shard is lifted only while this run holds the day

    If two runs ask at the same instant, they share one block, which a shard then knows under a single name. The shard
    reports to the other run that it did not apply the block, so the block is set again.

    :raises OvertakenError: another run now holds the day
    :raises Refused: the server did not block writes; if a permission is missing, it answers 200 and
        ``acknowledged: false``
    :raises TransientError: a shard may still be writing
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
    raise TransientError(f"{index} was kept: a shard of it did not block writes in time ({answer}). Try again.")


def allow_writes(client: OpenSearch, index: str) -> None:
    """Lift the block that :func:`block_writes` set, if the index still exists and nobody forbids it.

    :param index: exact name of the index
    """
    with _where_allowed():
        client.indices.put_settings(index=index, body={"index.blocks.write": None})


@contextmanager
def _where_allowed() -> Iterator[None]:
    """Leave a day that cannot be released to a later run, which finds the recorded hold.

    This happens if somebody deleted the index meanwhile or made it read-only, or if the server did because a disk is
    full.
    """
    from opensearchpy import AuthorizationException, NotFoundError, TransportError

    try:
        yield
    except (NotFoundError, AuthorizationException):
        pass
    except TransportError as error:
        if error.error != "cluster_block_exception":
            raise


def release(client: OpenSearch, index: str, hold: Hold) -> None:
    """Release a raw day, and lift its write block if the holder set it. Somebody else's block stays.

    :param index: exact name of the raw day
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
    """Release a raw day that a killed run of Strata still holds; False if there is nothing to do.

    :param raw: the raw day as it was inspected, from which its holder is read
    """
    there = hold_in(raw.meta)
    if there is None or not there.over or "read_only" in raw.blocked:
        return False
    release(client, raw.index, there)
    return True


@contextmanager
def held(client: OpenSearch, raw: RawDay) -> Iterator[Hold]:
    """Hold a raw day with writes blocked, and release it at the end.

    :raises Refused: another run holds it, or writes could not be blocked
    :raises NotFoundError: the index is gone
    """
    mine = claim(client, raw.index)
    try:
        block_for(client, raw.index, mine)
        yield mine
    finally:
        release(client, raw.index, mine)


def block_for(client: OpenSearch, index: str, hold: Hold) -> None:
    """Block writes to a raw day for the run that holds it, unless they were blocked before the run claimed it.

    A block that exists now, but did not exist when the day was claimed, is this run's own, and the answer to it was
    lost. It is set again, so that the server confirms that no write is in progress.

    :param index: exact name of the raw day
    :raises Refused: the server did not block writes
    :raises TransientError: a shard may still be writing, or somebody else sets and lifts blocks at the same time
    """
    if not hold.lifts or block_writes(client, index, hold):
        return
    allow_writes(client, index)
    if not block_writes(client, index, hold):
        raise TransientError(f"Somebody else is blocking writes to {index} right now; it was kept. Try again.")


def _look(client: OpenSearch, index: str) -> tuple[Mapping[str, Any], bool]:
    """``_meta`` of an index, and whether writes to it are blocked.

    :raises Refused: the name now belongs to an alias
    :raises TransientError: the answer cannot be read
    """
    found = client.indices.get(index=index)
    if not isinstance(found, Mapping):
        raise TransientError(f"The answer of OpenSearch about {index} cannot be read. Nothing was changed; try again.")
    if index not in found:
        raise Refused(f"{index} is now an alias of {', '.join(sorted(found))}; nothing was changed.")
    blocks = found[index]["settings"]["index"].get("blocks", {})
    return found[index]["mappings"].get("_meta", {}), str(blocks.get("write")) == "true"


def _note(client: OpenSearch, index: str, hold: Hold | None) -> None:
    """Record or remove a hold: read, change and write ``_meta``, which the server replaces as a whole."""
    meta = {key: value for key, value in _look(client, index)[0].items() if key != NOTE}
    client.indices.put_mapping(index=index, body={"_meta": {**meta, NOTE: asdict(hold)} if hold else meta})
