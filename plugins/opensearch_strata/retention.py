"""What has left the window, and the proof demanded before it goes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Literal

from opensearch_strata import decisive
from opensearch_strata.archive.under_load import require_not_loading
from opensearch_strata.dataset import Dataset
from opensearch_strata.days import newest_expired, require_complete
from opensearch_strata.errors import Refused, TransientError
from opensearch_strata.history.raw_day import RawDay, inspect_raw_day
from opensearch_strata.history.stored_rows import carried

if TYPE_CHECKING:
    from opensearchpy import OpenSearch


@dataclass(frozen=True)
class Expired:
    """Raw days that have left the window, oldest first.

    :param indices: those that this run looks at, name -> day: more than it may delete, as some may have to stay
    :param postponed: those beyond, which have their turn in another run
    :param undated: names that match the raw pattern but hold no date; never touched
    """

    indices: dict[str, date] = field(default_factory=dict)
    postponed: list[str] = field(default_factory=list)
    undated: list[str] = field(default_factory=list)


SPARE = 20
"""How many expired days a run looks at beyond those that it may delete."""


def having_turns(names: Sequence[str], most: int, spare: int, day: date) -> set[str]:
    """Names for one run to try: the oldest, and some of the rest, which take turns from day to day.

    So no number of days that can never go keeps a day behind them from its turn.

    :param names: oldest first
    :param most: how many of the oldest
    :param spare: how many of the rest
    :param day: the day of the run, by which they take turns
    """
    rest = names[most:]
    start = day.toordinal() * spare
    return {*names[:most], *(rest[(start + number) % len(rest)] for number in range(min(spare, len(rest))))}


def list_expired(client: OpenSearch, dataset: Dataset, day: date, now: datetime) -> Expired:
    """Raw days older than the window whose newest day is ``day``.

    :param now: aware; a day that is not over at that moment is refused, a slip of the pen would empty the window
    :raises Refused: ``day`` is not over yet
    """
    require_complete(day, now, dataset.zone)
    names = dataset.raw.names
    expression = names.expression
    found: Mapping[str, Any] = client.indices.get(
        index=expression, params={"expand_wildcards": "open,closed", "filter_path": "*.settings.index.uuid"}
    )
    dated: dict[date, str] = {}
    undated: list[str] = []
    for name in sorted(found):
        if not fnmatchcase(name, expression) or dataset.history.names.date_in(name):
            continue
        held_day = names.date_in(name)
        if held_day is None:
            undated.append(name)
        elif held_day <= newest_expired(day, dataset.raw.window_days):
            dated[held_day] = name
    ordered = {dated[held_day]: held_day for held_day in sorted(dated)}
    tried = having_turns(list(ordered), dataset.cycle.max_deletes_per_run, SPARE, day)
    indices = {name: held_day for name, held_day in ordered.items() if name in tried}
    return Expired(indices, [name for name in ordered if name not in tried], undated)


Outcome = Literal["deleted", "dry_run", "gone"]


@dataclass(frozen=True)
class Proven:
    """What a proof said of a raw day, and what must still hold when it is deleted."""

    index: str
    day: date
    uuid: str
    documents: int


def retire(client: OpenSearch, dataset: Dataset, proven: Proven, day: date, *, dry_run: bool) -> Outcome:
    """Delete one raw day behind its proof, by exact name.

    Writes are blocked first; then both counts are read again and the index must still be the one that was proven.
    Whatever does not hold lifts the block and keeps the day.

    :param day: newest day in the window
    :raises Refused: a condition does not hold; the raw day was kept
    """
    from opensearchpy import NotFoundError

    raw = _still_the_same(client, dataset, proven, day)
    if raw is None:
        return "gone"
    if dry_run:
        return "dry_run"
    blocked = False
    try:
        blocked = block_writes(client, raw.index)
        _counts_still_hold(client, dataset, proven)
        if _still_the_same(client, dataset, proven, day) is None:
            return "gone"
        delete_index(client, raw.index)
    except NotFoundError:  # another run was faster, with the same proof
        return "gone"
    except BaseException:
        if blocked:
            allow_writes(client, raw.index)
        raise
    return "deleted"


def _still_the_same(client: OpenSearch, dataset: Dataset, proven: Proven, day: date) -> RawDay | None:
    if dataset.raw.names.date_in(proven.index) != proven.day or proven.index != dataset.raw_index(proven.day):
        raise Refused(f"{proven.index!r} is not the raw day {proven.day} of {dataset.name!r}; nothing was deleted.")
    if proven.day > newest_expired(day, dataset.raw.window_days):
        raise Refused(
            f"{proven.index} is inside the window of {dataset.raw.window_days} days that ends with {day}; it was kept."
        )
    if dataset.archive and dataset.archive.before_delete:
        raise Refused(
            f"{proven.index} was kept: {dataset.name!r} wants its raw days archived before they are deleted "
            f"(archive.before_delete), and no proven archive of this day exists."
        )
    require_not_loading(client, dataset.name, proven.index)
    raw = inspect_raw_day(client, dataset, proven.day)
    if raw and raw.uuid != proven.uuid:
        raise Refused(
            f"{proven.index} was recreated since it was proven (index UUID {proven.uuid}, now {raw.uuid}); it was "
            f"kept. The next run proves the new one."
        )
    if raw and "read_only" in raw.blocked:
        raise Refused(
            f"{proven.index} is read-only: another run rebuilds its rows, or somebody holds it. It was kept. If "
            f"nobody does, set index.blocks.read_only to null on it and run again."
        )
    return raw


def _counts_still_hold(client: OpenSearch, dataset: Dataset, proven: Proven) -> None:
    documents = decisive.count(client, proven.index)
    rows = carried(client, dataset, proven.day)
    if not documents == rows.documents == proven.documents:
        raise Refused(
            f"{proven.index} was kept: proven with {proven.documents} documents, it holds {documents} now and its "
            f"rows carry {rows.documents}. The next run proves it again."
        )


def block_writes(client: OpenSearch, index: str) -> bool:
    """Block writes to an index; False if they were blocked before, so that the block is not ours to lift.

    :raises Refused: the server did not do it; without one permission it answers 200 and ``acknowledged: false``
    """
    answer = client.indices.add_block(index=index, block="write")
    if answer["acknowledged"] and answer["shards_acknowledged"]:
        return True
    if answer["indices"]:  # set, but some shard may still be writing
        allow_writes(client, index)
    else:  # nothing to do, or nothing done
        settings = client.indices.get_settings(index=index)[index]["settings"]["index"]
        if settings.get("blocks", {}).get("write") == "true":
            return False
    raise Refused(
        f"{index} was kept: the server did not block writes to it ({answer}). The user needs the permission "
        f"indices:admin/block/add* on it."
    )


def allow_writes(client: OpenSearch, index: str) -> None:
    """Lift the block of :func:`block_writes`, where the index is still there and nobody forbids it."""
    from opensearchpy import AuthorizationException, NotFoundError

    # Somebody deleted it meanwhile, or holds it read-only, which forbids this too: the next run finds it blocked.
    with suppress(NotFoundError, AuthorizationException):
        client.indices.put_settings(index=index, body={"index.blocks.write": None})


def delete_index(client: OpenSearch, index: str) -> None:
    """Delete an index by its exact name, never an alias or a pattern.

    :raises Refused: it is read-only, as another run holds it; it was kept
    :raises TransientError: the server did not confirm it
    """
    from opensearchpy import AuthorizationException

    try:
        answer = client.indices.delete(index=index, params={"allow_no_indices": "false", "expand_wildcards": "none"})
    except AuthorizationException as error:
        if "cluster_block_exception" not in str(error.error):
            raise
        raise Refused(
            f"{index} was kept: another run holds it to rebuild its rows. Run again when it is done."
        ) from None
    if not answer["acknowledged"]:
        raise TransientError(f"The server did not confirm that it deleted {index} ({answer}); run again to see.")
