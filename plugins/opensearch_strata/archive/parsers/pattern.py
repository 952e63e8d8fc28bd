"""Lines of text that a dataset describes by patterns with named groups (``intake.pattern``)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from opensearch_strata.archive.parsers.parsed import Message, Parsed, Parser, Unreadable, text_of
from opensearch_strata.definition.notation.patterns import Pattern, compiled

_LONGEST = 2**20  # characters that patterns are matched against; matching takes up to 200 bytes for each
_SHOWN = 80


def pattern_message(patterns: Sequence[str]) -> Parser:
    """The named groups of the first pattern that matches the whole message, as text; groups that took no part in the
    match are left out. A message that matches a pattern without named groups is not an event.

    :param patterns: as :func:`opensearch_strata.definition.notation.patterns.compiled` takes them
    """
    known = [compiled(text) for text in patterns]

    def parse(message: Message) -> Parsed | None:
        text = text_of(message)
        if len(text) > _LONGEST:
            raise Unreadable(f"is longer than {_LONGEST:,} characters, so it is not matched against any pattern")
        for pattern in known:
            if match := pattern.fits.fullmatch(text):
                fields = {name: value for name, value in match.groupdict().items() if value is not None}
                return Parsed(fields, None) if pattern.names else None
        raise Unreadable(f"matches no pattern of intake.pattern: {text[:_SHOWN]!r}")

    return parse


def begins_by(patterns: Sequence[str]) -> Callable[[str], bool]:
    """Return a function that decides whether a line begins an entry: it does if it matches a pattern, or if it does
    not belong to the entry before it.

    A line that matches no pattern belongs to the entry before it if that entry's pattern still matches with the line
    appended after a line break. So no line is lost, and a bad line does not cost the good one before it.
    """
    known = [compiled(text) for text in patterns]
    last: tuple[Pattern, str] | None = None
    goes_on: bool | None = None

    def begins(line: str) -> bool:
        nonlocal last, goes_on
        fits = next((pattern for pattern in known if pattern.fits.fullmatch(line[:_LONGEST])), None)
        if fits is not None:
            last, goes_on = (fits, line) if fits.names else None, None
            return True
        if last is None:
            return True
        if goes_on is None:
            goes_on = last[0].fits.fullmatch(f"{last[1]}\n{line}"[:_LONGEST]) is not None
        return not goes_on

    return begins
