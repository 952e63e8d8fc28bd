"""Until when restored raw days are wanted: ``_meta.strata.keep_until`` of their mapping.

The note is in the index itself, so it goes with the index, and nothing can come between the two.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from opensearch_strata.archive.targets.made_days import KEEP_UNTIL, NOTE
from opensearch_strata.archive.targets.raw_indices import found_of, patient
from opensearch_strata.connections.retrying import part_of
from opensearch_strata.errors import Refused, TransientError
from opensearch_strata.errors.judging import explain

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

_TRIES = 5


@dataclass(frozen=True)
class Wanted:
    """Until when a restore wants its days.

    :param until: aware
    :param exactly: also if an earlier restore wants them for longer
    """

    until: datetime
    exactly: bool

    @property
    def text(self) -> str:
        """As it is in the note."""
        return self.until.astimezone(UTC).isoformat(timespec="seconds")

    def covers(self, note: Any) -> bool:
        """Whether a note already says what this restore wants.

        :param note: the value of the key, None without one
        """
        if self.exactly or note is None:
            return bool(note == self.text)
        there = _read(note)
        return there is None or there >= self.until.replace(microsecond=0)


def why_wanted(meta: Mapping[str, Any], now: datetime) -> str:
    """Why a raw day must not go yet, as a clause; an empty string if it may.

    :param meta: ``_meta`` of its mapping
    :param now: aware
    """
    said = meta.get(NOTE)
    note = said.get(KEEP_UNTIL) if isinstance(said, Mapping) else None
    if note is None:
        return ""
    until = _read(note)
    if until is None:
        return (
            f"it was restored, but its note _meta.{NOTE}.{KEEP_UNTIL} ({str(note)[:40]!r}) is not a time; restore "
            f"it again with keep_until 0 to let it go"
        )
    if now < until:
        return (
            f"it was restored and is wanted until {until.astimezone(UTC):%Y-%m-%d %H:%M} UTC; restore it again with "
            f"another keep_until to change that"
        )
    return ""


def want(client: OpenSearch, names: Collection[str], wanted: Wanted) -> None:
    """Note in raw days, those of them that exist, until when they are wanted, and see that the note stays.

    The caller must be registered for the days, so that nobody deletes them meanwhile. The server replaces ``_meta`` as
    a whole: if another run writes to it simultaneously, one of the two is lost, which is why it is read back.

    :param names: of raw days
    :param wanted: until when
    :raises Refused: the server does not accept the note
    :raises TransientError: others keep changing ``_meta`` of a day
    """
    from opensearchpy import AuthorizationException, RequestError

    for _ in range(_TRIES):
        unnoted = {name: meta for name, meta in _metas(client, names).items() if not wanted.covers(_note(meta))}
        if not unnoted:
            return
        for name, meta in unnoted.items():
            said = meta.get(NOTE)
            note = {**(said if isinstance(said, Mapping) else {}), KEEP_UNTIL: wanted.text}
            body = {"_meta": {**meta, NOTE: note}}
            try:
                patient(partial(client.indices.put_mapping, index=name, body=body))
            except (AuthorizationException, RequestError) as error:
                raise Refused(
                    f"{name} cannot be marked as wanted until {wanted.text}: {explain(error)} Nothing was loaded into "
                    f"it by this step."
                ) from error
    raise TransientError(
        f"{', '.join(sorted(unnoted))} could not be marked as wanted: others change its _meta. Try again."
    )


def _metas(client: OpenSearch, names: Collection[str]) -> dict[str, Mapping[str, Any]]:
    found = found_of(client, sorted(names))
    return {name: part_of(body, "mappings").get("_meta", {}) for name, body in found.items() if name in names}


def _note(meta: Mapping[str, Any]) -> Any:
    said = meta.get(NOTE)
    return said.get(KEEP_UNTIL) if isinstance(said, Mapping) else None


def _read(note: Any) -> datetime | None:
    try:
        until = datetime.fromisoformat(str(note))
    except ValueError:
        return None
    return until if until.tzinfo else None
