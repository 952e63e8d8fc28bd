"""What formats and parsers in other distributions import: events, results, and helpers that split bytes correctly.

``docs/formats.md`` explains how to write one. The names here are stable; the modules that they come from may move.
"""

from __future__ import annotations

from opensearch_strata.archive.decode.formats.records import Record, Skipped, records
from opensearch_strata.archive.decode.formats.text import entries_of, lines_of
from opensearch_strata.archive.events import Broken, Event, Origin
from opensearch_strata.archive.parsers.parsed import Parsed, Parser, Unreadable, number_or_text, text_of

__all__ = [
    "Broken",
    "Event",
    "Origin",
    "Parsed",
    "Parser",
    "Record",
    "Skipped",
    "Unreadable",
    "entries_of",
    "lines_of",
    "number_or_text",
    "records",
    "text_of",
]
