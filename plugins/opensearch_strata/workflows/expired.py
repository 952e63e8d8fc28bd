"""Raw days that have left the window, and which of them a run tries."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from opensearch_strata.archive.targets.made_days import KEEP_UNTIL, NOTE
from opensearch_strata.archive.targets.wanted_days import why_wanted
from opensearch_strata.connections.expanded import expand
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.definition.days import newest_expired, require_complete
from opensearch_strata.history.month.stand_in import stand_in_names

if TYPE_CHECKING:
    from opensearchpy import OpenSearch


@dataclass(frozen=True)
class Expired:
    """Raw days that have left the window, oldest first.

    :param indices: name -> day
    :param wanted: name -> why a restored day stays for now, a clause; they are not among ``indices``
    :param undated: names that match the raw pattern but contain no date; never touched
    """

    indices: dict[str, date] = field(default_factory=dict)
    undated: list[str] = field(default_factory=list)
    wanted: dict[str, str] = field(default_factory=dict)

    def some(self, most: int, spare: int, run_day: date) -> dict[str, date]:
        """Return the days that one run tries: the oldest, and some of the rest, which take turns from day to day.

        That way, days that can never be deleted do not keep later ones from their turn, however many they are.

        :param most: how many of the oldest
        :param spare: how many of the rest
        :param run_day: the day of the run, which decides whose turn it is
        """
        names = list(self.indices)
        rest = names[most:]
        start = run_day.toordinal() * spare
        turns = {rest[(start + number) % len(rest)] for number in range(min(spare, len(rest)))}
        return {name: day for name, day in self.indices.items() if name in names[:most] or name in turns}


def list_expired(client: OpenSearch, dataset: Dataset, window_end: date, now: datetime) -> Expired:
    """List the raw days older than the window that ends with ``window_end``.

    :param window_end: the newest day in the window
    :param now: timezone-aware; a day that has not ended by then is refused, as a mistyped date would empty the window
    :raises Refused: ``window_end`` has not ended yet
    """
    require_complete(window_end, now, dataset.zone)
    names = dataset.raw.names
    levels = dataset.history.levels_names
    history = [dataset.history.names, stand_in_names(dataset), *([levels] if levels else [])]
    expression = names.expression
    there = expand(client, expression, f"*.settings.index.uuid,*.mappings._meta.{NOTE}.{KEEP_UNTIL}")
    dated: dict[date, str] = {}
    undated: list[str] = []
    wanted: dict[str, str] = {}
    for name in sorted([*there.indices, *there.blocked]):  # a blocked one is refused, and kept, by itself
        if not fnmatchcase(name, expression) or any(family.date_in(name) for family in history):
            continue
        held_day = names.date_in(name)
        if held_day is None:
            undated.append(name)
        elif held_day <= newest_expired(window_end, dataset.raw.window_days):
            if why := why_wanted(there.indices.get(name, {}).get("mappings", {}).get("_meta", {}), now):
                wanted[name] = why
            else:
                dated[held_day] = name
    return Expired({dated[held_day]: held_day for held_day in sorted(dated)}, undated, wanted)
