"""What ``strata parse`` finds in an object. Its imports are slow, so it is imported only when the command runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson

from opensearch_strata.archive.decode.object_reader import Reading
from opensearch_strata.archive.documents.event_filter import Unwanted
from opensearch_strata.archive.documents.field_rules import as_text, dumped, find
from opensearch_strata.archive.documents.shaper import Dead, Document, Shaper
from opensearch_strata.archive.events import Broken, Event, Origin, Place, raw_of
from opensearch_strata.archive.parsers.parsed import FAULTS, NearParser, Parser, parsed_before, problem_of
from opensearch_strata.archive.parsers.registry import parser_name, parser_of
from opensearch_strata.archive.timestamps import iso_text, read_time
from opensearch_strata.definition.dataset import Dataset
from opensearch_strata.definition.loading.intake import Intake

_MOST_SENTENCES = 20
# An object on a disk is in no bucket; nothing that is shown is sent anywhere.
_NO_BUCKET = "local-file"


class Shown(NamedTuple):
    """One event as it is shown.

    :param head: the beginning of a line for people
    :param value: the whole event, for ``--json``
    :param fields: the rest of the line
    :param time: epoch milliseconds, None if unknown
    :param parser: the parser that read it
    :param left_out: the rule that leaves it out; empty for an event that is wanted
    """

    head: str
    value: dict[str, Any]
    fields: dict[str, Any]
    time: int | None
    parser: str
    left_out: str = ""


View = Callable[[Event], Shown | Dead | None]


@dataclass
class Findings:
    """What was recognised.

    :param filtered: number of parts of a log that are not events, such as a file's banner
    :param unwanted: rule -> number of events that it leaves out
    :param broken: number of records that could not be read; the first of them are described in ``problems``
    """

    reading: Reading
    view: View
    events: int = 0
    filtered: int = 0
    unwanted: Counter[str] = field(default_factory=Counter)
    broken: int = 0
    problems: list[str] = field(default_factory=list)
    parsers: Counter[str] = field(default_factory=Counter)
    first: int | None = None
    last: int | None = None

    def __iter__(self) -> Iterator[Shown]:
        """Yield the events that can be shown; everything else is only counted."""
        for item in self.reading:
            shown = _broken(item) if isinstance(item, Broken) else self.view(item)
            if shown is None:
                self.filtered += 1
            elif isinstance(shown, Dead):
                self.add_problem(f"Record {shown.record}, event {shown.ordinal} ({shown.reason}): {shown.detail}")
            elif shown.left_out:
                self.unwanted[shown.left_out] += 1
                yield shown
            else:
                self._count(shown)
                yield shown

    def add_problem(self, sentence: str) -> None:
        """Count a record that could not be read."""
        self.broken += 1
        if self.broken <= _MOST_SENTENCES:
            self.problems.append(sentence)

    def summary(self) -> dict[str, Any]:
        """Return everything, for ``--json``."""
        return {
            "layers": self.reading.layers,
            "format": self.reading.format or None,
            "parsers": dict(self.parsers),
            "events": self.events,
            "filtered": self.filtered,
            "unwanted": dict(self.unwanted),
            "broken": self.broken,
            "first": shown_time(self.first),
            "last": shown_time(self.last),
            "damage": self.reading.damage,
            "notes": self.reading.notes,
            "problems": self.problems,
        }

    def _count(self, shown: Shown) -> None:
        self.events += 1
        self.parsers[shown.parser] += 1
        if shown.time is not None:
            self.first = shown.time if self.first is None else min(self.first, shown.time)
            self.last = shown.time if self.last is None else max(self.last, shown.time)


def events_view(intake: Intake, key: str, modified: int | None) -> View:
    """Return a view of events, with the fields that parsers find in them.

    :param key: the text for the patterns of ``intake.parsers`` if there is no log group
    :param modified: epoch milliseconds of the object's last change, if it is known; gives the year of times without one
    """
    parsers: dict[Origin, tuple[str, Parser]] = {}

    def view(event: Event) -> Shown | Dead | None:
        if event.origin not in parsers:
            chosen = parser_name(intake, event.origin, key)
            parsers[event.origin] = chosen, parser_of(chosen, intake)
        name, parse = ("none", parsed_before) if event.is_parsed else parsers[event.origin]
        try:
            if isinstance(parse, NearParser):
                parsed = parse.read(event.message, modified if event.time is None else event.time)
            else:
                parsed = parse(event.message)
        except FAULTS as fault:
            return Dead("unparsed", problem_of(name, fault), event.record, event.ordinal, raw_of(event), "", "")
        if parsed is None:
            return None
        time = parsed.time if event.time is None else event.time
        position = f"{event.record}:{event.ordinal}"
        known = {**event.origin._asdict(), "event_id": event.event_id, "document_id": event.document_id}
        value = {
            "position": position,
            "time": shown_time(time),
            **{name: text for name, text in known.items() if text},
            "parser": name,
            "fields": parsed.fields,
        }
        return Shown(f"{shown_time(time) or '-':24}  {position:>8}", value, parsed.fields, time, name)

    return view


def documents_view(dataset: Dataset, key: str, modified: int | None) -> View:
    """Return a view of documents as a dataset would index them, and of the events that its rules leave out.

    :param modified: epoch milliseconds of the object's last change, if it is known
    """
    shaper = Shaper(dataset, Place(_NO_BUCKET, key), modified=modified)
    has_rules = bool(dataset.intake.keep or dataset.intake.skip)
    parsed = events_view(dataset.intake, key, modified)

    def view(event: Event) -> Shown | Dead | None:
        made = shaper.shaped(event)
        plain = parsed(event) if has_rules and not event.document_id else None  # of every event: parsers remember
        if isinstance(made, Unwanted):
            return _left_out(event, made, plain)
        if not isinstance(made, Document):
            return made
        source = orjson.loads(made.source)
        found = find(source, dataset.raw.timestamp)
        is_parsed = event.document_id or event.is_parsed
        parser = "none" if is_parsed else parser_name(dataset.intake, event.origin, key)
        value = {"_index": made.index, "_id": made.id, "_source": source}
        return Shown(
            f"{made.index}  {made.id}", value, source, read_time(found[0][found[1]]) if found else None, parser
        )

    return view


def _left_out(event: Event, unwanted: Unwanted, plain: Shown | Dead | None) -> Shown:
    """An event that a rule leaves out: with its fields or, if a parser could not read it, as it was logged."""
    position = f"{event.record}:{event.ordinal}"
    fields = plain.fields if isinstance(plain, Shown) else {"message": as_text(event.message)}
    value = {"left_out": unwanted.why, "position": position, "fields": fields}
    parser = plain.parser if isinstance(plain, Shown) else "none"
    return Shown(f"left out by {unwanted.why}  {position}", value, fields, None, parser, unwanted.why)


def line_of(shown: Shown) -> tuple[str, bytes]:
    """Format an event as a line for people: its beginning, and its fields."""
    return f"{shown.head}  ", dumped(shown.fields)


def json_line_of(shown: Shown) -> tuple[str, bytes]:
    """Format an event as a line of JSON and nothing else."""
    return "", dumped(shown.value)


def shown_time(time: int | None) -> str | None:
    """Format epoch milliseconds for people."""
    try:
        return None if time is None else iso_text(time)
    except OverflowError:
        return f"{time} ms"


def _broken(item: Broken) -> Dead:
    return Dead("broken", item.reason, item.record, 0, item.raw, "", "")
