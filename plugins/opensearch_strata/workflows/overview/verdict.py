"""What a dataset's days amount to: one word, and a sentence for each thing that somebody should look at. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from opensearch_strata.errors.amounts import counted
from opensearch_strata.workflows.overview.kinds import MEANINGS, STANDINGS, Cell, Kind, Standing
from opensearch_strata.workflows.overview.overview import Overview

_NAMED = 3  # spans of days in a sentence
_SAID: dict[Kind, tuple[str, str]] = {
    "differs": ("differs from its rows", "differ from their rows"),
    "lost": ("was there, and is nowhere", "were there, and are nowhere"),
    "amiss": ("is not as it should be", "are not as they should be"),
    "unseen": ("may be archived or not", "may be archived or not"),
    "unreadable": ("cannot be read", "cannot be read"),
}
"""What is said of one day and of several, where the label alone does not do."""


@dataclass(frozen=True)
class Verdict:
    """How a dataset stands.

    :param standing: the worst of all that was found
    :param sentences: what was found, the worst first; one that says that all is well, if it is
    """

    standing: Standing
    sentences: list[str]

    @property
    def rank(self) -> int:
        """Its place in a list that begins with the worst."""
        return STANDINGS.index(self.standing)


def verdict_of(overview: Overview) -> Verdict:
    """Judge a dataset.

    :param overview: as it was looked at
    """
    found = [*_days(overview.cells), *_others(overview)]
    found.sort(key=lambda one: STANDINGS.index(one[0]))
    if not found:
        proven = overview.last_proven
        if proven:
            return Verdict("well", [f"All days are as they should be; {proven} is proven."])
        return Verdict("waiting", [_awaited(overview)])
    return Verdict(found[0][0], [sentence for _, sentence in found])


def _awaited(overview: Overview) -> str:
    """What a dataset without any day waits for."""
    raw, example = overview.dataset.raw, overview.dataset.raw_index(overview.inventory.window_end)
    return f"No raw day has been seen yet; an index named like {raw.index}, such as {example}, is awaited."


def _days(cells: Sequence[Cell]) -> Iterator[tuple[Standing, str]]:
    """A sentence for each kind of day that is not well."""
    alike: dict[tuple[Standing, Kind], list[Cell]] = {}
    for cell in cells:
        if cell.standing != "well":
            alike.setdefault((cell.standing, cell.kind), []).append(cell)
    for (standing, kind), those in alike.items():
        label = MEANINGS[kind].label
        one, many = _SAID.get(kind, (f"is {label}", f"are {label}"))
        said = one if len(those) == 1 else many
        yield standing, f"{counted(len(those), 'day')} {said}: {told_days([cell.day for cell in those])}."


def _others(overview: Overview) -> Iterator[tuple[Standing, str]]:
    behind = overview.unproven_days
    if behind and behind > 1:
        yield "look", f"The newest proven day is {overview.last_proven}, {counted(behind, 'day')} behind the window."
    if overview.dead:
        yield "look", f"{counted(overview.dead, 'record')} could not be loaded (dead letters)."
    if overview.queue and overview.queue.warning:
        yield "look", overview.queue.warning
    for sentence in overview.unseen:
        yield "look", sentence


def told_days(days: Sequence[date]) -> str:
    """Days as text, consecutive ones as spans, the newest first: ``2013-03-02 to 2013-03-05, 2013-01-01 and 4 more``.

    :param days: in order, at least one
    """
    spans: list[tuple[date, date]] = []
    for day in days:
        if spans and spans[-1][1] + timedelta(days=1) == day:
            spans[-1] = (spans[-1][0], day)
        else:
            spans.append((day, day))
    shown = [f"{first}" if first == last else f"{first} to {last}" for first, last in reversed(spans)]
    rest = sum((last - first).days + 1 for first, last in spans[: max(0, len(spans) - _NAMED)])
    return ", ".join(shown[:_NAMED]) + (f" and {rest} more" if rest else "")
