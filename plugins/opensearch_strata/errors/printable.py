"""Make text from elsewhere safe to show on a terminal, in a log line or in a sentence. Pure."""

from __future__ import annotations

import base64
import binascii
import re

_LONGEST = 400  # characters; a proxy's error page or a compiler's message can be far longer
_LONGEST_LOOKED_AT = 8000  # characters in which secrets are looked for

# Characters that control a terminal or a log instead of being visible: C0 with line breaks, DEL, C1 (ECMA-48),
# Unicode's line separators, its bidirectional controls (https://www.unicode.org/reports/tr9/), lone surrogates, marks
# and tags.
_ACTING = re.compile(
    "[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
_NAMED = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}

_HIDDEN = "…"
_VALUE = r"(?:\"[^\"]*\"?|'[^']*'?|\[[^\]]*\]?|[^\s\"',;()\[\]{}]+)"
_SECRETS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(https?://)[^/@\s\"']*@", re.IGNORECASE), r"\1"),
    (re.compile(r"(https?://[^\s\"'?]*)\?[^\s\"')]*", re.IGNORECASE), r"\1"),
    # A header that a server repeats, up to its end; AWS's header contains spaces and commas.
    (
        re.compile(
            r"(authorization['\"]?(?: header)?(?: value)?(?: \([^)]{0,100}\))?\s{0,4}[:=]\s{0,4})"
            r"(?:\"[^\"]*\"?|'[^']*'?|\[[^\]]*\]?|[^\"'\[\]{}]*)",
            re.IGNORECASE,
        ),
        rf"\1{_HIDDEN}",
    ),
    (
        re.compile(
            r"\b(basic|bearer|digest|negotiate|ntlm|apikey|aws4-hmac-sha256)\s+(?=[^\s\"',;)\]}]*[0-9=])"
            r"[^\s\"';)\]}]{6,}",
            re.IGNORECASE,
        ),
        rf"\1 {_HIDDEN}",
    ),
    (
        re.compile(
            r"(?<![a-z])((?:x-amz-)?(?:credential|signature|password|passwd|secret|cookie|api[-_ ]?key"
            r"|secret[-_ ]?access[-_ ]?key|(?:security|session|access|auth|refresh|id)[-_ ]?token)s?"
            rf"['\"]?\s{{0,4}}[:=]\s{{0,4}}){_VALUE}",
            re.IGNORECASE,
        ),
        rf"\1{_HIDDEN}",
    ),
    (re.compile(r"\beyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)?"), _HIDDEN),  # a JSON web token
)
_BASE64 = re.compile(r"[A-Za-z0-9+/]{8,}={0,2}")


def printable(text: str) -> str:
    r"""One line that shows control characters instead of passing them to the terminal: ``\x1b``, ``\u202e``, ``\n``.

    :param text: any text, of any length
    """
    return text if text.isprintable() else _ACTING.sub(_escaped, text)


def printable_json(text: bytes) -> bytes:
    """The same JSON value, written without control characters for a terminal; line breaks between values stay.

    :param text: valid JSON in UTF-8
    """
    if text.isascii() and b"\x7f" not in text:  # JSON escapes all the other control characters of ASCII
        return text
    return _ACTING.sub(_escaped_in_json, text.decode()).encode()


def brief(text: str) -> str:
    """A server's message, fit for one of our sentences: its first line, shortened, without credentials it repeats.

    After the first line, AWS repeats the signed headers, including the session token.

    :param text: the server's message, of any length
    """
    line = " ".join(text.strip().partition("\n")[0][:_LONGEST_LOOKED_AT].split()).rstrip(".")
    for secret, instead in _SECRETS:
        line = secret.sub(instead, line)
    line = _BASE64.sub(_without_login, line)
    return printable(line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…")


def _escaped(match: re.Match[str]) -> str:
    character = match[0]
    number = ord(character)
    return _NAMED.get(character) or (
        f"\\x{number:02x}" if number < 256 else f"\\u{number:04x}" if number < 65536 else f"\\U{number:08x}"
    )


def _escaped_in_json(match: re.Match[str]) -> str:
    character = match[0]
    if character < " ":
        return character
    units = character.encode("utf-16-be")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


def _without_login(match: re.Match[str]) -> str:
    """Hide a login in base64, as basic authentication sends it: ``user:password``."""
    digits = match[0].rstrip("=")
    try:
        decoded = base64.b64decode(digits + "=" * (-len(digits) % 4)).decode()
    except (binascii.Error, UnicodeDecodeError):
        return match[0]
    return _HIDDEN if ":" in decoded and decoded.isprintable() else match[0]
