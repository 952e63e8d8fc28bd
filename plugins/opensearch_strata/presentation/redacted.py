"""What a record looks like without what is in it. Pure."""

from __future__ import annotations

_MOST = 400


def redacted(record: bytes, most: int = _MOST) -> str:
    """The shape of a record: letters become x, digits 0, and all that is no ASCII becomes x as well.

    Punctuation and blanks stay, since they are what a format or a parser trips over; line breaks and other control
    characters are written as dots.

    :param record: its bytes
    :param most: characters of the text; what is cut off is counted at its end
    """
    shape = "".join(map(_masked, record[:most]))
    rest = len(record) - most
    return f"{shape} … and {rest:,} more bytes" if rest > 0 else shape


def _masked(byte: int) -> str:
    character = chr(byte)
    if character.isascii() and character.isdigit():
        return "0"
    if not character.isascii() or character.isalpha():
        return "x"
    return character if character.isprintable() else "."
